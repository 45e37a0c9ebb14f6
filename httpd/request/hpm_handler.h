/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_handler.h
 * @brief The request hooks: FcgiPMAlias, and the handler that serves a request
 *        by a call of a pool.
 *
 * httpd calls the hooks in the request's thread, in this order.
 */
#ifndef HPM_HANDLER_H
#define HPM_HANDLER_H

#include "httpd/request/hpm_body.h"
#include "httpd/upstream/hpm_call.h"

/** translate_name hook: FcgiPMAlias takes the URL. */
int hpm_handler_translate(request_rec *r);

/** map_to_storage hook: a URL that FcgiPMAlias has taken is not a file. */
int hpm_handler_map_to_storage(request_rec *r);

/** type_checker hook: it has no media type either. */
int hpm_handler_type(request_rec *r);

/** handler hook: a pool serves the request. */
int hpm_handler(request_rec *r);

/** @param body the request's, whose own status stands for HPM_UPSTREAM_BODY
 *  @return the HTTP status for a call that brought no whole answer */
int hpm_handler_status(hpm_upstream_outcome_t outcome, const hpm_body_t *body);

#endif /* HPM_HANDLER_H */
