/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/base/pm_log_ratelimit.h"

/* Begins another window, if the present one is over, or ends later than one can
 * that has begun; of the processes that see that, one does. */
static void ratelimit_begin(pm_log_ratelimit_t *limiter, apr_time_t now)
{
    apr_int64_t until = __atomic_load_n(&limiter->until, __ATOMIC_ACQUIRE);

    if ((now >= until || until > now + PM_LOG_RATELIMIT_WINDOW)
        && __atomic_compare_exchange_n(&limiter->until, &until,
                                       now + PM_LOG_RATELIMIT_WINDOW, 0,
                                       __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
        __atomic_store_n(&limiter->n, 0, __ATOMIC_RELEASE);
    }
}

pm_log_ratelimit_verdict_t pm_log_ratelimit_take(pm_log_ratelimit_t *limiter,
                                                 apr_int64_t limit,
                                                 apr_time_t now)
{
    if (!limit) {
        return PM_LOG_RATELIMIT_PASS;
    }
    ratelimit_begin(limiter, now);
    if (__atomic_add_fetch(&limiter->n, 1, __ATOMIC_ACQ_REL) <= limit) {
        return PM_LOG_RATELIMIT_PASS;
    }
    return __atomic_add_fetch(&limiter->dropped, 1, __ATOMIC_ACQ_REL) == 1
               ? PM_LOG_RATELIMIT_FIRST
               : PM_LOG_RATELIMIT_DROP;
}

apr_int64_t pm_log_ratelimit_take_dropped(pm_log_ratelimit_t *limiter)
{
    return __atomic_exchange_n(&limiter->dropped, 0, __ATOMIC_ACQ_REL);
}

apr_time_t pm_log_ratelimit_due(const pm_log_ratelimit_t *limiter,
                                apr_time_t now)
{
    return __atomic_load_n(&limiter->dropped, __ATOMIC_ACQUIRE)
               ? pm_time_min(__atomic_load_n(&limiter->until, __ATOMIC_ACQUIRE),
                             now + PM_LOG_RATELIMIT_WINDOW)
               : PM_TIME_NEVER;
}
