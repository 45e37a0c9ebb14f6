/* SPDX-License-Identifier: Apache-2.0 */
/* A request from httpd, answered by a pool: which pool, what it is told, and
 * what a failure is answered with. */
#include "httpd/request/hpm_handler.h"

#include "apr_strings.h"
#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"

#include "httpd/request/hpm_client.h"
#include "httpd/request/hpm_variables.h"
#include "httpd/upstream/hpm_admission.h"
#include "httpd/request/hpm_script.h"
#include "httpd/request/hpm_sendfile.h"
#include "httpd/upstream/hpm_slow_request.h"

APLOG_USE_MODULE(fcgipm);

/* --- which pool --------------------------------------------------------- */

/* As Alias does it: segment by segment, any number of slashes is one.
 * @return how much of the URI it is, without a slash at the end; -1: none */
static int alias_match(const char *uri, const char *alias)
{
    const char *u = uri;
    const char *a = alias;

    while (*a) {
        if (*a == '/') {
            if (*u != '/') {
                return -1;
            }
            while (*a == '/') {
                a++;
            }
            while (*u == '/') {
                u++;
            }
        }
        else if (*a++ != *u++) {
            return -1;
        }
    }
    if (a > alias && a[-1] == '/') {
        while (u > uri && u[-1] == '/') {
            u--;
        }
    }
    else if (*u && *u != '/') {
        return -1;
    }
    return (int)(u - uri);
}

/* r->filename is nothing that is looked at as a file, but the log, and a
 * worker that wants SCRIPT_FILENAME, may have a name. */
int fcgipm_handler_translate(request_rec *r)
{
    const apr_array_header_t *aliases = fcgipm_server(r->server)->aliases;
    int i;

    if (r->proxyreq || !r->uri || r->uri[0] != '/') {
        return DECLINED;
    }
    for (i = 0; i < aliases->nelts; i++) {
        fcgipm_alias_t *alias = &APR_ARRAY_IDX(aliases, i, fcgipm_alias_t);
        int len = alias_match(r->uri, alias->url);

        if (len >= 0) {
            char *name = apr_pstrmemdup(r->pool, r->uri, (apr_size_t)len);

            r->filename = apr_pstrcat(r->pool, ap_document_root(r), name,
                                      NULL);
            r->path_info = r->uri + len;
            r->handler = apr_pstrcat(r->pool, FCGIPM_HANDLER ":",
                                     alias->pool, NULL);
            fcgipm_request(r)->alias = name;
            return OK;
        }
    }
    return DECLINED;
}

static int is_alias(const request_rec *r)
{
    const fcgipm_request_t *known = fcgipm_request_known(r);

    return known && known->alias;
}

int fcgipm_handler_map_to_storage(request_rec *r)
{
    return is_alias(r) && r->method_number != M_TRACE ? OK : DECLINED;
}

/* Its extension says nothing: not to mod_mime (AddHandler), nor to
 * mod_negotiation. */
int fcgipm_handler_type(request_rec *r)
{
    return is_alias(r) ? OK : DECLINED;
}

/* @return the pool's name in r->handler, NULL: the request is not ours */
static const char *pool_name(const request_rec *r)
{
    const char *rest;

    if (!r->handler
        || strncmp(r->handler, FCGIPM_HANDLER, sizeof(FCGIPM_HANDLER) - 1)) {
        return NULL;
    }
    rest = r->handler + sizeof(FCGIPM_HANDLER) - 1;
    return *rest == ':' ? rest + 1 : *rest ? NULL : FCGIPM_DEFAULT_POOL;
}

static const char *not_available(const fcgipm_server_t *server,
                                 const fcgipm_pool_t *pool,
                                 apr_int64_t *retry)
{
    const pm_slot_t *slot;
    apr_time_t left;

    if (pool->failed) {
        return pool->failed;
    }
    if (!server->board || pool->slot < 0) {
        return "it has no manager";
    }
    slot = pm_board_slot(server->board, pool->slot);
    switch (pm_board_avail(slot, pool->generation)) {
    case PM_AVAIL_STARTING:
    case PM_AVAIL_RUNNING:
    case PM_AVAIL_DRAINING:
        return NULL;
    case PM_AVAIL_BACKOFF:
        left = __atomic_load_n(&slot->retry_at, __ATOMIC_RELAXED)
               - pm_time_now();
        if (left > apr_time_from_sec(1)) {
            *retry = (left + APR_USEC_PER_SEC - 1) / APR_USEC_PER_SEC;
        }
        return "its workers die, the next start is delayed";
    case PM_AVAIL_STOPPED:
        return "it is stopped";
    case PM_AVAIL_NONE:
        break;
    }
    return "its manager does not know it";
}

