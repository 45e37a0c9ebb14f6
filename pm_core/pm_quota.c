/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_quota.h"

int pm_quota_take(pm_quota_t *quota, apr_int64_t limit, apr_time_t now)
{
    if (!limit) {
        return 1;
    }
    if (now >= quota->until) {
        quota->until = now + PM_QUOTA_WINDOW;
        quota->n = 0;
    }
    if (quota->n < limit) {
        quota->n++;
        return 1;
    }
    quota->dropped++;
    return 0;
}

apr_int64_t pm_quota_dropped(pm_quota_t *quota)
{
    apr_int64_t n = quota->dropped;

    quota->dropped = 0;
    return n;
}
