/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_pool_exit.h
 * @brief What the end of a worker, or a start that failed, means to its pool.
 *
 * pm_restart_policy.h judges; here the verdict is counted, logged, and held
 * against the pool: starts are delayed, a rolling reload ends, the former
 * definition comes back.
 */
#ifndef PM_POOL_EXIT_H
#define PM_POOL_EXIT_H

#include "pm_core/pool/pm_pool.h"

/** A worker was reaped.
 *  @param status of waitpid(2)
 *  @param facts  all but @c served, which is found out here */
void pm_pool_exit_count(pm_pool_t *pool, pm_worker_t *w, int status,
                        pm_exit_facts_t facts);

/** A worker died at birth, or did not become ready, as pool->last_error says.
 *  @param w NULL: it could not even be started */
void pm_pool_exit_failed(pm_pool_t *pool, const pm_worker_t *w, apr_time_t now);

#endif /* PM_POOL_EXIT_H */
