/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/upstream/hpm_call.h"

#include "httpd/upstream/hpm_availability.h"
#include "httpd/upstream/hpm_retry.h"
#include "httpd/upstream/hpm_slow_request.h"
#include "pm_core/ipc/pm_wakeup.h"

static void call_end(hpm_call_t *call, hpm_upstream_outcome_t outcome,
                     const char *why)
{
    call->outcome = outcome;
    pm_fail(&call->why, APR_EGENERAL, "%s", why);
}

/* --- the answer ----------------------------------------------------------- */

static void call_pass_event(const hpm_call_t *call, const hpm_upstream_t *x,
                            hpm_upstream_event_t ev)
{
    const pm_codec_parser_t *ps = &x->parser;

    switch (ev) {
    case HPM_UPSTREAM_EVENT_STDOUT:
        call->downstream->take_stdout(call->downstream_ctx, ps->span,
                                      ps->span_len);
        break;
    case HPM_UPSTREAM_EVENT_STDERR:
        call->downstream->take_stderr(call->downstream_ctx, x->worker, ps->span,
                                      ps->span_len);
        break;
    case HPM_UPSTREAM_EVENT_PAUSE:
    case HPM_UPSTREAM_EVENT_ROOM:
        call->downstream->pass(call->downstream_ctx);
        break;
    case HPM_UPSTREAM_EVENT_SLOW:
    case HPM_UPSTREAM_EVENT_OVER:
        break;
    }
}

/* The worker's answer goes to the downstream until one of them has no more to
 * give or take. */
static void call_relay(const hpm_call_t *call, hpm_upstream_t *x,
                       hpm_upstream_client_t *client,
                       const hpm_admission_t *admission)
{
    apr_time_t since = x->slow_at - call->pool->conf->slow_log.time;
    int counted = 0;
    hpm_upstream_event_t ev;

    do {
        client->want_room = call->downstream->wants_room(call->downstream_ctx);
        client->may_go = call->downstream->client_may_go(call->downstream_ctx);
        ev = hpm_upstream_next(x);
        if (x->begun && !counted) {
            hpm_admission_count_answered(admission);
            counted = 1;
        }
        if (ev == HPM_UPSTREAM_EVENT_SLOW) {
            hpm_slow_request_report(call->r, call->pool, hpm_upstream_fd(x),
                                    x->worker, since);
        }
        call_pass_event(call, x, ev);
    } while (ev != HPM_UPSTREAM_EVENT_OVER
             && !call->downstream->has_enough(call->downstream_ctx));
}

/* --- connections ---------------------------------------------------------- */

/* RFC 9110, 9.2.1 */
static int call_is_safe(const hpm_call_t *call)
{
    return call->r->method_number == M_GET
           || call->r->method_number == M_OPTIONS;
}

static void call_count(const hpm_call_t *call, pm_request_stats_event_t event)
{
    const hpm_server_t *server = hpm_server(call->r->server);

    pm_request_stats_count(
        pm_scoreboard_stats(server->board, server->row, call->pool->slot),
        event);
}

static void call_learn(const hpm_call_t *call, hpm_keep_event_t event)
{
    const hpm_admission_t *a = &call->admission;

    /* that it has kept one shows that the program does */
    if (event != HPM_KEEP_CLOSED || a->conn.requests == 1) {
        hpm_kept_learn(a->kept, call->pool, event, pm_time_now());
    }
}

/* A kept connection is closed at any time, so it is for what can be asked again
 * only; and what the worker has not read of a body would stay in it. */
static int call_keeps(const hpm_call_t *call)
{
    const pm_conf_t *conf = call->pool->conf;

    return conf->keep_connections && conf->guard && !call->reused
           && call->pool->addr.sa.ss_family == AF_UNIX && !call->body->length
           && call_is_safe(call);
}

static hpm_upstream_outcome_t call_open(hpm_call_t *call, hpm_upstream_t *x)
{
    const hpm_pool_t *pool = call->pool;
    hpm_conn_t *conn = &call->admission.conn;

    x->keep = hpm_admission_may_keep(&call->admission);
    pm_codec_set_keep((unsigned char *)call->head, x->keep);
    if (conn->fd >= 0) {
        call->reused = hpm_upstream_reuse(x, conn->fd, conn->worker, call->head,
                                          call->head_len);
        conn->fd = -1;
        if (call->reused) {
            call_count(call, PM_REQUEST_STATS_REUSED);
            return x->outcome;
        }
        call_learn(call, HPM_KEEP_CLOSED);
        hpm_kept_give_up(call->admission.kept, pool);
    }
    conn->requests = 0;
    conn->opened = x->keep ? pm_time_now() : 0;
    return hpm_upstream_open(x, &pool->addr, pool->conf->connect_timeout,
                             call->head, call->head_len);
}

