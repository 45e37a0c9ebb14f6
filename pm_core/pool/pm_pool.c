/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/pool/pm_pool.h"

#include <limits.h>
#include <string.h>

#include "apr_strings.h"
#include "pm_core/pool/pm_filewatch.h"
#include "pm_core/pool/pm_output.h"
#include "pm_core/pool/pm_rollback.h"
#include "pm_core/pool/pm_reload_wait.h"
#include "pm_core/policy/pm_scale.h"
#include "pm_core/pool/pm_slow_log.h"

/* While a removed pool may still be called, the time between two looks at
 * what has no event in the kernel: that a queue has become empty, that
 * another process's old children have gone.  It doubles from the first to
 * the last. */
#define DRAIN_FIRST apr_time_from_msec(10)
#define DRAIN_LAST  apr_time_from_sec(1)

void pm_pool_error(pm_pool_t *pool, pm_level_t level, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    apr_vsnprintf(pool->last_error, sizeof(pool->last_error), fmt, ap);
    va_end(ap);
    pm_log(pool->world->log, level, "pool %s: %s", pool->conf->name,
           pool->last_error);
}

void pm_pool_touch(pm_pool_t *pool)
{
    if (!pool->is_touched) {
        pool->is_touched = 1;
        APR_RING_INSERT_TAIL(&pool->world->touched, pool, pm_pool, touched);
    }
}

static void on_timer(void *ctx, apr_time_t now)
{
    (void)now;
    pm_pool_touch(ctx);
}

/* --- definition ----------------------------------------------------------- */

/* Its limits have changed. */
static void attend(pm_pool_t *pool)
{
    pm_worker_t *w, *next;
    apr_time_t now = pm_time_now();

    for (w = APR_RING_FIRST(&pool->workers);
         w != APR_RING_SENTINEL(&pool->workers, pm_worker, link); w = next) {
        next = APR_RING_NEXT(w, link);
        if (pm_worker_fsm_alive(w->state)) {
            pm_worker_attend(w, now);
        }
    }
}

/* The definition stands; what `scale` said stands as long as it is the same.
 */
static void rescale(pm_pool_t *pool, const pm_conf_t *former, pm_conf_t *conf)
{
    pm_scoreboard_slot_t *slot = pool->board;

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

/* Does the definition work?  The pool's birth is replaced only when it does.
 */
static int define(pm_pool_t *pool, const pm_conf_t *given, pm_reason_t *why)
{
    pm_launch_spec_t *birth, *slow_birth;
    pm_conf_t *conf;
    apr_pool_t *p;

    p = pm_subpool_create(pool->p);
    conf = pm_conf_copy(p, given);
    if (pm_launch_spec_prepare(&birth, conf, p, why) != APR_SUCCESS
        || pm_slow_log_prepare(&slow_birth, conf, p, why) != APR_SUCCESS) {
        apr_pool_destroy(p);
        return 0;
    }
    rescale(pool, pool->birth ? pool->conf : NULL, conf);
    pm_slow_log_end(pool);
    birth->files = pool->world->files;
    if (slow_birth) {
        slow_birth->files = pool->world->files;
    }
    pool->slow_birth = slow_birth;
    pm_rollback_replace(pool, conf);
    pool->pconf = p;
    pool->conf = pool->own = conf;
    attend(pool);
    pool->birth = birth;
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
        member->fd = -1;
    }
    if (member->failed) {
        pm_fail(&why, APR_EGENERAL, "%s", member->failed);
    }
    else if (define(pool, member->conf, &why)) {
        pool->last_error[0] = '\0';
        pm_pool_touch(pool);
        return;
    }
    if (pool->birth) {
        pm_pool_error(pool, PM_ERROR, "keeps its former definition: %s",
                      why.text);
    }
    else {
        pool->phase = PM_POOL_FAILED;
        /* what the parent found it has said itself */
        pm_pool_error(pool, member->failed ? PM_DEBUG : PM_ERROR,
                      "cannot run, its requests are answered with 503: %s",
                      why.text);
    }
    pm_pool_touch(pool);
}

