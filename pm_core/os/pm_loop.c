/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_loop.h"

#include <string.h>

#include "apr_portable.h"
#include "apr_skiplist.h"

#define EVENTS 256 /* taken in one turn */

struct pm_loop {
    apr_pollset_t *pollset;
    apr_skiplist *timers;
    pm_watch_t *found[EVENTS]; /* of this turn, not yet delivered */
    int nfound;
    apr_time_t woken; /* when the last wait ended; 0: there was none */
    apr_interval_time_t longest;
};

/* By time; two of one time by address, so that none equals another. */
static int timer_compare(void *a, void *b)
{
    const pm_timer_t *x = a, *y = b;

    return x->when != y->when ? (x->when < y->when ? -1 : 1)
                              : (x > y) - (x < y);
}

apr_status_t pm_loop_create(pm_loop_t **out, apr_pool_t *p, pm_reason_t *why)
{
    pm_loop_t *loop = apr_pcalloc(p, sizeof(*loop));
    apr_status_t rv;

    rv = apr_pollset_create(&loop->pollset, EVENTS, p, APR_POLLSET_NOCOPY);
    if (rv == APR_SUCCESS) {
        rv = apr_skiplist_init(&loop->timers, p);
    }
    if (rv != APR_SUCCESS) {
        return pm_fail_os(why, rv, "cannot make an event loop");
    }
    apr_skiplist_set_compare(loop->timers, timer_compare, timer_compare);
    *out = loop;
    return APR_SUCCESS;
}

apr_status_t pm_loop_watch(pm_loop_t *loop, pm_watch_t *watch, int fd,
                           int events, apr_pool_t *p, pm_reason_t *why)
{
    apr_file_t *file = NULL;
    apr_status_t rv = apr_os_file_put(&file, &fd, 0, p);

    if (rv == APR_SUCCESS) {
        memset(&watch->pfd, 0, sizeof(watch->pfd));
        watch->pfd.p = p;
        watch->pfd.desc_type = APR_POLL_FILE;
        watch->pfd.desc.f = file;
        watch->pfd.reqevents = (apr_int16_t)events;
        watch->pfd.client_data = watch;
        rv = apr_pollset_add(loop->pollset, &watch->pfd);
    }
    if (rv != APR_SUCCESS) {
        watch->pfd.reqevents = 0;
        return pm_fail_os(why, rv, "cannot watch a descriptor");
    }
    return APR_SUCCESS;
}

void pm_loop_unwatch(pm_loop_t *loop, pm_watch_t *watch)
{
    int i;

    if (!watch->pfd.reqevents) {
        return;
    }
    for (i = 0; i < loop->nfound; i++) {
        if (loop->found[i] == watch) {
            loop->found[i] = NULL;
        }
    }
    apr_pollset_remove(loop->pollset, &watch->pfd);
    watch->pfd.reqevents = 0;
}

void pm_loop_change(pm_loop_t *loop, pm_watch_t *watch, int fd, int events,
                    apr_pool_t *p)
{
    if (watch->pfd.reqevents != events) {
        pm_loop_unwatch(loop, watch);
        apr_pool_clear(p);
        pm_loop_watch(loop, watch, fd, events, p, NULL);
    }
}

void pm_loop_at(pm_loop_t *loop, pm_timer_t *timer, apr_time_t when)
{
    if (timer->when) {
        apr_skiplist_remove(loop->timers, timer, NULL);
        timer->when = 0;
    }
    if (when != PM_TIME_NEVER) {
        timer->when = when > 0 ? when : 1;
        apr_skiplist_insert(loop->timers, timer);
    }
}

/* Microseconds to the first deadline, rounded up to what epoll can wait. */
static apr_interval_time_t loop_timeout(pm_loop_t *loop)
{
    const pm_timer_t *first = apr_skiplist_peek(loop->timers);
    apr_time_t now;

    if (!first) {
        return -1;
    }
    now = pm_time_now();
    return first->when > now ? (first->when - now + 999) / 1000 * 1000 : 0;
}

void pm_loop_run_timers(pm_loop_t *loop, apr_time_t end)
{
    apr_time_t now = pm_time_now();
    pm_timer_t *timer;

    while ((timer = apr_skiplist_peek(loop->timers)) && timer->when <= now) {
        pm_loop_at(loop, timer, PM_TIME_NEVER);
        timer->due(timer->ctx, now);
        if (pm_time_now() >= end) {
            return;
        }
    }
}

/* Two passes: a callback may unwatch, and free, other watches of this turn. */
static void loop_deliver(pm_loop_t *loop, const apr_pollfd_t *found, int n)
{
    int i;

    for (i = 0; i < n; i++) {
        loop->found[i] = found[i].client_data;
    }
    loop->nfound = n;
    for (i = 0; i < n; i++) {
        pm_watch_t *watch = loop->found[i];

        if (watch) {
            watch->ready(watch->ctx, found[i].rtnevents);
        }
    }
    loop->nfound = 0;
}

static void loop_measure(pm_loop_t *loop)
{
    apr_interval_time_t took = loop->woken ? pm_time_now() - loop->woken : 0;

    if (took > loop->longest) {
        loop->longest = took;
    }
}

void pm_loop_turn(pm_loop_t *loop)
{
    const apr_pollfd_t *found;
    apr_int32_t n = 0;
    apr_status_t rv;

    loop_measure(loop);
    rv = apr_pollset_poll(loop->pollset, loop_timeout(loop), &n, &found);
    loop->woken = pm_time_now();
    if (rv == APR_SUCCESS) {
        loop_deliver(loop, found, n);
    }
}

apr_time_t pm_loop_woken(const pm_loop_t *loop)
{
    return loop->woken;
}

apr_interval_time_t pm_loop_longest(const pm_loop_t *loop)
{
    return loop->longest;
}
