/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_reload_policy.h
 * @brief What a new configuration does to a pool.
 */
#ifndef PM_RELOAD_POLICY_H
#define PM_RELOAD_POLICY_H

#include "pm_core/config/pm_conf.h"
#include "pm_core/policy/pm_recycle.h"

typedef enum pm_reload_policy {
    PM_RELOAD_POLICY_START, /**< it is new: start it */
    PM_RELOAD_POLICY_KEEP,  /**< its workers stay */
    PM_RELOAD_POLICY_RELOAD /**< its workers are replaced */
} pm_reload_policy_t;

/**
 * Plan for a pool of the new configuration.
 * @param graceful FcgiPMGraceful of the new configuration
 * @param was      the pool's definition, NULL when it is new
 * @param is       its new definition
 */
pm_reload_policy_t pm_reload_policy_plan(pm_graceful_t graceful,
                                         const pm_conf_t *was,
                                         const pm_conf_t *is);

/**
 * When a worker goes that a reload replaces.  One that is not ready yet is let
 * get ready, and stays until another is; reloads that follow each other faster
 * than the program loads would leave the pool without a worker else.
 * @param reload FcgiPMReload of the pool
 * @param ready  the worker serves
 * @param due    what it was due for before
 */
pm_due_t pm_reload_policy_due(apr_int64_t reload, int ready, pm_due_t due);

#endif /* PM_RELOAD_POLICY_H */
