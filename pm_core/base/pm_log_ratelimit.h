/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_log_ratelimit.h
 * @brief Layer 0: so many in ten seconds, and how many were too many.
 *
 * Counters that several processes share (pm_board_quota()), without a lock.
 * The ten seconds begin with the first one that comes when none are under
 * way, so who is quiet costs nothing.  Two that come as they begin may both
 * be counted to the former ones.
 */
#ifndef PM_QUOTA_H
#define PM_QUOTA_H

#include "pm_core/base/pm_base.h"

#define PM_QUOTA_WINDOW apr_time_from_sec(10)

/** Zeroed at first. */
typedef struct pm_quota {
    apr_int64_t until;      /**< the ten seconds' end, by pm_time_now(); 0:
                             *   none yet */
    apr_int64_t n;          /**< that came within them */
    apr_int64_t dropped;    /**< too many, since that was asked last */
} pm_quota_t;

typedef enum pm_quota_verdict {
    PM_QUOTA_PASS,          /**< let it pass */
    PM_QUOTA_DROP,          /**< it is one too many */
    PM_QUOTA_FIRST          /**< likewise, the first one: at @c until somebody
                             *   is to ask how many there were */
} pm_quota_verdict_t;

/** One has come.  @param limit 0: any number */
pm_quota_verdict_t pm_quota_take(pm_quota_t *quota, apr_int64_t limit,
                                 apr_time_t now);

/** How many were dropped since this was asked last. */
apr_int64_t pm_quota_dropped(pm_quota_t *quota);

/** When to ask that: @c until, or never if none was. */
apr_time_t pm_quota_due(const pm_quota_t *quota);

#endif /* PM_QUOTA_H */
