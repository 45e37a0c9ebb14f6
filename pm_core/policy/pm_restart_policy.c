/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/policy/pm_restart_policy.h"

pm_exit_t pm_restart_policy_judge(const pm_exit_facts_t *facts)
{
    if (facts->told) {
        return PM_EXIT_NORMAL;
    }
    if (!facts->runs) {
        return PM_EXIT_FAILED;
    }
    if (facts->loading || facts->daemon
        || (!facts->served && facts->lived < PM_RESTART_POLICY_SETTLE)) {
        return PM_EXIT_FAILED;
    }
    return facts->clean ? PM_EXIT_NORMAL : PM_EXIT_CRASHED;
}

int pm_restart_policy_spend_credit(apr_uint64_t answered, apr_uint64_t waiting,
                                   apr_uint64_t *paid, int workers)
{
    apr_uint64_t given = answered ? answered + waiting : 0;
    apr_uint64_t most = (apr_uint64_t)workers;

    if (given > *paid + most) {
        *paid = given - most;
    }
    if (given > *paid) {
        ++*paid;
        return 1;
    }
    *paid = given; /* some in flight were never answered */
    return 0;
}

/* The n-th failure in a row: 0, FIRST, 2 FIRST, 4 FIRST ... LONGEST. */
static apr_time_t restart_delay(int failures)
{
    apr_time_t d = PM_RESTART_POLICY_FIRST;
    int i;

    if (failures < 2) {
        return 0;
    }
    for (i = 2; i < failures && d < PM_RESTART_POLICY_LONGEST; i++) {
        d *= 2;
    }
    return pm_time_min(d, PM_RESTART_POLICY_LONGEST);
}

apr_time_t pm_restart_policy_trial_end(const pm_restart_policy_t *crash,
                                       int loading)
{
    return loading ? PM_TIME_NEVER : crash->trial_at + PM_RESTART_POLICY_SETTLE;
}

/* A worker that was on trial long enough has passed. */
static void restart_settle(pm_restart_policy_t *crash, int loading,
                           apr_time_t now)
{
    if (crash->trial_at && now >= pm_restart_policy_trial_end(crash, loading)) {
        pm_restart_policy_forget(crash);
    }
}

void pm_restart_policy_note_failure(pm_restart_policy_t *crash, int loading,
                                    apr_time_t now)
{
    restart_settle(crash, loading, now);
    crash->trial_at = 0;
    if (now >= crash->retry_at) {
        crash->failures++;
        crash->retry_at = now + restart_delay(crash->failures);
    }
}

void pm_restart_policy_note_start(pm_restart_policy_t *crash, apr_time_t now)
{
    if (crash->failures) {
        crash->trial_at = now;
    }
}

void pm_restart_policy_forget(pm_restart_policy_t *crash)
{
    crash->failures = 0;
    crash->retry_at = 0;
    crash->trial_at = 0;
}

apr_time_t pm_restart_policy_next_start(pm_restart_policy_t *crash, int loading,
                                        apr_time_t now)
{
    restart_settle(crash, loading, now);
    if (crash->failures > 1 && crash->trial_at) {
        return pm_restart_policy_trial_end(crash, loading);
    }
    return crash->retry_at;
}
