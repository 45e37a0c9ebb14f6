/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/pool/pm_pool.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "pm_core/os/pm_fds.h"
#include "pm_core/pool/pm_output.h"
#include "pm_core/os/pm_procinfo.h"
#include "pm_core/os/pm_reap.h"
#include "pm_core/pool/pm_rollback.h"
#include "pm_core/pool/pm_reload_wait.h"
#include "pm_core/pool/pm_slow_log.h"
#include "pm_core/policy/pm_stop_policy.h"

/* --- what it says --------------------------------------------------------- */

static void on_line(void *ctx, const char *line)
{
    pm_worker_t *w = ctx;

    pm_output_line(w->pool, w->pid, line);
    pm_lines_keep(w->said, sizeof(w->pool->failure.said), line);
}

/* Who talks without end must not stop the loop: more than a pipe holds is
 * left for its next turn. */
#define READS 16

/* What there is to read.  @return 0 when nothing more will come */
static int read_output(pm_worker_t *w)
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
            w->said = apr_pcalloc(w->p, sizeof(w->pool->failure.said));
        }
        pm_lines_feed(w->lines, bytes, (apr_size_t)n, on_line, w);
        w->rang |= memchr(bytes, 0, (apr_size_t)n) != NULL;
        if ((apr_size_t)n < sizeof(bytes)) {
            break;
        }
    }
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

static void close_output(pm_worker_t *w)
{
    if (w->output_fd < 0) {
        return;
    }
    pm_loop_unwatch(w->pool->world->loop, &w->output_watch);
    if (w->lines) {
        pm_lines_end(w->lines, on_line, w);
    }
    pm_fds_close(&w->output_fd);
}

static void on_output(void *ctx, int events)
{
    pm_worker_t *w = ctx;

    (void)events;
    if (!read_output(w)) {
        close_output(w);
    }
    if (w->rang) { /* the bell, see pm_worker_status.h */
        w->rang = 0;
        pm_worker_attend(w, pm_time_now());
    }
}

/* --- its birth ------------------------------------------------------------ */

static void close_birth(pm_worker_t *w)
{
    pm_loop_unwatch(w->pool->world->loop, &w->birth_watch);
    pm_fds_close(&w->birth_fd);
}

static void on_birth(void *ctx, int events)
{
    pm_worker_t *w = ctx;
    pm_reason_t why;
    apr_status_t rv =
        pm_spawn_verdict(w->birth_fd, w->birth, &w->guarded, &why);

    (void)events;
    if (APR_STATUS_IS_EAGAIN(rv)) {
        return;
    }
    close_birth(w);
    if (rv == APR_SUCCESS) {
        w->runs = 1;
        pm_worker_handle(w, PM_WORKER_EVENT_RUNS);
        pm_worker_attend(w, pm_time_now());
    }
    else {
        pm_pool_error(w->pool, PM_ERROR, "worker %d: %s", (int)w->pid,
                      why.text);
    }
}

/* --- its end -------------------------------------------------------------- */

static void on_timer(void *ctx, apr_time_t now);

/* Asks the stop ladder what comes next. */
static void plan_stop(pm_worker_t *w, apr_time_t now)
{
    const pm_context_t *world = w->pool->world;
    pm_stop_policy_conf_t conf = {world->die_timeout,
                                  w->overdue ? world->die_timeout + 1
                                             : w->pool->conf->drain_timeout};
    pm_stop_policy_facts_t facts = {w->told_at, w->retold_at, world->dying_at,
                                    pm_worker_read_facts(w, now).idle};
    pm_stop_policy_plan_t plan = pm_stop_policy_plan(&conf, &facts, now);

    pm_loop_at(world->loop, &w->timer, plan.next);
    if (plan.act == PM_STOP_TELL) {
        pm_worker_handle(w, PM_WORKER_EVENT_RETELL);
    }
    else if (plan.act == PM_STOP_KILL) {
        pm_worker_handle(w, PM_WORKER_EVENT_KILL);
    }
}

