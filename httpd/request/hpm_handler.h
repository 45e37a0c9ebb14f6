/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_handler.h
 * @brief The handler, which serves a request by a call of a pool.
 *
 * httpd calls it in the request's thread.
 */
#ifndef HPM_HANDLER_H
#define HPM_HANDLER_H

#include "httpd/request/hpm_body.h"
#include "httpd/upstream/hpm_call.h"

/** handler hook: a pool serves the request. */
int hpm_handler(request_rec *r);

/** @param body the request's, whose own status stands for HPM_UPSTREAM_BODY
 *  @return the HTTP status for a call that brought no whole answer */
int hpm_handler_status(hpm_upstream_outcome_t outcome, const hpm_body_t *body);

#endif /* HPM_HANDLER_H */
