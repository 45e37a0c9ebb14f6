/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/manager/pm_survivor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pm_core/os/pm_fds.h"
#include "pm_core/os/pm_pdeath.h"
#include "pm_core/os/pm_pidfd.h"
#include "pm_core/os/pm_procinfo.h"
#include "pm_core/os/pm_signals.h"
#include "pm_core/os/pm_title.h"
#include "pm_core/policy/pm_stop_policy.h"
#include "pm_core/pool/pm_leftovers.h"

/* Processes of one worker that are looked at. */
#define PROCESSES 256

/* A survivor that lives less long is not replaced before the next set. */
#define EARLY apr_time_from_sec(10)

/* --- after the manager's death -------------------------------------------- */

/* What becomes of one worker. */
typedef struct heir {
    pid_t pid;             /* one that lives; 0: none */
    apr_time_t told_at;    /* what it has left was told; 0: not yet */
    apr_time_t retold_at;  /* the last SIGTERM */
    apr_time_t idle_since; /* see pm_stop_policy_facts_t */
} heir_t;

/* The survivor at work. */
typedef struct estate {
    const pm_survivor_t *s;
    pid_t manager;
    apr_uint64_t httpd_started;
    apr_time_t died_at;
    apr_time_t dying_at; /* all are to end; 0: not so while httpd lives */
    pm_sock_diag_t diag;
    heir_t *heirs; /* by place in the roster */
} estate_t;

/* Processes of a worker that have to end: itself, or what it has left. */
typedef struct living {
    const pm_roster_entry_t *entry;
    int leads; /* the worker itself lives */
    pm_process_t process[PROCESSES];
    int n;
} living_t;

static int add_holder(void *ctx, pid_t pid)
{
    living_t *living = ctx;
    pm_process_t process = {pid, pm_procinfo_started(pid)};

    if (pm_procinfo_has_socket(pid, living->entry->at.inode)) {
        living->process[living->n++] = process;
    }
    return living->n < PROCESSES;
}

static void find_living(living_t *living, const pm_roster_entry_t *entry)
{
    living->entry = entry;
    living->n = 0;
    living->leads = entry->pid && entry->started
                    && pm_procinfo_started(entry->pid) == entry->started;
    if (living->leads) {
        living->process[living->n++] =
            (pm_process_t){entry->pid, entry->started};
    }
    else if (entry->pid && entry->started && getpgid(entry->pid) < 0
             && kill(-entry->pid, 0) == 0) {
        pm_procinfo_each_of_group(entry->pid, add_holder, living);
    }
}

/* Nobody waits for an answer of theirs. */
static int are_idle(estate_t *e, const living_t *living)
{
    int i;

    for (i = 0; i < living->n; i++) {
        pm_accepted_t has = pm_accepted_look(&e->diag, living->process[i].pid,
                                             &living->entry->at);

        if (has != PM_ACCEPTED_NONE && has != PM_ACCEPTED_LEFT) {
            return 0;
        }
    }
    return 1;
}

static void tell(const living_t *living)
{
    int i;

    for (i = 0; i < living->n; i++) {
        pm_pidfd_signal(&living->process[i], SIGTERM);
    }
}

static void kill_living(const estate_t *e, const living_t *living)
{
    int i;

    pm_log(e->s->log, PM_WARNING,
           "manager (pid %d) has died; worker %d, which was told to go and has "
           "not, gets SIGKILL",
           (int)e->manager, (int)living->entry->pid);
    if (living->leads) {
        pm_leftovers_kill_all(living->entry->pid);
        return;
    }
    for (i = 0; i < living->n; i++) {
        pm_pidfd_signal(&living->process[i], SIGKILL);
    }
}

/* @return when to look again; PM_TIME_NEVER: nothing is left */
static apr_time_t attend_heir(estate_t *e, int place, apr_time_t now)
{
    heir_t *heir = &e->heirs[place];
    pm_stop_policy_conf_t conf = {
        e->s->die_timeout, pm_roster_at(e->s->roster, place)->drain_timeout};
    pm_stop_policy_facts_t facts;
    pm_stop_policy_plan_t plan;
    living_t living;

    find_living(&living, pm_roster_at(e->s->roster, place));
    heir->pid = living.n ? living.process[0].pid : 0;
    if (!living.n) {
        return PM_TIME_NEVER;
    }
    if (!living.leads && !heir->told_at) {
        heir->told_at = heir->retold_at = now;
        tell(&living);
    }
    heir->idle_since = !are_idle(e, &living) ? 0
                       : heir->idle_since    ? heir->idle_since
                                             : now;
    facts = (pm_stop_policy_facts_t){e->died_at, heir->retold_at, e->dying_at,
                                     heir->idle_since};
    plan = pm_stop_policy_plan(&conf, &facts, now);
    if (plan.act == PM_STOP_TELL) {
        heir->retold_at = now;
        tell(&living);
    }
    else if (plan.act == PM_STOP_KILL) {
        kill_living(e, &living);
    }
    return plan.next;
}

