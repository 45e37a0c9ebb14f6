/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/pool/pm_pool.h"

#include <limits.h>
#include <string.h>

#include "apr_strings.h"
#include "pm_core/os/pm_fds.h"
#include "pm_core/os/pm_listen_queue.h"
#include "pm_core/os/pm_listen_state.h"
#include "pm_core/policy/pm_recycle.h"
#include "pm_core/policy/pm_reload_policy.h"
#include "pm_core/pool/pm_exec_order.h"
#include "pm_core/pool/pm_fork_server.h"
#include "pm_core/pool/pm_leftovers.h"
#include "pm_core/pool/pm_output.h"
#include "pm_core/pool/pm_pool_exit.h"
#include "pm_core/pool/pm_rollback.h"
#include "pm_core/pool/pm_warmup.h"

/* A removed pool drains until no process can call it.  The kernel has no event
 * for that (an empty queue, httpd's old children gone): it is looked at again
 * after a pause that doubles from the first to the last. */
#define DRAIN_FIRST apr_time_from_msec(10)
#define DRAIN_LAST  apr_time_from_sec(1)
#define DRAIN_DYING                                                            \
    apr_time_from_msec(50) /* the last while the manager ends                  \
                            */

/* Handshakes of TCP that have begun are over by then. */
#define DRAIN_HANDSHAKE apr_time_from_msec(200)

void pm_pool_error(pm_pool_t *pool, pm_level_t level, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    apr_vsnprintf(pool->last_error, sizeof(pool->last_error), fmt, ap);
    pool->last_error_at = pm_time_now();
    va_end(ap);
    pm_log(pool->context->log, level, "pool %s: %s", pool->conf->name,
           pool->last_error);
}

void pm_pool_touch(pm_pool_t *pool)
{
    if (!pool->is_touched) {
        pool->is_touched = 1;
        APR_RING_INSERT_TAIL(&pool->context->touched, pool, pm_pool, touched);
    }
}

static void pool_on_timer(void *ctx, apr_time_t now)
{
    (void)now;
    pm_pool_touch(ctx);
}

/* Calls a hook of each feature that has it. */
#define EACH_FEATURE(context, hook, ...)                                       \
    do {                                                                       \
        const pm_pool_feature_t *const *feature;                               \
                                                                               \
        for (feature = (context)->features; *feature; feature++) {             \
            if ((*feature)->hook) {                                            \
                (*feature)->hook(__VA_ARGS__);                                 \
            }                                                                  \
        }                                                                      \
    } while (0)

void pm_pool_each_worker(pm_pool_t *pool,
                         void (*act)(pm_worker_t *w, void *ctx), void *ctx)
{
    pm_worker_t *w, *next;

    for (w = APR_RING_FIRST(&pool->workers.list);
         w != APR_RING_SENTINEL(&pool->workers.list, pm_worker, link);
         w = next) {
        next = APR_RING_NEXT(w, link);
        act(w, ctx);
    }
}

/* --- what workers report -------------------------------------------------- */

static void pool_on_error(pm_pool_t *pool, pm_level_t level, const char *text)
{
    pm_pool_error(pool, level, "%s", text);
}

static int pool_on_waits(pm_pool_t *pool, pm_worker_t *w,
                         const pm_worker_facts_t *seen)
{
    (void)pool;
    return pm_warmup_waits(w, seen);
}

static void pool_on_ready(pm_pool_t *pool, pm_worker_t *w)
{
    pool->nonblocking = pm_listen_state_is_nonblocking(&pool->listener);
    pm_warmup_ready(w);
    pm_rollback_ready(pool, w);
    pm_fork_server_ready(pool, w);
}

static void pool_on_late(pm_pool_t *pool, pm_worker_t *w, apr_time_t now)
{
    pm_warmup_late(w);
    pm_pool_exit_failed(pool, w, now);
    pm_fork_server_failed(pool, w, 1);
}

static void pool_on_unjudged(pm_pool_t *pool)
{
    pm_pool_hold(pool, 1);
}

static void pool_on_line(pm_pool_t *pool, pm_worker_t *w, const char *line)
{
    pm_output_line(pool, w->pid, line);
}

static void pool_on_status(pm_pool_t *pool, pm_worker_t *w,
                           const pm_worker_facts_t *facts)
{
    EACH_FEATURE(pool->context, status, w, facts);
}

static void pool_on_gone(pm_pool_t *pool, pm_worker_t *w)
{
    pm_direct_keep(w, pm_time_now());
    EACH_FEATURE(pool->context, worker_gone, w);
}

