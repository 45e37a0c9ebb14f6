/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/pool/pm_demand.h"

#include <limits.h>
#include <string.h>

#include "pm_core/os/pm_listen_queue.h"
#include "pm_core/pool/pm_pool.h"

#define PAUSE_FIRST apr_time_from_msec(10)
#define PAUSE_LAST  apr_time_from_sec(1)

/* A worker without the guard has begun to accept by then. */
#define BORN_LONG_AGO apr_time_from_sec(1)

static pm_admission_t *gate_of(const pm_pool_t *pool)
{
    return pm_scoreboard_admission(pool->world->board, pool->slot);
}

static int greater(int a, int b)
{
    return a > b ? a : b;
}

/* --- what the workers say ------------------------------------------------- */

/* Busy workers.  @param guess count those that say nothing as well, if they
 * can have begun to accept */
static int busy(const pm_pool_t *pool, int guess, apr_time_t now)
{
    const pm_worker_t *w = NULL;
    int n = 0;

    APR_RING_FOREACH(w, &pool->workers, pm_worker, link)
    {
        pm_worker_facts_t facts = pm_worker_read_facts(w, now);

        if (pm_worker_fsm_alive(w->state)) {
            n += facts.known ? facts.busy
                             : guess && now - w->born_at > BORN_LONG_AGO;
        }
    }
    return n;
}

/* --- the socket ----------------------------------------------------------- */

/* Are there more connections than workers to take them? */
static void look(pm_pool_t *pool, apr_time_t now)
{
    pm_demand_t *d = &pool->demand;
    /* in this order: one that is accepted in between is not counted, which a
     * later look makes good, instead of counted twice */
    int served = busy(pool, 1, now);
    int waits = pm_listen_queue_length(&pool->world->diag, pool->listener.fd);

    if (waits > 0) {
        d->looked = served + waits;
    }
    pm_pool_touch(pool);
}

static void on_timer(void *ctx, apr_time_t now)
{
    look(ctx, now);
}

static void on_connection(void *ctx, int events)
{
    pm_pool_t *pool = ctx;
    pm_demand_t *d = &pool->demand;
    apr_time_t now = pm_time_now();

    (void)events;
    if (pm_pool_held(pool)) {
        pm_listen_refuse(pool->listener.fd);
        return;
    }
    pm_loop_unwatch(pool->world->loop, &d->watch);
    if (!pm_pool_alive(pool)) {
        d->pause = PAUSE_FIRST;
        look(pool, now);
        d->looked = greater(d->looked, 1);
        return;
    }
    d->pause = now - d->since > PAUSE_LAST
                   ? PAUSE_FIRST
                   : pm_time_min(d->pause * 2, PAUSE_LAST);
    pm_loop_at(pool->world->loop, &d->timer, now + d->pause);
}

static void watch(pm_pool_t *pool, apr_time_t now)
{
    pm_demand_t *d = &pool->demand;
    pm_reason_t why;

    if (d->p) {
        apr_pool_clear(d->p);
    }
    else {
        d->p = pm_subpool_create(pool->p);
    }
    d->since = now;
    if (pm_loop_watch(pool->world->loop, &d->watch, pool->listener.fd,
                      APR_POLLIN, d->p, &why)
        != APR_SUCCESS) {
        pm_pool_error(pool, PM_ERROR,
                      "requests that others send do not make "
                      "it grow: %s",
                      why.text);
    }
}

/* --- for the pool --------------------------------------------------------- */

void pm_demand_init(pm_pool_t *pool)
{
    pm_demand_t *d = &pool->demand;

    d->watch = (pm_watch_t){.ready = on_connection, .ctx = pool};
    d->timer = (pm_timer_t){.due = on_timer, .ctx = pool};
    d->pause = PAUSE_FIRST;
    pm_admission_reset_call(gate_of(pool)); /* whoever was called has died */
}

void pm_demand_close(pm_pool_t *pool)
{
    pm_loop_unwatch(pool->world->loop, &pool->demand.watch);
    pm_loop_at(pool->world->loop, &pool->demand.timer, PM_TIME_NEVER);
}

void pm_demand_ask(pm_pool_t *pool, apr_time_t now)
{
    pm_demand_t *d = &pool->demand;
    apr_time_t timeout = pool->conf->idle_timeout;
    int seen = d->looked;

    if (pm_scale_part_end(&d->window, timeout) <= now) {
        seen = greater(seen, busy(pool, 0, now));
    }
    d->looked = 0;
    d->now = greater((int)pm_admission_load(gate_of(pool)), seen);
    pm_scale_note(&d->window, timeout,
                  (int)pm_admission_take_peak(gate_of(pool)), d->now, now);
}

/* What changes after we looked either finds the new number, and calls, or we
 * find it (see pm_admission.c). */
void pm_demand_attend(pm_pool_t *pool, int open, apr_time_t now)
{
    pm_demand_t *d = &pool->demand;
    int enough = greater(pm_pool_alive(pool) - (int)pool->conf->spare, 0);

    if (!open) {
        pm_admission_set_enough(gate_of(pool), UINT_MAX);
        pm_demand_close(pool);
        if (pm_pool_held(pool) && pool->listener.fd >= 0) {
            watch(pool, now); /* nobody is to wait for it */
        }
        return;
    }
    pm_admission_set_enough(gate_of(pool), (apr_uint32_t)enough);
    if (pm_admission_load(gate_of(pool)) > (apr_uint32_t)enough) {
        pm_pool_touch(pool);
    }
    if (!pm_pool_alive(pool)) {
        pm_demand_close(pool);
        watch(pool, now);
    }
    else if (!d->watch.pfd.reqevents && !d->timer.when) {
        watch(pool, now);
    }
}
