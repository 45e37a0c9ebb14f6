/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/base/pm_log_ratelimit.h"

/* Another ten seconds begin; one of those who see it begins them. */
static void begin(pm_log_ratelimit_t *quota, apr_time_t now)
{
    apr_int64_t until = __atomic_load_n(&quota->until, __ATOMIC_ACQUIRE);

    if (now >= until
        && __atomic_compare_exchange_n(&quota->until, &until,
                                       now + PM_LOG_RATELIMIT_WINDOW, 0,
                                       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
        __atomic_store_n(&quota->n, 0, __ATOMIC_RELEASE);
    }
}

pm_log_ratelimit_verdict_t pm_log_ratelimit_take(pm_log_ratelimit_t *quota,
                                                 apr_int64_t limit,
                                                 apr_time_t now)
{
    if (!limit) {
        return PM_LOG_RATELIMIT_PASS;
    }
    begin(quota, now);
    if (__atomic_add_fetch(&quota->n, 1, __ATOMIC_ACQ_REL) <= limit) {
        return PM_LOG_RATELIMIT_PASS;
    }
    return __atomic_add_fetch(&quota->dropped, 1, __ATOMIC_ACQ_REL) == 1
               ? PM_LOG_RATELIMIT_FIRST
               : PM_LOG_RATELIMIT_DROP;
}

apr_int64_t pm_log_ratelimit_take_dropped(pm_log_ratelimit_t *quota)
{
    return __atomic_exchange_n(&quota->dropped, 0, __ATOMIC_ACQ_REL);
}

apr_time_t pm_log_ratelimit_due(const pm_log_ratelimit_t *quota)
{
    return __atomic_load_n(&quota->dropped, __ATOMIC_ACQUIRE)
               ? __atomic_load_n(&quota->until, __ATOMIC_ACQUIRE)
               : PM_TIME_NEVER;
}