static void pool_on_exited(pm_pool_t *pool, pm_worker_t *w, int status,
                           pm_exit_facts_t facts)
{
    pm_pool_exit_count(pool, w, status, facts);
    pm_fork_server_exited(pool, w, status);
}

static const pm_worker_events_t pool_events = {.changed = pm_pool_touch,
                                               .error = pool_on_error,
                                               .waits = pool_on_waits,
                                               .ready = pool_on_ready,
                                               .late = pool_on_late,
                                               .unjudged = pool_on_unjudged,
                                               .exited = pool_on_exited,
                                               .said = pool_on_line,
                                               .status = pool_on_status,
                                               .gone = pool_on_gone};

/* --- definition ----------------------------------------------------------- */

/* Its limits have changed. */
static void pool_attend_worker(pm_worker_t *w, void *now)
{
    if (pm_worker_fsm_alive(w->state)) {
        pm_worker_attend(w, *(apr_time_t *)now);
    }
}

/* The command `scale` holds as long as the rest of the definition is the same.
 */
static void pool_rescale(pm_pool_t *pool, const pm_conf_t *former,
                         pm_conf_t *conf)
{
    pm_scoreboard_slot_t *slot = pool->published;

    if (former) {
        pm_conf_t was = *former;

        was.processes = pool->configured;
        slot->scaled = slot->scaled && pm_conf_is_equal(&was, conf);
    }
    pool->configured = conf->processes;
    if (slot->scaled) {
        conf->processes.min = slot->scale_min;
        conf->processes.max = slot->scale_max;
        conf->origin[PM_ROW_processes].where = "scale";
    }
}

/* Replaces the definition, if the new one works. */
static int pool_redefine(pm_pool_t *pool, const pm_conf_t *given,
                         pm_reason_t *why)
{
    apr_pool_t *p = pm_subpool_create(pool->p);
    pm_conf_t *conf = pm_conf_copy(p, given);
    pm_names_t *names = pool->script ? NULL : pool->context->names;
    pm_launch_spec_t *spec, *slow_spec;
    apr_time_t now = pm_time_now();

    if (pm_launch_spec_prepare(&spec, conf, names, p, why) != APR_SUCCESS
        || pm_launch_spec_prepare_slow_log(&slow_spec, conf, names, p, why)
               != APR_SUCCESS) {
        apr_pool_destroy(p);
        return 0;
    }
    /* what was prepared for orders that wait is of the former definition */
    pm_exec_orders_recall(pool, INT_MAX);
    pool_rescale(pool, pool->spec ? pool->conf : NULL, conf);
    EACH_FEATURE(pool->context, ended, pool);
    spec->files = pool->context->files;
    if (slow_spec) {
        slow_spec->files = pool->context->files;
    }
    pm_rollback_replace(pool, conf);
    pool->pconf = p;
    pool->own = conf;
    pool->conf = pool->workers.conf = conf;
    pool->slow_spec = slow_spec;
    pm_pool_each_worker(pool, pool_attend_worker, &now);
    pool->spec = spec;
    pool->phase = PM_POOL_RUNNING;
    return 1;
}

void pm_pool_define(pm_pool_t *pool, pm_member_t *member)
{
    pm_reason_t why;

    pm_output_open(pool, member->log_fd);
    member->log_fd = -1;
    if (pool->listener.fd < 0) {
        pm_listen_adopt(&pool->listener, member->conf->listen, member->fd,
                        pool->p);
        pool->listener.foreign = member->foreign;
        member->fd = -1;
    }
    pm_fds_close(&member->fd); /* a copy of the one that the pool has */
    if (member->failed) {
        pm_fail(&why, APR_EGENERAL, "%s", member->failed);
    }
    else if (pool_redefine(pool, member->conf, &why)) {
        pool->last_error[0] = '\0';
        pool->last_error_at = 0;
        pm_pool_touch(pool);
        return;
    }
    if (pool->spec) {
        pm_pool_error(pool, PM_ERROR, "keeps its former definition: %s",
                      why.text);
    }
    else {
        pool->phase = PM_POOL_FAILED;
        /* httpd's parent has logged what it found itself */
        pm_pool_error(pool, member->failed ? PM_DEBUG : PM_ERROR,
                      "cannot run, its requests are answered with 503: %s",
                      why.text);
    }
    pm_pool_touch(pool);
}

