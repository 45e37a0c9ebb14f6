/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_script.h
 * @brief Scripts on demand, in an httpd child: which pool runs this file?
 *
 * The manager is asked once for each script (or for each wrapper of a
 * virtual host), over the control socket; what it said is remembered by the
 * child, a refusal for a second.  A pool is forgotten when the board says
 * that it is no more, when its socket cannot be reached, and when the file
 * has changed.  Of threads that want the same script one asks.  While no
 * manager is there, or it has not heard of this child's configuration yet,
 * who asks waits for that on the board.  All of it ends within ten seconds.
 */
#ifndef HPM_SCRIPT_H
#define HPM_SCRIPT_H

#include "httpd/config/hpm_server.h"

/** The handler's name. */
#define HPM_SCRIPT_HANDLER "fcgipm-script"

/** child_init: a memory for this process.
 *  @param config httpd's number of the configuration */
void hpm_script_init(apr_pool_t *pchild, server_rec *s, int config);

/** Is it a request for a script? */
int hpm_script_is(const request_rec *r);

/**
 * Find the script's pool.
 * @param pool filled; its strings live as long as the request
 * @return OK, or an HTTP status; what is wrong has been logged
 */
int hpm_script_find(request_rec *r, hpm_pool_t *pool);

/** The pool of that generation could not be reached, or is no more: the same
 *  with that in mind. */
int hpm_script_again(request_rec *r, apr_uint32_t former, hpm_pool_t *pool);

/** Is it the pool of a script, and no more? */
int hpm_script_gone(const hpm_server_t *server, const hpm_pool_t *pool);

#endif /* HPM_SCRIPT_H */
