/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_slow_request.h
 * @brief FcgiPMSlowLog: report a request that takes long to the manager, which
 *        finds out what its worker waits for (pm_slow_log.h).
 */
#ifndef HPM_SLOW_REQUEST_H
#define HPM_SLOW_REQUEST_H

#include "httpd/config/hpm_server.h"

/**
 * Report the request.  When the manager cannot take the report, a line in the
 * request's log stands for it.  The request's thread calls this; it never
 * blocks.
 * @param fd     the socket to the worker
 * @param worker its process, 0: not known
 * @param since  pm_time_now() when the attempt began
 */
void hpm_slow_request_report(const request_rec *r, const hpm_pool_t *pool,
                             int fd, pid_t worker, apr_time_t since);

#endif /* HPM_SLOW_REQUEST_H */
