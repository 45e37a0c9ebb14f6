/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_exec_order.h
 * @brief Workers that execute their program, by orders to the spawner.
 *
 * Orders wait in the manager, those of all pools in one queue.  Some at a time
 * are given to the spawner (pm_spawner.h), each with what its pool is started
 * from at that moment.  An order ends in a worker, or in an error.  When the
 * spawner dies, or does not obey in time and is killed, what it has left is
 * given again; without a spawner the manager forks the workers.
 */
#ifndef PM_EXEC_ORDER_H
#define PM_EXEC_ORDER_H

#include "pm_core/pool/pm_pool.h"

/** How an order has ended. */
typedef enum pm_exec_end {
    PM_EXEC_BORN,    /**< in this worker, which has still to execute */
    PM_EXEC_FAILED,  /**< in an error, which was reported */
    PM_EXEC_RECALLED /**< it is not needed any more */
} pm_exec_end_t;

typedef void pm_exec_ended_t(pm_pool_t *pool, pm_exec_end_t how, pm_worker_t *w,
                             void *ctx);

void pm_exec_orders_init(pm_context_t *context);

/** Order a worker.
 *  @param fork_fd see pm_birth_t; the order's from now on; -1: none */
void pm_exec_order(pm_pool_t *pool, int fork_fd, pm_exec_ended_t *ended,
                   void *ctx);

/** Give orders until @a end, one at least.  At the end of a round of events.
 *  @return 1: more could be given at once */
int pm_exec_orders_give(pm_context_t *context, apr_time_t end);

/** Take back orders of a pool that were not given, @a n at the most.
 *  @return how many */
int pm_exec_orders_recall(pm_pool_t *pool, int n);

/** The pool's workers are to be replaced; so are those that are being born. */
void pm_exec_orders_reload(pm_pool_t *pool);

/** Adopt the workers that have been born by now. */
void pm_exec_orders_hear(pm_context_t *context);

/** Is it the spawner, or a child of its that is not adopted yet?  None is
 *  adopted by asking. */
int pm_exec_orders_has(const pm_context_t *context, pid_t pid, pid_t group);

/** Are workers being born? */
int pm_exec_orders_given(const pm_context_t *context);

#endif /* PM_EXEC_ORDER_H */
