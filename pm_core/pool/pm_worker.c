/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/pool/pm_worker.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "pm_core/os/pm_accepted.h"
#include "pm_core/os/pm_fds.h"
#include "pm_core/os/pm_procinfo.h"
#include "pm_core/os/pm_reap.h"
#include "pm_core/pool/pm_leftovers.h"
#include "pm_core/policy/pm_stop_policy.h"
#include "pm_core/spawn/pm_preload.h"

static void wrk_error(const pm_worker_group_t *group, pm_level_t level,
                      const char *fmt, ...) PM_PRINTF(3, 4);

static void wrk_error(const pm_worker_group_t *group, pm_level_t level,
                      const char *fmt, ...)
{
    char text[512];
    va_list ap;

    va_start(ap, fmt);
    apr_vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    group->events->error(group->pool, level, text);
}

/* --- output --------------------------------------------------------------- */

static void wrk_on_line(void *ctx, const char *line)
{
    pm_worker_t *w = ctx;

    w->group->events->said(w->pool, w, line);
    pm_lines_keep(w->said, PM_WORKER_SAID, line);
}

/* A worker that writes without end must not hold up the loop: what is more than
 * a pipe holds is left for the next turn. */
#define READS 16

/* Read what there is.  @return 0 when nothing more will come */
static int wrk_read_output(pm_worker_t *w)
{
    char bytes[8192];
    ssize_t n = 0;
    int i;

    for (i = 0; i < READS; i++) {
        n = read(w->output_fd, bytes, sizeof(bytes));
        if (n <= 0) {
            break;
        }
        if (!w->lines) {
            w->lines = apr_pcalloc(w->p, sizeof(*w->lines));
            w->said = apr_pcalloc(w->p, PM_WORKER_SAID);
        }
        pm_lines_feed(w->lines, bytes, (apr_size_t)n, wrk_on_line, w);
        w->notified |= memchr(bytes, 0, (apr_size_t)n) != NULL;
        if ((apr_size_t)n < sizeof(bytes)) {
            break;
        }
    }
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void wrk_close_output(pm_worker_t *w)
{
    if (w->output_fd < 0) {
        return;
    }
    pm_loop_unwatch(w->group->context->loop, &w->output_watch);
    if (w->lines) {
        pm_lines_end(w->lines, wrk_on_line, w);
    }
    pm_fds_close(&w->output_fd);
}

static void wrk_on_output(void *ctx, int events)
{
    pm_worker_t *w = ctx;

    (void)events;
    if (!wrk_read_output(w)) {
        wrk_close_output(w);
    }
    if (w->notified) { /* a zero byte, see pm_worker_status.h */
        w->notified = 0;
        pm_worker_attend(w, pm_time_now());
    }
}

/* --- exec ----------------------------------------------------------------- */

static void wrk_close_exec(pm_worker_t *w)
{
    pm_loop_unwatch(w->group->context->loop, &w->exec_watch);
    pm_fds_close(&w->exec_fd);
}

static void wrk_on_exec(void *ctx, int events)
{
    pm_worker_t *w = ctx;
    pm_reason_t why;
    apr_status_t rv = pm_spawn_verdict(w->exec_fd, w->spec, &w->guarded, &why);

    (void)events;
    if (APR_STATUS_IS_INCOMPLETE(rv)) {
        return;
    }
    wrk_close_exec(w);
    if (rv == APR_SUCCESS) {
        w->runs = 1;
        pm_worker_handle(w, PM_WORKER_EVENT_RUNS);
        pm_worker_attend(w, pm_time_now());
    }
    else {
        wrk_error(w->group, PM_ERROR, "worker %d: %s", (int)w->pid, why.text);
    }
}

/* --- stopping ------------------------------------------------------------- */

static void wrk_on_timer(void *ctx, apr_time_t now);
static void wrk_sweep(pm_worker_t *w);

/* Out of its group it is out of reach of the group's signals, and in that of
 * another pool it would get theirs.  @return 1: it is being ended */
static int wrk_end_stray(pm_worker_t *w)
{
    if (!w->runs || pm_reap_leads_group(w->pid)) {
        return 0;
    }
    w->killed_for = "has left its process group";
    wrk_error(w->group, PM_WARNING,
              "worker %d has left its process group and is ended", (int)w->pid);
    pm_worker_handle(w, PM_WORKER_EVENT_KILL);
    return 1;
}

/* Has it no request?  Its status tells, if it is true; the kernel tells of one
 * that lingers. */
static int wrk_is_idle(const pm_worker_t *w, apr_time_t now)
{
    return pm_worker_read_facts(w, now).idle
           || (now >= w->term_at + PM_STOP_RETELL
               && pm_accepted_look(&w->group->context->sock_diag, w->pid,
                                   &w->at)
                      == PM_ACCEPTED_NONE);
}

/* Requests that it may have, told to stop. */
static int wrk_held(const pm_worker_t *w, apr_time_t now)
{
    pm_worker_facts_t facts = pm_worker_read_facts(w, now);
    int most = (int)w->group->conf->requests_per_worker;
    int has = facts.known ? facts.requests_now : most;

    if (w->forks) {
        return 0;
    }
    return has < 1 ? 1 : has > most ? most : has;
}

static void wrk_set_held(pm_worker_t *w, int held)
{
    if (w->held != held) {
        w->group->held += held - w->held;
        w->held = held;
        w->group->events->changed(w->pool);
    }
}

/* Asks the stop policy what comes next. */
static void wrk_take_step(pm_worker_t *w, int idle, apr_time_t now)
{
    const pm_context_t *context = w->group->context;
    pm_stop_policy_conf_t conf = {context->die_timeout,
                                  w->overdue ? context->die_timeout + 1
                                             : w->group->conf->drain_timeout};
    pm_stop_policy_facts_t facts = {w->term_at, w->last_term_at,
                                    context->dying_at, 0};
    pm_stop_policy_plan_t plan;

    w->idle_since = !idle ? 0 : w->idle_since ? w->idle_since : now;
    facts.idle_since = w->idle_since;
    plan = pm_stop_policy_plan(&conf, &facts, now);
    pm_loop_at(context->loop, &w->timer, plan.next);
    if (plan.act == PM_STOP_TELL) {
        pm_worker_handle(w, PM_WORKER_EVENT_RETELL);
    }
    else if (plan.act == PM_STOP_KILL) {
        pm_worker_handle(w, PM_WORKER_EVENT_KILL);
    }
}

static void wrk_plan_stop(pm_worker_t *w, apr_time_t now)
{
    if (!wrk_end_stray(w)) {
        wrk_set_held(w, wrk_held(w, now));
        wrk_take_step(w, wrk_is_idle(w, now), now);
    }
}

static void wrk_on_timer(void *ctx, apr_time_t now)
{
    pm_worker_t *w = ctx;

    if (w->state == PM_WORKER_LEFT && w->swept == PM_WORKER_SPARED) {
        wrk_sweep(w);
    }
    else if (w->state == PM_WORKER_LEFT && w->swept == PM_WORKER_TOLD) {
        wrk_take_step(w, pm_leftovers_are_idle(w), now);
    }
    else if (w->state == PM_WORKER_LEFT) {
        pm_worker_handle(w, PM_WORKER_EVENT_KILL);
    }
    else if (pm_worker_fsm_alive(w->state)) {
        pm_worker_attend(w, now);
    }
    else {
        wrk_plan_stop(w, now);
    }
}

static void wrk_term(pm_worker_t *w)
{
    apr_time_t now = pm_time_now();
    int first = !w->term_at;

    w->term_at = first ? now : w->term_at;
    w->last_term_at = now;
    kill(w->pid, SIGTERM);
    if (first) {
        wrk_plan_stop(w, now);
    }
}

/* What has it left?  Those that have to end get the signal.
 * @return 0: there is none that has to */
static int wrk_look_left(pm_worker_t *w, int sig)
{
    pm_leftovers_t left;

    w->jobs = 0;
    if (!pm_reap_group(w->pid, w->ends_all ? sig : 0)) {
        return 0;
    }
    left = pm_leftovers_look(w, sig);
    w->jobs = w->ends_all ? 0 : left.jobs;
    return left.holders || (left.jobs && w->ends_all);
}

static void wrk_sigkill(pm_worker_t *w)
{
    if (w->state == PM_WORKER_KILLED) {
        w->group->context->killed += w->group->context->dying_at != 0;
        w->group->published->killed++;
        pm_log(w->group->context->log, PM_WARNING,
               "pool %s: worker %d %s: "
               "SIGKILL to its process group",
               w->group->conf->name, (int)w->pid,
               w->killed_for ? w->killed_for : "was told to go and has not");
        pm_leftovers_kill_all(w->pid);
        return;
    }
    wrk_look_left(w, SIGKILL);
}

/* What has got SIGKILL is gone when the kernel comes to it. */
#define KERNEL apr_time_from_sec(1)

/* When those that it has left, and that have the pool's socket, get SIGKILL. */
static apr_time_t wrk_sweep_until(const pm_worker_t *w, apr_time_t now)
{
    const pm_context_t *context = w->group->context;
    apr_time_t until = context->dying_at + context->die_timeout;

    if (!context->dying_at) {
        return now + context->die_timeout;
    }
    return w->ends_all ? pm_time_max(until, now + KERNEL) : until;
}

/* A shell that begins a job has the worker's socket as its standard input until
 * it has opened another: it gets the time for that. */
#define SPARE apr_time_from_msec(200)

/* Those that were there before the first request are the ones that serve
 * (PHP_FCGI_CHILDREN): they are told at once, and get as much time for a
 * request as a worker does. */
static pm_worker_swept_t wrk_next_sweep(const pm_worker_t *w, apr_time_t now)
{
    pm_worker_facts_t known = pm_worker_read_facts(w, now);

    if (w->swept == PM_WORKER_UNSWEPT && !w->ends_all) {
        return pm_worker_children_serve(&known) ? PM_WORKER_TOLD
               : !w->group->context->dying_at   ? PM_WORKER_SPARED
                                                : PM_WORKER_SWEPT;
    }
    return w->swept == PM_WORKER_TOLD ? PM_WORKER_TOLD : PM_WORKER_SWEPT;
}

/* They were told just now. */
static void wrk_note_told(pm_worker_t *w, int first, apr_time_t now)
{
    w->last_term_at = now;
    if (first) {
        w->term_at = now;
        wrk_take_step(w, 0, now);
    }
}

/* Its own process has ended.  Others of its group that have the pool's socket
 * get SIGTERM, and a die timeout to finish; when it was killed all get
 * SIGKILL. */
static void wrk_sweep(pm_worker_t *w)
{
    apr_time_t now = pm_time_now();
    int first = w->swept == PM_WORKER_UNSWEPT;

    w->swept = wrk_next_sweep(w, now);
    if (!wrk_look_left(w, w->swept == PM_WORKER_SPARED ? 0
                          : w->ends_all                ? SIGKILL
                                                       : SIGTERM)) {
        pm_worker_handle(w, PM_WORKER_EVENT_EMPTY);
    }
    else if (w->swept == PM_WORKER_TOLD) {
        wrk_note_told(w, first, now);
    }
    else {
        pm_loop_at(w->group->context->loop, &w->timer,
                   w->swept == PM_WORKER_SPARED ? now + SPARE
                                                : wrk_sweep_until(w, now));
    }
}

void pm_worker_leftover_reaped(pm_worker_t *w)
{
    if (w->state == PM_WORKER_LEFT && !wrk_look_left(w, 0)) {
        pm_worker_handle(w, PM_WORKER_EVENT_EMPTY);
    }
}

void pm_worker_hurry(pm_worker_t *w)
{
    apr_time_t now = pm_time_now();

    if (w->state == PM_WORKER_STOPPING) {
        wrk_plan_stop(w, now);
    }
    else if (w->state == PM_WORKER_LEFT) {
        pm_loop_at(w->group->context->loop, &w->timer,
                   w->swept == PM_WORKER_SWEPT ? wrk_sweep_until(w, now) : now);
    }
}

static void wrk_free(pm_worker_t *w)
{
    pm_worker_group_t *group = w->group;

    pm_loop_at(group->context->loop, &w->timer, PM_TIME_NEVER);
    group->events->gone(group->pool, w);
    wrk_close_exec(w);
    if (w->output_fd >= 0 && !wrk_read_output(w)) {
        wrk_close_output(w);
    }
    if (w->jobs) {
        pm_leftovers_let_go(w);
    }
    wrk_close_output(w);
    pm_worker_shm_release(group->shm, w->shm_index);
    pm_roster_leave(group->context->roster, w->place);
    apr_hash_set(group->context->workers, &w->pid, sizeof(w->pid), NULL);
    APR_RING_REMOVE(w, link);
    group->count[w->state]--;
    apr_pool_destroy(w->p);
}

void pm_worker_handle(pm_worker_t *w, pm_worker_event_t event)
{
    pm_worker_group_t *group = w->group;
    pm_worker_move_t move = pm_worker_fsm_step(w->state, event);

    group->count[w->state]--;
    group->context->alive +=
        pm_worker_fsm_alive(move.next) - pm_worker_fsm_alive(w->state);
    w->state = move.next;
    group->count[w->state]++;
    if (!pm_worker_fsm_alive(w->state)) {
        pm_worker_set_due(w, PM_DUE_NOT);
    }
    if (w->state != PM_WORKER_STOPPING) {
        wrk_set_held(w, 0);
    }
    group->events->changed(group->pool);
    if (event == PM_WORKER_EVENT_READY) {
        group->events->ready(group->pool, w);
    }
    if (move.actions & PM_WORKER_ACT_TERM) {
        wrk_term(w);
    }
    if (move.actions & PM_WORKER_ACT_KILL) {
        wrk_sigkill(w);
    }
    if (move.actions & PM_WORKER_ACT_SWEEP) {
        wrk_sweep(w); /* its EMPTY may have freed w */
    }
    if (move.actions & PM_WORKER_ACT_FREE) {
        wrk_free(w);
    }
}

void pm_worker_kill(pm_worker_t *w)
{
    w->term_at = w->term_at ? w->term_at : pm_time_now();
    w->killed_for = "is killed by command";
    pm_worker_handle(w, PM_WORKER_EVENT_KILL);
}

/* --- while it lives ------------------------------------------------------- */

void pm_worker_set_due(pm_worker_t *w, pm_due_t due)
{
    pm_worker_group_t *group = w->group;

    group->due[w->due]--;
    group->due[due]++;
    w->due = due;
    group->events->changed(group->pool);
}

static pm_recycle_terms_t wrk_terms(const pm_worker_t *w)
{
    return pm_recycle_terms(w->group->conf, w->chance, w->group->lead);
}

static void wrk_mark_due(pm_worker_t *w, pm_due_t due, apr_uint64_t requests,
                         const char *reason)
{
    if (w->due == PM_DUE_NOT) {
        w->due_at = pm_time_now();
        w->due_after = requests;
        pm_log(w->group->context->log, PM_INFO,
               "pool %s: worker %d is to be "
               "replaced: %s",
               w->group->conf->name, (int)w->pid, reason);
        pm_worker_set_due(w, due);
    }
}

/* It leaves by itself, at the very number: the way to the manager and back
 * takes as long as some requests.  One that has it already may be about to
 * wait, and see that too late. */
static void wrk_let_leave(pm_worker_t *w, apr_uint64_t requests, apr_time_t now)
{
    pm_worker_set_due(w, PM_DUE_LEAVE);
    w->leave_by = pm_recycle_leave_by(w->due_at, now);
    pm_worker_shm_leave_at(w->group->shm, w->shm_index, requests);
    pm_worker_attend(w, now);
}

void pm_worker_release(pm_worker_t *w, apr_time_t now)
{
    pm_recycle_terms_t terms = wrk_terms(w);
    apr_uint64_t requests = pm_worker_read_facts(w, now).requests;

    if (w->due != PM_DUE_REQUESTS) {
        pm_worker_handle(w, PM_WORKER_EVENT_STOP);
        return;
    }
    w->group->lead = pm_recycle_learn_lead(
        w->group->lead, requests - w->due_after, terms.requests);
    wrk_let_leave(w, terms.requests, now);
}

/* One that has not reported by then may be unable to. */
#define SILENCE apr_time_from_sec(10)

/* Has it forked another that can be one that serves in its place?  A program
 * can start one for a moment, while it loads. */
static int wrk_has_settled_child(const pm_worker_t *w)
{
    return pm_procinfo_has_child_of(w->pid, PM_RESTART_POLICY_SETTLE);
}

/* A worker reports nothing when the guard is not in it, when it has executed
 * another program, when its children serve in its place, or when it accepts by
 * calls that no library sees.  Then it counts as ready. */
static int wrk_is_silent(const pm_worker_t *w)
{
    return pm_procinfo_has_library(w->pid, "/" PM_GUARD) < 1
           || wrk_has_settled_child(w)
           || pm_procinfo_has_fd(w->pid, "anon_inode:[io_uring]") > 0;
}

static int wrk_is_served_for(const pm_worker_t *w,
                             const pm_worker_facts_t *seen)
{
    return seen->forked == PM_WORKER_FORKED_SERVES
           || (seen->forked == PM_WORKER_FORKED_ANY
               && wrk_has_settled_child(w));
}

static void wrk_end_loading(pm_worker_t *w, const char *fault, apr_time_t now)
{
    wrk_error(w->group, PM_WARNING,
              "worker %d does not %s after %.3f s (FcgiPMStartTimeout) and is "
              "ended: SIGTERM",
              (int)w->pid, fault, (double)(now - w->started_at) / 1e6);
    w->group->events->late(w->pool, w, now);
    w->overdue = 1;
    pm_worker_handle(w, PM_WORKER_EVENT_STOP);
}

static void wrk_end_late(pm_worker_t *w, apr_time_t now)
{
    if (wrk_is_silent(w)) {
        pm_worker_handle(w, PM_WORKER_EVENT_READY);
    }
    else {
        wrk_end_loading(w, "wait for a request", now);
    }
}

static void wrk_end_overdue(pm_worker_t *w, apr_time_t since, apr_time_t now)
{
    wrk_error(w->group, PM_WARNING,
              "worker %d has been busy with a request "
              "for %.3f s (FcgiPMRequestTimeout) and is ended: SIGTERM",
              (int)w->pid, (double)(now - since) / 1e6);
    w->group->published->timed_out++;
    w->overdue = 1;
    pm_worker_handle(w, PM_WORKER_EVENT_STOP);
}

static void wrk_check_size(pm_worker_t *w, const pm_recycle_terms_t *terms,
                           apr_uint64_t requests)
{
    const char *reason;
    pm_memory_t memory;

    if (!terms->size_check || requests < w->size_at) {
        return;
    }
    if (w->size_at) {
        memory = pm_procinfo_memory(w->pid);
        reason = pm_recycle_size(w->group->conf, &memory, w->forked != 0);
        if (reason) {
            wrk_mark_due(w, PM_DUE_RECYCLE, requests, reason);
        }
    }
    w->size_at = (requests / terms->size_check + 1) * terms->size_check;
}

/* Does the manager measure how long it is busy? */
static int wrk_is_timed(const pm_worker_t *w)
{
    return w->group->conf->request_timeout || w->group->conf->slow_log.time;
}

/* Ask the worker to notify the manager: of the next number of requests that
 * matters (of the end of a slow request that was reported, if it is the only
 * one), and when it becomes busy. */
static void wrk_request_notice(const pm_worker_t *w,
                               const pm_recycle_terms_t *terms,
                               const pm_worker_facts_t *facts)
{
    pm_worker_shm_t *shm = w->group->shm;

    pm_worker_shm_notify_at(shm, w->shm_index,
                            w->group->conf->requests_per_worker == 1
                                    && facts->busy
                                    && facts->busy_since == w->slow.since
                                ? facts->requests
                                : pm_recycle_notify_at(terms, facts->requests));
    if (wrk_is_timed(w) && !facts->busy) {
        pm_worker_shm_notify_busy(shm, w->shm_index);
    }
}

/* Notice is asked for before the status is read: a change in between is seen
 * by reading, or the worker notifies. */
static pm_worker_facts_t wrk_read_status(const pm_worker_t *w,
                                         const pm_recycle_terms_t *terms,
                                         apr_time_t now)
{
    pm_worker_facts_t before = pm_worker_read_facts(w, now);
    pm_worker_facts_t facts;

    wrk_request_notice(w, terms, &before);
    facts = pm_worker_read_facts(w, now);
    if (before.busy && !facts.busy) { /* the request ended in between */
        wrk_request_notice(w, terms, &facts);
        facts = pm_worker_read_facts(w, now);
    }
    return facts;
}

/* Does a start that fails matter: to an old worker that is to go for this one,
 * or to a caller that waits for a reload? */
static int wrk_matters(const pm_worker_group_t *group)
{
    return group->due[PM_DUE_ROLL] || group->due[PM_DUE_RELOAD]
           || group->watched;
}

#define BLIND_CHILDREN 64

static int wrk_is_blind(const pm_worker_t *w, pid_t pid)
{
    return pm_procinfo_has_socket(pid, w->at.inode) > 0
           && (pm_procinfo_has_library(pid, "/" PM_GUARD) == 0
               || pm_procinfo_has_fd(pid, "anon_inode:[io_uring]") > 0);
}

/* Children of a worker, until one is found. */
typedef struct blind {
    const pm_worker_t *w;
    int left; /* that are looked at */
    int found;
} blind_t;

static int wrk_look_blind(void *ctx, pid_t child)
{
    blind_t *blind = ctx;

    blind->found = wrk_is_blind(blind->w, child);
    return !blind->found && --blind->left > 0;
}

/* A wrapper has executed or started a program that the loader keeps the guard
 * out of, or one that accepts by an io_uring, which no library sees.  What a
 * worker that reports has started may be blind: it does not accept.
 * @return 1: nobody judges its clients, and it is being ended */
static int wrk_end_unjudged(pm_worker_t *w, const pm_worker_facts_t *seen,
                            apr_time_t now)
{
    blind_t blind = {w, BLIND_CHILDREN, 0};

    if (!w->spec->judges || seen->known
        || now < w->started_at + PM_RESTART_POLICY_SETTLE
        || now < w->blind_at) {
        return 0;
    }
    w->blind_at = now + PM_RESTART_POLICY_SETTLE;
    if (!wrk_is_blind(w, w->pid)) {
        pm_procinfo_each_child(w->pid, wrk_look_blind, &blind);
        if (!blind.found) {
            return 0;
        }
    }
    w->killed_for = "does not judge its clients";
    wrk_error(w->group, PM_ERROR,
              "worker %d is ended, and the pool stopped: the guard is not in "
              "it, so nothing judges FcgiPMListenClients; \"fcgipmctl start "
              "%s\" when another program runs there",
              (int)w->pid, w->group->conf->name);
    pm_worker_handle(w, PM_WORKER_EVENT_KILL);
    w->group->events->unjudged(w->pool);
    return 1;
}

/* Without the guard it does not report when it is ready: it counts as ready
 * when it runs, or, when it matters, when it has not died at once.  By then the
 * guard is in it, or the loader has left it out.
 * @return 1: it is not known yet, the timer is set; or it is being ended */
static int wrk_settles(pm_worker_t *w, apr_time_t now)
{
    apr_time_t settled = w->started_at + PM_RESTART_POLICY_SETTLE;

    if (w->state != PM_WORKER_LOADING) {
        return 0;
    }
    if (now >= settled && w->guarded && now >= w->look_at) {
        w->look_at = now + PM_RESTART_POLICY_SETTLE;
        w->guarded = pm_procinfo_has_library(w->pid, "/" PM_GUARD) != 0;
    }
    if (now >= settled) {
        return 0;
    }
    if (w->guarded || !wrk_matters(w->group)) {
        return 0;
    }
    pm_loop_at(w->group->context->loop, &w->timer, settled);
    return 1;
}

/* When a worker has to be looked at that does not report, at the latest. */
static apr_time_t wrk_next_look(const pm_worker_t *w,
                                const pm_worker_facts_t *seen, apr_time_t now)
{
    apr_time_t settled = w->started_at + PM_RESTART_POLICY_SETTLE;
    apr_time_t silent = w->started_at + SILENCE;
    int ready = w->state == PM_WORKER_READY;

    if (!ready && seen->forked == PM_WORKER_FORKED_ANY) {
        return now + PM_RESTART_POLICY_SETTLE; /* that child has settled */
    }
    return (!ready || w->spec->judges) && now < settled ? settled
           : !ready && now < silent                     ? silent
                                                        : PM_TIME_NEVER;
}

/* How long it may be busy when the manager has died. */
static void wrk_tell_roster(const pm_worker_t *w)
{
    const pm_conf_t *conf = w->group->conf;

    pm_roster_set_drain(
        w->group->context->roster, w->place,
        conf->drain_timeout && conf->request_timeout
            ? pm_time_min(conf->drain_timeout, conf->request_timeout)
            : conf->drain_timeout + conf->request_timeout);
}

/* A step of its birth may hang, as with a directory of a server that is gone.
 */
static void wrk_attend_birth(pm_worker_t *w, apr_time_t now)
{
    pm_recycle_terms_t terms = {0};
    pm_recycle_facts_t facts = {.born_at = w->started_at};
    pm_recycle_plan_t plan =
        pm_recycle_plan(w->group->conf, &terms, &facts, now);

    pm_loop_at(w->group->context->loop, &w->timer, plan.next);
    if (plan.verdict == PM_RECYCLE_LATE) {
        wrk_end_loading(w, "execute its program", now);
    }
}

static void wrk_attend_program(pm_worker_t *w, apr_time_t now)
{
    const pm_conf_t *conf = w->group->conf;
    pm_recycle_terms_t terms = wrk_terms(w);
    pm_worker_facts_t seen = wrk_read_status(w, &terms, now);
    pm_recycle_facts_t facts = {w->started_at, 0, seen.requests,
                                seen.busy ? seen.busy_since : 0,
                                w->due == PM_DUE_LEAVE ? w->leave_by : 0};
    pm_recycle_plan_t plan;

    if (wrk_end_stray(w) || wrk_settles(w, now)
        || wrk_end_unjudged(w, &seen, now)) {
        return;
    }
    if (w->state == PM_WORKER_LOADING
        && (!w->guarded || seen.known || wrk_is_served_for(w, &seen)
            || (now >= w->started_at + SILENCE && wrk_is_silent(w)))
        && w->group->events->waits(w->pool, w, &seen)) {
        w->group->reports = seen.known ? w->definition : w->group->reports;
        pm_worker_handle(w, PM_WORKER_EVENT_READY);
    }
    if (w->state != PM_WORKER_LOADING && w->state != PM_WORKER_READY) {
        return;
    }
    facts.ready = w->state == PM_WORKER_READY;
    wrk_check_size(w, &terms, seen.requests);
    w->group->events->status(w->pool, w, &seen);
    plan = pm_recycle_plan(conf, &terms, &facts, now);
    pm_loop_at(w->group->context->loop, &w->timer,
               pm_time_min(plan.next, wrk_next_look(w, &seen, now)));
    switch (plan.verdict) {
    case PM_RECYCLE_WELL:
        break;
    case PM_RECYCLE_DUE:
        wrk_mark_due(w, plan.due, seen.requests, plan.reason);
        break;
    case PM_RECYCLE_LEAVE:
        pm_worker_handle(w, PM_WORKER_EVENT_STOP);
        break;
    case PM_RECYCLE_LATE:
        wrk_end_late(w, now);
        break;
    case PM_RECYCLE_OVERDUE:
        wrk_end_overdue(w, seen.busy_since, now);
        break;
    }
}

void pm_worker_attend(pm_worker_t *w, apr_time_t now)
{
    wrk_tell_roster(w);
    if (w->state == PM_WORKER_BORN) {
        wrk_attend_birth(w, now);
    }
    else {
        wrk_attend_program(w, now);
    }
}

/* --- the end -------------------------------------------------------------- */

/* It has never waited for a request, ends well, and another process has the
 * socket, perhaps in a session of its own. */
static int wrk_is_daemon(pm_worker_t *w, const pm_exit_facts_t *facts)
{
    apr_time_t most = w->group->conf->start_timeout;
    pm_leftovers_t left;
    char program[256];

    if (facts->told || !facts->runs || !facts->clean
        || (most && facts->lived > most)) {
        return 0;
    }
    left = pm_leftovers_look(w, 0);
    if (!left.holders) {
        return 0;
    }
    wrk_error(w->group, PM_ERROR,
              "worker %d has put itself into the background, where process %d "
              "has the socket; FcgiPMCommand has to run it in the foreground "
              "(most programs have an option for that); what it has left is "
              "ended: %s",
              (int)w->pid, (int)left.holder,
              pm_procinfo_program(left.holder, program, sizeof(program)));
    pm_leftovers_look(w, SIGKILL);
    return 1;
}

void pm_worker_reaped(pm_worker_t *w, int status)
{
    pm_worker_facts_t known = pm_worker_read_facts(w, pm_time_now());
    pm_exit_facts_t facts = {0};

    /* Whether its program was executed may still lie in the pipe.  A step that
     * failed does; nothing, and no end: it was, and the spawner has not closed
     * its copy yet. */
    if (w->state == PM_WORKER_BORN && w->exec_fd >= 0) {
        wrk_on_exec(w, 0);
        w->runs |= w->exec_fd >= 0;
    }
    if (w->output_fd >= 0) {
        wrk_read_output(w);
    }
    facts.told =
        w->term_at != 0
        || (w->due == PM_DUE_LEAVE && known.requests >= wrk_terms(w).requests);
    facts.runs = w->runs;
    facts.clean = WIFEXITED(status) && !WEXITSTATUS(status);
    facts.lived = pm_time_now() - w->started_at;
    /* before it has settled the guard may not be in it, unless it was in
     * others of the same definition: pm_worker_attend() */
    facts.loading =
        w->guarded && w->state < PM_WORKER_READY && !known.known
        && known.forked != PM_WORKER_FORKED_SERVES
        && (facts.lived >= PM_RESTART_POLICY_SETTLE
            || (w->definition && w->definition == w->group->reports));
    facts.daemon = !known.known && wrk_is_daemon(w, &facts);
    w->ends_all = facts.daemon || w->state == PM_WORKER_KILLED
                  || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    w->group->events->exited(w->pool, w, status, facts);
    pm_worker_handle(w, PM_WORKER_EVENT_EXIT);
}

/* --- start ---------------------------------------------------------------- */

static void wrk_watch(pm_worker_t *w, pm_watch_t *watch, int fd,
                      void (*ready)(void *ctx, int events))
{
    pm_reason_t why;

    watch->ready = ready;
    watch->ctx = w;
    if (pm_loop_watch(w->group->context->loop, watch, fd, APR_POLLIN, w->p,
                      &why)
        != APR_SUCCESS) {
        wrk_error(w->group, PM_ERROR, "worker %d cannot be watched: %s",
                  (int)w->pid, why.text);
    }
}

static pm_worker_t *wrk_create(pm_worker_group_t *group,
                               const pm_worker_origin_t *from,
                               const pm_spawned_t *spawned)
{
    pm_worker_t *w;
    apr_pool_t *p;

    p = pm_subpool_create(group->p);
    w = apr_pcalloc(p, sizeof(*w));
    w->p = p;
    w->group = group;
    w->pool = group->pool;
    w->spec = pm_launch_spec_keep(from->spec, p);
    w->pid = spawned->pid;
    w->exec_fd = spawned->exec_fd;
    w->output_fd = spawned->output_fd;
    w->number = ++group->context->started;
    w->timer = (pm_timer_t){.due = wrk_on_timer, .ctx = w};
    apr_generate_random_bytes((unsigned char *)&w->chance, sizeof(w->chance));
    return w;
}

/* The kernel gives a pid again only when no process group has it: what a
 * worker of that pid has left is gone, if that was not noticed. */
static void wrk_forget_former(const pm_context_t *context, pid_t pid)
{
    pm_worker_t *former = apr_hash_get(context->workers, &pid, sizeof(pid));

    if (former) {
        pm_worker_handle(former, PM_WORKER_EVENT_EMPTY);
    }
}

pm_worker_t *pm_worker_adopt(pm_worker_group_t *group,
                             const pm_worker_origin_t *from,
                             const pm_spawned_t *born, int shm_index,
                             apr_time_t now)
{
    pm_worker_t *w = wrk_create(group, from, born);

    w->definition = from->definition;
    w->shm_index = shm_index;
    w->forked = from->server;
    w->at = from->at;
    w->place = pm_roster_enter(group->context->roster, w->pid, &w->at);
    w->started_at = now;
    w->guarded = from->spec->guard && shm_index >= 0;
    APR_RING_INSERT_TAIL(&group->list, w, pm_worker, link);
    wrk_forget_former(group->context, w->pid);
    apr_hash_set(group->context->workers, &w->pid, sizeof(w->pid), w);
    group->count[w->state]++;
    group->context->alive++;
    group->published->spawned++;
    wrk_watch(w, &w->output_watch, w->output_fd, wrk_on_output);
    pm_log(group->context->log, PM_INFO, "pool %s: worker %d started",
           group->conf->name, (int)w->pid);
    if (w->exec_fd >= 0) {
        wrk_watch(w, &w->exec_watch, w->exec_fd, wrk_on_exec);
    }
    else {
        w->runs = 1;
        pm_worker_handle(w, PM_WORKER_EVENT_RUNS);
    }
    pm_worker_attend(w, now);
    return w;
}
