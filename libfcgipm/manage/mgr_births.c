/* SPDX-License-Identifier: Apache-2.0 */
#include "libfcgipm/manage/mgr_births.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "libfcgipm/manage/mgr_object.h"
#include "libfcgipm/manage/mgr_signals.h"
#include "libfcgipm/manage/mgr_wait.h"

/* After so many births a byte is used again.  If its first worker still lives,
 * the requests of either count for both: the brake may come later. */
#define BIRTHS_BYTES 4096

void mgr_births_begin(fcgipm_t *pm)
{
    void *shared = mmap(NULL, BIRTHS_BYTES, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    pm->births.served = shared == MAP_FAILED ? NULL : shared;
}

void mgr_births_end(fcgipm_t *pm)
{
    if (pm->births.served) {
        munmap((void *)(apr_uintptr_t)pm->births.served, BIRTHS_BYTES);
    }
}

apr_time_t mgr_births_next(fcgipm_t *pm)
{
    apr_time_t next =
        pm_restart_policy_next_start(&pm->births.brake, 0, mgr_wait_now());

    return next > pm->births.next ? next : pm->births.next;
}

/* A signal that comes before the child knows what it is waits: it is a
 * worker's then. */
static pid_t births_fork(fcgipm_t *pm, const mgr_worker_t *worker)
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
        pm->births.own = worker->served;
        sigaction(SIGCHLD, &pm->chld, NULL);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = err;
    return pid;
}

static mgr_worker_t births_worker(fcgipm_t *pm)
{
    mgr_worker_t worker = {.born_at = mgr_wait_now()};

    if (pm->births.served) {
        worker.served = pm->births.served + pm->births.count % BIRTHS_BYTES;
        *worker.served = 0;
    }
    pm->births.count++;
    return worker;
}

pid_t mgr_births_start(fcgipm_t *pm)
{
    mgr_worker_t worker = births_worker(pm);
    pid_t pid = mgr_pids_reserve(pm) ? -1 : births_fork(pm, &worker);

    if (pid < 0) {
        char why[160];

        snprintf(why, sizeof(why), "fork: %s", strerror(errno));
        fcgipm_abort(pm, why, 1);
    }
    if (pid > 0) {
        mgr_pids_add(pm, pid, &worker);
        fcgipm_notify(pm, "server (pid %d) started", (int)pid);
        pm->births.next =
            worker.born_at + (apr_time_t)pm->start_delay * 1000000;
        pm_restart_policy_note_start(&pm->births.brake, worker.born_at);
    }
    return pid;
}

void mgr_births_judge(fcgipm_t *pm, const mgr_worker_t *worker, int status)
{
    pm_restart_policy_t *brake = &pm->births.brake;
    const apr_time_t now = mgr_wait_now();
    const pm_exit_facts_t facts = {.told = worker->told,
                                   .runs = 1,
                                   .clean = WIFEXITED(status)
                                            && !WEXITSTATUS(status),
                                   .served = !worker->served || *worker->served,
                                   .lived = now - worker->born_at};
    const int before = brake->failures;

    if (pm_restart_policy_judge(&facts) != PM_EXIT_FAILED) {
        if (facts.served) {
            pm_restart_policy_forget(brake);
        }
        return;
    }
    pm_restart_policy_note_failure(brake, 0, now);
    if (brake->failures > before && brake->retry_at > now) {
        fcgipm_notify(pm,
                      "%d servers in a row have ended at their birth: the "
                      "next one is started in %.1f s",
                      brake->failures, (double)(brake->retry_at - now) / 1e6);
    }
}

void mgr_births_forgive(fcgipm_t *pm)
{
    pm_restart_policy_forget(&pm->births.brake);
}

void mgr_births_serves(fcgipm_t *pm)
{
    if (pm->births.own) {
        *pm->births.own = 1;
    }
}
