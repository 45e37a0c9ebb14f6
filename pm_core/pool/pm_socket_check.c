/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/pool/pm_socket_check.h"

#include <unistd.h>

#include "pm_core/os/pm_fds.h"
#include "pm_core/os/pm_listen_state.h"
#include "pm_core/os/pm_names.h"
#include "pm_core/pool/pm_fork_server.h"

#define CHECK_PAUSE apr_time_from_sec(1)

struct pm_socket_check {
    pm_pool_t *pool;
    apr_time_t checked;  /* at the last look */
    apr_time_t replaced; /* it got another socket; 0: never */
    apr_time_t ended;    /* the last look because it was shut down */
    int waits;           /* for the next one */
    int watched;         /* the listener's descriptor that fd tells of; or -1 */
    int fd;              /* of pm_listen_state_open_watch(), or -1 */
    pm_watch_t watch;    /* for its being shut down */
    pm_timer_t timer;    /* to look, when that comes too often */
    apr_pool_t *p;       /* the watch's */
};

typedef struct pm_socket_check check_t;

static void check_unwatch(check_t *c)
{
    pm_loop_unwatch(c->pool->context->loop, &c->watch);
    pm_fds_close(&c->fd);
    c->watched = -1;
    apr_pool_clear(c->p);
}

static void check_watch(check_t *c)
{
    int fd = c->pool->listener.fd;

    if (c->watched == fd) {
        return;
    }
    check_unwatch(c);
    c->fd = pm_listen_state_open_watch(&c->pool->listener);
    if (c->fd >= 0
        && pm_loop_watch(c->pool->context->loop, &c->watch, c->fd, APR_POLLIN,
                         c->p, NULL)
               == APR_SUCCESS) {
        c->watched = fd;
    }
}

/* --- another socket ------------------------------------------------------- */

static void check_stop_worker(pm_worker_t *w, void *ctx)
{
    (void)ctx;
    if (pm_worker_fsm_alive(w->state)) {
        pm_worker_handle(w, PM_WORKER_EVENT_STOP);
    }
}

static void check_roll_worker(pm_worker_t *w, void *ctx)
{
    (void)ctx;
    if (pm_worker_fsm_alive(w->state)) {
        pm_worker_set_due(w, PM_DUE_ROLL);
    }
}

static apr_status_t check_get_opts(const pm_pool_t *pool,
                                   pm_listen_opts_t *opts, pm_reason_t *why)
{
    const pm_conf_t *conf = pool->conf;

    *opts = (pm_listen_opts_t){(int)conf->listen_backlog,
                               (mode_t)conf->listen_mode,
                               0,
                               0,
                               getpid(),
                               0};
    return pm_names_owner(pool->context->names, conf->listen_owner, &opts->uid,
                          &opts->gid, why);
}

static apr_status_t check_open(const pm_pool_t *pool, pm_listener_t *l,
                               pm_reason_t *why)
{
    pm_listen_opts_t opts;
    apr_status_t rv = check_get_opts(pool, &opts, why);

    return rv == APR_SUCCESS
               ? pm_listen_open(l, pool->listener.text, &opts, pool->p, why)
               : rv;
}

/* Workers at a socket that was shut down get nothing more; those at one that
 * lost its name serve its queue until others are ready.  Births under way
 * have the former one as well, and are told when they come. */
static void check_replace(check_t *c, pm_listen_state_t state, const char *what)
{
    pm_pool_t *pool = c->pool;
    pm_listener_t fresh;
    pm_reason_t why;

    check_unwatch(c);
    pm_demand_watch(&pool->demand, 0, 0, c->checked); /* of the old one */
    pm_pool_touch(pool);
    if (check_open(pool, &fresh, &why) != APR_SUCCESS) {
        pm_pool_error(pool, PM_ERROR,
                      "its socket is lost (%s) and cannot be replaced: %s",
                      what, why.text);
        return;
    }
    pm_listen_close(&pool->listener);
    pool->listener = fresh;
    pm_log(pool->context->log, PM_WARNING,
           "pool %s: its socket is replaced: %s%s", pool->conf->name,
           state == PM_LISTEN_SHUT ? "a worker has called " : "", what);
    if (c->checked - c->replaced >= PM_RESTART_POLICY_LONGEST) {
        /* else a worker does that again and again */
        pm_restart_policy_forget(&pool->restart);
    }
    c->replaced = c->checked;
    pm_fork_server_moved(pool);
    pm_pool_each_worker(
        pool, state == PM_LISTEN_SHUT ? check_stop_worker : check_roll_worker,
        NULL);
}

