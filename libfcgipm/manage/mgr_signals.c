/* SPDX-License-Identifier: Apache-2.0 */
/* What a signal does to a manager and to a worker. */
#include "libfcgipm/manage/mgr_signals.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libfcgipm/manage/mgr_births.h"
#include "libfcgipm/manage/mgr_listener.h"
#include "libfcgipm/manage/mgr_object.h"
#include "libfcgipm/preload/guard.h"

/* The guard is in the process or not. */
#pragma weak fcgipm_guard_told

/* Signals that the library handles, and the last message of a worker. */
static const struct {
    int sig;
    const char *name;
    const char *leaves;
} signals_taken[] = {{SIGTERM, "SIGTERM", "safe exit after SIGTERM"},
                     {SIGHUP, "SIGHUP", "safe exit after SIGHUP"},
                     {SIGINT, "SIGINT", "safe exit after SIGINT"}};
#define SIGNALS_TAKEN (sizeof(signals_taken) / sizeof(signals_taken[0]))

/* The object that the handler works for: a handler has no other argument than
 * the signal. */
static fcgipm_t *volatile signals_object;

static int signals_is_valid(int sig)
{
    return sig > 0 && sig < FCGIPM_SIGNALS;
}

/* --- in handlers ---------------------------------------------------------- */

/* A signal between the program's look at its flag and accept() would get lost.
 * With the socket closed accept() fails.  (The guard does the same.) */
void fcgipm_server_sig_handler(fcgipm_t *pm, int sig)
{
    int err = errno;

    fcgipm_received_signal(pm, sig, 1);
    if (!fcgipm_guard_told || !fcgipm_guard_told()) {
        mgr_listener_close(pm);
    }
    errno = err;
}

static void signals_handle(int sig)
{
    fcgipm_t *pm = signals_object;

    if (pm && pm->role == FCGIPM_SERVER) {
        fcgipm_server_sig_handler(pm, sig);
    }
    else if (pm) {
        fcgipm_received_signal(pm, sig, 1);
    }
}

/* --- elsewhere ------------------------------------------------------------ */

int fcgipm_received_signal(fcgipm_t *pm, int sig, int received)
{
    if (!signals_is_valid(sig)) {
        return 0;
    }
    if (received) {
        pm->received[sig] = pm->received[sig] + 1;
        pm->noted[sig] = pm->role == FCGIPM_MANAGER;
    }
    return pm->received[sig];
}

const char *mgr_signals_told(const fcgipm_t *pm)
{
    size_t i;

    for (i = 0; i < SIGNALS_TAKEN; i++) {
        if (pm->received[signals_taken[i].sig]) {
            return signals_taken[i].leaves;
        }
    }
    return NULL;
}

static void signals_setup(const fcgipm_t *pm, int sig, const char *name,
                          int with_sa_restart)
{
    struct sigaction act;

    memset(&act, 0, sizeof(act));
    sigemptyset(&act.sa_mask);
    act.sa_handler = signals_handle;
    act.sa_flags = with_sa_restart ? SA_RESTART : 0;
    if (sigaction(sig, &act, NULL)) {
        fcgipm_notify(pm, "sigaction: %s: %s", name, strerror(errno));
    }
}

void fcgipm_setup_signal_actions(fcgipm_t *pm, int with_sa_restart)
{
    size_t i;

    for (i = 0; i < SIGNALS_TAKEN; i++) {
        signals_setup(pm, signals_taken[i].sig, signals_taken[i].name,
                      with_sa_restart);
    }
}

void mgr_signals_unblock(void)
{
    sigset_t set;
    size_t i;

    sigemptyset(&set);
    for (i = 0; i < SIGNALS_TAKEN; i++) {
        sigaddset(&set, signals_taken[i].sig);
    }
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

void fcgipm_setup_signal_handler(fcgipm_t *pm)
{
    signals_object = pm;
}

void fcgipm_clear_signal_handler(fcgipm_t *pm)
{
    if (signals_object == pm) {
        signals_object = NULL;
    }
}

void mgr_signals_block(sigset_t *before)
{
    sigset_t all;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, before);
}

static void signals_ignore(int sig)
{
    (void)sig;
}

/* A handler, as libfcgi has one (OS_LibInit()): execve(2) takes it away, while
 * a program would inherit that the signal is ignored. */
void mgr_signals_survive_pipe(void)
{
    struct sigaction act;

    if (sigaction(SIGPIPE, NULL, &act) == 0 && act.sa_handler == SIG_DFL) {
        act.sa_handler = signals_ignore;
        sigaction(SIGPIPE, &act, NULL);
    }
}

void mgr_signals_forget(fcgipm_t *pm)
{
    int sig;

    for (sig = 0; sig < FCGIPM_SIGNALS; sig++) {
        pm->noted[sig] = 0;
        pm->received[sig] = 0;
    }
}

int mgr_signals_are_noted(const fcgipm_t *pm)
{
    const int *sig;

    for (sig = pm_signal_map_taken; *sig; sig++) {
        if (pm->noted[*sig]) {
            return 1;
        }
    }
    return 0;
}

void mgr_signals_act(fcgipm_t *pm)
{
    const int *sig;

    for (sig = pm_signal_map_taken; *sig; sig++) {
        if (pm->noted[*sig]) {
            pm->noted[*sig] = 0;
            fcgipm_manager_sig_handler(pm, *sig);
        }
    }
}

void mgr_signals_tell_all(fcgipm_t *pm)
{
    char *text;
    size_t i;

    if (!pm->pids.count) {
        return;
    }
    for (i = 0; i < pm->pids.count; i++) {
        pm->pids.worker[i].told = 1;
        kill(pm->pids.pid[i], SIGTERM);
    }
    text = mgr_pids_text(pm);
    fcgipm_notify(pm, "sending TERM to PIDs, %s", text ? text : "all");
    free(text);
}

/* Its name, or its number as text. */
static const char *signals_name(int sig, char *number, size_t size)
{
    static const struct {
        int sig;
        const char *name;
    } rows[] = {
        {SIGTERM, "TERM"}, {SIGINT, "INT"}, {SIGHUP, "HUP"}, {SIGCHLD, "CHLD"}};
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].sig == sig) {
            return rows[i].name;
        }
    }
    snprintf(number, size, "%d", sig);
    return number;
}

void fcgipm_manager_sig_handler(fcgipm_t *pm, int sig)
{
    char number[16], why[64];
    const char *name = signals_name(sig, number, sizeof(number));

    switch (pm_signal_map(sig, pm->phase)) {
    case PM_SIGNAL_DIE:
        fcgipm_notify(pm, "received signal %s", name);
        snprintf(why, sizeof(why), "safe exit from signal %s", name);
        fcgipm_die(pm, why, 0);
    case PM_SIGNAL_RELOAD:
        mgr_births_forgive(pm);
        mgr_signals_tell_all(pm);
        break;
    case PM_SIGNAL_REAP:
    case PM_SIGNAL_NONE:
        fcgipm_notify(pm, "ignoring signal %s", name);
        break;
    }
}
