/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_fork_server.h
 * @brief FcgiPMPreload: workers that are forked from one that has loaded the
 *        program.
 *
 * The first worker of a pool is a candidate.  When it waits for its first
 * request the guard in it says whether it can be a fork server (see
 * pm_fork_order.h).  If it cannot, it serves as any worker, and the others are
 * executed as without FcgiPMPreload.  If it can, it serves no requests, and
 * each worker is an order to it.
 *
 * A reload loads another candidate.  The old workers stay until the first
 * worker of the new code is ready; a candidate that fails leaves the former
 * fork server in its place, which makes workers of the old code.
 *
 * DIAGNOSTICS: what a fork server does not do in time, or what cannot be true,
 * ends it, and each worker executes the program until the next reload.  So it
 * is with one whose workers fail before one has worked.  One that dies is
 * loaded again.
 */
#ifndef PM_FORK_SERVER_H
#define PM_FORK_SERVER_H

#include "pm_core/pool/pm_pool.h"

extern const pm_pool_feature_t pm_fork_server_feature;

/** How the next worker comes. */
typedef enum pm_fork_birth {
    PM_FORK_BY_EXEC, /**< not from here: its program is to be executed */
    PM_FORK_BEGUN,   /**< a candidate was started, or a worker ordered */
    PM_FORK_LATER,   /**< a candidate is loading, or there are orders enough;
                      *   the pool is touched when that is over */
    PM_FORK_ENOUGH,  /**< likewise; if the pool needs more workers than it has,
                      *   there is one all the same */
    PM_FORK_NOT      /**< that failed; the error was reported */
} pm_fork_birth_t;

/**
 * Start a worker.
 * @param want workers the pool needs: as long as it has less, those that are
 *             to be replaced counted, the fork server of the old code makes
 *             some while a candidate loads the new one
 */
pm_fork_birth_t pm_fork_server_birth(pm_pool_t *pool, int want, apr_time_t now);

/** The pool's workers are to be replaced: the next birth is a candidate. */
void pm_fork_server_reload(pm_pool_t *pool);

/** The pool has another socket: no worker is made that has the former one. */
void pm_fork_server_moved(pm_pool_t *pool);

/** The worker counts as ready: a candidate that has not decided by now never
 *  will.  Old workers that a reload replaces go when a forked one is. */
void pm_fork_server_ready(pm_pool_t *pool, const pm_worker_t *w);

/** The worker has not become ready: if it is the candidate, what was loaded
 *  before stays.  @param by_code 0: it was told to go */
void pm_fork_server_failed(pm_pool_t *pool, const pm_worker_t *w, int by_code);

/** Was the worker forked by a server that cannot make workers, so that the pool
 *  has not failed to start one?  When workers of a server fail one after the
 *  other, before one has worked, it is ended, and each worker executes the
 *  program until the next reload. */
int pm_fork_server_is_blamed(pm_pool_t *pool, const pm_worker_t *w);

/** A worker was reaped; its address space tells about that of the others. */
void pm_fork_server_exited(pm_pool_t *pool, pm_worker_t *w, int status);

/** Is the worker to become the pool's fork server? */
int pm_fork_server_is_candidate(const pm_worker_t *w);

/** For the status: "off", "loading", "on", or why not. */
const char *pm_fork_server_state(const pm_pool_t *pool);

/** @return 0: there is none */
pid_t pm_fork_server_pid(const pm_pool_t *pool);

/** Are workers made of code that was loaded before a reload, as the new code
 *  does not load? */
int pm_fork_server_is_kept(const pm_pool_t *pool);

#endif /* PM_FORK_SERVER_H */
