/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_stop_policy.h
 * @brief Layer 1: how a worker that was told to go is made to.
 *
 * The ladder: SIGTERM, and then
 *   - who is known to wait for a request lost the signal or swallowed it:
 *     told again each second, killed after the die timeout;
 *   - who is or may be busy is told once, as a second SIGTERM cuts the
 *     request of some programs, and is killed by the drain timeout only;
 *   - when the manager itself is to end, the die timeout kills all alike.
 */
#ifndef PM_STOP_POLICY_H
#define PM_STOP_POLICY_H

#include "pm_core/base/pm_base.h"

/** Time between SIGTERMs to a worker that is known to be idle. */
#define PM_STOP_RETELL apr_time_from_sec(1)

typedef struct pm_stop_policy_conf {
    apr_time_t die_timeout;
    apr_time_t drain_timeout; /**< 0: never */
} pm_stop_policy_conf_t;

typedef struct pm_stop_policy_facts {
    apr_time_t told_at;   /**< first SIGTERM */
    apr_time_t retold_at; /**< the last one */
    apr_time_t dying_at;  /**< the manager's own end began; 0: no */
    int idle;             /**< 1: it is known to wait for a request */
} pm_stop_policy_facts_t;

typedef struct pm_stop_policy_plan {
    enum { PM_STOP_WAIT, PM_STOP_TELL, PM_STOP_KILL } act;
    apr_time_t next; /**< when to plan again; PM_TIME_NEVER */
} pm_stop_policy_plan_t;

pm_stop_policy_plan_t pm_stop_policy_plan(const pm_stop_policy_conf_t *conf,
                                          const pm_stop_policy_facts_t *facts,
                                          apr_time_t now);

#endif /* PM_STOP_POLICY_H */
