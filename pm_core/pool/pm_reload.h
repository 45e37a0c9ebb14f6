/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_reload.h
 * @brief The one way to a reload, whatever asks for it.
 */
#ifndef PM_RELOAD_H
#define PM_RELOAD_H

#include "pm_core/pool/pm_pool.h"
#include "pm_core/pool/pm_reload_wait.h"

typedef enum pm_reload_origin {
    PM_RELOAD_SIGNAL,  /**< SIGHUP to the manager */
    PM_RELOAD_COMMAND, /**< `reload` on the control socket */
    PM_RELOAD_FILE     /**< a file of FcgiPMWatch has changed */
} pm_reload_origin_t;

/** What asks for it. */
typedef struct pm_reload {
    pm_reload_origin_t origin;
    uid_t uid;              /**< of the caller on the control socket */
    pm_reload_wait_t *wait; /**< is told of each pool; NULL: no caller waits */
} pm_reload_t;

/**
 * Reload a pool, or all, and count that as one reload.  A pool that is
 * stopped, failed, draining or closing is left alone.
 * @param pool NULL: all
 */
void pm_reload_run(pm_context_t *context, pm_pool_t *pool,
                   const pm_reload_t *how);

#endif /* PM_RELOAD_H */