static void on_timer(void *ctx, apr_time_t now)
{
    pm_worker_t *w = ctx;

    if (w->state == PM_WORKER_LEFT) {
        pm_worker_handle(w, PM_WORKER_EVENT_KILL);
    }
    else if (pm_worker_fsm_alive(w->state)) {
        pm_worker_attend(w, now);
    }
    else {
        plan_stop(w, now);
    }
}

static void act_term(pm_worker_t *w)
{
    apr_time_t now = pm_time_now();

    w->told_at = w->told_at ? w->told_at : now;
    w->retold_at = now;
    kill(w->pid, SIGTERM);
    plan_stop(w, now);
}

static void act_kill(pm_worker_t *w)
{
    if (w->state == PM_WORKER_KILLED) {
        w->pool->world->killed += w->pool->world->dying_at != 0;
        w->pool->board->killed++;
        pm_log(w->pool->world->log, PM_WARNING,
               "pool %s: worker %d %s: "
               "SIGKILL to its process group",
               w->pool->conf->name, (int)w->pid,
               w->wanted_dead ? "is killed by command"
                              : "was told to go and has not");
    }
    pm_reap_group(w->pid, SIGKILL);
}

/* When those of its group that are left are killed.  If they were there before
 * the first request it is they who serve (PHP_FCGI_CHILDREN), and they have as
 * much time for theirs as a worker has. */
static apr_time_t sweep_until(const pm_worker_t *w)
{
    const pm_context_t *world = w->pool->world;
    apr_time_t now = pm_time_now();
    apr_time_t drain = w->pool->conf->drain_timeout;

    if (world->dying_at) {
        return world->dying_at + world->die_timeout;
    }
    if (pm_worker_read_facts(w, now).forked) {
        return drain ? now + drain : PM_TIME_NEVER;
    }
    return now + world->die_timeout;
}

/* Its own process has ended; others of its group get the chance to end what
 * they do, for as long as a manager that ends gives it. */
static void act_sweep(pm_worker_t *w)
{
    pm_context_t *world = w->pool->world;

    pm_loop_at(world->loop, &w->timer, PM_TIME_NEVER);
    if (!pm_reap_group(w->pid, SIGTERM)) {
        pm_worker_handle(w, PM_WORKER_EVENT_EMPTY);
        return;
    }
    pm_loop_at(world->loop, &w->timer, sweep_until(w));
}

void pm_worker_hurry(pm_worker_t *w)
{
    if (w->state == PM_WORKER_STOPPING) {
        plan_stop(w, pm_time_now());
    }
    else if (w->state == PM_WORKER_LEFT) {
        pm_loop_at(w->pool->world->loop, &w->timer, sweep_until(w));
    }
}

static void act_free(pm_worker_t *w)
{
    pm_pool_t *pool = w->pool;

    pm_loop_at(pool->world->loop, &w->timer, PM_TIME_NEVER);
    pm_slow_log_forget(w);
    close_birth(w);
    if (w->output_fd >= 0) {
        read_output(w);
    }
    close_output(w);
    pm_direct_keep(w, pm_time_now());
    pm_worker_shm_release(pool->page, w->place);
    apr_hash_set(pool->world->workers, &w->pid, sizeof(w->pid), NULL);
    APR_RING_REMOVE(w, link);
    pool->count[w->state]--;
    apr_pool_destroy(w->p);
}

void pm_worker_handle(pm_worker_t *w, pm_worker_event_t event)
{
    pm_pool_t *pool = w->pool;
    pm_worker_move_t move = pm_worker_fsm_step(w->state, event);

    pool->count[w->state]--;
    pool->world->alive +=
        pm_worker_fsm_alive(move.next) - pm_worker_fsm_alive(w->state);
    w->state = move.next;
    pool->count[w->state]++;
    if (!pm_worker_fsm_alive(w->state)) {
        pm_worker_due(w, PM_DUE_NOT);
    }
    pm_pool_touch(pool);
    if (event == PM_WORKER_EVENT_READY) {
        pm_rollback_ready(w);
    }
    if (move.actions & PM_WORKER_ACT_TERM) {
        act_term(w);
    }
    if (move.actions & PM_WORKER_ACT_KILL) {
        act_kill(w);
    }
    if (move.actions & PM_WORKER_ACT_SWEEP) {
        act_sweep(w); /* its EMPTY may have freed w */
    }
    if (move.actions & PM_WORKER_ACT_FREE) {
        act_free(w);
    }
}

