/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/shm/pm_request_stats.h"

#define MS APR_INT64_C(1000)
#define S  APR_INT64_C(1000000)

/* More than that was never counted, in microseconds neither. */
#define MOST (APR_UINT64_C(1) << 56)

/* The statistics as an array of numbers. */
#define WORDS (sizeof(pm_request_stats_t) / sizeof(apr_uint64_t))

const apr_interval_time_t
    pm_request_stats_bounds[PM_REQUEST_STATS_BUCKETS - 1] = {
        1 * MS,    5 * MS / 2, 5 * MS,   10 * MS,  25 * MS,
        50 * MS,   100 * MS,   250 * MS, 500 * MS, 1 * S,
        5 * S / 2, 5 * S,      10 * S,   30 * S,   60 * S};

int pm_request_stats_bucket(apr_interval_time_t time)
{
    int i = 0;

    while (i < PM_REQUEST_STATS_BUCKETS - 1
           && time > pm_request_stats_bounds[i]) {
        i++;
    }
    return i;
}

static void stats_observe(pm_histogram_t *h, apr_interval_time_t time)
{
    /* a negative time would spoil the sum for ever */
    apr_uint64_t us = time > 0 ? (apr_uint64_t)time : 0;

    __atomic_add_fetch(&h->bucket[pm_request_stats_bucket(time)], 1,
                       __ATOMIC_RELAXED);
    __atomic_add_fetch(&h->sum, us, __ATOMIC_RELAXED);
}

void pm_request_stats_add_served(pm_request_stats_t *stats,
                                 apr_interval_time_t took,
                                 apr_interval_time_t waited)
{
    stats_observe(&stats->took, took);
    if (waited > 0) {
        __atomic_add_fetch(&stats->late, 1, __ATOMIC_RELAXED);
        stats_observe(&stats->waited, waited);
    }
}

void pm_request_stats_add_unserved(pm_request_stats_t *stats,
                                   apr_interval_time_t waited)
{
    stats_observe(&stats->waited, waited);
}

void pm_request_stats_add(pm_request_stats_t *sum,
                          const pm_request_stats_t *stats)
{
    apr_uint64_t *to = (apr_uint64_t *)sum;
    const apr_uint64_t *from = (const apr_uint64_t *)stats;
    apr_size_t i;

    for (i = 0; i < WORDS; i++) {
        to[i] += __atomic_load_n(&from[i], __ATOMIC_RELAXED);
    }
}

void pm_request_stats_subtract(pm_request_stats_t *sum,
                               const pm_request_stats_t *stats)
{
    apr_uint64_t *from = (apr_uint64_t *)sum;
    const apr_uint64_t *what = (const apr_uint64_t *)stats;
    apr_size_t i;

    for (i = 0; i < WORDS; i++) {
        from[i] -= what[i];
        if (from[i] > MOST) {
            from[i] = 0;
        }
    }
}

apr_uint64_t pm_request_stats_total(const pm_histogram_t *h)
{
    apr_uint64_t total = 0;
    int i;

    for (i = 0; i < PM_REQUEST_STATS_BUCKETS; i++) {
        total += h->bucket[i];
    }
    return total;
}

pm_histogram_t pm_request_stats_waits(const pm_request_stats_t *sum)
{
    pm_histogram_t waits = sum->waited;
    apr_uint64_t turns = pm_request_stats_total(&sum->took);

    /* the two are read one after the other while children add */
    waits.bucket[0] += turns > sum->late ? turns - sum->late : 0;
    return waits;
}