/* --- looking -------------------------------------------------------------- */

/* Its owner, who is httpd's user by default, can lock the others out, or let
 * strangers in.  @return 1: the mode was another, and is as it was again */
static int check_set_mode(const pm_pool_t *pool)
{
    pm_listen_opts_t opts;
    pm_reason_t why;

    return !pm_listen_has_mode(&pool->listener, (mode_t)pool->conf->listen_mode)
           && check_get_opts(pool, &opts, &why) == APR_SUCCESS
           && pm_listen_adjust(&pool->listener, &opts, &why) == APR_SUCCESS;
}

static void check_look(check_t *c, apr_time_t now)
{
    pm_pool_t *pool = c->pool;
    pm_listen_state_t state;
    const char *what;

    if (pool->listener.fd < 0 || pool->phase != PM_POOL_RUNNING
        || pool->context->dying_at) {
        return;
    }
    state = pm_listen_state_repair(&pool->listener,
                                   (int)pool->conf->listen_backlog, &what);
    /* httpd's parent gives a new manager the socket that it has opened */
    if (!c->checked
        && pm_listen_state_is_former(&pool->listener,
                                     &pool->context->sock_diag)) {
        state = PM_LISTEN_LOST;
        what = "a manager that has died had replaced it";
    }
    c->checked = now;
    if (state == PM_LISTEN_INTACT && check_set_mode(pool)) {
        state = PM_LISTEN_RESET;
        what = "its mode";
    }
    if (state == PM_LISTEN_SHUT || state == PM_LISTEN_LOST) {
        check_replace(c, state, what);
    }
    else if (state == PM_LISTEN_RESET) {
        pm_log(
            pool->context->log, PM_WARNING,
            "pool %s: a worker, or its owner, has changed the socket that all "
            "share, which is set back: %s",
            pool->conf->name, what);
    }
}

static void check_on_timer(void *ctx, apr_time_t now)
{
    check_t *c = ctx;

    c->ended = now;
    c->waits = 0;
    check_look(c, now);
    pm_pool_touch(c->pool);
}

/* It was shut down.  The watch would report that again and again, so it ends
 * until the next look, and a worker can do it as often as it likes. */
static void check_on_end(void *ctx, int events)
{
    check_t *c = ctx;
    apr_time_t now = pm_time_now();

    (void)events;
    check_unwatch(c);
    if (now - c->ended >= CHECK_PAUSE) {
        check_on_timer(c, now);
    }
    else {
        c->waits = 1;
        pm_loop_at(c->pool->context->loop, &c->timer, c->ended + CHECK_PAUSE);
    }
}

static int check_before_start(pm_pool_t *pool)
{
    check_look(pool->socket_check, pm_time_now());
    return 1;
}

static void check_planned(pm_pool_t *pool)
{
    check_t *c = pool->socket_check;
    apr_time_t now = pm_time_now();

    if (now - c->checked >= CHECK_PAUSE) {
        check_look(c, now);
    }
    if (pool->listener.fd >= 0 && pool->phase == PM_POOL_RUNNING && !c->waits) {
        check_watch(c);
    }
}

static apr_status_t check_cleanup(void *ctx)
{
    check_t *c = ctx;

    pm_loop_at(c->pool->context->loop, &c->timer, PM_TIME_NEVER);
    check_unwatch(c);
    return APR_SUCCESS;
}

static void check_create(pm_pool_t *pool)
{
    check_t *c = apr_pcalloc(pool->p, sizeof(*c));

    c->pool = pool;
    c->fd = c->watched = -1;
    c->p = pm_subpool_create(pool->p);
    c->watch = (pm_watch_t){.ready = check_on_end, .ctx = c};
    c->timer = (pm_timer_t){.due = check_on_timer, .ctx = c};
    pool->socket_check = c;
    apr_pool_pre_cleanup_register(pool->p, c, check_cleanup);
}

const pm_pool_feature_t pm_socket_check_feature = {.create = check_create,
                                                   .before_start =
                                                       check_before_start,
                                                   .planned = check_planned};
