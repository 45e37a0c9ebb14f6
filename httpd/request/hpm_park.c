/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/request/hpm_park.h"

#include "ap_mpm.h"

#if defined(AP_MPMQ_CAN_WAITIO) && APR_HAS_THREADS

#include <unistd.h>

#include "apr_portable.h"
#include "http_connection.h"
#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"
#include "http_request.h"
#include "mpm_common.h"
#include "scoreboard.h"

#include "httpd/config/hpm_sizing.h"
#include "httpd/request/hpm_client.h"
#include "httpd/request/hpm_connection.h"
#include "httpd/upstream/hpm_watcher.h"
#include "pm_core/os/pm_futex.h"

APLOG_USE_MODULE(fcgipm);

/* A parked request; in its pool. */
typedef struct hpm_park {
    request_rec *r;
    hpm_connection_t *connection;
    hpm_call_t *call;
    int (*go_on)(hpm_call_t *call);
    hpm_queue_t *queue;
    hpm_watcher_t *watcher;
    hpm_waiter_t *waiter;
    hpm_watched_t watched;
    int keep;             /* the request is not dropped when its client goes */
    apr_os_sock_t client; /* the socket's own descriptor while the bell is in
                           * its place; -1: it is not */
} hpm_park_t;

static hpm_park_t *park_of(const conn_rec *c)
{
    const hpm_connection_t *known = hpm_connection_known(c);

    return known ? known->park : NULL;
}

int hpm_park_is_possible(void)
{
    int can = 0;

    return ap_mpm_query(AP_MPMQ_CAN_WAITIO, &can) == APR_SUCCESS && can;
}

/* --- a request is parked -------------------------------------------------- */

static void park_unwatch(hpm_park_t *park)
{
    if (!park->keep) {
        hpm_watcher_remove(park->watcher, &park->watched);
    }
    hpm_queue_resumed(park->queue, park->waiter);
}

/* The request's pool goes while it is parked. */
static apr_status_t park_cleanup(void *data)
{
    hpm_park_t *park = data;

    if (park->connection->park == park) {
        if (park->client >= 0) {
            park_unwatch(park);
        }
        park->connection->park = NULL;
        hpm_call_abandon(park->call);
    }
    return APR_SUCCESS;
}

/* A child that is told to go may have a connection that its listener thread has
 * accepted and does not count yet.  That thread ends when it counts none, and
 * nobody polls after it. */
static int park_child_goes(void)
{
    int state = 0;

    return ap_mpm_query(AP_MPMQ_MPM_STATE, &state) != APR_SUCCESS
           || state == AP_MPMQ_STOPPING;
}

static int park_can(const request_rec *r)
{
    const conn_rec *c = r->connection;
    const hpm_connection_t *known = hpm_connection_known(c);

    return hpm_server(r->server)->queue && known && known->inside
           && !known->park && !c->clogging_input_filters && !r->main
           && (!r->prev || r->prev == known->redirecting) && !park_child_goes();
}

int hpm_park_request(request_rec *r, hpm_call_t *call,
                     int (*go_on)(hpm_call_t *call), int *status)
{
    const hpm_server_t *server = hpm_server(r->server);
    hpm_waiter_t *waiter = park_can(r) ? hpm_call_park(call) : NULL;
    hpm_park_t *park;

    if (!waiter) {
        return 0;
    }
    park = apr_pcalloc(r->pool, sizeof(*park));
    park->r = r;
    park->connection = hpm_connection(r->connection);
    park->call = call;
    park->go_on = go_on;
    park->queue = server->queue;
    park->watcher = server->watcher;
    park->waiter = waiter;
    park->keep = call->downstream->client_may_go(call->downstream_ctx);
    park->client = -1;
    park->connection->park = park;
    apr_pool_pre_cleanup_register(r->pool, park, park_cleanup);
    if (r->prev) {
        /* ap_internal_redirect() is to do nothing more with it */
        r->eos_sent = 1;
    }
    *status = r->prev ? OK : SUSPENDED;
    return 1;
}

