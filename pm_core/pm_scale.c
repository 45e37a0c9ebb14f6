/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_scale.h"

pm_scale_plan_t pm_scale_plan(const pm_conf_t *conf,
                              const pm_scale_facts_t *facts, apr_time_t now)
{
    pm_scale_plan_t plan = {0, 0, PM_TIME_NEVER};
    int want = facts->closing ? 0 : (int)conf->processes.max;
    apr_time_t at = facts->crash_next;
    int missing = want - facts->alive;

    if (missing <= 0) {
        plan.stop = -missing;
        return plan;
    }
    if (conf->start_delay && facts->last_start
        && facts->last_start + conf->start_delay > at) {
        at = facts->last_start + conf->start_delay;
    }
    if (now < at) {
        plan.next = at;
        return plan;
    }
    plan.start = conf->start_delay || facts->trial ? 1 : missing;
    if (conf->start_delay && plan.start < missing) {
        plan.next = now + conf->start_delay;
    }
    return plan;
}
