/* SPDX-License-Identifier: Apache-2.0 */
/* Managing, and how a process becomes manager or worker. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "libfcgipm/manage/mgr_births.h"
#include "libfcgipm/manage/mgr_listener.h"
#include "libfcgipm/manage/mgr_notify.h"
#include "libfcgipm/manage/mgr_object.h"
#include "libfcgipm/manage/mgr_pidfile.h"
#include "libfcgipm/manage/mgr_signals.h"
#include "libfcgipm/manage/mgr_wait.h"
#include "pm_core/os/pm_title.h"

/* Set by mod_fcgipm for each worker; the value is its manager's pid. */
#define MANAGE_VARIABLE "FCGIPM_MANAGER"

void fcgipm_change_process_name(fcgipm_t *pm)
{
    const char *name = pm->role == FCGIPM_MANAGER ? pm->manager_process_name
                                                  : pm->process_name;

    if (name) {
        pm_title_set(name);
    }
}

static void manage_take_signals(fcgipm_t *pm)
{
    if (!pm->no_signals) {
        fcgipm_setup_signal_handler(pm);
        fcgipm_setup_signal_actions(pm, 0);
        mgr_signals_unblock();
    }
}

void fcgipm_manager_init(fcgipm_t *pm)
{
    manage_take_signals(pm);
    fcgipm_change_process_name(pm);
    mgr_pidfile_write(pm);
    mgr_hook_run(pm, &pm->manager_init);
}

void fcgipm_server_init(fcgipm_t *pm)
{
    manage_take_signals(pm);
    if (!pm->managed) {
        fcgipm_change_process_name(pm);
    }
    pm->request_count = 0;
    mgr_hook_run(pm, &pm->server_init);
}

static void manage_become_server(fcgipm_t *pm)
{
    fcgipm_forget_all_pids(pm);
    pm->role = FCGIPM_SERVER;
    mgr_listener_find(pm);
    fcgipm_server_init(pm);
    mgr_listener_find(pm); /* the program can have opened it there */
    mgr_notify_info(pm, "initialized");
}

/* The parent or the program may have set SIGCHLD to be ignored: then the kernel
 * would keep no exit status to wait for. */
static void manage_become_manager(fcgipm_t *pm)
{
    struct sigaction act = {.sa_handler = SIG_DFL};

    sigaction(SIGCHLD, &act, &pm->chld);
    pm->role = FCGIPM_MANAGER;
    pm->phase = PM_PHASE_RUNNING;
    fcgipm_manager_init(pm);
    mgr_listener_require(pm);
    mgr_births_begin(pm);
    mgr_notify_info(pm, "initialized");
}

/* Is this process a worker of mod_fcgipm?  What the program itself starts is
 * not, so the variable goes. */
static int manage_is_managed(fcgipm_t *pm)
{
    const char *text = getenv(MANAGE_VARIABLE);

    if (text) {
        pid_t pid = (pid_t)strtol(text, NULL, 10);

        pm->managed = 1;
        pm->manager_pid = pid == getppid() ? pid : 0;
        unsetenv(MANAGE_VARIABLE);
    }
    return pm->managed;
}

int fcgipm_manage(fcgipm_t *pm)
{
    mgr_signals_survive_pipe();
    if (manage_is_managed(pm) || !pm->n_processes) {
        manage_become_server(pm);
        return 0;
    }
    manage_become_manager(pm);
    for (;;) {
        apr_time_t next = PM_TIME_NEVER;

        mgr_signals_act(pm);
        if (pm->n_processes <= 0) {
            fcgipm_die(pm, NULL, 0);
        }
        if (pm->pids.count < (size_t)pm->n_processes) {
            next = mgr_births_next(pm);
        }
        if (next <= mgr_wait_now()) {
            if (mgr_births_start(pm) == 0) {
                manage_become_server(pm);
                return 1;
            }
        }
        else if (mgr_wait_until(pm, next) < 0 && errno == ECHILD) {
            fcgipm_forget_all_pids(pm); /* the program has waited for them */
        }
    }
}