const char *fcgipm_handler_not_now(const fcgipm_server_t *server,
                                   const fcgipm_pool_t *pool,
                                   apr_int64_t *retry)
{
    const char *why = not_available(server, pool, retry);

    if (why && server->board && pool->slot >= 0) {
        pm_meter_count(pm_board_meter(server->board, server->row, pool->slot),
                       PM_METER_UNAVAILABLE);
    }
    return why;
}

/* --- what a failure is answered with ------------------------------------ */

static int fail(request_rec *r, const char *pool, int status,
                apr_int64_t retry, const char *why)
{
    /* What the client did wrong is no error of ours, and why a pool cannot be
     * had now has been said by the manager, or is a limit that was set. */
    int level = status == AP_FILTER_ERROR
                        || (status >= 400 && status < 500) ? APLOG_INFO
                : status == HTTP_SERVICE_UNAVAILABLE       ? APLOG_WARNING
                                                           : APLOG_ERR;

    ap_log_rerror(APLOG_MARK, level, 0, r, "pool %s: %s", pool, why);
    if (status == HTTP_SERVICE_UNAVAILABLE) {
        apr_table_setn(r->err_headers_out, "Retry-After",
                       apr_psprintf(r->pool, "%" APR_INT64_T_FMT, retry));
    }
    return status;
}

int fcgipm_handler_status(const fcgipm_exchange_t *x,
                          const fcgipm_body_t *body)
{
    static const int statuses[] = {
        [FCGIPM_X_OPEN] = HTTP_INTERNAL_SERVER_ERROR,
        [FCGIPM_X_COMPLETE] = HTTP_BAD_GATEWAY,
        [FCGIPM_X_UNREACHABLE] = HTTP_SERVICE_UNAVAILABLE,
        [FCGIPM_X_TIMEOUT] = HTTP_GATEWAY_TIME_OUT,
        [FCGIPM_X_CLOSED_EARLY] = HTTP_BAD_GATEWAY,
        [FCGIPM_X_CLOSED] = HTTP_BAD_GATEWAY,
        [FCGIPM_X_BROKEN] = HTTP_BAD_GATEWAY,
        [FCGIPM_X_OVERLOADED] = HTTP_SERVICE_UNAVAILABLE,
        [FCGIPM_X_REFUSED] = HTTP_BAD_GATEWAY,
        [FCGIPM_X_GONE] = HTTP_BAD_REQUEST,
        [FCGIPM_X_FAILED] = HTTP_INTERNAL_SERVER_ERROR,
    };

    if (x->outcome == FCGIPM_X_BODY) {
        /* it knows of every failure but silence */
        return body->status == OK ? HTTP_REQUEST_TIME_OUT : body->status;
    }
    return statuses[x->outcome];
}

/* There will be no whole answer. */
static int give_up(fcgipm_answer_t *a, const char *pool, int status,
                   const char *why)
{
    request_rec *r = a->r;

    if (fcgipm_answer_cut(a)) {
        return fail(r, pool, status, 1, why);
    }
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "pool %s: %s; the response "
                  "is cut off", pool, why);
    return OK;
}

/* mod_cgi's way: what is asked for instead is a GET, and has no body. */
static int redirect(request_rec *r, const char *location)
{
    r->method = "GET";
    r->method_number = M_GET;
    apr_table_unset(r->headers_in, "Content-Length");
    apr_table_unset(r->headers_in, "Transfer-Encoding");
    ap_internal_redirect_handler(location, r);
    return OK;
}

/* What takes too long is looked for by its URL: the manager's line about the
 * worker has only its pid. */
static const char *reason(const fcgipm_answer_t *a, const fcgipm_exchange_t *x)
{
    return x->outcome != FCGIPM_X_TIMEOUT
               ? x->why.text
               : apr_psprintf(a->r->pool, "%s %s: %s", a->r->method,
                              a->r->unparsed_uri, x->why.text);
}

