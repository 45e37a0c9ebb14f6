/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/policy/pm_reload_policy.h"

/* The weakest change for which workers are replaced. */
static const pm_change_t reload_from[] = {
    [PM_GRACEFUL_HUP] = PM_CHANGE_NOTHING,
    [PM_GRACEFUL_CHANGED] = PM_CHANGE_WORKERS,
    [PM_GRACEFUL_NONE] = PM_CHANGE_LISTEN /* which makes another pool of it */
};

pm_reload_policy_t pm_reload_policy_plan(pm_graceful_t graceful,
                                         const pm_conf_t *was,
                                         const pm_conf_t *is)
{
    if (!was) {
        return PM_RELOAD_POLICY_START;
    }
    return pm_conf_compare(was, is) >= reload_from[graceful]
               ? PM_RELOAD_POLICY_RELOAD
               : PM_RELOAD_POLICY_KEEP;
}

pm_due_t pm_reload_policy_due(apr_int64_t reload, int ready, pm_due_t due)
{
    return reload                          ? PM_DUE_ROLL
           : ready && due != PM_DUE_RELOAD ? PM_DUE_START
                                           : PM_DUE_RELOAD;
}
