/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_log_ratelimit.h
 * @brief Layer 0: so many in ten seconds, and how many were too many.
 *
 * Counters that several processes share (pm_scoreboard_log_ratelimit()),
 * without a lock. The ten seconds begin with the first one that comes when none
 * are under way, so who is quiet costs nothing.  Two that come as they begin
 * may both be counted to the former ones.
 */
#ifndef PM_LOG_RATELIMIT_H
#define PM_LOG_RATELIMIT_H

#include "pm_core/base/pm_base.h"

#define PM_LOG_RATELIMIT_WINDOW apr_time_from_sec(10)

/** Zeroed at first. */
typedef struct pm_log_ratelimit {
    apr_int64_t until;   /**< the ten seconds' end, by pm_time_now(); 0:
                          *   none yet */
    apr_int64_t n;       /**< that came within them */
    apr_int64_t dropped; /**< too many, since that was asked last */
} pm_log_ratelimit_t;

typedef enum pm_log_ratelimit_verdict {
    PM_LOG_RATELIMIT_PASS, /**< let it pass */
    PM_LOG_RATELIMIT_DROP, /**< it is one too many */
    PM_LOG_RATELIMIT_FIRST /**< likewise, the first one: at @c until somebody
                            *   is to ask how many there were */
} pm_log_ratelimit_verdict_t;

/** One has come.  @param limit 0: any number */
pm_log_ratelimit_verdict_t pm_log_ratelimit_take(pm_log_ratelimit_t *quota,
                                                 apr_int64_t limit,
                                                 apr_time_t now);

/** How many were dropped since this was asked last. */
apr_int64_t pm_log_ratelimit_take_dropped(pm_log_ratelimit_t *quota);

/** When to ask that: @c until, or never if none was. */
apr_time_t pm_log_ratelimit_due(const pm_log_ratelimit_t *quota);

#endif /* PM_LOG_RATELIMIT_H */