/* The exchange is over. */
static int conclude(fcgipm_answer_t *a, const fcgipm_exchange_t *x,
                    const fcgipm_body_t *body, const char *pool)
{
    request_rec *r = a->r;

    if (x->outcome == FCGIPM_X_GONE) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "pool %s: %s", pool,
                      x->why.text);
        return OK;
    }
    if (a->stage == FCGIPM_AT_BROKEN) {
        return give_up(a, pool, HTTP_BAD_GATEWAY, a->why.text);
    }
    if (a->stage != FCGIPM_AT_GONE) {
        if (x->outcome != FCGIPM_X_COMPLETE) {
            return give_up(a, pool, fcgipm_handler_status(x, body),
                           reason(a, x));
        }
        if (!fcgipm_answer_whole(a)) {
            return give_up(a, pool, HTTP_BAD_GATEWAY, a->why.text);
        }
        if (a->stage == FCGIPM_AT_REDIRECT) {
            return redirect(r, a->location);
        }
        if (a->stage == FCGIPM_AT_FILE) {
            return fcgipm_sendfile(r, pool, a->file);
        }
        if (a->stage == FCGIPM_AT_BODY) {
            fcgipm_answer_finish(a);
        }
    }
    if (a->stage == FCGIPM_AT_GONE) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "pool %s: %s", pool,
                      a->why.text);
    }
    return a->status;
}

/* --- the exchange ------------------------------------------------------- */

static void take(fcgipm_answer_t *a, const fcgipm_exchange_t *x,
                 fcgipm_xevent_t ev)
{
    switch (ev) {
    case FCGIPM_XE_STDOUT:
        fcgipm_answer_stdout(a, x->parser.span, x->parser.span_len);
        break;
    case FCGIPM_XE_STDERR:
        fcgipm_answer_stderr(a, x->parser.span, x->parser.span_len);
        break;
    case FCGIPM_XE_PAUSE:
    case FCGIPM_XE_ROOM:
        fcgipm_answer_pause(a);
        break;
    case FCGIPM_XE_SLOW:
    case FCGIPM_XE_OVER:
        break;
    }
}

static void run(fcgipm_exchange_t *x, fcgipm_answer_t *a,
                const fcgipm_pool_t *pool, fcgipm_watch_t *watch,
                pm_cell_t *cell)
{
    apr_time_t since = x->slow_at - pool->conf->slow_log.time;
    int counted = 0;
    fcgipm_xevent_t ev;

    do {
        watch->out = fcgipm_answer_wants_room(a);
        ev = fcgipm_exchange_next(x);
        if (x->begun && !counted) {
            pm_board_answered(cell);
            counted = 1;
        }
        if (ev == FCGIPM_XE_SLOW) {
            fcgipm_slow_tell(a->r, pool, x, since);
        }
        a->spent.worker = x->worker;
        take(a, x, ev);
    } while (ev != FCGIPM_XE_OVER && a->stage != FCGIPM_AT_GONE
             && a->stage != FCGIPM_AT_BROKEN);
}

/* Once with one worker.  The worker is free again before its answer's end
 * goes to the client. */
static void attempt(fcgipm_exchange_t *x, fcgipm_answer_t *a,
                    const fcgipm_pool_t *pool, pm_cell_t *cell,
                    const char *head, apr_size_t len)
{
    const request_rec *r = a->r;
    fcgipm_watch_t watch = {fcgipm_client_fd(r->connection), 0,
                            r->server->timeout};

    fcgipm_exchange_watch(x, &watch);
    if (pool->conf->request_timeout) {
        x->deadline = pm_time_now() + pool->conf->request_timeout;
    }
    if (pool->conf->slow_log.time) {
        x->slow_at = pm_time_now() + pool->conf->slow_log.time;
    }
    if (fcgipm_exchange_open(x, &pool->addr, pool->conf->connect_timeout,
                             head, len) == FCGIPM_X_OPEN) {
        run(x, a, pool, &watch, cell);
    }
    fcgipm_exchange_close(x);
    a->spent.worker = x->worker;
}

/* May it be asked twice?  The methods that are safe (RFC 9110 9.2.1). */
static int is_safe(const request_rec *r)
{
    return r->method_number == M_GET || r->method_number == M_OPTIONS;
}

