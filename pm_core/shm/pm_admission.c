/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/shm/pm_admission.h"

#include <limits.h>

#include "pm_core/os/pm_futex.h"

/* In every pair of "change one word, look at another" below both are
 * sequentially consistent: of two processes that do it
 * the other way round at least one sees what the other has changed (Dekker). */
#define LOAD(word)   __atomic_load_n(&(word), __ATOMIC_SEQ_CST)
#define ADD(word, n) __atomic_add_fetch(&(word), (n), __ATOMIC_SEQ_CST)

/* A loop that changes a word gives up after so many tries: only a process that
 * changes it without end makes it fail, and what it writes is wrong anyway. */
#define TRIES 1000

/* --- arithmetic ----------------------------------------------------------- */

/* A request that waits in the kernel's queue holds a thread.  One that waits
 * here need not, but costs some switches of context, for which a worker may be
 * idle: about 0.1 ms.  So the kernel has those that wait there for a short
 * time, and for a longer one where a worker takes little more than that.  The
 * MPM closes what is kept alive whenever all threads are busy: when a child has
 * many more connections than threads, fewer requests may hold one. */
#define SHORT_WAIT 8000  /* us */
#define LONG_WAIT  32000 /* us */
#define QUICK      2000  /* us of a worker's time */
#define EXTRA      32    /* grants for each worker, at most */
#define FEW        2     /* when a child is crowded */

/* Requests that are granted together end at the rate of granted / pace
 * (Little's law), whether they wait in the kernel's queue or a worker has them.
 * @return how many end before another one has waited too long */
static apr_uint32_t ends_soon(apr_uint32_t requests, apr_uint32_t granted,
                              apr_uint32_t pace, apr_uint32_t most)
{
    apr_uint64_t all = granted > requests ? granted : requests;
    apr_uint64_t wait =
        (apr_uint64_t)pace * requests <= QUICK * all ? LONG_WAIT : SHORT_WAIT;
    apr_uint64_t n = pace ? all * wait / pace : 0;

    return n < most ? (apr_uint32_t)n : most;
}

apr_uint32_t pm_admission_capacity(apr_uint32_t workers, apr_uint32_t requests,
                                   apr_uint32_t granted, apr_uint32_t pace,
                                   int crowded)
{
    apr_uint32_t most = workers * (crowded ? FEW : EXTRA);

    return workers ? requests + ends_soon(requests, granted, pace, most) : 1;
}

apr_uint32_t pm_admission_average(apr_uint32_t pace, apr_interval_time_t took)
{
    apr_uint32_t last = took < 1         ? 1
                        : took > INT_MAX ? INT_MAX
                                         : (apr_uint32_t)took;

    if (!pace || pace > INT_MAX) {
        return last;
    }
    pace = last > pace ? pace + (last - pace + 7) / 8
                       : pace - (pace - last + 7) / 8;
    return pace ? pace : 1;
}

/* Microseconds since a request was released, or the first one granted. */
static apr_uint32_t silence_of(const pm_admission_t *admission)
{
    apr_uint32_t released =
        __atomic_load_n(&admission->words->released, __ATOMIC_ACQUIRE);

    /* read after the word: another one may change it meanwhile */
    return (apr_uint32_t)pm_time_now() - released;
}

static void end_silence(const pm_admission_t *admission)
{
    __atomic_store_n(&admission->words->released, (apr_uint32_t)pm_time_now(),
                     __ATOMIC_RELAXED);
}

/* The pace says nothing of workers that all hang: then requests are to wait
 * here, where they hold no thread. */
static apr_uint32_t pace_of(const pm_admission_t *admission)
{
    return silence_of(admission) > LONG_WAIT
               ? 0
               : __atomic_load_n(&admission->words->pace, __ATOMIC_RELAXED);
}

static int is_crowded(const pm_admission_t *admission)
{
    return admission->rows && pm_admission_rows_crowded(admission->rows);
}

static apr_uint32_t capacity_of(const pm_admission_t *admission)
{
    apr_uint32_t requests = LOAD(admission->supply->requests);
    apr_uint32_t granted = LOAD(admission->words->granted);
    apr_uint32_t pace = granted < requests ? 0 : pace_of(admission);

    return pm_admission_capacity(LOAD(admission->supply->workers), requests,
                                 granted, pace, pace && is_crowded(admission));
}

