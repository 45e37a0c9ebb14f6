/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/policy/pm_reload_policy.h"

pm_diff_t pm_diff_plan(pm_graceful_t graceful, const pm_conf_t *was,
                       const pm_conf_t *is)
{
    if (!was) {
        return PM_DIFF_START;
    }
    if (!is) {
        return PM_DIFF_DRAIN;
    }
    switch (graceful) {
    case PM_GRACEFUL_NONE:
        return PM_DIFF_KEEP;
    case PM_GRACEFUL_CHANGED:
        return pm_conf_compare(was, is) >= PM_CHANGE_WORKERS
                   ? PM_DIFF_RELOAD : PM_DIFF_KEEP;
    case PM_GRACEFUL_HUP:
    default:
        return PM_DIFF_RELOAD;
    }
}
