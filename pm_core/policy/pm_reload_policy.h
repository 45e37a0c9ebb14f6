/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_reload_policy.h
 * @brief Layer 1: what a new configuration means to a pool.
 */
#ifndef PM_DIFF_H
#define PM_DIFF_H

#include "pm_core/config/pm_conf.h"

typedef enum pm_diff {
    PM_DIFF_START,    /**< it is new */
    PM_DIFF_KEEP,     /**< it goes on as it is */
    PM_DIFF_RELOAD,   /**< its workers are told to go and replaced */
    PM_DIFF_DRAIN     /**< it is no more */
} pm_diff_t;

/**
 * @param graceful what the new configuration says
 * @param was      the pool's definition, NULL when it is new
 * @param is       its new definition, NULL when there is none
 */
pm_diff_t pm_diff_plan(pm_graceful_t graceful, const pm_conf_t *was,
                       const pm_conf_t *is);

#endif /* PM_DIFF_H */
