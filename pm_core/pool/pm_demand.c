/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/pool/pm_demand.h"

#include <limits.h>
#include <string.h>

#include "apr_strings.h"
#include "pm_core/os/pm_listen_queue.h"

#define PAUSE_FIRST apr_time_from_msec(10)
#define PAUSE_LAST  apr_time_from_sec(1)

/* A worker without the guard has begun to accept by then. */
#define STARTED_LONG_AGO apr_time_from_sec(1)

static pm_loop_t *dmd_loop(const pm_demand_t *d)
{
    return d->group->context->loop;
}

static void dmd_changed(const pm_demand_t *d)
{
    d->group->events->changed(d->group->pool);
}

static int dmd_max(int a, int b)
{
    return a > b ? a : b;
}

/* Requests that a worker has, as far as it was to get them: what it says is not
 * checked.
 * @param guess what one has that reports nothing: those without the guard, and
 *              those whose children serve, if they can have begun to accept.
 *              A guarded one that reports nothing still loads */
static int dmd_served_by(const pm_worker_t *w, int guess, apr_time_t now)
{
    int most = (int)w->group->conf->requests_per_worker;
    pm_worker_facts_t facts = pm_worker_read_facts(w, now);

    if (facts.known) {
        return facts.requests_now < most ? facts.requests_now : most;
    }
    return guess
                   && (!w->guarded
                       || (w->state == PM_WORKER_READY
                           && pm_worker_children_serve(&facts)))
                   && now - w->started_at > STARTED_LONG_AGO
               ? most
               : 0;
}

/* Requests that all of them have. */
static int dmd_served(const pm_worker_group_t *group, int guess, apr_time_t now)
{
    const pm_worker_t *w = NULL;
    int n = 0;

    APR_RING_FOREACH(w, &group->list, pm_worker, link)
    {
        if (pm_worker_fsm_alive(w->state)) {
            n += dmd_served_by(w, guess, now);
        }
    }
    return n;
}

/* --- the socket ----------------------------------------------------------- */

/* @return requests that workers have, and connections that none has taken; 0:
 *         there are none of these */
static int dmd_queued(const pm_demand_t *d, apr_time_t now)
{
    /* Workers first: a connection accepted in between is then missed, and
     * found by a later look; in the other order it would count twice. */
    int served = dmd_served(d->group, 1, now);
    int queued =
        pm_listen_queue_length(&d->group->context->sock_diag, d->listener->fd);

    return queued > 0 ? served + queued : 0;
}

/* Are there more connections than workers to take them? */
static void dmd_look(pm_demand_t *d, apr_time_t now)
{
    d->looked = dmd_max(d->looked, dmd_queued(d, now));
    dmd_changed(d);
}

static void dmd_on_timer(void *ctx, apr_time_t now)
{
    dmd_look(ctx, now);
}

static void dmd_on_connection(void *ctx, int events)
{
    pm_demand_t *d = ctx;
    apr_time_t now = pm_time_now();

    (void)events;
    if (d->group->published->held) {
        pm_listen_refuse(d->listener->fd);
        return;
    }
    pm_loop_unwatch(dmd_loop(d), &d->watch);
    if (!pm_worker_alive(d->group)) {
        d->pause = PAUSE_FIRST;
        dmd_look(d, now);
        d->looked = dmd_max(d->looked, 1);
        return;
    }
    d->pause = now - d->since > PAUSE_LAST
                   ? PAUSE_FIRST
                   : pm_time_min(d->pause * 2, PAUSE_LAST);
    pm_loop_at(dmd_loop(d), &d->timer, now + d->pause);
}

static void dmd_start_watch(pm_demand_t *d, apr_time_t now)
{
    char text[512];
    pm_reason_t why;

    if (d->pwatch) {
        apr_pool_clear(d->pwatch);
    }
    else {
        d->pwatch = pm_subpool_create(d->group->p);
    }
    d->since = now;
    if (pm_loop_watch(dmd_loop(d), &d->watch, d->listener->fd, APR_POLLIN,
                      d->pwatch, &why)
        != APR_SUCCESS) {
        apr_snprintf(text, sizeof(text),
                     "requests that others send do not make it grow: %s",
                     why.text);
        d->group->events->error(d->group->pool, PM_ERROR, text);
    }
}

