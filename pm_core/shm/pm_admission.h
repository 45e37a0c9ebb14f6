/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_admission.h
 * @brief Admission control: which requests of a pool hold a worker and which
 *        are queued.
 *
 * The state is some words of shared memory for each pool, which httpd's
 * children and the manager change with atomic operations, without a lock, and
 * two more that only the manager changes.  A
 * request holds a grant while a worker has it.  There are as many grants as
 * the workers may have requests (FcgiPMRequestsPerWorker for each), and some
 * more whose turn comes within a moment: pm_admission_capacity().
 *
 * Requests are served in the order they come.  A grant that is released while
 * others are queued stays granted and is reserved for the one that has waited
 * longest; a request that comes later cannot take it.  There are never more
 * reservations than queued requests, and for each of them a queued request, or
 * its child, is awake or has been woken to take it (pm_admission_rows.h).
 *
 * A child that dies while it holds grants cannot release them.  The parent does
 * (pm_scoreboard_row_release()): the child's cells in the scoreboard say how
 * many there were.  A child counts up its cell before it takes a grant and down
 * after it has released it.  If it is killed between the two, the admission
 * words can become too low, never too high: one request too many is in the
 * kernel's queue, or one is not woken in its turn.  Counts stop at zero, so the
 * error does not last.
 *
 * An idle connection that a child keeps to a worker (hpm_kept.h) holds that
 * worker without a grant: it is counted by itself, and given up as soon as
 * requests and kept connections together are more than the workers may have
 * requests.  A child counts a kept connection up, then looks at the grants; a
 * request takes its grant, then looks at the kept ones.  Of the two at least
 * one sees the other.
 *
 * Unless it says otherwise, any thread of a child may call a function here.
 */
#ifndef PM_ADMISSION_H
#define PM_ADMISSION_H

#include "pm_core/base/pm_base.h"
#include "pm_core/shm/pm_admission_rows.h"

/** What requests change, of one pool; all zero at first.  In its own cache
 * line, as all children write to it.  Any child can write anything here: no
 * process relies on it (pm_scoreboard_correct_admission()). */
typedef struct pm_admission_words {
    apr_uint32_t granted; /**< requests that hold a grant, and reserved ones */
    apr_uint32_t line;    /**< queued requests, and grants reserved for them:
                           *   PM_ADMISSION_WAITING, PM_ADMISSION_RESERVED */
    apr_uint32_t wakeups; /**< futex: changes each time queued ones are woken */
    apr_uint32_t pace;    /**< microseconds from grant to release, moving
                           *   average; 0: not known */
    apr_uint32_t called;  /**< 1: a child has called the manager, which has
                           *   not looked yet */
    apr_uint32_t peak;    /**< most requests at once since it looked */
    apr_uint32_t kept;    /**< idle connections that children keep */
    apr_uint32_t released; /**< pm_time_now() when the pace was updated, or
                            *   the first grant taken; its lower half */
} __attribute__((aligned(64))) pm_admission_words_t;

/** What the manager said last of one pool; children can only read it.  All
 *  zero: a pool that has no workers yet. */
typedef struct pm_admission_supply {
    apr_uint32_t workers;
    apr_uint32_t requests; /**< that the workers may have together */
    apr_uint32_t enough;   /**< up to so many requests the manager need not be
                            *   called */
} pm_admission_supply_t;

/** The state of one pool, where this process has it mapped. */
typedef struct pm_admission {
    pm_admission_words_t *words;   /**< NULL: there is none */
    pm_admission_supply_t *supply; /**< only the manager writes */
    pm_admission_rows_t *rows; /**< children that can be called; NULL: none */
    apr_size_t head;           /**< where in a row the pool's head is */
    int *called; /**< set to 1 when this process itself is called, and looks
                  *   at its queue then (hpm_queue.h); NULL: its thread that
                  *   sleeps is woken */
} pm_admission_t;

/** The two halves of pm_admission_t.line, which change together. */
#define PM_ADMISSION_WAITING(line)  ((line)&0xffffU)
#define PM_ADMISSION_RESERVED(line) ((line) >> 16)

/* --- arithmetic, without side effects ------------------------------------- */

/** @param requests that the workers may have together
 *  @param granted  requests that hold a grant
 *  @param pace     microseconds for which one holds it; 0: not known
 *  @param crowded  pm_admission_rows_crowded()
 *  @return how many grants there are; at least one, so that a pool without a
 *  worker sees at its socket that one is needed */
apr_uint32_t pm_admission_capacity(apr_uint32_t workers, apr_uint32_t requests,
                                   apr_uint32_t granted, apr_uint32_t pace,
                                   int crowded);

/** @param requests that the workers may have together
 *  @return how many of the granted requests no worker can have at the moment */
static inline apr_uint32_t pm_admission_excess(apr_uint32_t granted,
                                               apr_uint32_t requests)
{
    return granted > requests ? granted - requests : 0;
}

/** @param load     requests that hold a grant or are queued
 *  @param requests that the workers may have together
 *  @return how many of the @a kept connections are to be given up, as their
 *          workers are needed */
static inline apr_uint32_t pm_admission_surplus(apr_uint32_t load,
                                                apr_uint32_t kept,
                                                apr_uint32_t requests)
{
    apr_uint32_t room = requests > load ? requests - load : 0;

    return kept > room ? kept - room : 0;
}

/** @return the moving average @a pace with one more value */
apr_uint32_t pm_admission_average(apr_uint32_t pace, apr_interval_time_t took);

/* --- a request ------------------------------------------------------------ */

