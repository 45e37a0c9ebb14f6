/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_demand.h
 * @brief How many requests a pool has to have workers for.
 *
 * Two sources.  httpd's requests are counted by admission control, which wakes
 * the manager when they are more than the pool's workers may have.  Requests of
 * others (mod_proxy_fcgi, nginx) are seen at the listening socket, which is
 * watched while the pool could have more workers.
 *
 * Without any worker a connection is need enough.  Else a worker may take it
 * in a moment: the manager stops watching, and after a pause counts what
 * workers have and what waits in the queue, then watches again.  The pause is
 * 10 ms and doubles up to 1 s as long as connections keep coming.  So an idle
 * socket costs nothing, and a busy one a look each second.
 */
#ifndef PM_DEMAND_H
#define PM_DEMAND_H

#include "pm_core/os/pm_listen.h"
#include "pm_core/policy/pm_scale.h"
#include "pm_core/pool/pm_worker.h"
#include "pm_core/shm/pm_admission.h"

/** A pool's.  @c now and @c window are for the pool's plan, the rest is
 *  pm_demand.c's. */
typedef struct pm_demand {
    pm_scale_window_t window;
    int now; /**< requests, as pm_demand_update() found */

    pm_worker_group_t *group;
    const pm_listener_t *listener;
    int slot;
    pm_admission_t admission;
    int looked;         /**< requests as the last look at the socket found; 0:
                         *   that was used */
    pm_watch_t watch;   /**< of the listening socket */
    apr_pool_t *pwatch; /**< the watch's; NULL: none yet */
    pm_timer_t timer;   /**< the pause before a look */
    apr_time_t pause;
    apr_time_t since; /**< when the watch began */
} pm_demand_t;

/**
 * At the pool's creation.  What is found is reported by @a group's events.
 * The watch ends with @a group->p.
 * @param listener the pool's; it may be opened later
 * @param slot     of the scoreboard
 */
void pm_demand_init(pm_demand_t *demand, pm_worker_group_t *group,
                    const pm_listener_t *listener, int slot);

/** Find how many there are now, into @c now and the window. */
void pm_demand_update(pm_demand_t *demand, apr_time_t now);

/**
 * After a plan: report when there are more than the workers may have.
 * @param open one more worker could be started
 * @param held connections are refused instead
 */
void pm_demand_watch(pm_demand_t *demand, int open, int held, apr_time_t now);

/** After that, for a pool that can start no worker: the manager is to be called
 *  all the same when there are more than so many requests of httpd's.
 *  @return 1: there are, and it will not be called */
int pm_demand_call_above(pm_demand_t *demand, apr_uint32_t requests);

#endif /* PM_DEMAND_H */