/* The connection to the worker is closed or kept here, before the answer's end
 * goes to the client: a slow client holds no worker. */
static void call_close(hpm_call_t *call, hpm_upstream_t *x)
{
    hpm_conn_t *conn = &call->admission.conn;

    conn->fd = hpm_upstream_detach(x);
    if (x->keep && x->outcome == HPM_UPSTREAM_COMPLETE && conn->fd < 0) {
        call_learn(call, HPM_KEEP_UNSIGNED);
    }
    else if (x->expected && x->outcome == HPM_UPSTREAM_CLOSED_EARLY) {
        call_learn(call, x->ignored ? HPM_KEEP_IGNORED : HPM_KEEP_CLOSED);
    }
    conn->worker = x->worker;
    conn->requests++;
    hpm_upstream_close(x);
}

/* --- an attempt ----------------------------------------------------------- */

static void call_exchange(hpm_call_t *call, const hpm_admission_t *admission)
{
    const pm_conf_t *conf = call->pool->conf;
    const server_rec *s = call->r->server;
    hpm_upstream_client_t client = {
        .fd = call->client_fd,
        .timeout = s->timeout,
        .gone = {call->downstream->client_has_gone, call->downstream_ctx},
    };
    hpm_upstream_buffer_t buffer = {call->downstream->get_buffer,
                                    call->downstream_ctx};
    hpm_upstream_t x;

    hpm_upstream_init(&x, conf->io_timeout ? conf->io_timeout : s->timeout,
                      call->body, &buffer);
    hpm_upstream_watch(&x, &client);
    if (conf->request_timeout) {
        x.deadline = pm_time_now() + conf->request_timeout;
    }
    if (conf->slow_log.time) {
        x.slow_at = pm_time_now() + conf->slow_log.time;
    }
    if (call_open(call, &x) == HPM_UPSTREAM_OPEN) {
        call_relay(call, &x, &client, admission);
    }
    else {
        /* the manager looks at a socket that cannot be reached */
        pm_wakeup_send(hpm_server(call->r->server)->wakeup_fd,
                       call->pool->slot);
    }
    call_close(call, &x);
    call->worker = x.worker;
    call->outcome = x.outcome;
    if (x.outcome != HPM_UPSTREAM_OPEN && x.outcome != HPM_UPSTREAM_COMPLETE) {
        call->why = x.why;
    }
}

static hpm_admission_thread_t call_thread(const hpm_call_t *call)
{
    return call->r->connection->master ? HPM_ADMISSION_OTHER
                                       : HPM_ADMISSION_BLOCK;
}

/* @param client NULL: it may go
 * @return 1: admitted */
static int call_get_worker(hpm_call_t *call, const hpm_gone_t *client)
{
    if (!call->asked) {
        hpm_admission_ask(&call->admission, hpm_server(call->r->server),
                          call->pool, call_thread(call), call_keeps(call));
    }
    call->asked = 0;
    return hpm_admission_wait(&call->admission, client);
}

