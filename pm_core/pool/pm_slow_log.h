/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_slow_log.h
 * @brief Requests that take longer than FcgiPMSlowLog.
 *
 * WHICH WORKER
 *   An httpd child knows the request and its own socket, not the process at the
 *   other end; when the time is over it reports both to the manager
 *   (pm_slow_report.h).  The manager looks up the other end of that socket
 *   (pm_sock_diag.h) and which of the pool's workers has it.  A request that is
 *   not slow costs nothing.
 *
 *   Requests that others send to the pool's socket are known by the worker's
 *   status only: a worker that has been busy for that long and PM_SLOW_GRACE
 *   more, without a report of a child, gets a line without a URL.  For this the
 *   worker notifies the manager when it becomes busy, once in that time at the
 *   most.
 *
 * THE COMMAND
 *   Executed as a worker would be, with the worker's user, limits and
 *   directory and none of the manager's rights; one at a time for each pool.
 *   What it writes goes to the pool's log.
 */
#ifndef PM_SLOW_LOG_H
#define PM_SLOW_LOG_H

#include "pm_core/ipc/pm_slow_report.h"
#include "pm_core/pool/pm_pool.h"

/** How much later requests of others are reported. */
#define PM_SLOW_GRACE apr_time_from_msec(250)

#define PM_SLOW_TIME                                                           \
    apr_time_from_sec(10) /**< after that a command is killed */
#define PM_SLOW_LINES 400 /**< of it that are logged */

extern const pm_pool_feature_t pm_slow_log_feature;

/** A report of an httpd child; it is checked here. */
void pm_slow_log_report(pm_context_t *context, const pm_slow_report_t *report);

/** Was it a command of this unit that was reaped?  @return 0: no */
int pm_slow_log_reaped(pm_context_t *context, pid_t pid, int status);

#endif /* PM_SLOW_LOG_H */
