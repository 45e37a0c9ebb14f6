/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_waiters.h
 * @brief The requests of one child that are queued for one pool, oldest first.
 *
 * Some are parked: they hold no thread, and need one when they are granted.
 * Others are blocked: each holds the thread it came with.  So a child that may
 * give pools no more threads passes over those that are parked.
 *
 * Private memory; the caller holds a lock.  Nothing here makes a system call.
 */
#ifndef PM_WAITERS_H
#define PM_WAITERS_H

#include "apr_ring.h"
#include "pm_core/base/pm_base.h"

/** A queued request; a member of what the caller knows of it. */
typedef struct pm_waiter {
    APR_RING_ENTRY(pm_waiter) link;
    apr_time_t since; /**< pm_time_now() when it was queued */
    int parked;       /**< it holds no thread */
} pm_waiter_t;

APR_RING_HEAD(pm_waiter_ring, pm_waiter);

typedef struct pm_waiters {
    struct pm_waiter_ring parked, blocked; /**< each oldest first */
} pm_waiters_t;

void pm_waiters_init(pm_waiters_t *all);

/** Add a request behind those that are older. */
void pm_waiters_add(pm_waiters_t *all, pm_waiter_t *one);

void pm_waiters_remove(pm_waiter_t *one);

int pm_waiters_is_empty(const pm_waiters_t *all);

/** @param threads 1: there is a thread for one that is parked
 *  @return the oldest that can be granted; NULL: none can */
pm_waiter_t *pm_waiters_first(const pm_waiters_t *all, int threads);

/** @return the oldest of its kind, NULL: there is none */
pm_waiter_t *pm_waiters_oldest(const pm_waiters_t *all, int parked);

/** @return the next younger of the same kind, NULL: there is none */
pm_waiter_t *pm_waiters_next(const pm_waiters_t *all, const pm_waiter_t *one);

#endif /* PM_WAITERS_H */
