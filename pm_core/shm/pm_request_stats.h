/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_request_stats.h
 * @brief How long the requests of a pool took and waited, counted in shared
 *        memory.
 *
 * The numbers only grow.  Any thread of a child adds to them with one atomic
 * operation each, without a lock.  A pool has several sets of them
 * (pm_scoreboard_stats()), so that children do not fight for one cache line;
 * the pool's numbers are their sum.
 *
 * A request that did not wait is not counted as such: it has been served and
 * is not in @c late.  So the usual request costs two additions.
 */
#ifndef PM_REQUEST_STATS_H
#define PM_REQUEST_STATS_H

#include "pm_core/base/pm_base.h"

/** Buckets of a histogram; the last is for all times above the bounds. */
#define PM_REQUEST_STATS_BUCKETS 16

/** Events that are counted besides. */
typedef enum pm_request_stats_event {
    PM_REQUEST_STATS_RETRIED,     /**< sent to a second worker, as the first had
                                   *   closed its connection */
    PM_REQUEST_STATS_REUSED,      /**< sent on a kept connection */
    PM_REQUEST_STATS_FULL,        /**< 503: FcgiPMQueueLimit */
    PM_REQUEST_STATS_LATE,        /**< 503: FcgiPMQueueTimeout */
    PM_REQUEST_STATS_UNAVAILABLE, /**< 503: the pool cannot answer at all */
    PM_REQUEST_STATS_EVENTS
} pm_request_stats_event_t;

/** Times as a histogram; each is counted in one bucket only. */
typedef struct pm_histogram {
    apr_uint64_t bucket[PM_REQUEST_STATS_BUCKETS];
    apr_uint64_t sum; /**< microseconds */
} pm_histogram_t;

/** All zero at first. */
typedef struct pm_request_stats {
    pm_histogram_t took;   /**< from a request's grant to its end */
    pm_histogram_t waited; /**< in the queue, granted in the end or not; only
                            *   of requests that were queued */
    apr_uint64_t late;     /**< requests in @c took that were queued before */
    apr_uint64_t event[PM_REQUEST_STATS_EVENTS];
} pm_request_stats_t;

/** The upper bounds of the buckets but the last: microseconds, ascending,
 *  inclusive. */
extern const apr_interval_time_t
    pm_request_stats_bounds[PM_REQUEST_STATS_BUCKETS - 1];

/** @return the bucket of a time, 0 to PM_REQUEST_STATS_BUCKETS - 1 */
int pm_request_stats_bucket(apr_interval_time_t time);

/** Count a request whose grant has been released.
 *  @param took   microseconds it held the grant
 *  @param waited microseconds it was queued before; 0: it was not */
void pm_request_stats_add_served(pm_request_stats_t *stats,
                                 apr_interval_time_t took,
                                 apr_interval_time_t waited);

/** Count a request that was queued and left without a grant. */
void pm_request_stats_add_unserved(pm_request_stats_t *stats,
                                   apr_interval_time_t waited);

/** Count an event. */
static inline void pm_request_stats_count(pm_request_stats_t *stats,
                                          pm_request_stats_event_t event)
{
    __atomic_add_fetch(&stats->event[event], 1, __ATOMIC_RELAXED);
}

/** Add @a stats to @a sum; subtract them.  @a sum is the caller's own memory.
 *  A child that has been taken over can have written any number: one that
 *  cannot be is 0 after the subtraction. */
void pm_request_stats_add(pm_request_stats_t *sum,
                          const pm_request_stats_t *stats);
void pm_request_stats_subtract(pm_request_stats_t *sum,
                               const pm_request_stats_t *stats);

/** @return how many times are counted in a histogram */
apr_uint64_t pm_request_stats_total(const pm_histogram_t *h);

/** @return the waits of all requests: those that were not queued are in the
 *  first bucket */
pm_histogram_t pm_request_stats_waits(const pm_request_stats_t *sum);

#endif /* PM_REQUEST_STATS_H */
