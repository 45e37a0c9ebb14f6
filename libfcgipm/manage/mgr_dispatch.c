/* SPDX-License-Identifier: Apache-2.0 */
/* The beginning and the end of a request. */
#include <unistd.h>

#include "libfcgipm/manage/mgr_births.h"
#include "libfcgipm/manage/mgr_limits.h"
#include "libfcgipm/manage/mgr_listener.h"
#include "libfcgipm/manage/mgr_object.h"
#include "libfcgipm/manage/mgr_signals.h"

void fcgipm_pre_dispatch(fcgipm_t *pm)
{
    mgr_births_serves(pm);
    if (!pm->in_request) {
        mgr_listener_doubt(pm);
    }
    if (!pm->no_signals) {
        fcgipm_setup_signal_actions(pm, 1);
    }
    mgr_hook_run(pm, &pm->pre_dispatch);
}

void fcgipm_post_dispatch(fcgipm_t *pm)
{
    const char *told = mgr_signals_told(pm);

    if (told) {
        fcgipm_exit(pm, told, 0);
    }
    if (pm->manager_pid && getppid() != pm->manager_pid) {
        fcgipm_exit(pm, "safe exit: manager has died", 0);
    }
    if (!pm->no_signals) {
        fcgipm_setup_signal_actions(pm, 0);
    }
    mgr_limits_check(pm);
    mgr_hook_run(pm, &pm->post_dispatch);
}