/* --- atomic operations ---------------------------------------------------- */

/* Add one, if the word is below the bound.  @return 1: it was */
static int raise_below(apr_uint32_t *word, apr_uint32_t bound)
{
    apr_uint32_t n = LOAD(*word);
    int tries = TRIES;

    while (n < bound && tries--) {
        if (__atomic_compare_exchange_n(word, &n, n + 1, 1, __ATOMIC_SEQ_CST,
                                        __ATOMIC_SEQ_CST)) {
            return 1;
        }
    }
    return 0;
}

/* Subtract, not below zero.  @return what is left */
static apr_uint32_t lower(apr_uint32_t *word, apr_uint32_t by)
{
    apr_uint32_t n = LOAD(*word);
    apr_uint32_t left;
    int tries = TRIES;

    do {
        left = n > by ? n - by : 0;
    } while (!__atomic_compare_exchange_n(word, &n, left, 1, __ATOMIC_SEQ_CST,
                                          __ATOMIC_SEQ_CST)
             && --tries);
    return left;
}

static int has_queue(const pm_admission_t *admission)
{
    return PM_ADMISSION_WAITING(LOAD(admission->words->line)) > 0;
}

static void call_children(const pm_admission_t *admission, int n)
{
    const pm_admission_rows_t *rows = admission->rows;

    if (rows && rows->count
        && pm_admission_rows_call(rows, admission->head, n)) {
        if (admission->called) {
            *admission->called = 1;
        }
        else {
            pm_admission_rows_wake(rows, rows->own);
        }
    }
}

/* Requests that wait in a thread sleep on the pool's word, unless their child
 * has a queue of its own: it is called. */
static void wake(const pm_admission_t *admission, int n)
{
    if (has_queue(admission)) {
        ADD(admission->words->wakeups, 1);
        pm_futex_wake(&admission->words->wakeups, n);
        call_children(admission, n);
    }
}

/* Grants become free: as many queued requests can take them, unless there were
 * more grants than the capacity. */
static void put_back(const pm_admission_t *admission, apr_uint32_t n)
{
    if (n && lower(&admission->words->granted, n) < capacity_of(admission)) {
        wake(admission, (int)n);
    }
}

/* --- the queue ------------------------------------------------------------ */

static apr_uint32_t line_of(apr_uint32_t waits, apr_uint32_t reserved)
{
    return reserved << 16 | waits;
}