/* mod_rewrite's handler for rules of .htaccess redirects internally, and that
 * request may be parked as well. */
int hpm_park_redirect(request_rec *r)
{
    hpm_connection_t *known = hpm_connection_known(r->connection);
    int status;

    if (!r->handler || strcmp(r->handler, "redirect-handler") || r->prev
        || r->main || !known || !known->inside || known->redirecting
        || known->park) {
        return DECLINED;
    }
    known->redirecting = r;
    status = ap_run_handler(r);
    known->redirecting = NULL;
    if (known->park) {
        known->park->r->eos_sent = 0;
        return SUSPENDED;
    }
    return status;
}

/* --- the connection is suspended, and resumed ----------------------------- */

void hpm_park_suspend(conn_rec *c, request_rec *r)
{
    hpm_park_t *park = park_of(c);
    apr_socket_t *sock;

    (void)r;
    if (!park || park->client >= 0 || !c->cs
        || c->cs->state != CONN_STATE_ASYNC_WAITIO) {
        return;
    }
    sock = ap_get_conn_socket(c);
    apr_os_sock_get(&park->client, sock);
    apr_os_sock_put(&sock, &park->waiter->bell, c->pool);
    if (!park->keep) {
        hpm_watcher_add(park->watcher, &park->watched, park->client,
                        park->waiter);
    }
    hpm_queue_suspended(park->queue, park->waiter);
}

/* The MPM has closed what it took for the client's socket. */
static void park_close_client(hpm_park_t *park)
{
    park->waiter->bell = -1;
    (void)close(park->client);
}

/* Also called when the MPM ends the connection: the request leaves the queue
 * at once, its pool may live on for seconds. */
void hpm_park_resume(conn_rec *c, request_rec *r)
{
    hpm_park_t *park = park_of(c);
    apr_os_sock_t fd = -1;
    apr_socket_t *sock;

    (void)r;
    if (!park || park->client < 0) {
        return;
    }
    park_unwatch(park);
    sock = ap_get_conn_socket(c);
    apr_os_sock_get(&fd, sock);
    if (fd == park->waiter->bell) {
        apr_os_sock_put(&sock, &park->client, c->pool);
    }
    else {
        park_close_client(park);
    }
    park->client = -1;
    if (!c->sbh || c->cs->state >= CONN_STATE_LINGER) {
        (void)park_cleanup(park);
    }
}

/* --- it goes on ----------------------------------------------------------- */

static request_rec *park_first(request_rec *r)
{
    while (r->prev) {
        r = r->prev;
    }
    return r;
}

static int park_go_on(const hpm_park_t *park, const request_rec *first)
{
    int status;

    if (first->invoke_mtx) {
        apr_thread_mutex_lock(first->invoke_mtx);
    }
    status = park->go_on(park->call);
    if (first->invoke_mtx) {
        apr_thread_mutex_unlock(first->invoke_mtx);
    }
    return status;
}

/* What ap_process_async_request() does when a handler has not suspended its
 * request. */
static void park_conclude(conn_rec *c, hpm_park_t *park)
{
    request_rec *r = park->r;
    request_rec *first = park_first(r);

    park->connection->park = NULL;
    apr_pool_cleanup_kill(r->pool, park, park_cleanup);
    c->cs->state = CONN_STATE_HANDLER;
    ap_update_child_status(c->sbh, SERVER_BUSY_WRITE, r);
    if (ap_extended_status) {
        ap_time_process_request(c->sbh, START_PREQUEST);
    }
    ap_die(park_go_on(park, first), r);
    if (r != first) {
        ap_finalize_request_protocol(first);
    }
    ap_process_request_after_handler(first);
    if (c->cs->state != CONN_STATE_WRITE_COMPLETION
        && c->cs->state != CONN_STATE_SUSPENDED) {
        c->cs->state = CONN_STATE_LINGER;
    }
}