void pm_worker_kill(pm_worker_t *w)
{
    w->told_at = w->told_at ? w->told_at : pm_time_now();
    w->wanted_dead = 1;
    pm_worker_handle(w, PM_WORKER_EVENT_KILL);
}

/* --- while it lives ------------------------------------------------------- */

void pm_worker_due(pm_worker_t *w, pm_due_t due)
{
    pm_pool_t *pool = w->pool;

    pool->due += (due != PM_DUE_NOT) - (w->due != PM_DUE_NOT);
    pool->rolling += (due == PM_DUE_ROLL) - (w->due == PM_DUE_ROLL);
    w->due = due;
    pm_pool_touch(pool);
}

static void is_due(pm_worker_t *w, const char *reason)
{
    if (w->due == PM_DUE_NOT) {
        pm_log(w->pool->world->log, PM_INFO,
               "pool %s: worker %d is to be "
               "replaced: %s",
               w->pool->conf->name, (int)w->pid, reason);
        pm_worker_due(w, PM_DUE_RECYCLE);
    }
}

/* Without the guard in it, having executed another program, when others serve
 * in its place, or by calls no library sees, it tells nothing: it counts as
 * ready. */
static int is_silent(const pm_worker_t *w)
{
    return !pm_procinfo_has_library(w->pid, "/libfcgipm.so")
           || pm_procinfo_has_children(w->pid)
           || pm_procinfo_has_fd(w->pid, "anon_inode:[io_uring]");
}

static void is_late(pm_worker_t *w, apr_time_t now)
{
    if (is_silent(w)) {
        pm_worker_handle(w, PM_WORKER_EVENT_READY);
        return;
    }
    pm_pool_error(w->pool, PM_WARNING,
                  "worker %d does not wait for a request "
                  "after %.3f s (FcgiPMStartTimeout) and is ended: SIGTERM",
                  (int)w->pid, (double)(now - w->born_at) / 1e6);
    pm_pool_failed(w->pool, w, now);
    w->overdue = 1;
    pm_worker_handle(w, PM_WORKER_EVENT_STOP);
}

static void is_overdue(pm_worker_t *w, apr_time_t since, apr_time_t now)
{
    pm_pool_error(w->pool, PM_WARNING,
                  "worker %d has been busy with a request "
                  "for %.3f s (FcgiPMRequestTimeout) and is ended: SIGTERM",
                  (int)w->pid, (double)(now - since) / 1e6);
    w->pool->board->timed_out++;
    w->overdue = 1;
    pm_worker_handle(w, PM_WORKER_EVENT_STOP);
}

static void look_at_size(pm_worker_t *w, const pm_recycle_terms_t *terms,
                         apr_uint64_t requests)
{
    const char *reason;
    pm_memory_t memory;

    if (!terms->size_check || requests < w->size_at) {
        return;
    }
    if (w->size_at) {
        memory = pm_procinfo_memory(w->pid);
        reason = pm_recycle_size(w->pool->conf, &memory);
        if (reason) {
            is_due(w, reason);
        }
    }
    w->size_at = (requests / terms->size_check + 1) * terms->size_check;
}

/* Is it to be known when it becomes busy? */
static int is_timed(const pm_worker_t *w)
{
    return w->pool->conf->request_timeout || w->pool->conf->slow_log.time;
}

/* A slow request that was spoken of already is waited for. */
static void wish(const pm_worker_t *w, const pm_recycle_terms_t *terms,
                 const pm_worker_facts_t *page)
{
    pm_worker_shm_notify_at(w->pool->page, w->place,
                            page->busy && page->busy_since == w->slow_since
                                ? page->requests
                                : pm_recycle_notify_at(terms, page->requests));
    if (is_timed(w) && !page->busy) {
        pm_worker_shm_notify_busy(w->pool->page, w->place);
    }
}

