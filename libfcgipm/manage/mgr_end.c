/* SPDX-License-Identifier: Apache-2.0 */
/* The ways to end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "libfcgipm/manage/mgr_notify.h"
#include "libfcgipm/manage/mgr_object.h"
#include "libfcgipm/manage/mgr_pidfile.h"
#include "libfcgipm/manage/mgr_signals.h"
#include "libfcgipm/manage/mgr_wait.h"
#include "pm_core/policy/pm_stop_policy.h"

void fcgipm_exit(fcgipm_t *pm, const char *msg, int n)
{
    size_t i;

    for (i = 0; i < pm->pids.count; i++) {
        kill(pm->pids.pid[i], SIGKILL);
    }
    (n ? fcgipm_notify : mgr_notify_info)(pm, "%s", msg ? msg : "");
    exit(n);
}

void fcgipm_abort(fcgipm_t *pm, const char *msg, int n)
{
    fcgipm_exit(pm, msg, n ? n : 1);
}

/* Workers that are left when the die timeout is over are killed.  There is no
 * step before, as the manager does not know which of them are idle. */
static void end_wait(fcgipm_t *pm)
{
    const pm_stop_policy_conf_t conf = {(apr_time_t)pm->die_timeout * 1000000,
                                        0};
    const apr_time_t now = mgr_wait_now();
    const pm_stop_policy_facts_t facts = {now, now, pm->die_timeout ? now : 0,
                                          0};

    while (pm->pids.count) {
        pm_stop_policy_plan_t plan =
            pm_stop_policy_plan(&conf, &facts, mgr_wait_now());

        if (plan.act == PM_STOP_KILL) {
            fcgipm_abort(pm, "wait timeout", 1);
        }
        if (mgr_wait_until(pm, plan.next) < 0 && errno == ECHILD) {
            fcgipm_forget_all_pids(pm); /* the program has waited for them */
        }
    }
}

void fcgipm_die(fcgipm_t *pm, const char *msg, int n)
{
    char why[512];

    pm->phase = PM_PHASE_DYING;
    mgr_pidfile_remove(pm);
    mgr_signals_tell_all(pm);
    end_wait(pm);
    snprintf(why, sizeof(why), "dying: %s", msg ? msg : "");
    fcgipm_exit(pm, why, n);
}
