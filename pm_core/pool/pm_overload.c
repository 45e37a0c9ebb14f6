/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/pool/pm_overload.h"

#include "apr_strings.h"

typedef enum overload_phase {
    OVERLOAD_LISTENS, /* for the call */
    OVERLOAD_CALLED,  /* it will look */
    OVERLOAD_RESTS
} overload_phase_t;

struct pm_overload {
    pm_pool_t *pool;
    overload_phase_t phase;
    pm_timer_t timer;        /* the end of CALLED, RESTS */
    apr_time_t said_at;      /* the last line; 0: none yet */
    apr_time_t asked_at;     /* when workers were looked at for the hint */
    apr_int64_t hinted_each; /* FcgiPMRequestsPerWorker when it was given */
};

typedef struct pm_overload overload_t;

/* Requests that so many workers may have. */
static apr_uint32_t overload_room(const pm_pool_t *pool, int workers)
{
    return (apr_uint32_t)workers
           * (apr_uint32_t)pool->conf->requests_per_worker;
}

/* Has it all the workers that it may have?  Not while others are delayed, or
 * fail: that is logged elsewhere. */
static int overload_is_full(const pm_pool_t *pool)
{
    return pool->phase == PM_POOL_RUNNING && !pm_pool_held(pool) && !pool->open
           && !pool->restart.failures && !pool->context->dying_at
           && (pm_pool_alive(pool) >= pool->conf->processes.max
               || pool->waits_for_room);
}

/* --- the line ------------------------------------------------------------- */

/* What keeps it from more workers. */
static const char *overload_limit(const pm_pool_t *pool)
{
    return pool->waits_for_room ? "FcgiPMMaxProcesses leaves room for no other"
           : pool->published->scaled ? "the maximum: scale"
                                     : "the maximum: FcgiPMProcesses";
}

/* What its workers do. */
static const char *overload_have(const pm_pool_t *pool, int workers, char *buf,
                                 apr_size_t size)
{
    int each = (int)pool->conf->requests_per_worker;

    if (each == 1) {
        return workers == 1 ? "is busy" : "are busy";
    }
    apr_snprintf(buf, size, "%s %d requests%s (FcgiPMRequestsPerWorker)",
                 workers == 1 ? "has" : "have", each,
                 workers == 1 ? "" : " each");
    return buf;
}

static void overload_say(const pm_pool_t *pool, int workers, apr_uint32_t waits)
{
    char busy[32], wait[32], have[80];

    apr_snprintf(busy, sizeof(busy),
                 workers == 1 ? "its one worker" : "all %d workers", workers);
    apr_snprintf(wait, sizeof(wait),
                 waits == 1 ? "%u request waits" : "%u requests wait", waits);
    if (!workers) {
        pm_log(pool->context->log, PM_WARNING,
               "pool %s: it has no worker (%s) and %s", pool->conf->name,
               overload_limit(pool), wait);
        return;
    }
    pm_log(pool->context->log, PM_WARNING,
           "pool %s: %s (%s) %s and %s; consider more workers, or more "
           "requests for each if the program works on several at once",
           pool->conf->name, busy, overload_limit(pool),
           overload_have(pool, workers, have, sizeof(have)), wait);
}

/* Those that wait a moment in the kernel's queue, as their turn is about to
 * come (pm_admission_capacity()), are counted but no reason. */
static void overload_look(overload_t *o, apr_time_t now)
{
    const pm_pool_t *pool = o->pool;
    pm_scoreboard_totals_t sum =
        pm_scoreboard_sum(pool->context->scoreboard, pool->slot);
    int alive = pm_pool_alive(pool);
    apr_uint32_t waits =
        sum.waiting
        + pm_admission_excess(sum.in_flight,
                              overload_room(pool, alive)
                                  + (apr_uint32_t)pool->workers.held);

    if ((sum.waiting || (!alive && waits)) && overload_is_full(pool)
        && pool->workers.count[PM_WORKER_READY] == alive
        && (!o->said_at || now >= o->said_at + PM_OVERLOAD_REPEAT)) {
        o->said_at = now;
        overload_say(pool, alive, waits);
    }
}

/* --- the hint ------------------------------------------------------------- */

/* Does it show that it works on more requests than it is given? */
static int overload_takes_more(const pm_worker_t *w, apr_time_t now)
{
    pm_worker_facts_t facts = pm_worker_read_facts(w, now);
    int each = (int)w->group->conf->requests_per_worker;

    return w->state == PM_WORKER_READY
           && ((each == 1 && facts.requests_now > 1)
               || (facts.takes_more && facts.requests_now >= each));
}

/* @param waits requests wait */
static void overload_hint(overload_t *o, int waits, apr_time_t now)
{
    const pm_pool_t *pool = o->pool;
    const pm_worker_t *w = NULL;
    int each = (int)pool->conf->requests_per_worker;

    if (!waits || o->hinted_each == each
        || now < o->asked_at + PM_OVERLOAD_LOOK) {
        return;
    }
    o->asked_at = now;
    APR_RING_FOREACH(w, &pool->workers.list, pm_worker, link)
    {
        if (overload_takes_more(w, now)) {
            o->hinted_each = each;
            pm_log(pool->context->log, PM_NOTICE,
                   "pool %s: requests wait, and worker %d would take more than "
                   "the %d that it has: if its program works on several at "
                   "once, FcgiPMRequestsPerWorker gives it several",
                   pool->conf->name, (int)w->pid, each);
            return;
        }
    }
}

/* --- when ----------------------------------------------------------------- */

static void overload_enter(overload_t *o, overload_phase_t phase, apr_time_t at)
{
    o->phase = phase;
    pm_loop_at(o->pool->context->loop, &o->timer, at);
}

static void overload_on_timer(void *ctx, apr_time_t now)
{
    overload_t *o = ctx;

    if (o->phase == OVERLOAD_CALLED) {
        overload_look(o, now);
        overload_enter(o, OVERLOAD_RESTS, now + PM_OVERLOAD_REST);
    }
    else {
        overload_enter(o, OVERLOAD_LISTENS, PM_TIME_NEVER);
    }
    pm_pool_touch(o->pool);
}

static void overload_planned(pm_pool_t *pool)
{
    overload_t *o = pool->overload;
    int ready = pool->workers.count[PM_WORKER_READY];
    apr_uint32_t room = overload_room(pool, pm_pool_alive(pool));
    apr_time_t now = pm_time_now();

    overload_hint(o, pool->demand.now > (int)overload_room(pool, ready), now);
    if (o->phase == OVERLOAD_LISTENS && overload_is_full(pool)
        && pm_demand_call_above(&pool->demand, room)) {
        overload_enter(o, OVERLOAD_CALLED, now + PM_OVERLOAD_LOOK);
    }
}

static apr_status_t overload_cleanup(void *ctx)
{
    overload_t *o = ctx;

    pm_loop_at(o->pool->context->loop, &o->timer, PM_TIME_NEVER);
    return APR_SUCCESS;
}

static void overload_create(pm_pool_t *pool)
{
    overload_t *o = apr_pcalloc(pool->p, sizeof(*o));

    o->pool = pool;
    o->timer = (pm_timer_t){.due = overload_on_timer, .ctx = o};
    pool->overload = o;
    apr_pool_pre_cleanup_register(pool->p, o, overload_cleanup);
}

const pm_pool_feature_t pm_overload_feature = {.create = overload_create,
                                               .planned = overload_planned};