/* The slot keeps its counters when the pool's former manager has died. */
static void pool_take_slot(pm_pool_t *pool)
{
    pm_scoreboard_t *scoreboard = pool->context->scoreboard;
    pm_scoreboard_totals_t sum = pm_scoreboard_sum(scoreboard, pool->slot);
    pm_scoreboard_slot_t *slot = pool->published;

    pool->paid = sum.done;
    if (slot->generation != pool->generation) {
        memset(slot, 0, sizeof(*slot));
        slot->done_base = sum.done;
        slot->aborted_base = sum.aborted;
        pm_scoreboard_stats_begin(scoreboard, pool->slot);
        slot->avail = PM_AVAIL_STARTING;
        __atomic_store_n(&slot->generation, pool->generation, __ATOMIC_RELEASE);
    }
}

static void pool_init_workers(pm_pool_t *pool)
{
    pm_worker_group_t *group = &pool->workers;
    pm_reason_t why;

    group->pool = pool;
    group->events = &pool_events;
    group->context = pool->context;
    group->p = pool->p;
    group->conf = pool->conf;
    group->published = pool->published;
    APR_RING_INIT(&group->list, pm_worker, link);
    if (pm_worker_shm_create(&group->shm, pool->p, &why) != APR_SUCCESS) {
        pm_log(pool->context->log, PM_INFO,
               "pool %s: whether workers are busy will not be known: %s",
               pool->conf->name, why.text);
    }
}

/* What features register runs before this. */
static apr_status_t pool_cleanup(void *ctx)
{
    pm_pool_t *pool = ctx;

    pm_loop_at(pool->context->loop, &pool->timer, PM_TIME_NEVER);
    pm_listen_close(&pool->listener);
    pm_worker_shm_destroy(pool->workers.shm);
    return APR_SUCCESS;
}

pm_pool_t *pm_pool_create(pm_context_t *context, pm_member_t *member)
{
    apr_pool_t *p = pm_subpool_create(context->p);
    pm_pool_t *pool = apr_pcalloc(p, sizeof(*pool));

    pool->p = p;
    pool->context = context;
    pool->conf = pm_conf_copy(p, member->conf);
    pool->slot = member->slot;
    pool->generation = member->generation;
    pool->published = pm_scoreboard_slot(context->scoreboard, member->slot);
    pool->timer = (pm_timer_t){.due = pool_on_timer, .ctx = pool};
    pool->listener.fd = -1;
    context->slots[pool->slot] = pool;
    apr_pool_pre_cleanup_register(p, pool, pool_cleanup);
    pool_init_workers(pool);
    pm_output_init(pool);
    pm_demand_init(&pool->demand, &pool->workers, &pool->listener, pool->slot);
    EACH_FEATURE(context, create, pool);
    pool_take_slot(pool);
    pm_direct_init(pool);
    pm_output_attend(pool);
    pm_pool_define(pool, member);
    return pool;
}

/* --- telling workers to stop ---------------------------------------------- */

/* The order in which workers are told to stop. */
typedef enum pool_rank { LEAVES, LOADING, IDLE, NOT_KNOWN, BUSY } pool_rank_t;

/* It has not begun to serve, and is neither a successor nor what is to be the
 * fork server: those that serve stay in its place. */
static int pool_is_spare(const pm_worker_t *w)
{
    return pm_worker_fsm_alive(w->state) && w->state != PM_WORKER_READY
           && !pm_worker_due(w->group) && !pm_fork_server_is_candidate(w);
}

/* Each worker's status is read once, before any is told: a worker that was
 * busy in a walk for idle ones, and idle in the next walk for busy ones, would
 * be left out of both. */
static void pool_rank_worker(pm_worker_t *w, void *now)
{
    pm_worker_facts_t facts = pm_worker_read_facts(w, *(apr_time_t *)now);

    w->rank = w->due == PM_DUE_REQUESTS ? LEAVES
              : facts.busy              ? BUSY
              : facts.idle              ? IDLE
              : pool_is_spare(w)        ? LOADING
                                        : NOT_KNOWN;
}

/* Which workers may be told to stop. */
typedef enum pool_which { ANY, DUE, DUE_READY } pool_which_t;

static int pool_may_tell(const pm_worker_t *w, pool_which_t which)
{
    return which == ANY ? pm_worker_fsm_alive(w->state)
                        : w->due != PM_DUE_NOT && w->due != PM_DUE_LEAVE
                              && (which == DUE || w->state == PM_WORKER_READY);
}

/* Replaced for a limit, or in a rolling reload. */
static int pool_is_recycled(const pm_worker_t *w)
{
    return w->due != PM_DUE_START && w->due != PM_DUE_RELOAD;
}

static void pool_tell_worker(pm_pool_t *pool, pm_worker_t *w,
                             pool_which_t which, apr_time_t now)
{
    if (which == ANY) {
        pm_worker_handle(w, PM_WORKER_EVENT_STOP);
        return;
    }
    pool->published->recycled += (apr_uint32_t)pool_is_recycled(w);
    pm_worker_release(w, now);
}

