/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_reload_policy.h
 * @brief Layer 1: what a new configuration means to a pool.
 */
#ifndef PM_RELOAD_POLICY_H
#define PM_RELOAD_POLICY_H

#include "pm_core/config/pm_conf.h"

typedef enum pm_reload_policy {
    PM_RELOAD_POLICY_START, /**< it is new */
    PM_RELOAD_POLICY_KEEP,  /**< it goes on as it is */
    PM_RELOAD_POLICY_RELOAD /**< its workers are told to go and replaced */
} pm_reload_policy_t;

/**
 * @param graceful what the new configuration says
 * @param was      the pool's definition, NULL when it is new
 * @param is       its new definition
 */
pm_reload_policy_t pm_reload_policy_plan(pm_graceful_t graceful,
                                         const pm_conf_t *was,
                                         const pm_conf_t *is);

#endif /* PM_RELOAD_POLICY_H */
