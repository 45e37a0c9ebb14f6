/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_demand.h
 * @brief Layer 3: how many workers a pool's requests need.
 *
 * Two sources.  Requests of httpd's are known exactly, by the gate, and call
 * the manager when they are more than the pool's workers.  Those of others
 * (mod_proxy_fcgi, nginx) are seen at the socket: while a pool could have
 * more workers its listening socket is watched.  With no worker there a
 * connection is need enough.  Else a worker may take it in a moment: the
 * manager stops watching, looks after a pause (10 ms, doubling up to 1 s as
 * long as connections keep coming) how many workers are busy and how many
 * connections wait, and watches again.  So a socket nobody connects to costs
 * nothing, and a busy one a look each second.
 */
#ifndef PM_DEMAND_H
#define PM_DEMAND_H

#include "pm_core/os/pm_loop.h"
#include "pm_core/policy/pm_scale.h"

struct pm_pool;

/** A pool's; all zero but for pm_demand_init(). */
typedef struct pm_demand {
    pm_scale_window_t window;
    int now;          /**< workers needed, as pm_demand_ask() found */
    int looked;       /**< needed as the last look found; 0: asked for
                       *   already */
    pm_watch_t watch; /**< of the listening socket */
    apr_pool_t *p;    /**< the watch's; NULL: none yet */
    pm_timer_t timer; /**< the pause before a look */
    apr_time_t pause;
    apr_time_t since; /**< when the watch began */
} pm_demand_t;

void pm_demand_init(struct pm_pool *pool);

/** Nothing is watched any more; before the socket is closed. */
void pm_demand_close(struct pm_pool *pool);

/** What is needed now, into @c now and the window. */
void pm_demand_ask(struct pm_pool *pool, apr_time_t now);

/** After a plan: have us told of more need than the workers there are can
 *  meet, if more of them could be started. */
void pm_demand_attend(struct pm_pool *pool, int open, apr_time_t now);

#endif /* PM_DEMAND_H */