/* @return NULL: it was asked, or the client has gone; else why not */
static const char *in_turn(fcgipm_exchange_t *x, fcgipm_answer_t *a,
                           const fcgipm_pool_t *pool, const char *head,
                           apr_size_t len, apr_int64_t *retry)
{
    fcgipm_turn_t turn;
    fcgipm_verdict_t verdict = fcgipm_queue_enter(&turn, a->r, pool);

    a->spent.waited += turn.waited;
    switch (verdict) {
    case FCGIPM_Q_GRANTED:
        /* who counts himself is seen: pm_pool_retire() */
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if (fcgipm_script_gone(fcgipm_server(a->r->server), pool)) {
            x->outcome = FCGIPM_X_UNREACHABLE;
            pm_fail(&x->why, APR_EGENERAL, "it is no more");
        }
        else {
            attempt(x, a, pool, turn.cell, head, len);
        }
        fcgipm_queue_leave(&turn);
        a->spent.took += turn.took;
        return NULL;
    case FCGIPM_Q_GONE:
        x->outcome = FCGIPM_X_GONE;
        pm_fail(&x->why, APR_ECONNABORTED,
                "the client has gone before a worker was free");
        return NULL;
    case FCGIPM_Q_REFUSED:
    default:
        *retry = turn.retry;
        return turn.why;
    }
}

/* Once more, for the same request. */
static int again(const fcgipm_server_t *server, const fcgipm_pool_t *pool,
                 fcgipm_body_t *body)
{
    if (!fcgipm_body_rewind(body)) {
        return 0;
    }
    pm_meter_count(pm_board_meter(server->board, server->row, pool->slot),
                   PM_METER_RETRIED);
    return 1;
}

/* Nothing was sent to a script's pool, which has vanished, or has died with
 * its manager.  @return 1: there is another one */
static int moved(const fcgipm_exchange_t *x, request_rec *r,
                 const char **not_now, const fcgipm_pool_t **pool,
                 fcgipm_pool_t *next)
{
    const fcgipm_server_t *server = fcgipm_server(r->server);
    apr_uint32_t former = (*pool)->generation;
    int gone = *not_now ? fcgipm_script_gone(server, *pool)
                        : x->outcome == FCGIPM_X_UNREACHABLE
                          && (former & PM_BOARD_SCRIPT_BIT);

    if (!gone || fcgipm_script_again(r, former, next) != OK
        || next->generation == former) {
        return 0;
    }
    *not_now = NULL;
    *pool = next;
    return 1;
}

/* It was in vain the @a tries-th time; may it be tried once more? */
static int once_more(const fcgipm_exchange_t *x, request_rec *r,
                     fcgipm_body_t *body, int tries, const char **not_now,
                     const fcgipm_pool_t **pool, fcgipm_pool_t *next)
{
    const fcgipm_server_t *server = fcgipm_server(r->server);
    int early = x->outcome == FCGIPM_X_CLOSED_EARLY;

    if ((early && !is_safe(r)) || tries > 2) {
        return 0;
    }
    if (early && !*not_now) {
        return tries < 2 && again(server, *pool, body);
    }
    return moved(x, r, not_now, pool, next)
           && (!early || again(server, *pool, body));
}

/* Before the worker was done? */
static int has_gone(const fcgipm_exchange_t *x, const fcgipm_answer_t *a)
{
    return x->outcome == FCGIPM_X_GONE
           || (x->outcome == FCGIPM_X_OPEN && a->stage == FCGIPM_AT_GONE
               && a->r->connection->aborted);
}

