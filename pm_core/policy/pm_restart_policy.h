/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_restart_policy.h
 * @brief Layer 1: what an exit means, and when a pool may start a worker
 *        again.
 *
 * A worker that has served, or lived for a while, is replaced at once,
 * however it went: php-cgi ends after 500 requests, gitweb after each 404.
 * Only workers that die at birth slow their pool down: the first is replaced
 * at once, then the delay doubles from PM_RESTART_POLICY_FIRST to
 * PM_RESTART_POLICY_LONGEST, and one worker at a time is tried until one has
 * settled.
 */
#ifndef PM_RESTART_POLICY_H
#define PM_RESTART_POLICY_H

#include "pm_core/base/pm_base.h"

#define PM_RESTART_POLICY_FIRST   apr_time_from_msec(100)
#define PM_RESTART_POLICY_LONGEST apr_time_from_sec(30)

/** A worker that lives this long after its start has not died at birth. */
#define PM_RESTART_POLICY_SETTLE apr_time_from_sec(1)

/** A pool's memory of its failures.  All zero: none. */
typedef struct pm_restart_policy {
    int failures;        /**< in a row */
    apr_time_t retry_at; /**< no start before; 0: none */
    apr_time_t trial_at; /**< when the worker on trial was started; 0: none
                          *   is on trial */
} pm_restart_policy_t;

/** How a worker went. */
typedef struct pm_exit_facts {
    int told;   /**< it was told to go */
    int runs;   /**< its program had been executed */
    int clean;  /**< exit status 0, no signal */
    int served; /**< its pool has answered a request that can have
                 *   been its own: see pm_restart_policy_spend_credit() */
    apr_time_t lived;
} pm_exit_facts_t;

typedef enum pm_exit {
    PM_EXIT_NORMAL,  /**< as told, or by itself after its work */
    PM_EXIT_CRASHED, /**< by a signal or status of its own, after it had
                      *   served or settled: replaced at once */
    PM_EXIT_FAILED   /**< at birth: the next start is delayed */
} pm_exit_t;

pm_exit_t pm_restart_policy_judge(const pm_exit_facts_t *facts);

/**
 * Who has served is not known, but how many requests the pool was given:
 * each pays for one exit.  Those of long ago pay for one exit of each worker
 * at the most, so a pool whose new workers die at birth while the old ones
 * serve starts no more than one for each request.
 * @param given   requests answered so far, and under way: a worker that
 *                leaves behind its last byte can be reaped before httpd has
 *                counted its answer
 * @param paid    requests that have been used up; adjusted
 * @param workers that the pool has
 * @return 1 when there was one to pay with
 */
int pm_restart_policy_spend_credit(apr_uint64_t given, apr_uint64_t *paid,
                                   int workers);

/** A worker has FAILED.  Several that fail together count once. */
void pm_restart_policy_note_failure(pm_restart_policy_t *crash, apr_time_t now);

/** A worker was started. */
void pm_restart_policy_note_start(pm_restart_policy_t *crash, apr_time_t now);

/** Nothing is held against the pool any more: a worker went NORMAL after
 *  having served, or the administrator said reload. */
void pm_restart_policy_forget(pm_restart_policy_t *crash);

/**
 * When may the next worker be started?  A trial that has settled is noted
 * here.
 * @return @a now or earlier: at once; else the time to ask again
 */
apr_time_t pm_restart_policy_next_start(pm_restart_policy_t *crash,
                                        apr_time_t now);

#endif /* PM_RESTART_POLICY_H */