/* What we wish to hear of is written before the page is read: what happens in
 * between is seen there, or rings. */
static pm_worker_facts_t read_page(const pm_worker_t *w,
                                   const pm_recycle_terms_t *terms,
                                   apr_time_t now)
{
    pm_worker_facts_t before = pm_worker_read_facts(w, now);
    pm_worker_facts_t page;

    wish(w, terms, &before);
    page = pm_worker_read_facts(w, now);
    if (before.busy && !page.busy) { /* it has done meanwhile */
        wish(w, terms, &page);
        page = pm_worker_read_facts(w, now);
    }
    return page;
}

/* Does somebody have to know that a worker starts well: an old one that is to
 * go for it, or who waits for a reload? */
static int matters(const pm_pool_t *pool)
{
    return pool->rolling
           || !APR_RING_EMPTY(&pool->waits, pm_reload_wait_part, link);
}

void pm_worker_attend(pm_worker_t *w, apr_time_t now)
{
    const pm_conf_t *conf = w->pool->conf;
    pm_recycle_terms_t terms = pm_recycle_terms(conf, w->chance);
    pm_worker_facts_t page = read_page(w, &terms, now);
    pm_recycle_facts_t facts = {w->born_at, 0, page.requests,
                                page.busy ? page.busy_since : 0};
    pm_recycle_plan_t plan;

    if (w->state == PM_WORKER_LOADING && !w->guarded && matters(w->pool)
        && now < w->born_at + PM_RESTART_POLICY_SETTLE) {
        pm_loop_at(w->pool->world->loop, &w->timer,
                   w->born_at + PM_RESTART_POLICY_SETTLE);
        return; /* it may die at once */
    }
    if (w->state == PM_WORKER_LOADING
        && (!w->guarded || page.known || page.forked)) {
        pm_worker_handle(w, PM_WORKER_EVENT_READY);
    }
    if (w->state != PM_WORKER_LOADING && w->state != PM_WORKER_READY) {
        return;
    }
    facts.ready = w->state == PM_WORKER_READY;
    look_at_size(w, &terms, page.requests);
    pm_slow_log_attend(w, &page);
    plan = pm_recycle_plan(conf, &terms, &facts, now);
    pm_loop_at(w->pool->world->loop, &w->timer, plan.next);
    switch (plan.verdict) {
    case PM_RECYCLE_WELL:
        break;
    case PM_RECYCLE_DUE:
        is_due(w, plan.reason);
        break;
    case PM_RECYCLE_LATE:
        is_late(w, now);
        break;
    case PM_RECYCLE_OVERDUE:
        is_overdue(w, page.busy_since, now);
        break;
    }
}

/* --- counting ------------------------------------------------------------- */

static void say_exit(pm_worker_t *w, int status, pm_exit_t verdict,
                     apr_time_t lived)
{
    char buf[80];
    const char *how = pm_reap_text(status, buf, sizeof(buf));
    double s = (double)lived / 1e6;

    switch (verdict) {
    case PM_EXIT_NORMAL:
        pm_log(w->pool->world->log, PM_INFO,
               "pool %s: worker %d has gone: "
               "%s after %.3f s",
               w->pool->conf->name, (int)w->pid, how, s);
        break;
    case PM_EXIT_CRASHED:
        pm_pool_error(w->pool, PM_WARNING,
                      "worker %d has crashed and is "
                      "replaced: %s after %.3f s",
                      (int)w->pid, how, s);
        break;
    case PM_EXIT_FAILED:
        if (w->runs) { /* else the verdict on its birth has been said */
            pm_pool_error(w->pool, PM_WARNING,
                          "worker %d has died at birth: "
                          "%s after %.3f s",
                          (int)w->pid, how, s);
        }
        break;
    }
}

