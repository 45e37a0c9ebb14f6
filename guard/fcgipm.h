/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fcgipm.h
 * @brief The worker's side of mod_fcgipm, for programs on libfcgi.
 *
 * Small as yet: what a plain libfcgi program needs to be a good worker.
 * Link with -lfcgipm -lfcgi.
 */
#ifndef FCGIPM_H
#define FCGIPM_H

#include <fcgiapp.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Version of the library, "0.1.0". */
const char *fcgipm_version(void);

/**
 * Wait for the next request, as FCGX_Accept_r(3) does, after having finished
 * the one before.
 * @param request made with FCGX_InitRequest(request, 0, 0)
 * @return 0 with a request; -1 when the worker was told to go (SIGTERM) or
 *         its socket is broken: leave the loop and exit with status 0
 */
int fcgipm_accept(FCGX_Request *request);

#ifdef __cplusplus
}
#endif

#endif /* FCGIPM_H */