/** Take a grant if one is free and no request is queued.
 *  @param limit how many may be queued, as of pm_admission_enqueue(): a request
 *               that no worker can have at the moment is one of them
 *  @return 1: taken */
int pm_admission_try(const pm_admission_t *admission, apr_uint32_t limit);

/** Release a grant; the request that is queued for longest is woken.
 *  @param took microseconds since the grant was taken; -1: not to be counted
 */
void pm_admission_release(const pm_admission_t *admission,
                          apr_interval_time_t took);

/** Join the queue:
 *
 *      seen = pm_admission_wakeups(admission);
 *      pm_admission_enqueue(admission, limit)
 *      while (!pm_admission_claim(admission, woken)) {
 *          pm_admission_sleep(admission, seen, left);
 *          given up: pm_admission_leave(admission), return
 *          woken = 1;
 *          seen = pm_admission_wakeups(admission);
 *      }
 *
 *  @param limit how many may be queued; 0: as many as fit (65535)
 *  @return 0: the queue is full and was not joined */
int pm_admission_enqueue(const pm_admission_t *admission, apr_uint32_t limit);

/** @return the value pm_admission_sleep() waits to see changed; to be read
 *  before pm_admission_enqueue(), and again before each further
 *  pm_admission_claim() */
static inline apr_uint32_t pm_admission_wakeups(const pm_admission_t *admission)
{
    return __atomic_load_n(&admission->words->wakeups, __ATOMIC_SEQ_CST);
}

/** Take a grant, as a queued request.
 *  @param woken 0: it has just been queued, reserved grants are not for it
 *  @return 1: taken, and the request has left the queue */
int pm_admission_claim(const pm_admission_t *admission, int woken);

/** Sleep until queued requests are woken; pm_futex_wait() says for what
 *  other reasons it returns.
 *  @param seen pm_admission_wakeups()
 *  @param timeout microseconds, more than 0 */
void pm_admission_sleep(const pm_admission_t *admission, apr_uint32_t seen,
                        apr_interval_time_t timeout);

/** Leave the queue without a grant. */
void pm_admission_leave(const pm_admission_t *admission);

/** @return 1: a request that was woken can claim a grant now */
int pm_admission_has_grant(const pm_admission_t *admission);

/** A child has published its head, or has granted all that it can: if a grant
 *  is left, the child with the oldest head is called.  In that order, head and
 *  look, none is lost: a process that releases a grant looks at the heads after
 *  it. */
void pm_admission_pass_on(const pm_admission_t *admission);

/* --- kept connections ----------------------------------------------------- */

/** One more is kept. */
void pm_admission_add_kept(const pm_admission_t *admission);

/** As many are kept no more. */
void pm_admission_remove_kept(const pm_admission_t *admission, apr_uint32_t n);

/** @return how many have to be given up now */
apr_uint32_t pm_admission_kept_surplus(const pm_admission_t *admission);

/** Can a request that holds a grant leave its connection behind, kept, without
 *  taking a worker from another request? */
int pm_admission_has_room_to_keep(const pm_admission_t *admission);

/* --- are there enough workers? -------------------------------------------- */

/** @return requests that hold a grant or are queued */
apr_uint32_t pm_admission_load(const pm_admission_t *admission);

/** Note the load after a request was granted or queued.
 *  @return 1: there are too few workers, and the caller has to call the
 *          manager (pm_wakeup.h).  One caller only, until the manager looks */
int pm_admission_need_manager(const pm_admission_t *admission);

/** The manager says with how many requests at once it need not be called.
 *  Until it has said so for the first time, it is called at any request. */
void pm_admission_set_enough(const pm_admission_t *admission,
                             apr_uint32_t enough);

/** Let the next one call again.  The manager says so before it looks, and a
 *  child that could not call it. */
void pm_admission_reset_call(const pm_admission_t *admission);

/** @return the most requests at once since the last call, as children say; at
 *  least @a load, with which the next period begins.  Manager only. */
apr_uint32_t pm_admission_take_peak(const pm_admission_t *admission,
                                    apr_uint32_t load);

/* --- manager and parent --------------------------------------------------- */

/** The manager says how many workers there are; queued requests that can be
 *  granted now are woken.
 *  @param requests that the workers may have together
 *  @param changed  1: all queued requests are woken, to look at the pool again
 */
void pm_admission_set_workers(const pm_admission_t *admission,
                              apr_uint32_t workers, apr_uint32_t requests,
                              int changed);

/** The parent takes back what a child that died has left behind.
 *  @param granted its grants
 *  @param waits   its queued requests */
void pm_admission_forget_process(const pm_admission_t *admission,
                                 apr_uint32_t granted, apr_uint32_t waits);

/* --- words that are not true ---------------------------------------------- */

/** What the words say at one moment. */
typedef struct pm_admission_said {
    apr_uint32_t granted, line;
} pm_admission_said_t;

pm_admission_said_t pm_admission_read(const pm_admission_t *admission);

/** Can that be?  As a child counts up its cell first and down last, the cells
 *  together never say less than the words.
 *  @param in_flight that all rows say
 *  @param waiting   likewise */
int pm_admission_can_be(pm_admission_said_t said, apr_uint32_t in_flight,
                        apr_uint32_t waiting);

/** Lower the words to what can be, unless they have changed since they were
 *  read, and wake all queued requests. */
void pm_admission_correct(const pm_admission_t *admission,
                          pm_admission_said_t said, apr_uint32_t in_flight,
                          apr_uint32_t waiting);

#endif /* PM_ADMISSION_H */
