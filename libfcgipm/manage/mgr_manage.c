/* SPDX-License-Identifier: Apache-2.0 */
/* Managing, and how a process becomes manager or worker. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
    fcgipm_server_init(pm);
    fcgipm_notify(pm, "initialized");
}

/* SIGCHLD may be ignored, by inheritance or by the program: then there would
 * be nothing to wait for. */
static void manage_become_manager(fcgipm_t *pm)
{
    struct sigaction act = {.sa_handler = SIG_DFL};

    sigaction(SIGCHLD, &act, &pm->chld);
    pm->role = FCGIPM_MANAGER;
    pm->phase = PM_PHASE_RUNNING;
    fcgipm_manager_init(pm);
    fcgipm_notify(pm, "initialized");
}

/* A signal that comes before the child knows what it is waits: it is a
 * worker's then. */
static pid_t manage_fork(fcgipm_t *pm)
{
    pid_t manager = getpid();
    sigset_t before;
    pid_t pid;
    int err;

    fflush(NULL);
    mgr_signals_block(&before);
    pid = fork();
    err = errno;
    if (pid == 0) {
        mgr_signals_forget(pm);
        pm->role = FCGIPM_SERVER;
        pm->manager_pid = manager;
        sigaction(SIGCHLD, &pm->chld, NULL);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = err;
    return pid;
}

/* 0: this is the child. */
static pid_t manage_birth(fcgipm_t *pm)
{
    pid_t pid = mgr_pids_reserve(pm) ? -1 : manage_fork(pm);

    if (pid < 0) {
        char why[160];

        snprintf(why, sizeof(why), "fork: %s", strerror(errno));
        fcgipm_abort(pm, why, 1);
    }
    if (pid > 0) {
        fcgipm_add_pid(pm, pid);
        fcgipm_notify(pm, "server (pid %d) started", (int)pid);
        pm->next_birth = mgr_wait_now() + (apr_time_t)pm->start_delay * 1000000;
    }
    return pid;
}

/* Somebody else's worker?  What the program starts is not. */
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
            next = pm->next_birth;
        }
        if (next <= mgr_wait_now()) {
            if (manage_birth(pm) == 0) {
                manage_become_server(pm);
                return 1;
            }
        }
        else if (mgr_wait_until(pm, next) < 0 && errno == ECHILD) {
            fcgipm_forget_all_pids(pm); /* the program has waited for them */
        }
    }
}