const char *fcgipm_handler_ask(fcgipm_answer_t *a, fcgipm_exchange_t *x,
                               const fcgipm_pool_t *pool,
                               fcgipm_body_t *body, const char *head,
                               apr_size_t len, apr_int64_t *retry)
{
    const fcgipm_server_t *server = fcgipm_server(a->r->server);
    apr_interval_time_t timeout = pool->conf->io_timeout;
    const char *not_now = NULL;
    fcgipm_pool_t next;
    int tries = 0;

    if (!timeout) {
        timeout = a->r->server->timeout;
    }
    fcgipm_answer_limit(a, pool->conf->response_buffer);
    fcgipm_answer_log(a, &(fcgipm_said_t){
        pool->log_fd, pm_board_quota(server->board, pool->slot),
        pool->conf->log_limit, server->bell, pool->slot});
    do {
        fcgipm_exchange_init(x, timeout, &body->source, &a->buffer);
        not_now = in_turn(x, a, pool, head, len, retry);
        if (x->outcome == FCGIPM_X_CLOSED_EARLY) {
            /* a pool whose last worker died sends away who waits */
            not_now = fcgipm_handler_not_now(server, pool, retry);
        }
    } while (once_more(x, a->r, body, ++tries, &not_now, &pool, &next));
    if (has_gone(x, a)) {
        pm_board_aborted(pm_board_cell(server->board, server->row,
                                       pool->slot));
        fcgipm_client_forget(a->r->connection);
    }
    return not_now;
}

/* For the access log. */
static void note(request_rec *r, const fcgipm_spent_t *spent)
{
    apr_table_setn(r->notes, "FCGIPM_QUEUE",
                   apr_off_t_toa(r->pool, (apr_off_t)spent->waited));
    if (spent->took) {
        apr_table_setn(r->notes, "FCGIPM_TIME",
                       apr_off_t_toa(r->pool, (apr_off_t)spent->took));
    }
    if (spent->worker) {
        apr_table_setn(r->notes, "FCGIPM_WORKER",
                       apr_ltoa(r->pool, (long)spent->worker));
    }
}

static int serve(request_rec *r, const fcgipm_pool_t *pool,
                 fcgipm_body_t *body, const char *head, apr_size_t len)
{
    fcgipm_exchange_t x;
    fcgipm_answer_t a;
    const char *not_now;
    apr_int64_t retry = 1;
    int status;

    fcgipm_answer_init(&a, r, pool->name);
    not_now = fcgipm_handler_ask(&a, &x, pool, body, head, len, &retry);
    note(r, &a.spent);
    status = not_now ? fail(r, pool->name, HTTP_SERVICE_UNAVAILABLE, retry,
                            not_now)
                     : conclude(&a, &x, body, pool->name);
    fcgipm_answer_destroy(&a);
    return status;
}

static int answer(request_rec *r, const fcgipm_pool_t *pool)
{
    const fcgipm_server_t *server = fcgipm_server(r->server);
    const char *name = pool->name;
    fcgipm_body_t body;
    pm_reason_t why;
    apr_int64_t retry = 1;
    const char *not_now;
    apr_size_t len;
    char *head;
    int status;

    apr_table_setn(r->notes, "FCGIPM_POOL", pool->name);
    if (r->used_path_info == AP_REQ_REJECT_PATH_INFO && r->path_info
        && *r->path_info) {
        return fail(r, name, HTTP_NOT_FOUND, 0, "AcceptPathInfo is off");
    }
    not_now = fcgipm_script_gone(server, pool)
                  ? NULL : fcgipm_handler_not_now(server, pool, &retry);
    if (not_now) {
        return fail(r, name, HTTP_SERVICE_UNAVAILABLE, retry, not_now);
    }
    status = fcgipm_body_read(r, pool->conf->request_buffer, &body, &why);
    if (status != OK) {
        return fail(r, name, status, 0, why.text);
    }
    fcgipm_params_responder(r, body.present ? body.source.length : -1);
    status = fcgipm_params_encode(r, FCGIPM_RESPONDER, &head, &len, &why);
    if (status != OK) {
        return fail(r, name, status, 0, why.text);
    }
    return serve(r, pool, &body, head, len);
}

int fcgipm_handler(request_rec *r)
{
    const char *name = pool_name(r);
    const fcgipm_pool_t *pool;
    fcgipm_pool_t found;
    int status;

    if (r->method_number == M_TRACE) {
        return DECLINED;
    }
    if (fcgipm_script_is(r)) {
        status = fcgipm_script_find(r, &found);
        return status == OK ? answer(r, &found) : status;
    }
    if (!name) {
        return DECLINED;
    }
    pool = apr_hash_get(fcgipm_server(r->server)->pools, name,
                        APR_HASH_KEY_STRING);
    return pool ? answer(r, pool)
                : fail(r, name, HTTP_INTERNAL_SERVER_ERROR, 0,
                       "there is no pool of this name");
}