/* Tells up to n workers of that rank, the oldest first.
 * @return how many are still to be told */
static int pool_tell_rank(pm_pool_t *pool, int n, pool_rank_t rank,
                          pool_which_t which, apr_time_t now)
{
    pm_worker_t *w, *next;

    for (w = APR_RING_FIRST(&pool->workers.list);
         n > 0 && w != APR_RING_SENTINEL(&pool->workers.list, pm_worker, link);
         w = next) {
        next = APR_RING_NEXT(w, link);
        if (w->rank == (int)rank && pool_may_tell(w, which)) {
            pool_tell_worker(pool, w, which, now);
            n--;
        }
    }
    return n;
}

/* Tells n workers, in the order of their ranks; @a busy of them may be busy. */
static void pool_tell(pm_pool_t *pool, int n, int busy, pool_which_t which,
                      apr_time_t now)
{
    if (n > 0) {
        pm_pool_each_worker(pool, pool_rank_worker, &now);
        n = pool_tell_rank(pool, n, LEAVES, which, now);
        n = pool_tell_rank(pool, n, LOADING, which, now);
        n = pool_tell_rank(pool, n, IDLE, which, now);
        n = pool_tell_rank(pool, n, NOT_KNOWN, which, now);
        pool_tell_rank(pool, n < busy ? n : busy, BUSY, which, now);
    }
}

/* --- starting workers ------------------------------------------------------
 */

/* Does a feature object to a start? */
static int pool_may_start(pm_pool_t *pool)
{
    const pm_pool_feature_t *const *feature;

    for (feature = pool->context->features; *feature; feature++) {
        if ((*feature)->before_start && !(*feature)->before_start(pool)) {
            return 0;
        }
    }
    return 1;
}

static void pool_tell_one(pm_worker_t *w, void *ctx)
{
    (void)ctx;
    if (w->due == PM_DUE_START) {
        pm_worker_handle(w, PM_WORKER_EVENT_STOP);
    }
}

void pm_pool_tell_former(pm_pool_t *pool)
{
    if (pool->workers.due[PM_DUE_START]) {
        pm_pool_each_worker(pool, pool_tell_one, NULL);
    }
}

static void pool_keep_former(pm_worker_t *w, void *ctx)
{
    (void)ctx;
    if (w->due == PM_DUE_START) {
        pm_worker_set_due(w, PM_DUE_RELOAD);
    }
}

/* O_NONBLOCK belongs to the socket that all workers share.  A program that
 * waits in accept() leaves when a request of another worker has set it.  An
 * event loop that has set it itself waits in accept(), and its requests with
 * it, when it is cleared.  So what a worker has when it becomes ready is its
 * program's way, until one leaves untold. */
static void pool_prepare_socket(const pm_pool_t *pool)
{
    if (!pool->nonblocking) {
        pm_listen_state_set_blocking(&pool->listener);
    }
}

/* Ordered at once: workers that are started together and die together count as
 * one failure, and a change of plan finds few that are on their way. */
#define MOST_ORDERED 8

void pm_pool_start_failed(pm_pool_t *pool)
{
    pm_exec_orders_recall(pool, INT_MAX);
    pm_pool_exit_failed(pool, NULL, pm_time_now());
    pm_pool_each_worker(pool, pool_keep_former, NULL);
}

static void pool_on_order_ended(pm_pool_t *pool, pm_exec_end_t how,
                                pm_worker_t *w, void *warmup)
{
    pm_warmup_begin(warmup, w);
    if (how == PM_EXEC_BORN && !pm_pool_has_socket(w)) {
        pm_worker_handle(w, PM_WORKER_EVENT_STOP);
    }
    else if (how == PM_EXEC_BORN) {
        /* its order may have waited: the trial begins now */
        pm_restart_policy_note_start(&pool->restart, pm_time_now());
        if (w->due == PM_DUE_NOT) { /* no reload has come meanwhile */
            pm_pool_tell_former(pool);
        }
    }
    else if (how == PM_EXEC_FAILED) {
        pm_pool_start_failed(pool);
    }
}

static pm_fork_birth_t pool_start_one(pm_pool_t *pool, int want, apr_time_t now)
{
    pm_fork_birth_t birth;
    pm_warmup_t *warmup;
    int fork_fd;

    if (!pool_may_start(pool)) {
        return PM_FORK_NOT;
    }
    birth = pm_fork_server_birth(pool, want, now);
    if (birth != PM_FORK_BY_EXEC) {
        return birth;
    }
    if (pool->workers.ordered >= MOST_ORDERED) {
        return PM_FORK_LATER;
    }
    warmup = pm_warmup_prepare(pool, &fork_fd);
    pm_exec_order(pool, fork_fd, pool_on_order_ended, warmup);
    return PM_FORK_BEGUN;
}