/* The slot keeps its counters when the pool's former manager has died. */
static void take_slot(pm_pool_t *pool)
{
    pm_scoreboard_slot_t *slot = pool->board;

    pm_scoreboard_totals_t sum =
        pm_scoreboard_sum(pool->world->board, pool->slot);

    pool->paid = sum.done;
    if (slot->generation != pool->generation) {
        memset(slot, 0, sizeof(*slot));
        slot->done_base = sum.done;
        slot->aborted_base = sum.aborted;
        pm_scoreboard_stats_begin(pool->world->board, pool->slot);
        slot->avail = PM_AVAIL_STARTING;
        __atomic_store_n(&slot->generation, pool->generation, __ATOMIC_RELEASE);
    }
}

pm_pool_t *pm_pool_create(pm_context_t *world, pm_member_t *member)
{
    pm_pool_t *pool;
    pm_reason_t why;
    apr_pool_t *p;

    p = pm_subpool_create(world->p);
    pool = apr_pcalloc(p, sizeof(*pool));
    pool->p = p;
    pool->world = world;
    pool->conf = pm_conf_copy(p, member->conf);
    pool->slot = member->slot;
    pool->generation = member->generation;
    pool->board = pm_scoreboard_slot(world->board, member->slot);
    pool->timer.due = on_timer;
    pool->timer.ctx = pool;
    APR_RING_INIT(&pool->workers, pm_worker, link);
    APR_RING_INIT(&pool->waits, pm_reload_wait_part, link);
    pool->listener.fd = -1;
    world->slots[pool->slot] = pool;
    pm_output_init(pool);
    pm_demand_init(pool);
    if (pm_worker_shm_create(&pool->page, p, &why) != APR_SUCCESS) {
        pm_log(world->log, PM_INFO,
               "pool %s: whether workers are busy will "
               "not be known: %s",
               pool->conf->name, why.text);
    }
    take_slot(pool);
    pm_direct_init(pool);
    pm_output_attend(pool);
    pm_pool_define(pool, member);
    return pool;
}

/* --- telling workers ------------------------------------------------------ */

/* Who is told before others?  What the pages say changes while we walk, so
 * each worker is looked at once: one that was busy in the walk for idle ones
 * and idle in the walk for busy ones would be left out of both. */
enum { IDLE, NOT_KNOWN, BUSY };

static void rank_all(pm_pool_t *pool, apr_time_t now)
{
    pm_worker_t *w = NULL;

    APR_RING_FOREACH(w, &pool->workers, pm_worker, link)
    {
        pm_worker_facts_t facts = pm_worker_read_facts(w, now);

        w->rank = facts.busy ? BUSY : facts.idle ? IDLE : NOT_KNOWN;
    }
}

/* Tells up to n workers of that rank, the oldest first; due ones only, or any.
 * @return how many are still to be told */
static int tell_some(pm_pool_t *pool, int n, int is, int due)
{
    pm_worker_t *w, *next;

    for (w = APR_RING_FIRST(&pool->workers);
         n > 0 && w != APR_RING_SENTINEL(&pool->workers, pm_worker, link);
         w = next) {
        next = APR_RING_NEXT(w, link);
        if (pm_worker_fsm_alive(w->state) && w->rank == is
            && (w->due || !due)) {
            pool->board->recycled += (apr_uint32_t)due;
            pm_worker_handle(w, PM_WORKER_EVENT_STOP);
            n--;
        }
    }
    return n;
}

/* Tells n workers, idle ones first; @a busy of them may be busy.
 * @param due 1: of those that are to be replaced only */
static void tell(pm_pool_t *pool, int n, int busy, int due, apr_time_t now)
{
    if (n > 0) {
        rank_all(pool, now);
        n = tell_some(pool, n, IDLE, due);
        n = tell_some(pool, n, NOT_KNOWN, due);
        tell_some(pool, n < busy ? n : busy, BUSY, due);
    }
}

/* All workers that are alive, or all that are due by a rolling reload. */
static void set_due(pm_pool_t *pool, pm_due_t due)
{
    pm_worker_t *w = NULL;

    APR_RING_FOREACH(w, &pool->workers, pm_worker, link)
    {
        if (due == PM_DUE_ROLL ? pm_worker_fsm_alive(w->state)
                               : w->due == PM_DUE_ROLL) {
            pm_worker_due(w, due);
        }
    }
}

