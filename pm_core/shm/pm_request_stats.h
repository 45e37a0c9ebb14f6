/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_request_stats.h
 * @brief Layer 2: how long a pool's requests took and waited, counted in
 *        shared memory.
 *
 * A meter is a handful of numbers that only grow; whoever has something to
 * count adds it with one atomic each, there is no lock.  A pool has several
 * (pm_scoreboard_stats()), so that httpd's children do not fight for one cache
 * line; their sum is the pool's.
 *
 * A request that did not have to wait is not written down as such: it is one
 * that has ended and is not in @c late.  So the usual request costs two
 * additions.
 */
#ifndef PM_REQUEST_STATS_H
#define PM_REQUEST_STATS_H

#include "pm_core/base/pm_base.h"

/** A histogram's buckets; the last is for all above the bounds. */
#define PM_REQUEST_STATS_BUCKETS 16

/** What else is counted. */
typedef enum pm_request_stats_event {
    PM_REQUEST_STATS_RETRIED, /**< asked a second worker, the first had closed
                               */
    PM_REQUEST_STATS_FULL,    /**< 503: FcgiPMQueueLimit */
    PM_REQUEST_STATS_LATE,    /**< 503: FcgiPMQueueTimeout */
    PM_REQUEST_STATS_UNAVAILABLE, /**< 503: the pool cannot answer at all */
    PM_REQUEST_STATS_EVENTS
} pm_request_stats_event_t;

/** Times as a histogram; each value is in one bucket only. */
typedef struct pm_histogram {
    apr_uint64_t bucket[PM_REQUEST_STATS_BUCKETS];
    apr_uint64_t sum; /**< microseconds */
} pm_histogram_t;

/** All zeros is a good meter. */
typedef struct pm_request_stats {
    pm_histogram_t took;   /**< from a turn's begin to its end */
    pm_histogram_t waited; /**< before it, in vain or not; only of those who
                            *   had to wait */
    apr_uint64_t late;     /**< turns that have ended and had been waited
                            *   for */
    apr_uint64_t event[PM_REQUEST_STATS_EVENTS];
} pm_request_stats_t;

/** The upper bounds of the buckets, microseconds, ascending, inclusive; one
 *  less than there are buckets. */
extern const apr_interval_time_t
    pm_request_stats_bounds[PM_REQUEST_STATS_BUCKETS - 1];

/** Which bucket is that time's?  @return 0 to PM_REQUEST_STATS_BUCKETS - 1 */
int pm_request_stats_bucket(apr_interval_time_t time);

/** A turn has ended.
 *  @param waited for it before; 0: it did not have to */
void pm_request_stats_add_served(pm_request_stats_t *meter,
                                 apr_interval_time_t took,
                                 apr_interval_time_t waited);

/** A request has waited, and had no turn. */
void pm_request_stats_add_unserved(pm_request_stats_t *meter,
                                   apr_interval_time_t waited);

static inline void pm_request_stats_count(pm_request_stats_t *meter,
                                          pm_request_stats_event_t event)
{
    __atomic_add_fetch(&meter->event[event], 1, __ATOMIC_RELAXED);
}

/** Add to @a sum what @a meter has; subtract it. */
void pm_request_stats_add(pm_request_stats_t *sum,
                          const pm_request_stats_t *meter);
void pm_request_stats_subtract(pm_request_stats_t *sum,
                               const pm_request_stats_t *meter);

/** How many values are in it. */
apr_uint64_t pm_request_stats_total(const pm_histogram_t *h);

/** All waits of a sum as a histogram: those who did not have to wait are in
 *  its first bucket. */
pm_histogram_t pm_request_stats_waits(const pm_request_stats_t *sum);

#endif /* PM_REQUEST_STATS_H */
