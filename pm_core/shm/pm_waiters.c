/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/shm/pm_waiters.h"

static const struct pm_waiter_ring *waiters_ring(const pm_waiters_t *all,
                                                 int parked)
{
    return parked ? &all->parked : &all->blocked;
}

void pm_waiters_init(pm_waiters_t *all)
{
    APR_RING_INIT(&all->parked, pm_waiter, link);
    APR_RING_INIT(&all->blocked, pm_waiter, link);
}

/* They come in order but for moments, so the place is near the end. */
void pm_waiters_add(pm_waiters_t *all, pm_waiter_t *one)
{
    struct pm_waiter_ring *ring = one->parked ? &all->parked : &all->blocked;
    pm_waiter_t *before = APR_RING_LAST(ring);

    while (before != APR_RING_SENTINEL(ring, pm_waiter, link)
           && before->since > one->since) {
        before = APR_RING_PREV(before, link);
    }
    APR_RING_INSERT_AFTER(before, one, link);
}

void pm_waiters_remove(pm_waiter_t *one)
{
    APR_RING_REMOVE(one, link);
}

int pm_waiters_is_empty(const pm_waiters_t *all)
{
    return APR_RING_EMPTY(&all->parked, pm_waiter, link)
           && APR_RING_EMPTY(&all->blocked, pm_waiter, link);
}

pm_waiter_t *pm_waiters_oldest(const pm_waiters_t *all, int parked)
{
    const struct pm_waiter_ring *ring = waiters_ring(all, parked);

    return APR_RING_EMPTY(ring, pm_waiter, link) ? NULL : APR_RING_FIRST(ring);
}

pm_waiter_t *pm_waiters_first(const pm_waiters_t *all, int threads)
{
    pm_waiter_t *blocked = pm_waiters_oldest(all, 0);
    pm_waiter_t *parked = threads ? pm_waiters_oldest(all, 1) : NULL;

    return !parked || (blocked && blocked->since <= parked->since) ? blocked
                                                                   : parked;
}

pm_waiter_t *pm_waiters_next(const pm_waiters_t *all, const pm_waiter_t *one)
{
    pm_waiter_t *next = APR_RING_NEXT(one, link);

    return next
                   == APR_RING_SENTINEL(waiters_ring(all, one->parked),
                                        pm_waiter, link)
               ? NULL
               : next;
}