void pm_pool_failed(pm_pool_t *pool, const pm_worker_t *w, apr_time_t now)
{
    pm_start_failure_t *failure = &pool->failure;
    int before = pool->crash.failures;

    pm_restart_policy_note_failure(&pool->crash, now);
    if (pool->crash.failures > before && pool->crash.retry_at > now) {
        pm_log(pool->world->log, PM_WARNING,
               "pool %s: %d starts in a row have "
               "failed: the next one is in %.3f s at the earliest",
               pool->conf->name, pool->crash.failures,
               (double)(pool->crash.retry_at - now) / 1e6);
    }
    failure->n++;
    failure->pid = w ? w->pid : 0;
    failure->roll = pool->rolling;
    apr_cpystrn(failure->reason, pool->last_error, sizeof(failure->reason));
    apr_cpystrn(failure->said, w && w->said ? w->said : "",
                sizeof(failure->said));
    if (pool->rolling) {
        pm_log(pool->world->log, PM_ERROR,
               "pool %s: the rolling reload ends: "
               "a new worker has failed, %d old ones are kept",
               pool->conf->name, pool->rolling);
        set_due(pool, PM_DUE_NOT);
    }
    if (pm_rollback_failed(pool, w)) {
        pm_log(pool->world->log, PM_WARNING,
               "pool %s: until the next reload "
               "workers are started as it was defined before",
               pool->conf->name);
        pm_restart_policy_forget(&pool->crash);
    }
    pm_pool_touch(pool);
}

void pm_pool_reload(pm_pool_t *pool)
{
    int alive = pm_pool_alive(pool);
    apr_time_t now = pm_time_now();

    pm_restart_policy_forget(&pool->crash);
    pm_rollback_try(pool);
    pm_pool_touch(pool);
    pm_log(pool->world->log, PM_INFO, "pool %s: reload: %d workers are %s",
           pool->conf->name, alive,
           pool->conf->reload ? "replaced, one when another is ready"
                              : "told to go, others are started");
    if (pool->conf->reload) {
        set_due(pool, PM_DUE_ROLL);
        return;
    }
    /* each is to be replaced, needed or not */
    pm_scale_note(&pool->demand.window, pool->conf->idle_timeout, alive, alive,
                  now);
    tell(pool, alive, alive, 0, now);
}

void pm_pool_hold(pm_pool_t *pool, unsigned held)
{
    pool->board->held = held;
    pm_restart_policy_forget(&pool->crash);
    if (held) {
        set_due(pool, PM_DUE_NOT);
    }
    pm_pool_touch(pool);
}

void pm_pool_scale(pm_pool_t *pool, pm_range_t processes)
{
    pool->own->processes = processes;
    pool->own->origin[PM_ROW_processes].where = "scale";
    pool->board->scaled = 1;
    pool->board->scale_min = processes.min;
    pool->board->scale_max = processes.max;
    pm_pool_touch(pool);
}

void pm_pool_remove(pm_pool_t *pool)
{
    if (pool->phase != PM_POOL_CLOSING) {
        pool->phase = pool->birth ? PM_POOL_DRAINING : PM_POOL_CLOSING;
        pool->drain_wait = DRAIN_FIRST;
        pm_pool_touch(pool);
    }
}

void pm_pool_close(pm_pool_t *pool)
{
    pm_worker_t *w, *next;

    pool->phase = PM_POOL_CLOSING;
    pm_slow_log_end(pool);
    for (w = APR_RING_FIRST(&pool->workers);
         w != APR_RING_SENTINEL(&pool->workers, pm_worker, link); w = next) {
        next = APR_RING_NEXT(w, link);
        pm_worker_hurry(w);
    }
    pm_pool_touch(pool);
}

/* Who comes counts himself first, then looks whether the pool is still there
 * (hpm_script.c); so here it is the other way round, and one of both sees
 * the other. */
int pm_pool_retire(pm_pool_t *pool)
{
    pm_scoreboard_totals_t sum;

    __atomic_store_n(&pool->board->generation, 0, __ATOMIC_SEQ_CST);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    sum = pm_scoreboard_sum(pool->world->board, pool->slot);
    if (sum.in_flight || sum.waiting || pm_listen_pending(pool->listener.fd)) {
        __atomic_store_n(&pool->board->generation, pool->generation,
                         __ATOMIC_SEQ_CST);
        return 0;
    }
    pm_listen_unlink(&pool->listener);
    pm_pool_close(pool);
    return 1;
}

/* --- plan ----------------------------------------------------------------- */

/* Nobody can call any more: no child of httpd's knows the pool, its socket's
 * file is gone, and none waits in its queue. */
