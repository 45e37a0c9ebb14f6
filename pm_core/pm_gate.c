/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_gate.h"

#include <limits.h>

#include "pm_wait.h"

/* In every pair of "change one word, look at another" below both are
 * sequentially consistent: of two who do it the other way round at least one
 * sees what the other has changed (Dekker). */
#define LOAD(word)      __atomic_load_n(&(word), __ATOMIC_SEQ_CST)
#define ADD(word, n)    __atomic_add_fetch(&(word), (n), __ATOMIC_SEQ_CST)
#define SUB(word, n)    __atomic_sub_fetch(&(word), (n), __ATOMIC_SEQ_CST)

/* --- arithmetic ----------------------------------------------------------- */

/* What waits in the kernel's queue saves two switches between processes for
 * each request.  It is worth it as long as it is over in a blink. */
#define BLINK 4000   /* us */
#define EXTRA 3      /* for each worker, at most */

apr_uint32_t pm_gate_room(apr_uint32_t workers, apr_uint32_t pace)
{
    apr_uint32_t extra = pace ? BLINK / pace : 0;

    if (!workers) {
        return 1;
    }
    return workers * (1 + (extra < EXTRA ? extra : EXTRA));
}

apr_uint32_t pm_gate_average(apr_uint32_t pace, apr_interval_time_t took)
{
    apr_uint32_t last = took < 1 ? 1
                        : took > INT_MAX ? INT_MAX : (apr_uint32_t)took;

    if (!pace) {
        return last;
    }
    pace = last > pace ? pace + (last - pace + 7) / 8
                       : pace - (pace - last + 7) / 8;
    return pace ? pace : 1;
}

static apr_uint32_t room(const pm_gate_t *gate)
{
    return pm_gate_room(LOAD(gate->workers),
                        __atomic_load_n(&gate->pace, __ATOMIC_RELAXED));
}

/* --- words ---------------------------------------------------------------- */

/* One up, if it is below.  @return 1: it was */
static int raise_below(apr_uint32_t *word, apr_uint32_t bound)
{
    apr_uint32_t n = __atomic_load_n(word, __ATOMIC_SEQ_CST);

    while (n < bound) {
        if (__atomic_compare_exchange_n(word, &n, n + 1, 1, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST)) {
            return 1;
        }
    }
    return 0;
}

/* One down, if there is one.  @return 1: there was */
static int lower(apr_uint32_t *word)
{
    apr_uint32_t n = __atomic_load_n(word, __ATOMIC_SEQ_CST);

    while (n) {
        if (__atomic_compare_exchange_n(word, &n, n - 1, 1, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST)) {
            return 1;
        }
    }
    return 0;
}

static void ring(pm_gate_t *gate, int n)
{
    if (LOAD(gate->waiting)) {
        ADD(gate->bell, 1);
        pm_wake(&gate->bell, n);
    }
}

/* Granted no more: one who waits can have it, unless there were too many. */
static void put_back(pm_gate_t *gate)
{
    if (SUB(gate->granted, 1) < room(gate)) {
        ring(gate, 1);
    }
}

/* What was reserved when nobody waits any more is free. */
static void unreserve(pm_gate_t *gate)
{
    while (!LOAD(gate->waiting) && lower(&gate->reserved)) {
        put_back(gate);
    }
}

/* --- who has a request ---------------------------------------------------- */

int pm_gate_take(pm_gate_t *gate)
{
    return !LOAD(gate->waiting)
           && raise_below(&gate->granted, room(gate));
}

/* Keep it granted, for who waits longest. */
static void hand_over(pm_gate_t *gate, int wake)
{
    ADD(gate->reserved, 1);
    ring(gate, wake);
    unreserve(gate);
}

static void give(pm_gate_t *gate)
{
    apr_uint32_t granted = LOAD(gate->granted);
    apr_uint32_t most = room(gate);

    if (LOAD(gate->waiting) && granted <= most) {
        /* the room has grown meanwhile: there is one for another as well */
        hand_over(gate, granted < most ? 2 : 1);
    }
    else {
        put_back(gate);
    }
}

void pm_gate_give(pm_gate_t *gate, apr_interval_time_t took)
{
    if (took >= 0) {
        /* Two at once: one of them is not counted. */
        apr_uint32_t pace = __atomic_load_n(&gate->pace, __ATOMIC_RELAXED);

        __atomic_store_n(&gate->pace, pm_gate_average(pace, took),
                         __ATOMIC_RELAXED);
    }
    give(gate);
}

int pm_gate_join(pm_gate_t *gate, apr_uint32_t limit)
{
    apr_uint32_t others = ADD(gate->waiting, 1) - 1;

    if (limit
        && others + pm_gate_excess(LOAD(gate->granted),
                                   LOAD(gate->workers)) >= limit) {
        pm_gate_part(gate, 0);
        return 0;
    }
    return 1;
}

int pm_gate_claim(pm_gate_t *gate, int woken)
{
    return (woken && lower(&gate->reserved))
           || raise_below(&gate->granted, room(gate));
}

void pm_gate_sleep(const pm_gate_t *gate, apr_uint32_t seen,
                   apr_interval_time_t timeout)
{
    pm_wait(&gate->bell, seen, timeout);
}

void pm_gate_part(pm_gate_t *gate, int claimed)
{
    SUB(gate->waiting, 1);
    if (LOAD(gate->reserved)) {
        if (!claimed) {
            /* it may have been woken for this */
            ring(gate, 1);
        }
        unreserve(gate);
    }
}

/* --- manager and parent --------------------------------------------------- */

void pm_gate_workers(pm_gate_t *gate, apr_uint32_t workers, int changed)
{
    apr_uint32_t before = gate->workers;

    __atomic_store_n(&gate->workers, workers, __ATOMIC_SEQ_CST);
    if (changed) {
        ring(gate, INT_MAX);
    }
    else if (workers > before) {
        ring(gate, (int)(pm_gate_room(workers, gate->pace)
                         - pm_gate_room(before, gate->pace)));
    }
}

void pm_gate_bury(pm_gate_t *gate, apr_uint32_t granted, apr_uint32_t waiting)
{
    SUB(gate->waiting, waiting);
    SUB(gate->granted, granted);
    if (granted || waiting) {
        unreserve(gate);
        ring(gate, INT_MAX);
    }
}
