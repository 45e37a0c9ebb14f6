/* SPDX-License-Identifier: Apache-2.0 */
/* Managing, and how a process becomes manager or worker. */
#include "libfcgipm/manage/mgr_object.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pm_core/os/pm_title.h"

/* Set by mod_fcgipm for each worker; the value is its manager's pid. */
#define MANAGED_BY "FCGIPM_MANAGER"

void fcgipm_change_process_name(fcgipm_t *pm)
{
    const char *name = pm->role == FCGIPM_MANAGER ? pm->manager_process_name
                                                  : pm->process_name;

    if (name) {
        pm_title_set(name);
    }
}

static void take_signals(fcgipm_t *pm)
{
    if (!pm->no_signals) {
        fcgipm_setup_signal_handler(pm);
        fcgipm_setup_signal_actions(pm, 0);
        fcgipm_signals_unblock();
    }
}

void fcgipm_manager_init(fcgipm_t *pm)
{
    take_signals(pm);
    fcgipm_change_process_name(pm);
    fcgipm_pidfile_write(pm);
    fcgipm_hook_run(pm, &pm->manager_init);
}

void fcgipm_server_init(fcgipm_t *pm)
{
    take_signals(pm);
    if (!pm->managed) {
        fcgipm_change_process_name(pm);
    }
    pm->request_count = 0;
    fcgipm_hook_run(pm, &pm->server_init);
}

static void become_server(fcgipm_t *pm)
{
    fcgipm_forget_all_pids(pm);
    pm->role = FCGIPM_SERVER;
    fcgipm_server_init(pm);
    fcgipm_notify(pm, "initialized");
}

/* SIGCHLD may be ignored, by inheritance or by the program: then there would
 * be nothing to wait for. */
static void become_manager(fcgipm_t *pm)
{
    struct sigaction act = {.sa_handler = SIG_DFL};

    sigaction(SIGCHLD, &act, &pm->chld);
    pm->role = FCGIPM_MANAGER;
    pm->phase = PM_PHASE_RUNNING;
    fcgipm_manager_init(pm);
    fcgipm_notify(pm, "initialized");
}

/* What has come was the manager's. */
static void forget_signals(fcgipm_t *pm)
{
    int sig;

    for (sig = 0; sig < FCGIPM_SIGNALS; sig++) {
        pm->noted[sig] = 0;
        pm->received[sig] = 0;
    }
}

/* A signal that comes before the child knows what it is waits: it is a
 * worker's then. */
static pid_t fork_worker(fcgipm_t *pm)
{
    pid_t manager = getpid();
    sigset_t before;
    pid_t pid;
    int err;

    fflush(NULL);
    fcgipm_signals_block(&before);
    pid = fork();
    err = errno;
    if (pid == 0) {
        forget_signals(pm);
        pm->role = FCGIPM_SERVER;
        pm->manager_pid = manager;
        sigaction(SIGCHLD, &pm->chld, NULL);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = err;
    return pid;
}

/* 0: this is the child. */
static pid_t birth(fcgipm_t *pm)
{
    pid_t pid = fcgipm_pids_reserve(pm) ? -1 : fork_worker(pm);

    if (pid < 0) {
        char why[160];

        snprintf(why, sizeof(why), "fork: %s", strerror(errno));
        fcgipm_abort(pm, why, 1);
    }
    if (pid > 0) {
        fcgipm_add_pid(pm, pid);
        fcgipm_notify(pm, "server (pid %d) started", (int)pid);
        pm->next_birth = fcgipm_now() + (apr_time_t)pm->start_delay * 1000000;
    }
    return pid;
}

/* Somebody else's worker?  What the program starts is not. */
static int is_managed(fcgipm_t *pm)
{
    const char *text = getenv(MANAGED_BY);

    if (text) {
        pid_t pid = (pid_t)strtol(text, NULL, 10);

        pm->managed = 1;
        pm->manager_pid = pid == getppid() ? pid : 0;
        unsetenv(MANAGED_BY);
    }
    return pm->managed;
}

int fcgipm_manage(fcgipm_t *pm)
{
    fcgipm_signals_survive_pipe();
    if (is_managed(pm) || !pm->n_processes) {
        become_server(pm);
        return 0;
    }
    become_manager(pm);
    for (;;) {
        apr_time_t next = PM_TIME_NEVER;

        fcgipm_signals_act(pm);
        if (pm->n_processes <= 0) {
            fcgipm_die(pm, NULL, 0);
        }
        if (pm->pids.count < (size_t)pm->n_processes) {
            next = pm->next_birth;
        }
        if (next <= fcgipm_now()) {
            if (birth(pm) == 0) {
                become_server(pm);
                return 1;
            }
        }
        else if (fcgipm_wait_until(pm, next) < 0 && errno == ECHILD) {
            fcgipm_forget_all_pids(pm);   /* the program has waited for them */
        }
    }
}