/* Where not all are ordered the pool is planned again when one has come.
 * @return PM_FORK_LATER or PM_FORK_ENOUGH: so it is */
static pm_fork_birth_t pool_start(pm_pool_t *pool, int n, int want,
                                  apr_time_t now)
{
    pm_fork_birth_t birth = PM_FORK_BEGUN;

    for (; n > 0 && birth == PM_FORK_BEGUN; n--) {
        pool_prepare_socket(pool);
        birth = pool_start_one(pool, want, now);
        if (birth == PM_FORK_LATER || birth == PM_FORK_ENOUGH) {
            return birth;
        }
        pool->last_start = now;
        pm_restart_policy_note_start(&pool->restart, now);
    }
    if (birth == PM_FORK_NOT) {
        pm_pool_start_failed(pool);
    }
    return birth;
}

/* How many more FcgiPMMaxProcesses leaves. */
static int pool_room(const pm_context_t *context)
{
    return context->max_alive ? context->max_alive - context->alive : INT_MAX;
}

/* --- reload, hold, remove --------------------------------------------------
 */

static void pool_reload_worker(pm_worker_t *w, void *ctx)
{
    const pm_pool_t *pool = ctx;

    if (pm_worker_fsm_alive(w->state)) {
        pm_worker_set_due(w, pm_reload_policy_due(pool->conf->reload,
                                                  w->state == PM_WORKER_READY,
                                                  w->due));
    }
}

static void pool_keep_worker(pm_worker_t *w, void *ctx)
{
    const pm_due_t *last = ctx;

    if (w->due >= PM_DUE_ROLL && w->due <= *last && pm_pool_has_socket(w)) {
        pm_worker_set_due(w, PM_DUE_NOT);
    }
}

void pm_pool_keep_workers(pm_pool_t *pool, pm_due_t last)
{
    pm_pool_each_worker(pool, pool_keep_worker, &last);
}

void pm_pool_reload(pm_pool_t *pool)
{
    int alive = pm_pool_alive(pool);
    int full = alive * (int)pool->conf->requests_per_worker;

    pm_restart_policy_forget(&pool->restart);
    pm_rollback_try(pool);
    pm_fork_server_reload(pool);
    pm_exec_orders_reload(pool);
    pm_pool_touch(pool);
    pm_log(pool->context->log, PM_INFO, "pool %s: reload: %d %s %s",
           pool->conf->name, alive, alive == 1 ? "worker is" : "workers are",
           pool->conf->reload ? "replaced, one when another is ready"
                              : "told to go, others are started");
    if (!pool->conf->reload) {
        /* all are to be replaced, needed or not */
        pm_scale_note(&pool->demand.window, pool->conf->idle_timeout, full,
                      full, pm_time_now());
    }
    pm_pool_each_worker(pool, pool_reload_worker, pool);
}

void pm_pool_hold(pm_pool_t *pool, unsigned held)
{
    pool->published->held = held;
    pm_restart_policy_forget(&pool->restart);
    pool->leaves_at = 0;
    if (held) {
        pm_leftovers_kill_strays(pool);
        pm_pool_keep_workers(pool, PM_DUE_START);
    }
    pm_pool_touch(pool);
}

void pm_pool_scale(pm_pool_t *pool, pm_range_t processes)
{
    pool->own->processes = processes;
    pool->own->origin[PM_ROW_processes].where = "scale";
    pool->published->scaled = 1;
    pool->published->scale_min = processes.min;
    pool->published->scale_max = processes.max;
    pm_pool_touch(pool);
}

void pm_pool_remove(pm_pool_t *pool)
{
    if (pool->phase != PM_POOL_CLOSING) {
        pool->phase = pool->spec ? PM_POOL_DRAINING : PM_POOL_CLOSING;
        pool->drain_wait = DRAIN_FIRST;
        pm_pool_touch(pool);
    }
}

static void pool_hurry_worker(pm_worker_t *w, void *ctx)
{
    (void)ctx;
    pm_worker_hurry(w);
}

void pm_pool_close(pm_pool_t *pool)
{
    pool->phase = PM_POOL_CLOSING;
    EACH_FEATURE(pool->context, ended, pool);
    pm_pool_each_worker(pool, pool_hurry_worker, NULL);
    pm_pool_touch(pool);
}

