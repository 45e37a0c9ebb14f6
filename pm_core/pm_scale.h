/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_scale.h
 * @brief Layer 1: how many workers a pool is to have.
 */
#ifndef PM_SCALE_H
#define PM_SCALE_H

#include "pm_conf.h"

typedef struct pm_scale_facts {
    int alive;              /**< workers not told to go */
    int closing;            /**< 1: the pool is to have none */
    apr_time_t last_start;  /**< of a worker in this pool; 0: none yet */
    apr_time_t crash_next;  /**< pm_crash_next() */
    int trial;              /**< 1: only one may be started at a time */
} pm_scale_facts_t;

typedef struct pm_scale_plan {
    int start;              /**< workers to start now */
    int stop;               /**< workers to tell to go */
    apr_time_t next;        /**< when to plan again; PM_TIME_NEVER */
} pm_scale_plan_t;

pm_scale_plan_t pm_scale_plan(const pm_conf_t *conf,
                              const pm_scale_facts_t *facts, apr_time_t now);

#endif /* PM_SCALE_H */
