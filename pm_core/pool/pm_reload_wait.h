/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_reload_wait.h
 * @brief Layer 3: waiting for the end of a reload.
 *
 * Whoever said `reload wait` is told how many old workers have been replaced
 * and are gone (`progress 3 8 app`), and at the end the truth: `ok`, or the
 * last words of a worker that failed (`stderr 4711 ...`) and `error REASON`.
 *
 * A pool's part ends well when no worker is left that was there when it began
 * and all the pool is to have are ready; badly when a start has failed (with
 * FcgiPMReload all, where one death at birth is tried again at once: two in
 * a row), and when the pool is stopped or removed meanwhile.
 */
#ifndef PM_RELOAD_WAIT_H
#define PM_RELOAD_WAIT_H

#include "pm_core/ipc/pm_control_server.h"
#include "pm_core/pool/pm_pool.h"

/** One who waits; lives in the caller's pool and ends with it. */
typedef struct pm_reload_wait pm_reload_wait_t;

/** One pool of those that are waited for. */
struct pm_reload_wait_part {
    APR_RING_ENTRY(pm_reload_wait_part) link; /**< in pool->waits */
    pm_reload_wait_t *reload;
    pm_pool_t *pool;       /**< NULL: ended */
    apr_uint64_t newest;   /**< number of the newest old worker
                            */
    int old;               /**< old workers at the beginning */
    int gone;              /**< of them, as was told */
    apr_uint32_t failures; /**< the pool had seen before */
};

pm_reload_wait_t *pm_reload_wait_create(pm_control_caller_t *caller);

/** Wait for this pool too, which is to be told to reload after that. */
void pm_reload_wait_add(pm_reload_wait_t *reload, pm_pool_t *pool);

/** That were all.  Without any the answer is given now. */
void pm_reload_wait_begin(pm_reload_wait_t *reload);

/** The pool was planned: is there something to tell?  Asks little of a pool
 *  that nobody waits for. */
void pm_reload_wait_attend(pm_pool_t *pool);

/** The pool is about to be freed. */
void pm_reload_wait_gone(pm_pool_t *pool);

#endif /* PM_RELOAD_WAIT_H */