void pm_pool_finish(pm_pool_t *pool)
{
    if (pool->phase != PM_POOL_RUNNING || pool->listener.foreign
        || pm_pool_held(pool)) {
        pm_pool_close(pool);
        return;
    }
    EACH_FEATURE(pool->context, ended, pool);
    pm_pool_remove(pool);
    pm_pool_each_worker(pool, pool_hurry_worker, NULL);
}

void pm_pool_drain(pm_pool_t *pool, apr_time_t at)
{
    pool->leaves_at = at;
    pool->drain_wait = DRAIN_FIRST;
    pm_pool_touch(pool);
}

static int pool_is_called(const pm_pool_t *pool)
{
    pm_scoreboard_totals_t sum =
        pm_scoreboard_sum(pool->context->scoreboard, pool->slot);

    return sum.in_flight || sum.waiting || pm_listen_pending(pool->listener.fd);
}

/* An httpd child counts its request first and then looks whether the pool is
 * still there (hpm_script.c).  Here the generation goes first and then the
 * count is read: one of the two sees the other.  A request that is queued must
 * not see that, so the count is read before, too. */
int pm_pool_retire(pm_pool_t *pool)
{
    if (pool_is_called(pool)) {
        return 0;
    }
    __atomic_store_n(&pool->published->generation, 0, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (pool_is_called(pool)) {
        __atomic_store_n(&pool->published->generation, pool->generation,
                         __ATOMIC_SEQ_CST);
        return 0;
    }
    pm_listen_unlink(&pool->listener);
    pm_pool_close(pool);
    return 1;
}

/* --- plan ----------------------------------------------------------------- */

/* No worker lives that is known to work, and the next start is delayed.  Not so
 * when the next request will start one. */
static int pool_in_backoff(const pm_pool_t *pool)
{
    return pool->restart.failures > 1
           && pm_pool_alive(pool) <= (pool->restart.trial_at != 0)
           && !(pool->open && !pm_pool_alive(pool));
}

/* Is a connection at its socket refused?  No worker lives, and none is started
 * for it.  A successor of the pool may serve the same socket, and the next
 * manager that of one that closes. */
static int pool_refuses(const pm_pool_t *pool)
{
    return (pool_in_backoff(pool) || pm_pool_held(pool)) && !pm_pool_alive(pool)
           && !pool->is_succeeded && pool->phase != PM_POOL_CLOSING;
}

/* Is a connection queued for a worker?  A front that is refused may connect
 * again and again. */
static int pool_is_queued(const pm_pool_t *pool)
{
    return !pool_refuses(pool) && pm_listen_pending(pool->listener.fd);
}

/* Nobody can call any more: no httpd child of an older configuration lives, no
 * client can connect, and the queue is empty or another pool's. */
static int pool_is_drained(pm_pool_t *pool, apr_time_t now)
{
    if (pm_scoreboard_has_older(pool->context->scoreboard,
                                pool->context->config)) {
        return 0;
    }
    if (pool->is_succeeded) {
        return 1;
    }
    if (!pool->shut_at) {
        pm_listen_shut(&pool->listener);
        pool->shut_at = now;
    }
    return now - pool->shut_at
               >= (pool->listener.path ? DRAIN_FIRST : DRAIN_HANDSHAKE)
           && !pool_is_queued(pool);
}

static apr_time_t pool_next_look(pm_pool_t *pool, apr_time_t longest,
                                 apr_time_t now)
{
    pool->drain_wait = pm_time_min(pool->drain_wait * 2, longest);
    return now + pool->drain_wait;
}

static apr_time_t pool_plan_drain(pm_pool_t *pool, apr_time_t now)
{
    const pm_context_t *context = pool->context;
    apr_time_t end = context->dying_at
                         ? context->dying_at + context->die_timeout
                         : PM_TIME_NEVER;

    if (pool_is_drained(pool, now) || now >= end) {
        pool->phase = PM_POOL_CLOSING;
        return PM_TIME_NEVER;
    }
    return pm_time_min(
        pool_next_look(pool, context->dying_at ? DRAIN_DYING : DRAIN_LAST, now),
        end);
}

/* `drain`: its readiness has failed for long enough.  When the queue is empty
 * it is a stopped pool, whose socket stays for `start`. */
static apr_time_t pool_plan_leave(pm_pool_t *pool, apr_time_t now)
{
    if (now < pool->leaves_at) {
        return pool->leaves_at;
    }
    if (pool_is_queued(pool)) {
        return pool_next_look(pool, DRAIN_DYING, now);
    }
    pm_log(pool->context->log, PM_NOTICE,
           "pool %s: drained: no worker until start", pool->conf->name);
    pm_pool_hold(pool, 1);
    return PM_TIME_NEVER;
}

/* A pool that waits for room is planned again when there is some, one pool
 * after the other as long as some is left. */
static void pool_wait_for_room(pm_pool_t *pool, int waits_for_room)
{
    pm_context_t *context = pool->context;

    if (pool->waits_for_room && !waits_for_room) {
        APR_RING_REMOVE(pool, room);
    }
    else if (!pool->waits_for_room && waits_for_room) {
        APR_RING_INSERT_TAIL(&context->waiting, pool, pm_pool, room);
    }
    pool->waits_for_room = waits_for_room;
    if (!APR_RING_EMPTY(&context->waiting, pm_pool, room)
        && pool_room(context) > 0) {
        pm_pool_touch(APR_RING_FIRST(&context->waiting));
    }
}

static pm_scale_plan_t pool_ask_policy(pm_pool_t *pool, apr_time_t now)
{
    pm_scale_facts_t facts = {0};
    const pm_scale_window_t *window = &pool->demand.window;

    pm_demand_update(&pool->demand, now);
    facts.crash_next = pm_restart_policy_next_start(
        &pool->restart, pm_worker_loading(&pool->workers) > 0, now);
    facts.trial = pool->restart.failures > 1;
    facts.alive = pm_pool_alive(pool);
    facts.closing = pool->phase == PM_POOL_CLOSING || pm_pool_held(pool);
    facts.last_start = pool->last_start;
    facts.need = pool->demand.now;
    facts.most = pm_scale_most(window);
    facts.room = pool_room(pool->context);
    facts.extra =
        facts.closing ? 0 : pm_recycle_extra(pool->workers.due, facts.alive);
    return pm_scale_plan(pool->conf, &facts,
                         pm_scale_part_end(window, pool->conf->idle_timeout),
                         now);
}

/* Workers that are not to be replaced. */
typedef struct pool_fresh {
    int ready;
    int loading;
} pool_fresh_t;

static void pool_count_fresh(pm_worker_t *w, void *ctx)
{
    pool_fresh_t *fresh = ctx;

    if (w->due == PM_DUE_NOT && pm_worker_fsm_alive(w->state)) {
        fresh->ready += w->state == PM_WORKER_READY;
        fresh->loading += w->state != PM_WORKER_READY;
    }
}

/* As many due ones go as there are ready ones more than wanted; all go when
 * those that stay do for that; where FcgiPMMaxProcesses leaves no room for
 * another, one goes before it comes. */
static void pool_plan_recycle(pm_pool_t *pool, int want, apr_time_t now)
{
    int leaving = pool->workers.due[PM_DUE_LEAVE];
    int many = pool->workers.count[PM_WORKER_READY] - leaving - want;
    int due = pm_worker_due(&pool->workers);
    pool_fresh_t fresh = {0, pool->workers.ordered};

    if (!due) {
        return;
    }
    pm_pool_each_worker(pool, pool_count_fresh, &fresh);
    if (fresh.ready >= want) {
        pool_tell(pool, due, due, DUE, now);
        return;
    }
    if (many < 1 && !leaving && !fresh.loading
        && pool_room(pool->context) < 1) {
        many = 1;
    }
    pool_tell(pool, many, many, DUE_READY, now);
}

static apr_time_t pool_plan_workers(pm_pool_t *pool, apr_time_t now)
{
    pm_scale_plan_t plan = pool_ask_policy(pool, now);
    pm_fork_birth_t birth;

    if (pool->context->dying_at && !pm_listen_pending(pool->listener.fd)) {
        /* there is nothing for another worker to do */
        pm_exec_orders_recall(pool, INT_MAX);
        plan.start = 0;
    }
    plan.stop -= pm_exec_orders_recall(pool, plan.stop);
    pool_tell(pool, plan.stop, plan.busy, ANY, now);
    birth = pool_start(pool, plan.start, plan.want, now);
    /* Until then room for it changes nothing, nor does a request, where no
     * worker could be made for that; for more than are to be replaced the old
     * code makes one. */
    if (birth == PM_FORK_LATER || birth == PM_FORK_ENOUGH) {
        plan.want_room = 0;
        plan.open = birth == PM_FORK_ENOUGH
                    && (plan.open || plan.want < pool->conf->processes.max);
    }
    pool_plan_recycle(pool, plan.want, now);
    pool->open = plan.open;
    pool_wait_for_room(pool, plan.want_room);
    return pool->restart.failures > 1 && pool->restart.trial_at ? pm_time_min(
               plan.next,
               pm_restart_policy_trial_end(
                   &pool->restart, pm_worker_loading(&pool->workers) > 0))
                                                                : plan.next;
}

/* --- what other processes see --------------------------------------------- */

/* There is a worker, or one is started for the next request. */
static int pool_can_serve(const pm_pool_t *pool)
{
    return pool->workers.count[PM_WORKER_READY]
           || (pool->open && !pm_pool_alive(pool) && !pool->restart.failures);
}

static pm_avail_t pool_avail(const pm_pool_t *pool)
{
    switch (pool->phase) {
    case PM_POOL_FAILED:
        return PM_AVAIL_STOPPED;
    case PM_POOL_DRAINING:
    case PM_POOL_CLOSING:
        return PM_AVAIL_DRAINING;
    case PM_POOL_RUNNING:
    default:
        return pm_pool_held(pool)      ? PM_AVAIL_STOPPED
               : pool->leaves_at       ? PM_AVAIL_DRAINING
               : pool_in_backoff(pool) ? PM_AVAIL_BACKOFF
               : pool_can_serve(pool)  ? PM_AVAIL_RUNNING
                                       : PM_AVAIL_STARTING;
    }
}

int pm_pool_settled(const pm_pool_t *pool)
{
    return pool->phase == PM_POOL_RUNNING
           && pm_pool_alive(pool) == pool->workers.count[PM_WORKER_READY]
           && (pm_pool_alive(pool) >= pool->conf->processes.min
               || pool->waits_for_room);
}

/* Workers that can have a request.  One that was told to stop may still have
 * one, while its successor has another. */
static apr_uint32_t pool_holders(const pm_pool_t *pool)
{
    return (apr_uint32_t)(pm_pool_alive(pool)
                          + pool->workers.count[PM_WORKER_STOPPING]);
}

static apr_uint32_t pool_requests(const pm_pool_t *pool)
{
    return (apr_uint32_t)(pm_pool_alive(pool)
                              * (int)pool->conf->requests_per_worker
                          + pool->workers.held);
}

static void pool_publish(pm_pool_t *pool)
{
    pm_avail_t avail = pool_avail(pool);
    apr_uint32_t before = pool->published->avail;

    pool->published->retry_at =
        pool->restart.trial_at
            ? pool->restart.trial_at + PM_RESTART_POLICY_SETTLE
            : pool->restart.retry_at;
    __atomic_store_n(&pool->published->avail, (apr_uint32_t)avail,
                     __ATOMIC_RELEASE);
    pm_scoreboard_set_workers(pool->context->scoreboard, pool->slot,
                              pool_holders(pool), pool_requests(pool),
                              avail != before);
    if (pool_refuses(pool)) {
        /* connections that wait get their answer now, not at a timeout */
        pm_listen_refuse(pool->listener.fd);
    }
}

void pm_pool_plan(pm_pool_t *pool, apr_time_t now)
{
    apr_time_t next = PM_TIME_NEVER;

    APR_RING_REMOVE(pool, touched);
    pool->is_touched = 0;
    if (pool->phase == PM_POOL_DRAINING) {
        next = pool_plan_drain(pool, now);
    }
    else if (pool->leaves_at) {
        next = pool_plan_leave(pool, now);
    }
    if (pool->spec) {
        next = pm_time_min(next, pool_plan_workers(pool, now));
    }
    pm_loop_at(pool->context->loop, &pool->timer, next);
    pool_publish(pool);
    pm_demand_watch(&pool->demand, pool->open,
                    pm_pool_held(pool) && !pool->is_succeeded, now);
    EACH_FEATURE(pool->context, planned, pool);
}

int pm_pool_is_gone(const pm_pool_t *pool)
{
    return pool->phase == PM_POOL_CLOSING
           && APR_RING_EMPTY(&pool->workers.list, pm_worker, link)
           && !pool->workers.ordered;
}

/* The scoreboard's slot is free for another pool. */
static void pool_release_slot(pm_pool_t *pool)
{
    if (pool->context->slots[pool->slot] == pool) {
        pool->context->slots[pool->slot] = NULL;
    }
    if (pool->published->generation == pool->generation) {
        memset(pool->published, 0, sizeof(*pool->published));
        pm_scoreboard_set_workers(pool->context->scoreboard, pool->slot, 0, 0,
                                  1);
    }
}

void pm_pool_destroy(pm_pool_t *pool)
{
    pm_log(pool->context->log, PM_INFO,
           "pool %s: has ended: no client can reach it any more",
           pool->conf->name);
    if (pool->is_touched) {
        APR_RING_REMOVE(pool, touched);
    }
    if (pool->waits_for_room) {
        APR_RING_REMOVE(pool, room);
    }
    pm_listen_unlink(&pool->listener);
    pm_leftovers_kill_strays(pool);
    pool_release_slot(pool);
    apr_pool_destroy(pool->p);
}
