/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_quota.h
 * @brief Layer 1: so many in ten seconds, and how many were too many.
 *
 * The ten seconds begin with the first one that comes when none are under
 * way, so who is quiet costs nothing.
 */
#ifndef PM_QUOTA_H
#define PM_QUOTA_H

#include "pm_base.h"

#define PM_QUOTA_WINDOW apr_time_from_sec(10)

/** Zeroed at first. */
typedef struct pm_quota {
    apr_time_t until;       /**< the ten seconds' end; 0: none yet */
    apr_int64_t n;          /**< that came within them */
    apr_int64_t dropped;    /**< of these, too many */
} pm_quota_t;

/** One has come.
 *  @param limit 0: any number
 *  @return 1: let it pass; 0: it is dropped, and counted until
 *          pm_quota_dropped() asks, best at @c until */
int pm_quota_take(pm_quota_t *quota, apr_int64_t limit, apr_time_t now);

/** How many were dropped since this was asked last. */
apr_int64_t pm_quota_dropped(pm_quota_t *quota);

#endif /* PM_QUOTA_H */