static int drained(pm_pool_t *pool)
{
    if (pm_scoreboard_has_older(pool->world->board, pool->world->config)) {
        return 0;
    }
    pm_listen_unlink(&pool->listener);
    return !pm_listen_pending(pool->listener.fd);
}

static apr_time_t plan_drain(pm_pool_t *pool, apr_time_t now)
{
    if (drained(pool)) {
        pool->phase = PM_POOL_CLOSING;
        return PM_TIME_NEVER;
    }
    pool->drain_wait = pm_time_min(pool->drain_wait * 2, DRAIN_LAST);
    return now + pool->drain_wait;
}

static void start(pm_pool_t *pool, int n, apr_time_t now)
{
    for (; n > 0; n--) {
        pool->last_start = now;
        pm_restart_policy_note_start(&pool->crash, now);
        if (!pm_script_pools_verify(pool) || !pm_worker_start(pool, now)) {
            pm_pool_failed(pool, NULL, now);
            return;
        }
    }
}

/* How many more FcgiPMMaxProcesses leaves. */
static int room(const pm_context_t *world)
{
    return world->max_alive ? world->max_alive - world->alive : INT_MAX;
}

/* Whoever waits for room is planned again when there is some, one after the
 * other as long as some is left. */
static void hunger(pm_pool_t *pool, int is_hungry)
{
    pm_context_t *world = pool->world;

    if (pool->is_hungry && !is_hungry) {
        APR_RING_REMOVE(pool, hungry);
    }
    else if (!pool->is_hungry && is_hungry) {
        APR_RING_INSERT_TAIL(&world->hungry, pool, pm_pool, hungry);
    }
    pool->is_hungry = is_hungry;
    if (!APR_RING_EMPTY(&world->hungry, pm_pool, hungry) && room(world) > 0) {
        pm_pool_touch(APR_RING_FIRST(&world->hungry));
    }
}

static pm_scale_plan_t scale(pm_pool_t *pool, apr_time_t now)
{
    pm_scale_facts_t facts = {0};
    const pm_scale_window_t *window = &pool->demand.window;

    pm_demand_ask(pool, now);
    facts.crash_next = pm_restart_policy_next_start(&pool->crash, now);
    facts.trial = pool->crash.failures > 1;
    facts.alive = pm_pool_alive(pool);
    facts.closing = pool->phase == PM_POOL_CLOSING || pm_pool_held(pool);
    facts.last_start = pool->last_start;
    facts.need = pool->demand.now;
    facts.most = pm_scale_most(window);
    facts.room = room(pool->world);
    facts.extra = facts.closing
                      ? 0
                      : pm_recycle_extra(pool->due, facts.alive, pool->rolling);
    return pm_scale_plan(pool->conf, &facts,
                         pm_scale_part_end(window, pool->conf->idle_timeout),
                         now);
}

/* As many due ones go as there are ready ones more than wanted; where
 * FcgiPMMaxProcesses leaves no room for another, one goes before it comes. */
static void plan_recycle(pm_pool_t *pool, int want, apr_time_t now)
{
    int starting = pool->count[PM_WORKER_BORN] + pool->count[PM_WORKER_LOADING];
    int many = pool->count[PM_WORKER_READY] - want;

    if (pool->due && many < 1 && !starting && room(pool->world) < 1) {
        many = 1;
    }
    tell(pool, many, many, 1, now);
}

static apr_time_t plan_scale(pm_pool_t *pool, apr_time_t now)
{
    pm_scale_plan_t plan = scale(pool, now);

    tell(pool, plan.stop, plan.busy, 0, now);
    start(pool, plan.start, now);
    plan_recycle(pool, plan.want, now);
    pool->open = plan.open;
    hunger(pool, plan.want_room);
    return pool->crash.failures > 1 && pool->crash.trial_at ? pm_time_min(
               plan.next, pool->crash.trial_at + PM_RESTART_POLICY_SETTLE)
                                                            : plan.next;
}

/* --- what others see ------------------------------------------------------ */

/* No worker lives that is known to be good, and the next try is later: not
 * when it is to come with the next request. */
static int in_backoff(const pm_pool_t *pool)
{
    return pool->crash.failures > 1
           && pm_pool_alive(pool) <= (pool->crash.trial_at != 0)
           && !(pool->open && !pm_pool_alive(pool));
}

