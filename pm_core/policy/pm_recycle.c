/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/policy/pm_recycle.h"

#define JITTER 10 /* per cent, of a lifetime */

/* Subtracts up to so many per cent. */
static apr_uint64_t subtract_jitter(apr_uint64_t n, apr_int64_t percent,
                                    unsigned chance)
{
    return n - n * (apr_uint64_t)percent * (chance & 0xffff) / (100 * 0xffff);
}

pm_recycle_terms_t pm_recycle_terms(const pm_conf_t *conf, unsigned chance)
{
    pm_recycle_terms_t terms = {0, 0, 0};

    terms.requests = subtract_jitter((apr_uint64_t)conf->max_requests.n,
                                     conf->max_requests.percent, chance);
    terms.lifetime = (apr_time_t)subtract_jitter((apr_uint64_t)conf->lifetime,
                                                 JITTER, chance);
    if (conf->max_size > 0 || conf->max_unshared > 0 || conf->min_share > 0) {
        terms.size_check = (apr_uint64_t)conf->size_check;
    }
    return terms;
}

const char *pm_recycle_size(const pm_conf_t *conf, const pm_memory_t *memory)
{
    if (!memory->resident) {
        return NULL;
    }
    return conf->max_size > 0 && memory->resident > conf->max_size
               ? "it has outgrown FcgiPMMaxProcessSize"
           : conf->max_unshared > 0
                   && memory->resident - memory->shared > conf->max_unshared
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

    if (terms->requests && (!next || terms->requests < next)) {
        next = terms->requests;
    }
    return next;
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
    pm_recycle_plan_t plan = {PM_RECYCLE_WELL, NULL, PM_TIME_NEVER};

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
    if (terms->requests && facts->requests >= terms->requests) {
        plan.verdict = PM_RECYCLE_DUE;
        plan.reason = "it has served FcgiPMMaxRequests";
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
    int reload = due[PM_DUE_RELOAD] + due[PM_DUE_START];
    int recycle = due[PM_DUE_RECYCLE];
    int most = alive < 8 ? 1 : alive / 4;

    return due[PM_DUE_ROLL] ? 1 : reload + (recycle < most ? recycle : most);
}
