/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/shm/pm_admission.h"

#include <limits.h>

#include "pm_core/os/pm_futex.h"

/* In every pair of "change one word, look at another" below both are
 * sequentially consistent: of two who do it the other way round at least one
 * sees what the other has changed (Dekker). */
#define LOAD(word)   __atomic_load_n(&(word), __ATOMIC_SEQ_CST)
#define ADD(word, n) __atomic_add_fetch(&(word), (n), __ATOMIC_SEQ_CST)

/* --- arithmetic ----------------------------------------------------------- */

/* What waits in the kernel's queue saves two switches between processes for
 * each request.  It is worth it as long as it is over in a blink. */
#define BLINK 8000 /* us */
#define EXTRA 3    /* for each worker, at most */

apr_uint32_t pm_admission_capacity(apr_uint32_t workers, apr_uint32_t pace)
{
    apr_uint32_t extra = pace ? BLINK / pace : 0;

    if (!workers) {
        return 1;
    }
    return workers * (1 + (extra < EXTRA ? extra : EXTRA));
}

apr_uint32_t pm_admission_average(apr_uint32_t pace, apr_interval_time_t took)
{
    apr_uint32_t last = took < 1         ? 1
                        : took > INT_MAX ? INT_MAX
                                         : (apr_uint32_t)took;

    if (!pace) {
        return last;
    }
    pace = last > pace ? pace + (last - pace + 7) / 8
                       : pace - (pace - last + 7) / 8;
    return pace ? pace : 1;
}

static apr_uint32_t room(const pm_admission_t *gate)
{
    return pm_admission_capacity(
        LOAD(gate->workers), __atomic_load_n(&gate->pace, __ATOMIC_RELAXED));
}

/* --- words ---------------------------------------------------------------- */

/* One up, if it is below.  @return 1: it was */
static int raise_below(apr_uint32_t *word, apr_uint32_t bound)
{
    apr_uint32_t n = LOAD(*word);

    while (n < bound) {
        if (__atomic_compare_exchange_n(word, &n, n + 1, 1, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST)) {
            return 1;
        }
    }
    return 0;
}

/* So many down, not below zero.  @return what is left */
static apr_uint32_t lower(apr_uint32_t *word, apr_uint32_t by)
{
    apr_uint32_t n = LOAD(*word);
    apr_uint32_t left;

    do {
        left = n > by ? n - by : 0;
    } while (!__atomic_compare_exchange_n(word, &n, left, 1, __ATOMIC_SEQ_CST,
                                          __ATOMIC_SEQ_CST));
    return left;
}

static int waiting(const pm_admission_t *gate)
{
    return PM_ADMISSION_WAITING(LOAD(gate->line)) > 0;
}

static void ring(pm_admission_t *gate, int n)
{
    if (waiting(gate)) {
        ADD(gate->bell, 1);
        pm_futex_wake(&gate->bell, n);
    }
}

/* Granted no more: one who waits can have it, unless there were too many. */
static void put_back(pm_admission_t *gate, apr_uint32_t n)
{
    if (n && lower(&gate->granted, n) < room(gate)) {
        ring(gate, (int)n);
    }
}

/* --- the line ------------------------------------------------------------- */

static apr_uint32_t line_of(apr_uint32_t waits, apr_uint32_t reserved)
{
    return reserved << 16 | waits;
}