static void dmd_end_watch(pm_demand_t *d)
{
    pm_loop_unwatch(dmd_loop(d), &d->watch);
    pm_loop_at(dmd_loop(d), &d->timer, PM_TIME_NEVER);
}

static apr_status_t dmd_cleanup(void *ctx)
{
    dmd_end_watch(ctx);
    return APR_SUCCESS;
}

/* --- for the pool --------------------------------------------------------- */

void pm_demand_init(pm_demand_t *d, pm_worker_group_t *group,
                    const pm_listener_t *listener, int slot)
{
    d->group = group;
    d->listener = listener;
    d->slot = slot;
    d->admission = pm_scoreboard_admission(group->context->scoreboard, slot);
    d->watch = (pm_watch_t){.ready = dmd_on_connection, .ctx = d};
    d->timer = (pm_timer_t){.due = dmd_on_timer, .ctx = d};
    d->pause = PAUSE_FIRST;
    /* A wakeup can have gone to a manager that has died. */
    pm_admission_reset_call(&d->admission);
    apr_pool_pre_cleanup_register(group->p, d, dmd_cleanup);
}

/* Requests that hold a grant or are queued.  An httpd child can write any
 * number there, but not into the rows of others: it can make a pool grow no
 * more than by sending requests. */
static apr_uint32_t dmd_load(const pm_demand_t *d, apr_uint32_t usual)
{
    apr_uint32_t load = pm_admission_load(&d->admission);
    pm_scoreboard_totals_t sum;

    if (load > usual) {
        sum = pm_scoreboard_sum(d->group->context->scoreboard, d->slot);
        if (load > sum.in_flight + sum.waiting) {
            load = sum.in_flight + sum.waiting;
        }
    }
    return load;
}

/* The most there were since the last look. */
static apr_uint32_t dmd_peak(const pm_demand_t *d, apr_uint32_t load)
{
    apr_uint32_t peak = pm_admission_take_peak(&d->admission, load);

    return peak > load
                   && peak > pm_scoreboard_requests_max(
                          d->group->context->scoreboard)
               ? load
               : peak;
}

void pm_demand_update(pm_demand_t *d, apr_time_t now)
{
    apr_time_t timeout = d->group->conf->idle_timeout;
    int seen = d->looked;
    apr_uint32_t load;

    if (pm_scale_part_end(&d->window, timeout) <= now) {
        seen = dmd_max(seen, dmd_served(d->group, 0, now));
        /* What waits for workers that load for longer than the idle timeout
         * still needs them. */
        seen = dmd_max(seen, dmd_queued(d, now));
    }
    d->looked = 0;
    pm_admission_reset_call(&d->admission); /* whatever is written there */
    load = dmd_load(d, (apr_uint32_t)pm_worker_alive(d->group)
                           * (apr_uint32_t)d->group->conf->requests_per_worker);
    d->now = dmd_max((int)load, seen);
    pm_scale_note(&d->window, timeout, (int)dmd_peak(d, load), d->now, now);
}

/* A request that comes meanwhile either finds the new number, and wakes the
 * manager, or is found here (pm_admission.c). */
void pm_demand_watch(pm_demand_t *d, int open, int held, apr_time_t now)
{
    int alive = pm_worker_alive(d->group);
    apr_uint32_t enough = pm_scale_enough(d->group->conf, alive);

    if (!open) {
        pm_admission_set_enough(&d->admission, UINT_MAX);
        dmd_end_watch(d);
        if (held && d->listener->fd >= 0) {
            dmd_start_watch(d, now); /* to refuse what comes */
        }
        return;
    }
    pm_admission_set_enough(&d->admission, enough);
    if (dmd_load(d, enough) > enough) {
        dmd_changed(d);
    }
    if (!alive) {
        dmd_end_watch(d);
        dmd_start_watch(d, now);
    }
    else if (!d->watch.pfd.reqevents && !d->timer.when) {
        dmd_start_watch(d, now);
    }
}

int pm_demand_call_above(pm_demand_t *d, apr_uint32_t requests)
{
    pm_admission_set_enough(&d->admission, requests);
    if (pm_admission_load(&d->admission) <= requests) {
        return 0;
    }
    pm_admission_set_enough(&d->admission, UINT_MAX);
    return 1;
}
