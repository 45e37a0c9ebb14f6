/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_request_stats.h
 * @brief Layer 2: how long a pool's requests took and waited, counted in
 *        shared memory.
 *
 * A meter is a handful of numbers that only grow; whoever has something to
 * count adds it with one atomic each, there is no lock.  A pool has several
 * (pm_board_meter()), so that httpd's children do not fight for one cache
 * line; their sum is the pool's.
 *
 * A request that did not have to wait is not written down as such: it is one
 * that has ended and is not in @c late.  So the usual request costs two
 * additions.
 */
#ifndef PM_METER_H
#define PM_METER_H

#include "pm_core/base/pm_base.h"

/** A histogram's buckets; the last is for all above the bounds. */
#define PM_METER_BUCKETS 16

/** What else is counted. */
typedef enum pm_meter_event {
    PM_METER_RETRIED,      /**< asked a second worker, the first had closed */
    PM_METER_FULL,         /**< 503: FcgiPMQueueLimit */
    PM_METER_LATE,         /**< 503: FcgiPMQueueTimeout */
    PM_METER_UNAVAILABLE,  /**< 503: the pool cannot answer at all */
    PM_METER_EVENTS
} pm_meter_event_t;

/** Times as a histogram; each value is in one bucket only. */
typedef struct pm_histogram {
    apr_uint64_t bucket[PM_METER_BUCKETS];
    apr_uint64_t sum;      /**< microseconds */
} pm_histogram_t;

/** All zeros is a good meter. */
typedef struct pm_meter {
    pm_histogram_t took;   /**< from a turn's begin to its end */
    pm_histogram_t waited; /**< before it, in vain or not; only of those who
                            *   had to wait */
    apr_uint64_t late;     /**< turns that have ended and had been waited
                            *   for */
    apr_uint64_t event[PM_METER_EVENTS];
} pm_meter_t;

/** The upper bounds of the buckets, microseconds, ascending, inclusive; one
 *  less than there are buckets. */
extern const apr_interval_time_t pm_meter_bounds[PM_METER_BUCKETS - 1];

/** Which bucket is that time's?  @return 0 to PM_METER_BUCKETS - 1 */
int pm_meter_bucket(apr_interval_time_t time);

/** A turn has ended.
 *  @param waited for it before; 0: it did not have to */
void pm_meter_turn(pm_meter_t *meter, apr_interval_time_t took,
                   apr_interval_time_t waited);

/** A request has waited, and had no turn. */
void pm_meter_in_vain(pm_meter_t *meter, apr_interval_time_t waited);

static inline void pm_meter_count(pm_meter_t *meter, pm_meter_event_t event)
{
    __atomic_add_fetch(&meter->event[event], 1, __ATOMIC_RELAXED);
}

/** Add to @a sum what @a meter has; subtract it. */
void pm_meter_add(pm_meter_t *sum, const pm_meter_t *meter);
void pm_meter_subtract(pm_meter_t *sum, const pm_meter_t *meter);

/** How many values are in it. */
apr_uint64_t pm_meter_total(const pm_histogram_t *h);

/** All waits of a sum as a histogram: those who did not have to wait are in
 *  its first bucket. */
pm_histogram_t pm_meter_waits(const pm_meter_t *sum);

#endif /* PM_METER_H */