static int line_set(const pm_admission_t *admission, apr_uint32_t *line,
                    apr_uint32_t to)
{
    return __atomic_compare_exchange_n(&admission->words->line, line, to, 1,
                                       __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* Add a queued request.  @param others that were queued before it
 * @return 0: the word cannot count more */
static int line_join(const pm_admission_t *admission, apr_uint32_t *others)
{
    apr_uint32_t line = LOAD(admission->words->line);
    int tries = TRIES;

    do {
        *others = PM_ADMISSION_WAITING(line);
        if (*others == PM_ADMISSION_WAITING(~0U) || !tries--) {
            return 0;
        }
    } while (!line_set(admission, &line, line + 1));
    return 1;
}

/* Remove queued requests.  Grants that are reserved for nobody any more become
 * free. */
static void line_leave(const pm_admission_t *admission, apr_uint32_t n)
{
    apr_uint32_t line = LOAD(admission->words->line);
    apr_uint32_t waits, reserved, over;
    int tries = TRIES;

    do {
        waits = PM_ADMISSION_WAITING(line);
        waits = waits > n ? waits - n : 0;
        reserved = PM_ADMISSION_RESERVED(line);
        over = reserved > waits ? reserved - waits : 0;
    } while (!line_set(admission, &line, line_of(waits, reserved - over))
             && --tries);
    if (reserved > over) {
        /* the request that was woken for it may be the one that leaves */
        wake(admission, (int)(reserved - over));
    }
    put_back(admission, over);
}

/* A queued request takes a reserved grant.  @return 0: there is none */
static int line_take(const pm_admission_t *admission)
{
    apr_uint32_t line = LOAD(admission->words->line);
    int tries = TRIES;

    while (PM_ADMISSION_RESERVED(line) && PM_ADMISSION_WAITING(line)
           && tries--) {
        if (line_set(admission, &line, line - line_of(1, 1))) {
            return 1;
        }
    }
    return 0;
}

/* Reserve a grant for a queued request.  @return 0: each has one */
static int line_reserve(const pm_admission_t *admission)
{
    apr_uint32_t line = LOAD(admission->words->line);
    int tries = TRIES;

    while (PM_ADMISSION_RESERVED(line) < PM_ADMISSION_WAITING(line)
           && tries--) {
        if (line_set(admission, &line, line + line_of(0, 1))) {
            return 1;
        }
    }
    return 0;
}

/* --- a request ------------------------------------------------------------ */

int pm_admission_try(const pm_admission_t *admission, apr_uint32_t limit)
{
    apr_uint32_t most = capacity_of(admission);
    apr_uint32_t requests = LOAD(admission->supply->requests);

    if (limit && most > requests && most - requests > limit) {
        most = requests + limit;
    }
    if (has_queue(admission)
        || !raise_below(&admission->words->granted, most)) {
        return 0;
    }
    if (LOAD(admission->words->granted) == 1) {
        end_silence(admission);
    }
    return 1;
}

void pm_admission_release(const pm_admission_t *admission,
                          apr_interval_time_t took)
{
    apr_uint32_t granted, most;

    if (took >= 0) {
        /* Of two at once one is lost, which an average can bear. */
        apr_uint32_t pace =
            __atomic_load_n(&admission->words->pace, __ATOMIC_RELAXED);

        __atomic_store_n(&admission->words->pace,
                         pm_admission_average(pace, took), __ATOMIC_RELAXED);
        end_silence(admission);
    }
    granted = LOAD(admission->words->granted);
    most = capacity_of(admission);
    if (granted <= most && line_reserve(admission)) {
        /* the capacity has grown meanwhile: another one can be granted */
        wake(admission, granted < most ? 2 : 1);
    }
    else {
        put_back(admission, 1);
    }
}

int pm_admission_enqueue(const pm_admission_t *admission, apr_uint32_t limit)
{
    apr_uint32_t others;

    if (!line_join(admission, &others)) {
        return 0;
    }
    if (limit
        && others
                   + pm_admission_excess(LOAD(admission->words->granted),
                                         LOAD(admission->supply->requests))
               >= limit) {
        line_leave(admission, 1);
        return 0;
    }
    return 1;
}

int pm_admission_claim(const pm_admission_t *admission, int woken)
{
    if (woken && line_take(admission)) {
        return 1;
    }
    if (raise_below(&admission->words->granted, capacity_of(admission))) {
        line_leave(admission, 1);
        return 1;
    }
    return 0;
}

void pm_admission_sleep(const pm_admission_t *admission, apr_uint32_t seen,
                        apr_interval_time_t timeout)
{
    pm_futex_wait(&admission->words->wakeups, seen, timeout);
}

void pm_admission_leave(const pm_admission_t *admission)
{
    line_leave(admission, 1);
}

int pm_admission_has_grant(const pm_admission_t *admission)
{
    return PM_ADMISSION_RESERVED(LOAD(admission->words->line))
           || LOAD(admission->words->granted) < capacity_of(admission);
}

void pm_admission_pass_on(const pm_admission_t *admission)
{
    if (pm_admission_has_grant(admission)) {
        wake(admission, 1);
    }
}

/* --- kept connections ----------------------------------------------------- */

void pm_admission_add_kept(const pm_admission_t *admission)
{
    ADD(admission->words->kept, 1);
}

void pm_admission_remove_kept(const pm_admission_t *admission, apr_uint32_t n)
{
    lower(&admission->words->kept, n);
}

apr_uint32_t pm_admission_kept_surplus(const pm_admission_t *admission)
{
    apr_uint32_t kept = LOAD(admission->words->kept);

    return kept ? pm_admission_surplus(pm_admission_load(admission), kept,
                                       LOAD(admission->supply->requests))
                : 0;
}

int pm_admission_has_room_to_keep(const pm_admission_t *admission)
{
    return pm_admission_load(admission) + LOAD(admission->words->kept)
           <= LOAD(admission->supply->requests);
}

/* --- are there enough workers? -------------------------------------------- */

apr_uint32_t pm_admission_load(const pm_admission_t *admission)
{
    apr_uint32_t line = LOAD(admission->words->line);
    apr_uint32_t n =
        LOAD(admission->words->granted) + PM_ADMISSION_WAITING(line);

    /* a reserved grant is counted as granted, its owner as queued */
    return n > PM_ADMISSION_RESERVED(line) ? n - PM_ADMISSION_RESERVED(line)
                                           : 0;
}

static void raise_to(apr_uint32_t *word, apr_uint32_t n)
{
    apr_uint32_t old = __atomic_load_n(word, __ATOMIC_RELAXED);
    int tries = TRIES;

    while (old < n && tries--
           && !__atomic_compare_exchange_n(word, &old, n, 1, __ATOMIC_RELAXED,
                                           __ATOMIC_RELAXED)) {
    }
}

int pm_admission_need_manager(const pm_admission_t *admission)
{
    apr_uint32_t load = pm_admission_load(admission);
    apr_uint32_t no = 0;

    raise_to(&admission->words->peak, load);
    return load > LOAD(admission->supply->enough)
           && !LOAD(admission->words->called)
           && __atomic_compare_exchange_n(&admission->words->called, &no, 1, 0,
                                          __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

void pm_admission_set_enough(const pm_admission_t *admission,
                             apr_uint32_t enough)
{
    __atomic_store_n(&admission->supply->enough, enough, __ATOMIC_SEQ_CST);
}

void pm_admission_reset_call(const pm_admission_t *admission)
{
    __atomic_store_n(&admission->words->called, 0, __ATOMIC_SEQ_CST);
}

apr_uint32_t pm_admission_take_peak(const pm_admission_t *admission,
                                    apr_uint32_t load)
{
    apr_uint32_t peak =
        __atomic_exchange_n(&admission->words->peak, load, __ATOMIC_SEQ_CST);

    return peak > load ? peak : load;
}

/* --- manager and parent --------------------------------------------------- */

void pm_admission_set_workers(const pm_admission_t *admission,
                              apr_uint32_t workers, apr_uint32_t requests,
                              int changed)
{
    apr_uint32_t before = capacity_of(admission);
    apr_uint32_t now;

    __atomic_store_n(&admission->supply->requests, requests, __ATOMIC_SEQ_CST);
    __atomic_store_n(&admission->supply->workers, workers, __ATOMIC_SEQ_CST);
    now = capacity_of(admission);
    if (changed) {
        wake(admission, INT_MAX);
    }
    else if (now > before) {
        wake(admission, (int)(now - before));
    }
}

void pm_admission_forget_process(const pm_admission_t *admission,
                                 apr_uint32_t granted, apr_uint32_t waits)
{
    line_leave(admission, waits);
    lower(&admission->words->granted, granted);
    wake(admission, INT_MAX);
}

/* --- words that are not true ---------------------------------------------- */

pm_admission_said_t pm_admission_read(const pm_admission_t *admission)
{
    return (pm_admission_said_t){LOAD(admission->words->granted),
                                 LOAD(admission->words->line)};
}

int pm_admission_can_be(pm_admission_said_t said, apr_uint32_t in_flight,
                        apr_uint32_t waiting)
{
    apr_uint32_t waits = PM_ADMISSION_WAITING(said.line);
    apr_uint32_t reserved = PM_ADMISSION_RESERVED(said.line);

    return waits <= waiting && reserved <= waits
           && (said.granted <= reserved
               || said.granted - reserved <= in_flight);
}

void pm_admission_correct(const pm_admission_t *admission,
                          pm_admission_said_t said, apr_uint32_t in_flight,
                          apr_uint32_t waiting)
{
    apr_uint32_t waits = PM_ADMISSION_WAITING(said.line);
    apr_uint32_t granted = said.granted < in_flight ? said.granted : in_flight;

    /* Nothing is reserved then: each that waits looks for itself. */
    waits = waits < waiting ? waits : waiting;
    (void)line_set(admission, &said.line, line_of(waits, 0));
    (void)__atomic_compare_exchange_n(&admission->words->granted, &said.granted,
                                      granted, 0, __ATOMIC_SEQ_CST,
                                      __ATOMIC_SEQ_CST);
    wake(admission, INT_MAX);
}
