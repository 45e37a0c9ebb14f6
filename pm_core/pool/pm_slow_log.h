/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_slow_log.h
 * @brief Layer 3: requests that take longer than FcgiPMSlowLog.
 *
 * WHO KNOWS WHAT
 *   An httpd child knows the request and the socket to its worker, not who is
 *   at the other end; it tells the manager when the time is over
 * (pm_slow_report.h). The manager looks the other end of that socket up
 * (pm_sock_diag.h) and finds who has it among the pool's workers.  A fast
 * request costs nothing.
 *
 *   Of requests that others send to the pool's socket only the worker's page
 *   tells: who is busy for that long, and was not spoken of by a child within
 *   another PM_SLOW_GRACE, gets a line without a URL.  For this the worker
 *   rings when it becomes busy, once in that time at the most.
 *
 * THE COMMAND
 *   Executed as a worker would be, with the worker's user, limits, directory
 *   and nothing of the manager's rights; one at a time for each pool.  What it
 *   says goes to the pool's log.
 */
#ifndef PM_SLOW_LOG_H
#define PM_SLOW_LOG_H

#include "pm_core/pool/pm_pool.h"
#include "pm_core/ipc/pm_slow_report.h"

/** How much later requests of others are spoken of. */
#define PM_SLOW_GRACE apr_time_from_msec(250)

#define PM_SLOW_TIME  apr_time_from_sec(10) /**< then a command is killed */
#define PM_SLOW_LINES 400                   /**< of it that are logged */

/** Does the command work?  What a definition needs to be one.
 *  @param birth NULL: there is none */
apr_status_t pm_slow_log_prepare(pm_launch_spec_t **birth,
                                 const pm_conf_t *conf, apr_pool_t *p,
                                 pm_reason_t *why);

/** An httpd child says so; the note is checked here. */
void pm_slow_log_told(pm_context_t *world, const pm_slow_report_t *note);

/** There may be news on this worker's page. */
void pm_slow_log_attend(pm_worker_t *w, const pm_worker_facts_t *page);

/** At a worker's birth. */
void pm_slow_log_watch(pm_worker_t *w);

/** A worker is gone: it is not looked at any more. */
void pm_slow_log_forget(pm_worker_t *w);

/** Was it one of our commands that was reaped?  @return 0: no */
int pm_slow_log_reaped(pm_context_t *world, pid_t pid, int status);

/** The pool ends, or has another definition: so does a command that runs. */
void pm_slow_log_end(pm_pool_t *pool);

#endif /* PM_SLOW_LOG_H */
