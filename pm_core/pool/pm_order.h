/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_order.h
 * @brief A worker that was ordered, and has not come yet.
 *
 * Another process makes it: the spawner (pm_exec_order.h), or the pool's fork
 * server (pm_fork_server.h).  The manager goes on meanwhile.  To the plan of
 * the pool, and to FcgiPMMaxProcesses, an order is a worker that is loading.
 */
#ifndef PM_ORDER_H
#define PM_ORDER_H

#include "pm_core/pool/pm_worker.h"

typedef struct pm_order {
    APR_RING_ENTRY(pm_order) link; /**< in its owner's list */
    pm_worker_group_t *group;
    apr_pool_t *p;
    int shm_index;    /**< the worker's, in group->shm; -1: none */
    int birth_fd;     /**< over which its birth is told; -1: none yet */
    int output_fd;    /**< the manager's end of its output; likewise */
    pm_watch_t watch; /**< of birth_fd */
    pm_timer_t timer; /**< the deadline */
} pm_order_t;

APR_RING_HEAD(pm_orders, pm_order);

/** An order for a worker of this group, in memory of its own; the owner puts
 *  it into its list.
 *  @param size of the owner's structure, whose first member it is */
pm_order_t *pm_order_create(pm_worker_group_t *group, apr_size_t size);

/** No descriptor, watch or deadline of it is left. */
void pm_order_close(pm_order_t *order);

/** No worker will come: takes it from the list and frees it. */
void pm_order_end(pm_order_t *order);

/** The worker is born: the order ends in it.
 *  @param exec_fd see pm_worker_adopt() */
pm_worker_t *pm_order_adopt(pm_order_t *order, const pm_worker_origin_t *from,
                            pid_t pid, int exec_fd);

#endif /* PM_ORDER_H */
