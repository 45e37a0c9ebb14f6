/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_handler.h
 * @brief What the request handler shares with other roles (hpm_auth.c):
 *        asking a pool.
 */
#ifndef HPM_HANDLER_H
#define HPM_HANDLER_H

#include "httpd/request/hpm_response.h"
#include "httpd/request/hpm_body.h"
#include "httpd/upstream/hpm_upstream.h"
#include "httpd/config/hpm_server.h"

/** Can the pool answer?  Else the request counts as refused.  @return NULL, or
 * why not
 *  @param retry seconds, for Retry-After */
const char *hpm_handler_unavailable_reason(const hpm_server_t *server,
                                           const hpm_pool_t *pool,
                                           apr_int64_t *retry);

/**
 * One request to the pool: its queue, a worker, a second one when the first
 * closed before it began to answer and asking twice is safe.
 * @param a    what comes is written to; @c a->r is what decides about time,
 *             safety and filters
 * @param x    not yet initialised; how the exchange ended
 * @param body what is sent; source.length 0: none
 * @return NULL: @a x and @a a tell; else why the pool cannot answer now
 */
const char *hpm_handler_ask(hpm_response_t *a, hpm_upstream_t *x,
                            const hpm_pool_t *pool, hpm_body_t *body,
                            const char *head, apr_size_t len,
                            apr_int64_t *retry);

/** translate_name hook: FcgiPMAlias takes the URL. */
int hpm_handler_translate(request_rec *r);

/** map_to_storage hook: a URL that FcgiPMAlias has taken is not a file. */
int hpm_handler_map_to_storage(request_rec *r);

/** type_checker hook: it has no media type either. */
int hpm_handler_type(request_rec *r);

/** handler hook: a pool answers the request. */
int hpm_handler(request_rec *r);

/** The HTTP status for an exchange that gave no answer. */
int hpm_handler_status(const hpm_upstream_t *x, const hpm_body_t *body);

#endif /* HPM_HANDLER_H */
