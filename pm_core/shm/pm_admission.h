/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_admission.h
 * @brief Layer 2: how many of a pool's requests are with its workers, and
 *        who waits.
 *
 * A gate is some words of shared memory, one for each pool, which all httpd
 * children and the manager work on with atomics; there is no lock.  A
 * request holds a grant while a worker has it.  There are as many grants as
 * workers, and a few more for workers that are quick: pm_admission_capacity().
 *
 * First come, first served: a grant that is given back while somebody waits
 * stays granted and is reserved for who waits longest; nobody who comes
 * later can take it in between.  There are never more reserved than wait,
 * and for each one that waits is awake, or has been woken, to take it.
 *
 * A process that dies with grants leaves them to be given back by another
 * (pm_scoreboard_row_release()); it is the board's cells that know how many.
 * The cell is counted up before the gate and down after it, so that a process
 * killed between the two can leave the gate too low, never too high: a
 * request too many is in the kernel's queue, or one is not woken in its
 * turn.  Counts stop at zero, so that this does not last.
 */
#ifndef PM_ADMISSION_H
#define PM_ADMISSION_H

#include "pm_core/base/pm_base.h"

/** All zeros is a good gate: of a pool that has no workers yet. */
typedef struct pm_admission {
    apr_uint32_t workers; /**< as the manager said last */
    apr_uint32_t granted; /**< requests that workers have, and reserved */
    apr_uint32_t line;    /**< how many wait, and grants on their way to
                           *   them: PM_ADMISSION_WAITING,
                           *   PM_ADMISSION_RESERVED */
    apr_uint32_t bell;    /**< what is waited on */
    apr_uint32_t pace;    /**< us from grant to end, moving average; 0: not
                           *   known */
    apr_uint32_t enough;  /**< requests for which the manager need not be
                           *   called; as it said last */
    apr_uint32_t called;  /**< 1: it was, and has not looked yet */
    apr_uint32_t peak;    /**< most requests at once since it looked */
} __attribute__((aligned(64))) pm_admission_t;

/** What stands in pm_admission_t.line, which changes as one. */
#define PM_ADMISSION_WAITING(line)  ((line)&0xffffU)
#define PM_ADMISSION_RESERVED(line) ((line) >> 16)

/* --- arithmetic: no side effects ------------------------------------------ */

/** How many grants there are.  At least one, so that a pool without a worker
 *  learns by its socket that it is wanted. */
apr_uint32_t pm_admission_capacity(apr_uint32_t workers, apr_uint32_t pace);

/** Requests that no worker can have at once, but those in @a waiting. */
static inline apr_uint32_t pm_admission_excess(apr_uint32_t granted,
                                               apr_uint32_t workers)
{
    return granted > workers ? granted - workers : 0;
}

/** The moving average with one more value. */
apr_uint32_t pm_admission_average(apr_uint32_t pace, apr_interval_time_t took);

/* --- who has a request -------------------------------------------------- */

/** Take a grant, if there is one and nobody waits.
 *  @return 1: taken */
int pm_admission_try(pm_admission_t *gate);

/** Give a grant back; who waits longest is woken.
 *  @param took since it was taken, -1: not to be counted */
void pm_admission_release(pm_admission_t *gate, apr_interval_time_t took);

/** Begin to wait:
 *
 *      seen = pm_admission_wakeups(gate);
 *      pm_admission_enqueue(gate, limit)
 *      while (!pm_admission_claim(gate, woken)) {
 *          pm_admission_sleep(gate, seen, left);
 *          not worth while any more: pm_admission_leave(gate), gone
 *          woken = 1;
 *          seen = pm_admission_wakeups(gate);
 *      }
 *
 *  @param limit how many may wait, 0: any number (65535)
 *  @return 0: there are as many; nothing has begun */
int pm_admission_enqueue(pm_admission_t *gate, apr_uint32_t limit);

/** What the bell says; to be asked before pm_admission_enqueue(), and again
 * before each further pm_admission_claim(). */
static inline apr_uint32_t pm_admission_wakeups(const pm_admission_t *gate)
{
    return __atomic_load_n(&gate->bell, __ATOMIC_SEQ_CST);
}

/** Take a grant, as one who waits.
 *  @param woken 0: has just come, what is reserved is not for him
 *  @return 1: taken, and waits no longer */
int pm_admission_claim(pm_admission_t *gate, int woken);

/** Wait until the bell says something else than @a seen.  For what it may
 *  return of, see pm_futex_wait(). */
void pm_admission_sleep(const pm_admission_t *gate, apr_uint32_t seen,
                        apr_interval_time_t timeout);

/** Wait no longer, without a grant. */
void pm_admission_leave(pm_admission_t *gate);

/* --- are there enough workers? ---------------------------------------------
 */

/** Requests that workers have, or that wait for one. */
apr_uint32_t pm_admission_load(const pm_admission_t *gate);

/** A request has come: it was granted or has begun to wait.
 *  @return 1: there are too few workers, and it is the caller who calls the
 *          manager (pm_wakeup.h); once, until the manager has looked */
int pm_admission_need_manager(pm_admission_t *gate);

/** The manager: with more than so many requests at once it is to be called.
 *  All words of a gate being zero, each request calls one that has not said
 *  anything yet. */
void pm_admission_set_enough(pm_admission_t *gate, apr_uint32_t enough);

/** The manager was called and is about to look; or whoever should have
 *  called it could not. */
void pm_admission_reset_call(pm_admission_t *gate);

/** The manager: the most requests at once since it asked last. */
apr_uint32_t pm_admission_take_peak(pm_admission_t *gate);

/* --- manager and parent ------------------------------------------------- */

/** The manager: there are so many workers.
 *  @param changed all who wait are to look at the world */
void pm_admission_set_workers(pm_admission_t *gate, apr_uint32_t workers,
                              int changed);

/** A process has died that had so many grants, and so many who waited. */
void pm_admission_forget_process(pm_admission_t *gate, apr_uint32_t granted,
                                 apr_uint32_t waits);

#endif /* PM_ADMISSION_H */
