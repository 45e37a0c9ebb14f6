/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_reload_wait.h
 * @brief Waiting for the end of a reload.
 *
 * The caller of `reload wait` is told how many old workers have been replaced
 * and are gone (`progress 3 8 app`), and at the end `ok`, or the last lines of
 * a worker that failed (`stderr 4711 ...`) and `error REASON`.
 *
 * A pool's part ends well when no worker is left that was there when it began
 * and all the pool is to have are ready.  It ends badly when a start has failed
 * (with FcgiPMReload all, where a death at birth is tried again at once: two
 * in a row), and when the pool is stopped or removed meanwhile.
 */
#ifndef PM_RELOAD_WAIT_H
#define PM_RELOAD_WAIT_H

#include "pm_core/ipc/pm_control_server.h"
#include "pm_core/pool/pm_pool.h"

extern const pm_pool_feature_t pm_reload_wait_feature;

/** One caller that waits; lives in the caller's pool and ends with it. */
typedef struct pm_reload_wait pm_reload_wait_t;

pm_reload_wait_t *pm_reload_wait_create(pm_control_caller_t *caller);

/** Wait for this pool too, which is to be reloaded after that. */
void pm_reload_wait_add(pm_reload_wait_t *reload, pm_pool_t *pool);

/** All pools were added.  If there are none the answer is given now. */
void pm_reload_wait_begin(pm_reload_wait_t *reload);

#endif /* PM_RELOAD_WAIT_H */
