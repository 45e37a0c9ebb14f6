/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_log_ratelimit.h
 * @brief So many log lines in ten seconds, and how many were dropped
 *        (FcgiPMLogLimit).
 *
 * The counters lie in shared memory (pm_scoreboard_log_ratelimit()); the
 * manager and httpd's children change them with atomic operations, without a
 * lock.  A child that has been taken over can write any number there: then the
 * limit is kept again after a window at the latest.  A window of ten seconds
 * begins with the first line that comes outside of one, so a silent pool costs
 * nothing.  Lines that come while it begins may be counted in the former one.
 */
#ifndef PM_LOG_RATELIMIT_H
#define PM_LOG_RATELIMIT_H

#include "pm_core/base/pm_base.h"

#define PM_LOG_RATELIMIT_WINDOW apr_time_from_sec(10)

/** Zeroed at first. */
typedef struct pm_log_ratelimit {
    apr_int64_t until;   /**< end of the window, pm_time_now(); 0: none
                          *   yet */
    apr_int64_t n;       /**< lines in the window */
    apr_int64_t dropped; /**< lines dropped since
                          *   pm_log_ratelimit_take_dropped() */
} pm_log_ratelimit_t;

typedef enum pm_log_ratelimit_verdict {
    PM_LOG_RATELIMIT_PASS, /**< log the line */
    PM_LOG_RATELIMIT_DROP, /**< drop it */
    PM_LOG_RATELIMIT_FIRST /**< drop it; it is the first: the caller
                            *   arranges for a line that tells how many
                            *   were dropped (pm_log_ratelimit_due()) */
} pm_log_ratelimit_verdict_t;

/** Count a line.
 *  @param limit lines in a window; 0: no limit
 *  @param now   pm_time_now() */
pm_log_ratelimit_verdict_t pm_log_ratelimit_take(pm_log_ratelimit_t *limiter,
                                                 apr_int64_t limit,
                                                 apr_time_t now);

/** @return how many lines were dropped since the last call */
apr_int64_t pm_log_ratelimit_take_dropped(pm_log_ratelimit_t *limiter);

/** @return when to call that: the end of the window, or PM_TIME_NEVER if no
 * line was dropped */
apr_time_t pm_log_ratelimit_due(const pm_log_ratelimit_t *limiter,
                                apr_time_t now);

#endif /* PM_LOG_RATELIMIT_H */
