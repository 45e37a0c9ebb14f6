/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_restart_policy.h
 * @brief What the exit of a worker means, and when its pool may start
 *        another.
 *
 * A worker that has served, or lived for a while, is replaced at once, however
 * it ended: php-cgi ends after 500 requests, gitweb after each 404.  Only
 * workers that fail at their start delay the next: the first is replaced at
 * once, then the delay doubles from PM_RESTART_POLICY_FIRST to
 * PM_RESTART_POLICY_LONGEST, and one worker at a time is on trial until one has
 * lived for PM_RESTART_POLICY_SETTLE and does not load any more.  A worker that
 * ends before it was ready has failed, however long it took to load.
 */
#ifndef PM_RESTART_POLICY_H
#define PM_RESTART_POLICY_H

#include "pm_core/base/pm_base.h"

#define PM_RESTART_POLICY_FIRST   apr_time_from_msec(100)
#define PM_RESTART_POLICY_LONGEST apr_time_from_sec(30)

/** A worker that lives this long, and is ready, has not failed at its start. */
#define PM_RESTART_POLICY_SETTLE apr_time_from_sec(1)

/** The failures of a pool.  All zero: none. */
typedef struct pm_restart_policy {
    int failures;        /**< in a row */
    apr_time_t retry_at; /**< no start before; 0: none */
    apr_time_t trial_at; /**< when the worker on trial was started; 0: none
                          *   is on trial */
} pm_restart_policy_t;

/** How a worker ended. */
typedef struct pm_exit_facts {
    int told;         /**< it had got SIGTERM or SIGKILL */
    int runs;         /**< its program had been executed */
    int clean;        /**< exit status 0, no signal */
    int served;       /**< its pool has answered a request that can be
                       *   its own (pm_restart_policy_spend_credit()) */
    apr_time_t lived; /**< microseconds since its start */
    int loading;      /**< it is known that it was never ready */
    int daemon;       /**< it has put itself into the background */
} pm_exit_facts_t;

typedef enum pm_exit {
    PM_EXIT_NORMAL,  /**< as told, or by itself with status 0 */
    PM_EXIT_CRASHED, /**< by a signal or another status, after it had
                      *   served or lived for a while: replaced at once */
    PM_EXIT_FAILED   /**< at its start: the next start is delayed */
} pm_exit_t;

/** @return what the exit of a worker means */
pm_exit_t pm_restart_policy_judge(const pm_exit_facts_t *facts);

/**
 * Which worker has served is not known, but how many requests the pool was
 * given is: each pays for one exit.  Requests of long ago pay for one exit of
 * each worker at the most, so a pool whose new workers fail while the old ones
 * serve starts no more than one for each request.
 * @param answered requests answered so far
 * @param waiting  requests in flight: a worker that ends after its last byte
 *                 can be reaped before the child has counted its answer.  In a
 *                 pool that has answered none, they wait for its first worker
 *                 to load, and pay for nothing
 * @param paid     requests that have been used up; adjusted
 * @param workers  that the pool has
 * @return 1 when there was one to pay with
 */
int pm_restart_policy_spend_credit(apr_uint64_t answered, apr_uint64_t waiting,
                                   apr_uint64_t *paid, int workers);

/** Note that a worker has FAILED.  Several that fail together count once.
 *  @param loading 1: the worker on trial was not ready */
void pm_restart_policy_note_failure(pm_restart_policy_t *crash, int loading,
                                    apr_time_t now);

/** Note that a worker was started. */
void pm_restart_policy_note_start(pm_restart_policy_t *crash, apr_time_t now);

/** Forget all failures: a worker has served and ended NORMAL, or somebody has
 *  asked for a reload or a start. */
void pm_restart_policy_forget(pm_restart_policy_t *crash);

/**
 * When may the next worker be started?  A trial that has lasted long enough
 * ends here, and with it the failures.
 * @param loading 1: the worker on trial is not ready yet
 * @return @a now or earlier: at once; else the time to ask again
 */
apr_time_t pm_restart_policy_next_start(pm_restart_policy_t *crash, int loading,
                                        apr_time_t now);

/** @return when the worker on trial will have passed; PM_TIME_NEVER: not before
 *  it is ready */
apr_time_t pm_restart_policy_trial_end(const pm_restart_policy_t *crash,
                                       int loading);

#endif /* PM_RESTART_POLICY_H */
