/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_script.h
 * @brief Scripts on demand, in an httpd child: which pool runs this file?
 *
 * The child asks the manager for each script, over the control socket, and
 * caches the reply: for five seconds, a refusal for one, and as long as the
 * file stays as it is.  So each file is judged by itself, whatever pool runs
 * it.  (A wrapper whose files are not judged is asked for once for a virtual
 * host.)  A cached pool is dropped when the scoreboard shows that it has ended,
 * or when its socket cannot be reached.
 * Of several threads that need the same script one asks, the others
 * wait for its reply.  While there is no manager, or it does not have this
 * child's configuration yet, the asking thread waits for that on the
 * scoreboard.  All of it ends within ten seconds.
 */
#ifndef HPM_SCRIPT_H
#define HPM_SCRIPT_H

#include "httpd/config/hpm_server.h"

/** The handler's name. */
#define HPM_SCRIPT_HANDLER "fcgipm-script"

/** child_init: make this child's cache.
 *  @param config httpd's number of the configuration (AP_SQ_CONFIG_GEN) */
void hpm_script_init(apr_pool_t *pchild, server_rec *s, int config);

/** @return 1: the request's handler is HPM_SCRIPT_HANDLER */
int hpm_script_is_request(const request_rec *r);

/**
 * Find the script's pool; the request's thread calls this and may block.
 * @param pool filled; its strings live as long as the request
 * @return OK, or an HTTP status with a line in the log
 */
int hpm_script_find(request_rec *r, hpm_pool_t *pool);

/** The same after a failed attempt: the pool of the generation @a former is
 *  not taken from the cache.  The manager may name it again all the same. */
int hpm_script_find_other(request_rec *r, apr_uint32_t former,
                          hpm_pool_t *pool);

#endif /* HPM_SCRIPT_H */
