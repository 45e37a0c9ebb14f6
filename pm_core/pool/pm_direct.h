/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_direct.h
 * @brief Requests that reach a pool's workers directly, without this module.
 *
 * mod_proxy_fcgi, nginx and clients of fcgipm-run connect to the pool's socket
 * by themselves.  Guarded workers count every connection they accept; httpd
 * counts every connection it makes.  What workers have accepted beyond that
 * came directly.  The number is a lower bound: workers without the guard
 * count nothing, and a connection of httpd's that no worker accepted hides
 * one that came directly.  It never falls, and outlives the manager in the
 * pool's slot of the scoreboard.
 *
 * Connections of clients that FcgiPMListenClients does not list are counted
 * here, too: workers close them and tell how many (pm_worker_status.h).
 *
 * The manager only.
 */
#ifndef PM_DIRECT_H
#define PM_DIRECT_H

#include "pm_core/pool/pm_context.h"

/** A pool's. */
typedef struct pm_direct {
    apr_uint64_t accepted; /**< connections accepted by workers that are gone */
    apr_uint64_t turns;    /**< httpd's connections before this manager */
    apr_uint64_t before;   /**< direct ones before this manager */
} pm_direct_t;

/** The pool has its slot of the scoreboard. */
void pm_direct_init(pm_pool_t *pool);

/** Keep what a worker has counted, before it is freed. */
void pm_direct_keep(pm_worker_t *w, apr_time_t now);

/** Write the pool's direct requests into its slot.  Walks the workers.
 *  @return how many ready workers say that they have a request */
int pm_direct_update(pm_pool_t *pool, apr_time_t now);

#endif /* PM_DIRECT_H */