static void count_exit(pm_worker_t *w, int status)
{
    pm_pool_t *pool = w->pool;
    apr_time_t now = pm_time_now();
    pm_scoreboard_totals_t sum =
        pm_scoreboard_sum(pool->world->board, pool->slot);
    pm_exit_facts_t facts = {w->told_at != 0, w->runs,
                             WIFEXITED(status) && !WEXITSTATUS(status), 0,
                             now - w->born_at};
    pm_worker_facts_t known = pm_worker_read_facts(w, now);
    pm_exit_t verdict;

    facts.served = known.known ? known.requests > 0
                               : !facts.told
                                     && pm_restart_policy_spend_credit(
                                         sum.done + sum.in_flight, &pool->paid,
                                         (int)pool->conf->processes.max);
    verdict = pm_restart_policy_judge(&facts);
    if (pool->rolling && w->state < PM_WORKER_READY && !facts.told) {
        /* what old ones serve is not to its credit, nor how long it took */
        verdict = PM_EXIT_FAILED;
        facts.served = 0;
    }
    if (verdict == PM_EXIT_NORMAL) {
        pool->board->exited++;
    }
    else {
        pool->board->crashed++;
    }
    say_exit(w, status, verdict, facts.lived);
    if (verdict == PM_EXIT_FAILED) {
        pm_pool_failed(pool, w, now);
    }
    else if (facts.served) {
        pm_restart_policy_forget(&pool->crash);
    }
}

void pm_worker_reaped(pm_worker_t *w, int status)
{
    /* The verdict on its birth may still lie in the pipe. */
    if (w->state == PM_WORKER_BORN && w->birth_fd >= 0) {
        on_birth(w, 0);
    }
    if (w->output_fd >= 0) {
        read_output(w);
    }
    count_exit(w, status);
    pm_worker_handle(w, PM_WORKER_EVENT_EXIT);
}

/* --- start ---------------------------------------------------------------- */

static void watch(pm_worker_t *w, pm_watch_t *watch, int fd,
                  void (*ready)(void *ctx, int events))
{
    pm_reason_t why;

    watch->ready = ready;
    watch->ctx = w;
    if (pm_loop_watch(w->pool->world->loop, watch, fd, APR_POLLIN, w->p, &why)
        != APR_SUCCESS) {
        pm_pool_error(w->pool, PM_ERROR, "worker %d is not listened to: %s",
                      (int)w->pid, why.text);
    }
}

int pm_worker_start(pm_pool_t *pool, apr_time_t now)
{
    pm_context_t *world = pool->world;
    pm_spawned_t born;
    pm_reason_t why;
    pm_worker_t *w;
    apr_pool_t *p;
    pm_launch_spec_t *birth = pm_rollback_birth(pool);
    int place = pm_worker_shm_claim(pool->page);

    if (pm_spawn(&born, birth, pool->listener.fd, pm_worker_shm_fd(pool->page),
                 place, &why)
        != APR_SUCCESS) {
        pm_worker_shm_release(pool->page, place);
        pm_pool_error(pool, PM_ERROR, "cannot start a worker: %s", why.text);
        return 0;
    }
    p = pm_subpool_create(pool->p);
    w = apr_pcalloc(p, sizeof(*w));
    w->p = p;
    w->pool = pool;
    w->birth = apr_pmemdup(p, birth, sizeof(*w->birth));
    w->birth->program = apr_pstrdup(p, birth->program);
    w->pid = born.pid;
    w->number = ++world->births;
    w->release = pool->release.back ? 0 : pool->release.number;
    w->place = place;
    w->born_at = now;
    w->guarded = birth->guard && place >= 0;
    apr_generate_random_bytes((unsigned char *)&w->chance, sizeof(w->chance));
    w->birth_fd = born.birth_fd;
    w->output_fd = born.stderr_fd;
    w->timer.due = on_timer;
    w->timer.ctx = w;
    pm_slow_log_watch(w);
    APR_RING_INSERT_TAIL(&pool->workers, w, pm_worker, link);
    apr_hash_set(world->workers, &w->pid, sizeof(w->pid), w);
    pool->count[w->state]++;
    world->alive++;
    pool->board->spawned++;
    watch(w, &w->birth_watch, w->birth_fd, on_birth);
    watch(w, &w->output_watch, w->output_fd, on_output);
    pm_log(world->log, PM_INFO, "pool %s: worker %d started", pool->conf->name,
           (int)w->pid);
    return 1;
}
