/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_stop_policy.h
 * @brief What follows the SIGTERM that stops a worker.
 *
 * A ladder of SIGTERM and SIGKILL, on which a worker has a next step until it
 * is gone:
 *   - a worker that is known to have no request has lost or ignored the signal:
 *     it gets SIGTERM again each second, and SIGKILL when it has been so for
 *     the die timeout; one that has just become so has a second to go;
 *   - a worker that is busy, or may be, gets SIGTERM once, as a second one cuts
 *     the request of some programs (flup, MapServer), and SIGKILL only after
 *     the drain timeout.  Each second it is looked at again: its request may
 *     have ended;
 *   - when the manager itself ends, each worker gets SIGKILL after the die
 *     timeout.
 *
 * libfcgipm/manage uses it as well.
 */
#ifndef PM_STOP_POLICY_H
#define PM_STOP_POLICY_H

#include "pm_core/base/pm_base.h"

/** Time between two looks at a worker that was told to stop, and between two
 *  SIGTERMs to one that is idle. */
#define PM_STOP_RETELL apr_time_from_sec(1)

/** The settings it depends on. */
typedef struct pm_stop_policy_conf {
    apr_time_t die_timeout;
    apr_time_t drain_timeout; /**< 0: never */
} pm_stop_policy_conf_t;

/** What is known of the worker. */
typedef struct pm_stop_policy_facts {
    apr_time_t told_at;    /**< when it got its first SIGTERM */
    apr_time_t retold_at;  /**< when it got its last one */
    apr_time_t dying_at;   /**< when the manager began to end; 0: no */
    apr_time_t idle_since; /**< at each look since then it was known to have
                            *   no request; 0: it has one, or may have */
} pm_stop_policy_facts_t;

typedef enum pm_stop_act {
    PM_STOP_WAIT, /**< nothing now */
    PM_STOP_TELL, /**< SIGTERM to the worker */
    PM_STOP_KILL  /**< SIGKILL to its process group */
} pm_stop_act_t;

typedef struct pm_stop_policy_plan {
    pm_stop_act_t act;
    apr_time_t next; /**< when to plan again; PM_TIME_NEVER */
} pm_stop_policy_plan_t;

/** Plan for a worker that has got SIGTERM.  @param now pm_time_now() */
pm_stop_policy_plan_t pm_stop_policy_plan(const pm_stop_policy_conf_t *conf,
                                          const pm_stop_policy_facts_t *facts,
                                          apr_time_t now);

#endif /* PM_STOP_POLICY_H */
