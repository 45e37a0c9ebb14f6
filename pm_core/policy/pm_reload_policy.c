/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/policy/pm_reload_policy.h"

pm_reload_policy_t pm_reload_policy_plan(pm_graceful_t graceful,
                                         const pm_conf_t *was,
                                         const pm_conf_t *is)
{
    if (!was) {
        return PM_RELOAD_POLICY_START;
    }
    if (!is) {
        return PM_RELOAD_POLICY_DRAIN;
    }
    switch (graceful) {
    case PM_GRACEFUL_NONE:
        return PM_RELOAD_POLICY_KEEP;
    case PM_GRACEFUL_CHANGED:
        return pm_conf_compare(was, is) >= PM_CHANGE_WORKERS
                   ? PM_RELOAD_POLICY_RELOAD
                   : PM_RELOAD_POLICY_KEEP;
    case PM_GRACEFUL_HUP:
    default:
        return PM_RELOAD_POLICY_RELOAD;
    }
}
