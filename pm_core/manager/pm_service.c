/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/manager/pm_service.h"

#include <string.h>
#include <unistd.h>

#include "apr_strings.h"
#include "pm_core/pool/pm_pool.h"

/* Beyond the die timeout, before the service manager kills. */
#define SERVICE_GRACE apr_time_from_sec(5)

/* A watchdog is not told more often. */
#define SERVICE_TICK apr_time_from_msec(1)

/* "2 pools, 7 workers", and what is not well. */
static void service_write_status(const pm_service_t *s, char *buf,
                                 apr_size_t size)
{
    apr_hash_index_t *hi;
    int pools = 0, down = 0;

    for (hi = apr_hash_first(NULL, s->context->pools); hi;
         hi = apr_hash_next(hi)) {
        const pm_pool_t *pool = apr_hash_this_val(hi);

        pools++;
        down += pool->phase == PM_POOL_FAILED
                || pool->published->avail == PM_AVAIL_BACKOFF;
    }
    apr_snprintf(buf, size, "%d pool%s, %d worker%s", pools,
                 pools == 1 ? "" : "s", s->context->alive,
                 s->context->alive == 1 ? "" : "s");
    if (down) {
        apr_size_t len = strlen(buf);

        apr_snprintf(buf + len, size - len, ", %d pool%s cannot start", down,
                     down == 1 ? "" : "s");
    }
}

/* Sends what waits, as far as there is room. */
static void service_send(pm_service_t *s)
{
    while (s->nwaiting && pm_sd_notify_send(s->notify, s->waiting[0])) {
        s->nwaiting--;
        memmove(s->waiting[0], s->waiting[1],
                (size_t)s->nwaiting * PM_SERVICE_TEXT);
    }
}

static void service_wait(pm_service_t *s)
{
    if (!s->nwaiting) {
        pm_loop_unwatch(s->context->loop, &s->room);
        apr_pool_clear(s->proom);
    }
    else if (!s->room.pfd.reqevents) {
        pm_loop_watch(s->context->loop, &s->room, s->notify->fd, APR_POLLOUT,
                      s->proom, NULL);
    }
}

static void service_on_room(void *ctx, int events)
{
    pm_service_t *s = ctx;

    (void)events;
    service_send(s);
    service_wait(s);
}

/* If nobody reads, the last message is the one that counts: it takes the place
 * of the one before. */
static void service_tell(pm_service_t *s, const char *what)
{
    char status[128];

    if (!s->notify || s->notify->fd < 0) {
        return;
    }
    if (s->nwaiting == PM_SERVICE_WAITING) {
        s->nwaiting--;
    }
    service_write_status(s, status, sizeof(status));
    apr_snprintf(s->waiting[s->nwaiting++], PM_SERVICE_TEXT, "%s\nSTATUS=%s\n",
                 what, status);
    service_send(s);
    service_wait(s);
}

static void service_on_watchdog(void *ctx, apr_time_t now)
{
    pm_service_t *s = ctx;

    if (s->nwaiting == 0) {
        pm_sd_notify_send(s->notify, "WATCHDOG=1\n");
    }
    pm_loop_at(s->context->loop, &s->watchdog,
               now + pm_time_max(s->notify->watchdog / 2, SERVICE_TICK));
}

void pm_service_init(pm_service_t *s, const pm_sd_notify_t *notify,
                     pm_context_t *context, apr_pool_t *p)
{
    s->proom = pm_subpool_create(p);
    s->room = (pm_watch_t){.ready = service_on_room, .ctx = s};
    s->nwaiting = 0;
    s->notify = notify;
    s->context = context;
    s->watchdog = (pm_timer_t){.due = service_on_watchdog, .ctx = s};
    s->is_ready = 0;
}

void pm_service_ready(pm_service_t *s)
{
    if (s->is_ready) {
        return;
    }
    s->is_ready = 1;
    service_tell(s, "READY=1");
    if (s->notify && s->notify->watchdog && !s->watchdog.when) {
        service_on_watchdog(s, pm_time_now());
    }
}

/* MONOTONIC_USEC: systemd takes no message of before its own SIGHUP for the
 * answer to it (Type=notify-reload). */
void pm_service_reloading(pm_service_t *s)
{
    char text[80];

    s->is_ready = 0;
    apr_snprintf(text, sizeof(text),
                 "RELOADING=1\nMONOTONIC_USEC=%" APR_TIME_T_FMT, pm_time_now());
    service_tell(s, text);
}

void pm_service_stopping(pm_service_t *s, apr_interval_time_t grace)
{
    char text[80];

    apr_snprintf(text, sizeof(text),
                 "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" APR_TIME_T_FMT,
                 grace + s->context->die_timeout + SERVICE_GRACE);
    service_tell(s, text);
}
