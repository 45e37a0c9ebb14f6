/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_slow_request.h
 * @brief FcgiPMSlowLog: a request that takes long is told to the manager, who
 *        finds out what its worker waits for (pm_slow_log.h).
 */
#ifndef HPM_SLOW_REQUEST_H
#define HPM_SLOW_REQUEST_H

#include "httpd/config/hpm_module.h"
#include "httpd/config/hpm_pool.h"
#include "httpd/upstream/hpm_upstream.h"

/** The time is over, the request is not.  It is said here when the manager
 *  cannot be told.
 *  @param since pm_time_now() when it got its turn */
void hpm_slow_request_tell(const request_rec *r, const hpm_pool_t *pool,
                           const hpm_upstream_t *x, apr_time_t since);

#endif /* HPM_SLOW_REQUEST_H */