static void notice_httpd(estate_t *e, apr_time_t now)
{
    if (!e->dying_at
        && (!e->s->httpd
            || pm_procinfo_started(e->s->httpd) != e->httpd_started)) {
        e->dying_at = now;
    }
}

/* @return 0: the time is over, and it lives */
static int wait_gone(pid_t pid, apr_time_t until)
{
    apr_time_t left = until - pm_time_now();
    struct pollfd pfd = {pm_pidfd_open(pid), POLLIN, 0};
    int gone;

    if (pfd.fd < 0 && errno == ESRCH) {
        return 1;
    }
    gone = poll(&pfd, 1, left > 0 ? (int)(left / 1000 + 1) : 0) > 0;
    pm_fds_close(&pfd.fd);
    return gone;
}

/* Until then, or until all have gone. */
static void sleep_until(const estate_t *e, apr_time_t at)
{
    int i;

    for (i = 0; i < pm_roster_used(e->s->roster); i++) {
        if (e->heirs[i].pid && !wait_gone(e->heirs[i].pid, at)) {
            return;
        }
    }
}

static void end_all(estate_t *e)
{
    apr_time_t next, now;
    int i;

    do {
        now = pm_time_now();
        next = PM_TIME_NEVER;
        notice_httpd(e, now);
        for (i = 0; i < pm_roster_used(e->s->roster); i++) {
            next = pm_time_min(next, attend_heir(e, i, now));
        }
        if (next != PM_TIME_NEVER) {
            sleep_until(e, next);
        }
    } while (next != PM_TIME_NEVER);
}

/* --- until then ----------------------------------------------------------- */

static void detach(const pm_survivor_t *s)
{
    int keep[1] = {s->log_fd};

    setpgid(0, 0); /* what ends the manager's process group is not for it */
    pm_fds_close_others(keep, 1);
    pm_title_set("fcgipm-survivor");
}

/* All signals are blocked.  SIGUSR1 comes when the manager dies. */
static void wait_for_death(pid_t manager)
{
    sigset_t death;
    int sig, lives = pm_pdeath_set(SIGUSR1, manager);

    sigemptyset(&death);
    sigaddset(&death, SIGUSR1);
    while (lives) {
        sigwait(&death, &sig);
        lives = getppid() == manager;
    }
}

__attribute__((noreturn)) static void survivor_main(const pm_survivor_t *s,
                                                    pid_t manager)
{
    estate_t e = {.s = s, .manager = manager, .diag = {-1}};

    detach(s);
    e.httpd_started = s->httpd ? pm_procinfo_started(s->httpd) : 0;
    wait_for_death(manager);
    e.died_at = pm_time_now();
    e.heirs = calloc((size_t)pm_roster_used(s->roster) + 1, sizeof(*e.heirs));
    if (e.heirs) {
        end_all(&e);
    }
    _exit(0);
}

/* --- in the manager ------------------------------------------------------- */

void pm_survivor_end(pm_survivor_t *s)
{
    if (s->pid) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
        s->pid = 0;
    }
}

static void start(pm_survivor_t *s)
{
    pid_t manager = getpid();

    pm_roster_inherit(s->roster, 1);
    s->pid = pm_signals_fork();
    if (s->pid == 0) {
        survivor_main(s, manager);
    }
    if (s->pid < 0) {
        pm_log(s->log, PM_WARNING,
               "manager (pid %d): cannot fork: workers that ignore SIGTERM "
               "would outlive it: %s",
               (int)manager, strerror(errno));
        s->pid = 0;
    }
    pm_roster_inherit(s->roster, 0);
    s->born = pm_time_now();
}

void pm_survivor_renew(pm_survivor_t *s)
{
#ifdef __linux__
    if (s->roster) {
        pm_survivor_end(s);
        start(s);
    }
#else
    (void)s;
#endif
}

int pm_survivor_reaped(pm_survivor_t *s, pid_t pid)
{
    if (pid != s->pid) {
        return 0;
    }
    s->pid = 0;
    pm_log(
        s->log, PM_WARNING,
        "manager (pid %d): process %d, which ends its workers should it die, "
        "was ended",
        (int)getpid(), (int)pid);
    if (pm_time_now() >= s->born + EARLY) {
        pm_survivor_renew(s);
    }
    return 1;
}