static int line_set(pm_admission_t *gate, apr_uint32_t *line, apr_uint32_t to)
{
    return __atomic_compare_exchange_n(&gate->line, line, to, 1,
                                       __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* One more.  @return 0: there is no room for it in the word */
static int line_join(pm_admission_t *gate, apr_uint32_t *others)
{
    apr_uint32_t line = LOAD(gate->line);

    do {
        *others = PM_ADMISSION_WAITING(line);
        if (*others == PM_ADMISSION_WAITING(~0U)) {
            return 0;
        }
    } while (!line_set(gate, &line, line + 1));
    return 1;
}

/* So many less.  What was reserved and has nobody left is free. */
static void line_leave(pm_admission_t *gate, apr_uint32_t n)
{
    apr_uint32_t line = LOAD(gate->line);
    apr_uint32_t waits, reserved, over;

    do {
        waits = PM_ADMISSION_WAITING(line);
        waits = waits > n ? waits - n : 0;
        reserved = PM_ADMISSION_RESERVED(line);
        over = reserved > waits ? reserved - waits : 0;
    } while (!line_set(gate, &line, line_of(waits, reserved - over)));
    if (reserved > over) {
        /* who was woken for it may have been the one who leaves */
        ring(gate, (int)(reserved - over));
    }
    put_back(gate, over);
}

/* One who waits takes what is reserved.  @return 0: there was nothing */
static int line_take(pm_admission_t *gate)
{
    apr_uint32_t line = LOAD(gate->line);

    while (PM_ADMISSION_RESERVED(line)) {
        if (line_set(gate, &line, line - line_of(1, 1))) {
            return 1;
        }
    }
    return 0;
}

/* Reserve a grant for one who waits.  @return 0: all have one */
static int line_reserve(pm_admission_t *gate)
{
    apr_uint32_t line = LOAD(gate->line);

    while (PM_ADMISSION_RESERVED(line) < PM_ADMISSION_WAITING(line)) {
        if (line_set(gate, &line, line + line_of(0, 1))) {
            return 1;
        }
    }
    return 0;
}

/* --- who has a request ---------------------------------------------------- */

int pm_admission_try(pm_admission_t *gate)
{
    return !waiting(gate) && raise_below(&gate->granted, room(gate));
}

void pm_admission_release(pm_admission_t *gate, apr_interval_time_t took)
{
    apr_uint32_t granted, most;

    if (took >= 0) {
        /* Two at once: one of them is not counted. */
        apr_uint32_t pace = __atomic_load_n(&gate->pace, __ATOMIC_RELAXED);

        __atomic_store_n(&gate->pace, pm_admission_average(pace, took),
                         __ATOMIC_RELAXED);
    }
    granted = LOAD(gate->granted);
    most = room(gate);
    if (granted <= most && line_reserve(gate)) {
        /* the room has grown meanwhile: there is one for another as well */
        ring(gate, granted < most ? 2 : 1);
    }
    else {
        put_back(gate, 1);
    }
}

int pm_admission_enqueue(pm_admission_t *gate, apr_uint32_t limit)
{
    apr_uint32_t others;

    if (!line_join(gate, &others)) {
        return 0;
    }
    if (limit
        && others
                   + pm_admission_excess(LOAD(gate->granted),
                                         LOAD(gate->workers))
               >= limit) {
        line_leave(gate, 1);
        return 0;
    }
    return 1;
}

int pm_admission_claim(pm_admission_t *gate, int woken)
{
    if (woken && line_take(gate)) {
        return 1;
    }
    if (raise_below(&gate->granted, room(gate))) {
        line_leave(gate, 1);
        return 1;
    }
    return 0;
}

void pm_admission_sleep(const pm_admission_t *gate, apr_uint32_t seen,
                        apr_interval_time_t timeout)
{
    pm_futex_wait(&gate->bell, seen, timeout);
}

void pm_admission_leave(pm_admission_t *gate)
{
    line_leave(gate, 1);
}

/* --- are there enough workers? -------------------------------------------- */

apr_uint32_t pm_admission_load(const pm_admission_t *gate)
{
    apr_uint32_t line = LOAD(gate->line);
    apr_uint32_t n = LOAD(gate->granted) + PM_ADMISSION_WAITING(line);

    /* what is reserved is granted, and its owner waits */
    return n > PM_ADMISSION_RESERVED(line) ? n - PM_ADMISSION_RESERVED(line)
                                           : 0;
}

static void raise_to(apr_uint32_t *word, apr_uint32_t n)
{
    apr_uint32_t is = __atomic_load_n(word, __ATOMIC_RELAXED);

    while (is < n
           && !__atomic_compare_exchange_n(word, &is, n, 1, __ATOMIC_RELAXED,
                                           __ATOMIC_RELAXED)) {
    }
}

int pm_admission_need_manager(pm_admission_t *gate)
{
    apr_uint32_t load = pm_admission_load(gate);
    apr_uint32_t no = 0;

    raise_to(&gate->peak, load);
    return load > LOAD(gate->enough) && !LOAD(gate->called)
           && __atomic_compare_exchange_n(&gate->called, &no, 1, 0,
                                          __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

void pm_admission_set_enough(pm_admission_t *gate, apr_uint32_t enough)
{
    __atomic_store_n(&gate->enough, enough, __ATOMIC_SEQ_CST);
}

void pm_admission_reset_call(pm_admission_t *gate)
{
    __atomic_store_n(&gate->called, 0, __ATOMIC_SEQ_CST);
}

apr_uint32_t pm_admission_take_peak(pm_admission_t *gate)
{
    apr_uint32_t load = pm_admission_load(gate);
    apr_uint32_t peak =
        __atomic_exchange_n(&gate->peak, load, __ATOMIC_SEQ_CST);

    return peak > load ? peak : load;
}

/* --- manager and parent --------------------------------------------------- */

void pm_admission_set_workers(pm_admission_t *gate, apr_uint32_t workers,
                              int changed)
{
    apr_uint32_t before = gate->workers;

    __atomic_store_n(&gate->workers, workers, __ATOMIC_SEQ_CST);
    if (changed) {
        ring(gate, INT_MAX);
    }
    else if (workers > before) {
        ring(gate, (int)(pm_admission_capacity(workers, gate->pace)
                         - pm_admission_capacity(before, gate->pace)));
    }
}

void pm_admission_forget_process(pm_admission_t *gate, apr_uint32_t granted,
                                 apr_uint32_t waits)
{
    line_leave(gate, waits);
    lower(&gate->granted, granted);
    ring(gate, INT_MAX);
}