static void call_attempt(hpm_call_t *call)
{
    const hpm_server_t *server = hpm_server(call->r->server);
    hpm_admission_t *admission = &call->admission;
    hpm_gone_t gone = {call->downstream->client_has_gone, call->downstream_ctx};
    const hpm_gone_t *client =
        call->downstream->client_may_go(gone.ctx) ? NULL : &gone;
    int admitted = call_get_worker(call, client);

    call->waited += admission->waited;
    if (!admitted) {
        call->retry_after = admission->retry_after;
        call_end(call,
                 admission->gone ? HPM_UPSTREAM_GONE : HPM_UPSTREAM_UNAVAILABLE,
                 admission->why);
        return;
    }
    if (admission->queued && client && client->has_gone(client->ctx)) {
        hpm_admission_cancel(admission);
        call_end(call, HPM_UPSTREAM_GONE,
                 "the client has gone before a worker was free");
        return;
    }
    /* The manager ends a script's pool, then looks for requests in flight
     * (pm_pool_retire()); this thread has counted its request, then looks for
     * the pool.  One of the two sees the other. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (hpm_availability_has_ended(server, call->pool)) {
        hpm_admission_close_conn(admission);
        call_end(call, HPM_UPSTREAM_UNREACHABLE, "it has been removed");
    }
    else {
        call_exchange(call, admission);
    }
    hpm_admission_release(admission);
    call->took += admission->took;
}

/* --- another one ---------------------------------------------------------- */

static int call_is_script(const hpm_call_t *call)
{
    return call->find_pool
           && (call->pool->generation & PM_SCOREBOARD_SCRIPT_BIT);
}

/* @param unavailable why the pool answers no requests, or NULL */
static unsigned int call_facts(const hpm_call_t *call, const char *unavailable)
{
    int ended =
        hpm_availability_has_ended(hpm_server(call->r->server), call->pool);

    return (call_is_safe(call) ? HPM_RETRY_SAFE : 0U)
           | (!call->body->length || call->body->rewind ? HPM_RETRY_REPEATABLE
                                                        : 0U)
           | (unavailable ? 0U : HPM_RETRY_AVAILABLE)
           | (call_is_script(call) ? HPM_RETRY_SCRIPT : 0U)
           | (call_is_script(call) && ended ? HPM_RETRY_SCRIPT_ENDED : 0U);
}

/* @return 1: another pool runs the script now, or the manager has just found
 *         that the socket that was not reached is there */
static int call_move(hpm_call_t *call)
{
    apr_uint32_t former = call->pool->generation;

    if (call->find_pool(call->r, former, &call->moved_to) != OK
        || (call->moved_to.generation == former
            && call->outcome != HPM_UPSTREAM_UNREACHABLE)) {
        return 0;
    }
    call->pool = &call->moved_to;
    return 1;
}

/* A worker has got the request already. */
static void call_repeat(const hpm_call_t *call)
{
    if (call->body->length) {
        call->body->rewind(call->body->ctx);
    }
    call_count(call, PM_REQUEST_STATS_RETRIED);
}

/* @param attempts made so far
 * @return 1: ready for another attempt; 0: the outcome stands */
static int call_retry(hpm_call_t *call, int attempts)
{
    int sent = call->outcome == HPM_UPSTREAM_CLOSED_EARLY;
    const char *unavailable =
        sent ? hpm_availability_check(hpm_server(call->r->server), call->pool,
                                      &call->retry_after)
             : NULL;
    hpm_retry_t retry = hpm_retry_decide(
        call->outcome, call_facts(call, unavailable), attempts);

    if (retry == HPM_RETRY_AGAIN
        || (retry == HPM_RETRY_MOVE && call_move(call))) {
        if (sent) {
            call_repeat(call);
        }
        return 1;
    }
    if (unavailable) {
        call_end(call, HPM_UPSTREAM_UNAVAILABLE, unavailable);
    }
    return 0;
}

/* --- the call ------------------------------------------------------------- */

/* httpd is to write nothing more to the client. */
static void call_abort(const hpm_call_t *call)
{
    const hpm_server_t *server = hpm_server(call->r->server);

    pm_scoreboard_count_aborted(
        pm_scoreboard_cell(server->board, server->row, call->pool->slot));
    call->r->connection->aborted = 1;
    call->r->connection->keepalive = AP_CONN_CLOSE;
}

hpm_waiter_t *hpm_call_park(hpm_call_t *call)
{
    hpm_admission_ask(&call->admission, hpm_server(call->r->server), call->pool,
                      HPM_ADMISSION_PARK, call_keeps(call));
    call->asked = 1;
    return hpm_admission_is_parked(&call->admission) ? &call->admission.waiter
                                                     : NULL;
}

void hpm_call_abandon(hpm_call_t *call)
{
    call->asked = 0;
    hpm_admission_abandon(&call->admission);
}

void hpm_call_run(hpm_call_t *call)
{
    int attempts = 0;

    call->retry_after = 1;
    do {
        call_attempt(call);
    } while (call->outcome != HPM_UPSTREAM_COMPLETE
             && call_retry(call, ++attempts));
    if (call->outcome == HPM_UPSTREAM_GONE
        || (call->outcome == HPM_UPSTREAM_OPEN
            && call->r->connection->aborted)) {
        call_abort(call);
    }
}