static int park_run(conn_rec *c, hpm_connection_t *connection)
{
    hpm_queue_t *queue = hpm_server(c->base_server)->queue;
    int rc = OK;

    connection->inside = 1;
    hpm_queue_enter(queue, connection->park ? connection->park->waiter : NULL);
    if (!connection->park) {
        rc = ap_run_process_connection(c);
    }
    else if (hpm_waiter_state(connection->park->waiter) != HPM_WAITER_WAITING) {
        park_conclude(c, connection->park);
    }
    hpm_queue_leave(queue);
    connection->inside = 0;
    return rc;
}

int hpm_park_process(conn_rec *c)
{
    hpm_connection_t *connection;
    int rc;

    if (c->master || !c->cs || !hpm_server(c->base_server)->queue) {
        return DECLINED;
    }
    connection = hpm_connection(c);
    if (connection->inside) {
        return DECLINED;
    }
    rc = park_run(c, connection);
    if (connection->park) {
        c->cs->state = CONN_STATE_ASYNC_WAITIO;
        c->cs->sense = CONN_SENSE_WANT_READ;
    }
    return rc;
}

/* --- the child ------------------------------------------------------------ */

/* Half of the time after which the MPM takes a connection for an idle one. */
static apr_interval_time_t park_renew(server_rec *s)
{
    apr_interval_time_t least = s->timeout;

    for (; s; s = s->next) {
        least = pm_time_min(least, s->timeout);
    }
    return least / 2;
}

/* Some threads are left to other requests than those of pools. */
static hpm_queue_t *park_start_queue(const hpm_server_t *server, server_rec *s,
                                     pm_reason_t *why)
{
    int all = 1;
    int most;

    ap_mpm_query(AP_MPMQ_MAX_THREADS, &all);
    most = (int)hpm_sizing_threads(all, server->global->max_threads);
    return hpm_queue_start(server->board, server->row, most, all, park_renew(s),
                           s->process->pool, why);
}

static apr_status_t park_stop(void *data)
{
    const hpm_server_t *server = data;

    hpm_watcher_stop(server->watcher);
    hpm_queue_stop(server->queue);
    return APR_SUCCESS;
}

/* Many requests wait for less: their clients need no look. */
#define PARK_WATCH apr_time_from_msec(100)

static int park_start(hpm_server_t *server, server_rec *s, pm_reason_t *why)
{
    apr_pool_t *p = s->process->pool;

    server->queue = park_start_queue(server, s, why);
    server->watcher = server->queue
                          ? hpm_watcher_start(server->queue, PARK_WATCH, p, why)
                          : NULL;
    if (server->queue && !server->watcher) {
        hpm_queue_stop(server->queue);
        server->queue = NULL;
    }
    return server->queue != NULL;
}

void hpm_park_start(apr_pool_t *pchild, server_rec *s)
{
    hpm_server_t *server = hpm_server(s);
    pm_reason_t why;

    if (!hpm_park_is_possible() || !server->global->park || !PM_FUTEX_WORKS
        || !pm_scoreboard_row_is_own(server->board, server->row)) {
        return;
    }
    if (!park_start(server, s, &why)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     "FcgiPMPark: %s: requests that wait hold their threads",
                     why.text);
        return;
    }
    apr_pool_pre_cleanup_register(pchild, server, park_stop);
}

#else /* httpd before 2.4.63 */

int hpm_park_is_possible(void)
{
    return 0;
}

void hpm_park_start(apr_pool_t *pchild, server_rec *s)
{
    (void)pchild;
    (void)s;
}

int hpm_park_request(request_rec *r, hpm_call_t *call,
                     int (*go_on)(hpm_call_t *call), int *status)
{
    (void)r;
    (void)call;
    (void)go_on;
    (void)status;
    return 0;
}

int hpm_park_process(conn_rec *c)
{
    (void)c;
    return DECLINED;
}

void hpm_park_suspend(conn_rec *c, request_rec *r)
{
    (void)c;
    (void)r;
}

void hpm_park_resume(conn_rec *c, request_rec *r)
{
    (void)c;
    (void)r;
}

int hpm_park_redirect(request_rec *r)
{
    (void)r;
    return DECLINED;
}

#endif
