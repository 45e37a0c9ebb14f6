/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/policy/pm_stop_policy.h"

/* When SIGKILL comes, as things stand. */
static apr_time_t kill_at(const pm_stop_policy_conf_t *conf,
                          const pm_stop_policy_facts_t *facts)
{
    apr_time_t at = PM_TIME_NEVER;

    if (facts->dying_at) {
        at = facts->dying_at + conf->die_timeout;
    }
    if (facts->idle_since) {
        at = pm_time_min(at, facts->idle_since + conf->die_timeout);
    }
    if (conf->drain_timeout) {
        at = pm_time_min(at, facts->told_at + conf->drain_timeout);
    }
    return at;
}

pm_stop_policy_plan_t pm_stop_policy_plan(const pm_stop_policy_conf_t *conf,
                                          const pm_stop_policy_facts_t *facts,
                                          apr_time_t now)
{
    pm_stop_policy_plan_t plan = {PM_STOP_WAIT, kill_at(conf, facts)};
    apr_time_t look_at;

    if (now >= plan.next) {
        plan.act = PM_STOP_KILL;
        plan.next = PM_TIME_NEVER;
        return plan;
    }
    look_at = PM_STOP_RETELL
              + (!facts->idle_since                     ? now
                 : facts->retold_at > facts->idle_since ? facts->retold_at
                                                        : facts->idle_since);
    if (now >= look_at) {
        plan.act = PM_STOP_TELL;
        look_at = now + PM_STOP_RETELL;
    }
    plan.next = pm_time_min(plan.next, look_at);
    return plan;
}
