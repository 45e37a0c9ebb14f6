/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_reload_policy.h
 * @brief What a new configuration does to a pool.
 */
#ifndef PM_RELOAD_POLICY_H
#define PM_RELOAD_POLICY_H

#include "pm_core/config/pm_conf.h"

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

#endif /* PM_RELOAD_POLICY_H */
