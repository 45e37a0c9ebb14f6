/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/policy/pm_recycle.h"

#define JITTER 10 /* per cent, of a lifetime */

/* Subtracts up to so many per cent. */
static apr_uint64_t subtract_jitter(apr_uint64_t n, apr_int64_t percent,
                                    unsigned chance)
{
    return n - n * (apr_uint64_t)percent * (chance & 0xffff) / (100 * 0xffff);
}

/* Nothing known yet: half of them. */
static apr_uint64_t due_after(apr_uint64_t requests, apr_uint64_t lead)
{
    lead = lead ? lead : requests / 2;
    return requests > lead ? requests - lead : 1;
}

pm_recycle_terms_t pm_recycle_terms(const pm_conf_t *conf, unsigned chance,
                                    apr_uint64_t lead)
{
    pm_recycle_terms_t terms = {0, 0, 0, 0};

    terms.requests = subtract_jitter((apr_uint64_t)conf->max_requests.n,
                                     conf->max_requests.percent, chance);
    terms.soon = due_after(terms.requests, lead);
    terms.lifetime = (apr_time_t)subtract_jitter((apr_uint64_t)conf->lifetime,
                                                 JITTER, chance);
    if (conf->max_size > 0 || conf->max_unshared > 0 || conf->min_share > 0) {
        terms.size_check = (apr_uint64_t)conf->size_check;
    }
    return terms;
}

const char *pm_recycle_size(const pm_conf_t *conf, const pm_memory_t *memory,
                            int forked)
{
    apr_int64_t own = memory->resident - memory->shared;

    if (!memory->resident) {
        return NULL;
    }
    return conf->max_size > 0
                   && (forked ? own : memory->resident) > conf->max_size
               ? "it has outgrown FcgiPMMaxProcessSize"
           : conf->max_unshared > 0 && own > conf->max_unshared
               ? "it has outgrown FcgiPMMaxUnsharedSize"
           : conf->min_share > 0 && memory->shared < conf->min_share
               ? "it shares less than FcgiPMMinShareSize"
               : NULL;
}

apr_uint64_t pm_recycle_notify_at(const pm_recycle_terms_t *terms,
                                  apr_uint64_t done)
{
    apr_uint64_t next = terms->size_check
                            ? (done / terms->size_check + 1) * terms->size_check
                            : 0;

    if (terms->requests && done < terms->soon
        && (!next || terms->soon < next)) {
        next = terms->soon;
    }
    return next;
}

apr_uint64_t pm_recycle_learn_lead(apr_uint64_t lead, apr_uint64_t used,
                                   apr_uint64_t most)
{
    apr_uint64_t want = used < most ? used + used / 2 + 1 : most;

    return want >= lead ? want : lead - (lead - want + 3) / 4;
}

apr_time_t pm_recycle_leave_by(apr_time_t due_at, apr_time_t now)
{
    return now + 2 * (now - due_at) + apr_time_from_sec(1);
}

/* A verdict that is due at a time: if it has not come, plan again then. */
static int has_come(pm_recycle_plan_t *plan, apr_time_t at,
                    pm_recycle_verdict_t verdict, apr_time_t now)
{
    if (now < at) {
        plan->next = pm_time_min(plan->next, at);
        return 0;
    }
    plan->verdict = verdict;
    return 1;
}

pm_recycle_plan_t pm_recycle_plan(const pm_conf_t *conf,
                                  const pm_recycle_terms_t *terms,
                                  const pm_recycle_facts_t *facts,
                                  apr_time_t now)
{
    pm_recycle_plan_t plan = {.next = PM_TIME_NEVER, .due = PM_DUE_RECYCLE};

    if (!facts->ready) {
        if (conf->start_timeout) {
            has_come(&plan, facts->born_at + conf->start_timeout,
                     PM_RECYCLE_LATE, now);
        }
        return plan;
    }
    if (conf->request_timeout && facts->busy_since
        && has_come(&plan, facts->busy_since + conf->request_timeout,
                    PM_RECYCLE_OVERDUE, now)) {
        return plan;
    }
    if (facts->leave_by) {
        has_come(&plan,
                 facts->requests < terms->requests ? facts->leave_by : now,
                 PM_RECYCLE_LEAVE, now);
    }
    else if (terms->requests && facts->requests >= terms->soon) {
        plan.verdict = PM_RECYCLE_DUE;
        plan.due = PM_DUE_REQUESTS;
        plan.reason = "it nears FcgiPMMaxRequests";
    }
    else if (terms->lifetime
             && has_come(&plan, facts->born_at + terms->lifetime,
                         PM_RECYCLE_DUE, now)) {
        plan.reason = "it has lived FcgiPMProcessLifetime";
    }
    return plan;
}

int pm_recycle_extra(const int due[PM_DUE_START + 1], int alive)
{
    int all = due[PM_DUE_RELOAD] + due[PM_DUE_START] + due[PM_DUE_REQUESTS]
              + due[PM_DUE_LEAVE];
    int recycle = due[PM_DUE_RECYCLE];
    int most = alive < 8 ? 1 : alive / 4;

    return due[PM_DUE_ROLL] ? 1 : all + (recycle < most ? recycle : most);
}
