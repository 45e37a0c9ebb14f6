/* SPDX-License-Identifier: Apache-2.0 */
/* A manager waits: for the end of a child, a signal, a time. */
#include "libfcgipm/manage/mgr_wait.h"

#include <errno.h>
#include <sys/select.h>
#include <sys/wait.h>
#include <time.h>

#include "libfcgipm/manage/mgr_births.h"
#include "libfcgipm/manage/mgr_object.h"
#include "libfcgipm/manage/mgr_pids.h"
#include "libfcgipm/manage/mgr_signals.h"

apr_time_t mgr_wait_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (apr_time_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000 + 1;
}

static void wait_wake(int sig)
{
    (void)sig; /* it is enough that pselect() ends */
}

/* @return NULL: no limit; 0 when the time is past */
static const struct timespec *wait_time_left(apr_time_t until,
                                             struct timespec *ts)
{
    apr_time_t left = until - mgr_wait_now();

    if (until == PM_TIME_NEVER) {
        return NULL;
    }
    left = left > 0 ? left : 0;
    ts->tv_sec = (time_t)(left / 1000000);
    ts->tv_nsec = (long)(left % 1000000) * 1000;
    return ts;
}

/* Signals are blocked outside of pselect(), so that none gets lost between the
 * look and the wait. */
static pid_t wait_blocked(const fcgipm_t *pm, apr_time_t until,
                          const sigset_t *unblocked, int *status)
{
    struct timespec ts;

    for (;;) {
        pid_t pid;

        if (mgr_signals_are_noted(pm)) {
            errno = EINTR;
            return -1;
        }
        pid = waitpid(-1, status, WNOHANG);
        if (pid > 0
            || (pid < 0 && (pm->pids.count || until == PM_TIME_NEVER))) {
            return pid; /* without a child only a time can come */
        }
        if (mgr_wait_now() >= until) {
            errno = ETIMEDOUT;
            return -1;
        }
        pselect(0, NULL, NULL, NULL, wait_time_left(until, &ts), unblocked);
    }
}

pid_t mgr_wait_until(fcgipm_t *pm, apr_time_t until)
{
    struct sigaction act = {.sa_handler = wait_wake}, chld;
    sigset_t before, unblocked;
    mgr_worker_t worker;
    int status = 0, err;
    pid_t pid;

    mgr_signals_block(&before);
    sigaction(SIGCHLD, &act, &chld);
    unblocked = before;
    sigdelset(&unblocked, SIGCHLD);
    pid = wait_blocked(pm, until, &unblocked, &status);
    err = errno;
    sigaction(SIGCHLD, &chld, NULL);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid > 0 && mgr_pids_take(pm, pid, &worker)) {
        fcgipm_notify(pm, "server (pid %d) exited with status %d", (int)pid,
                      status);
        mgr_births_judge(pm, &worker, status);
    }
    mgr_signals_act(pm);
    errno = err;
    return pid;
}

pid_t fcgipm_wait(fcgipm_t *pm)
{
    return mgr_wait_until(pm, PM_TIME_NEVER);
}