/* There is a worker, or will be one when it is needed. */
static int can_serve(const pm_pool_t *pool)
{
    return pool->count[PM_WORKER_READY]
           || (pool->open && !pm_pool_alive(pool) && !pool->crash.failures);
}

static pm_avail_t avail_of(const pm_pool_t *pool)
{
    switch (pool->phase) {
    case PM_POOL_FAILED:
        return PM_AVAIL_STOPPED;
    case PM_POOL_DRAINING:
    case PM_POOL_CLOSING:
        return PM_AVAIL_DRAINING;
    case PM_POOL_RUNNING:
    default:
        return pm_pool_held(pool) ? PM_AVAIL_STOPPED
               : in_backoff(pool) ? PM_AVAIL_BACKOFF
               : can_serve(pool)  ? PM_AVAIL_RUNNING
                                  : PM_AVAIL_STARTING;
    }
}

int pm_pool_settled(const pm_pool_t *pool)
{
    return pool->phase == PM_POOL_RUNNING
           && pm_pool_alive(pool) == pool->count[PM_WORKER_READY]
           && (pm_pool_alive(pool) >= pool->conf->processes.min
               || pool->is_hungry);
}

/* Workers that can have a request.  One that was told to go may have one
 * still, and then its successor can have another. */
static apr_uint32_t holders(const pm_pool_t *pool)
{
    return (apr_uint32_t)(pm_pool_alive(pool)
                          + pool->count[PM_WORKER_STOPPING]);
}

static void publish(pm_pool_t *pool)
{
    pm_avail_t avail = avail_of(pool);
    apr_uint32_t before = pool->board->avail;

    pool->board->retry_at =
        pool->crash.trial_at ? pool->crash.trial_at + PM_RESTART_POLICY_SETTLE
                             : pool->crash.retry_at;
    __atomic_store_n(&pool->board->avail, (apr_uint32_t)avail,
                     __ATOMIC_RELEASE);
    pm_admission_set_workers(
        pm_scoreboard_admission(pool->world->board, pool->slot), holders(pool),
        avail != before);
    if ((avail == PM_AVAIL_BACKOFF || pm_pool_held(pool))
        && !pm_pool_alive(pool)) {
        /* who connected while there was hope need not wait for the timeout */
        pm_listen_refuse(pool->listener.fd);
    }
}

void pm_pool_plan(pm_pool_t *pool, apr_time_t now)
{
    apr_time_t next = PM_TIME_NEVER;

    APR_RING_REMOVE(pool, touched);
    pool->is_touched = 0;
    if (pool->phase == PM_POOL_DRAINING) {
        next = plan_drain(pool, now);
    }
    if (pool->birth) {
        next = pm_time_min(next, plan_scale(pool, now));
    }
    pm_loop_at(pool->world->loop, &pool->timer, next);
    publish(pool);
    pm_demand_attend(pool, pool->open, now);
    pm_reload_wait_attend(pool);
}

int pm_pool_is_gone(const pm_pool_t *pool)
{
    return pool->phase == PM_POOL_CLOSING
           && APR_RING_EMPTY(&pool->workers, pm_worker, link);
}

void pm_pool_destroy(pm_pool_t *pool)
{
    pm_log(pool->world->log, PM_INFO,
           "pool %s: has gone, nobody calls it any "
           "more",
           pool->conf->name);
    pm_loop_at(pool->world->loop, &pool->timer, PM_TIME_NEVER);
    pm_script_pools_gone(pool);
    if (pool->is_touched) {
        APR_RING_REMOVE(pool, touched);
    }
    if (pool->is_hungry) {
        APR_RING_REMOVE(pool, hungry);
    }
    if (pool->world->slots[pool->slot] == pool) {
        pool->world->slots[pool->slot] = NULL;
    }
    pm_reload_wait_gone(pool);
    pm_filewatch_forget(pool);
    pm_demand_close(pool);
    pm_slow_log_end(pool);
    pm_output_close(pool);
    pm_listen_unlink(&pool->listener);
    pm_listen_close(&pool->listener);
    pm_worker_shm_destroy(pool->page);
    if (pool->board->generation == pool->generation) {
        memset(pool->board, 0, sizeof(*pool->board));
        pm_admission_set_workers(
            pm_scoreboard_admission(pool->world->board, pool->slot), 0, 1);
    }
    apr_pool_destroy(pool->p);
}
