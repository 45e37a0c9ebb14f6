/* SPDX-License-Identifier: Apache-2.0 */
/* A request from httpd, answered by a pool: which pool, what it is told, and
 * what a failure is answered with. */
#include "httpd/request/hpm_handler.h"

#include "apr_strings.h"
#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"

#include "httpd/request/hpm_request.h"
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
int hpm_handler_translate(request_rec *r)
{
    const apr_array_header_t *aliases = hpm_server(r->server)->aliases;
    int i;

    if (r->proxyreq || !r->uri || r->uri[0] != '/') {
        return DECLINED;
    }
    for (i = 0; i < aliases->nelts; i++) {
        hpm_alias_t *alias = &APR_ARRAY_IDX(aliases, i, hpm_alias_t);
        int len = alias_match(r->uri, alias->url);

        if (len >= 0) {
            char *name = apr_pstrmemdup(r->pool, r->uri, (apr_size_t)len);

            r->filename = apr_pstrcat(r->pool, ap_document_root(r), name, NULL);
            r->path_info = r->uri + len;
            r->handler =
                apr_pstrcat(r->pool, HPM_HANDLER ":", alias->pool, NULL);
            hpm_request(r)->alias = name;
            return OK;
        }
    }
    return DECLINED;
}

static int is_alias(const request_rec *r)
{
    const hpm_request_t *known = hpm_request_known(r);

    return known && known->alias;
}

int hpm_handler_map_to_storage(request_rec *r)
{
    return is_alias(r) && r->method_number != M_TRACE ? OK : DECLINED;
}

/* Its extension says nothing: not to mod_mime (AddHandler), nor to
 * mod_negotiation. */
int hpm_handler_type(request_rec *r)
{
    return is_alias(r) ? OK : DECLINED;
}

/* @return the pool's name in r->handler, NULL: the request is not ours */
static const char *pool_name(const request_rec *r)
{
    const char *rest;

    if (!r->handler
        || strncmp(r->handler, HPM_HANDLER, sizeof(HPM_HANDLER) - 1)) {
        return NULL;
    }
    rest = r->handler + sizeof(HPM_HANDLER) - 1;
    return *rest == ':' ? rest + 1 : *rest ? NULL : HPM_DEFAULT_POOL;
}

static const char *not_available(const hpm_server_t *server,
                                 const hpm_pool_t *pool, apr_int64_t *retry)
{
    const pm_scoreboard_slot_t *slot;
    apr_time_t left;

    if (pool->failed) {
        return pool->failed;
    }
    if (!server->board || pool->slot < 0) {
        return "it has no manager";
    }
    slot = pm_scoreboard_slot(server->board, pool->slot);
    switch (pm_scoreboard_avail(slot, pool->generation)) {
    case PM_AVAIL_STARTING:
    case PM_AVAIL_RUNNING:
    case PM_AVAIL_DRAINING:
        return NULL;
    case PM_AVAIL_BACKOFF:
        left =
            __atomic_load_n(&slot->retry_at, __ATOMIC_RELAXED) - pm_time_now();
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

const char *hpm_handler_unavailable_reason(const hpm_server_t *server,
                                           const hpm_pool_t *pool,
                                           apr_int64_t *retry)
{
    const char *why = not_available(server, pool, retry);

    if (why && server->board && pool->slot >= 0) {
        pm_request_stats_count(
            pm_scoreboard_stats(server->board, server->row, pool->slot),
            PM_REQUEST_STATS_UNAVAILABLE);
    }
    return why;
}

/* --- what a failure is answered with ------------------------------------ */

static int fail(request_rec *r, const char *pool, int status, apr_int64_t retry,
                const char *why)
{
    /* What the client did wrong is no error of ours, and why a pool cannot be
     * had now has been said by the manager, or is a limit that was set. */
    int level = status == AP_FILTER_ERROR || (status >= 400 && status < 500)
                    ? APLOG_INFO
                : status == HTTP_SERVICE_UNAVAILABLE ? APLOG_WARNING
                                                     : APLOG_ERR;

    ap_log_rerror(APLOG_MARK, level, 0, r, "pool %s: %s", pool, why);
    if (status == HTTP_SERVICE_UNAVAILABLE) {
        apr_table_setn(r->err_headers_out, "Retry-After",
                       apr_psprintf(r->pool, "%" APR_INT64_T_FMT, retry));
    }
    return status;
}

int hpm_handler_status(const hpm_upstream_t *x, const hpm_body_t *body)
{
    static const int statuses[] = {
        [HPM_UPSTREAM_OPEN] = HTTP_INTERNAL_SERVER_ERROR,
        [HPM_UPSTREAM_COMPLETE] = HTTP_BAD_GATEWAY,
        [HPM_UPSTREAM_UNREACHABLE] = HTTP_SERVICE_UNAVAILABLE,
        [HPM_UPSTREAM_TIMEOUT] = HTTP_GATEWAY_TIME_OUT,
        [HPM_UPSTREAM_CLOSED_EARLY] = HTTP_BAD_GATEWAY,
        [HPM_UPSTREAM_CLOSED] = HTTP_BAD_GATEWAY,
        [HPM_UPSTREAM_BROKEN] = HTTP_BAD_GATEWAY,
        [HPM_UPSTREAM_OVERLOADED] = HTTP_SERVICE_UNAVAILABLE,
        [HPM_UPSTREAM_REFUSED] = HTTP_BAD_GATEWAY,
        [HPM_UPSTREAM_GONE] = HTTP_BAD_REQUEST,
        [HPM_UPSTREAM_FAILED] = HTTP_INTERNAL_SERVER_ERROR,
    };

    if (x->outcome == HPM_UPSTREAM_BODY) {
        /* it knows of every failure but silence */
        return body->status == OK ? HTTP_REQUEST_TIME_OUT : body->status;
    }
    return statuses[x->outcome];
}

/* There will be no whole answer. */
static int give_up(hpm_response_t *a, const char *pool, int status,
                   const char *why)
{
    request_rec *r = a->r;

    if (hpm_response_cut(a)) {
        return fail(r, pool, status, 1, why);
    }
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                  "pool %s: %s; the response "
                  "is cut off",
                  pool, why);
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
static const char *reason(const hpm_response_t *a, const hpm_upstream_t *x)
{
    return x->outcome != HPM_UPSTREAM_TIMEOUT
               ? x->why.text
               : apr_psprintf(a->r->pool, "%s %s: %s", a->r->method,
                              a->r->unparsed_uri, x->why.text);
}

/* The exchange is over. */
static int conclude(hpm_response_t *a, const hpm_upstream_t *x,
                    const hpm_body_t *body, const char *pool)
{
    request_rec *r = a->r;

    if (x->outcome == HPM_UPSTREAM_GONE) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "pool %s: %s", pool,
                      x->why.text);
        return OK;
    }
    if (a->stage == HPM_RESPONSE_BROKEN) {
        return give_up(a, pool, HTTP_BAD_GATEWAY, a->why.text);
    }
    if (a->stage != HPM_RESPONSE_GONE) {
        if (x->outcome != HPM_UPSTREAM_COMPLETE) {
            return give_up(a, pool, hpm_handler_status(x, body), reason(a, x));
        }
        if (!hpm_response_whole(a)) {
            return give_up(a, pool, HTTP_BAD_GATEWAY, a->why.text);
        }
        if (a->stage == HPM_RESPONSE_REDIRECT) {
            return redirect(r, a->location);
        }
        if (a->stage == HPM_RESPONSE_FILE) {
            return hpm_sendfile(r, pool, a->file);
        }
        if (a->stage == HPM_RESPONSE_BODY) {
            hpm_response_finish(a);
        }
    }
    if (a->stage == HPM_RESPONSE_GONE) {
        ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r, "pool %s: %s", pool,
                      a->why.text);
    }
    return a->status;
}

/* --- the exchange ------------------------------------------------------- */

static void take(hpm_response_t *a, const hpm_upstream_t *x, hpm_xevent_t ev)
{
    switch (ev) {
    case HPM_UPSTREAM_EVENT_STDOUT:
        hpm_response_stdout(a, x->parser.span, x->parser.span_len);
        break;
    case HPM_UPSTREAM_EVENT_STDERR:
        hpm_response_stderr(a, x->parser.span, x->parser.span_len);
        break;
    case HPM_UPSTREAM_EVENT_PAUSE:
    case HPM_UPSTREAM_EVENT_ROOM:
        hpm_response_pause(a);
        break;
    case HPM_UPSTREAM_EVENT_SLOW:
    case HPM_UPSTREAM_EVENT_OVER:
        break;
    }
}

static void run(hpm_upstream_t *x, hpm_response_t *a, const hpm_pool_t *pool,
                hpm_watch_t *watch, pm_scoreboard_cell_t *cell)
{
    apr_time_t since = x->slow_at - pool->conf->slow_log.time;
    int counted = 0;
    hpm_xevent_t ev;

    do {
        watch->out = hpm_response_wants_room(a);
        ev = hpm_upstream_next(x);
        if (x->begun && !counted) {
            pm_scoreboard_count_answered(cell);
            counted = 1;
        }
        if (ev == HPM_UPSTREAM_EVENT_SLOW) {
            hpm_slow_request_tell(a->r, pool, x, since);
        }
        a->spent.worker = x->worker;
        take(a, x, ev);
    } while (ev != HPM_UPSTREAM_EVENT_OVER && a->stage != HPM_RESPONSE_GONE
             && a->stage != HPM_RESPONSE_BROKEN);
}

/* Once with one worker.  The worker is free again before its answer's end
 * goes to the client. */
static void attempt(hpm_upstream_t *x, hpm_response_t *a,
                    const hpm_pool_t *pool, pm_scoreboard_cell_t *cell,
                    const char *head, apr_size_t len)
{
    const request_rec *r = a->r;
    hpm_watch_t watch = {hpm_client_fd(r->connection), 0, r->server->timeout};

    hpm_upstream_watch(x, &watch);
    if (pool->conf->request_timeout) {
        x->deadline = pm_time_now() + pool->conf->request_timeout;
    }
    if (pool->conf->slow_log.time) {
        x->slow_at = pm_time_now() + pool->conf->slow_log.time;
    }
    if (hpm_upstream_open(x, &pool->addr, pool->conf->connect_timeout, head,
                          len)
        == HPM_UPSTREAM_OPEN) {
        run(x, a, pool, &watch, cell);
    }
    hpm_upstream_close(x);
    a->spent.worker = x->worker;
}

/* May it be asked twice?  The methods that are safe (RFC 9110 9.2.1). */
static int is_safe(const request_rec *r)
{
    return r->method_number == M_GET || r->method_number == M_OPTIONS;
}

/* @return NULL: it was asked, or the client has gone; else why not */
static const char *in_turn(hpm_upstream_t *x, hpm_response_t *a,
                           const hpm_pool_t *pool, const char *head,
                           apr_size_t len, apr_int64_t *retry)
{
    hpm_turn_t turn;
    hpm_verdict_t verdict = hpm_admission_enter(&turn, a->r, pool);

    a->spent.waited += turn.waited;
    switch (verdict) {
    case HPM_ADMISSION_GRANTED:
        /* who counts himself is seen: pm_pool_retire() */
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        if (hpm_script_gone(hpm_server(a->r->server), pool)) {
            x->outcome = HPM_UPSTREAM_UNREACHABLE;
            pm_fail(&x->why, APR_EGENERAL, "it is no more");
        }
        else {
            attempt(x, a, pool, turn.cell, head, len);
        }
        hpm_admission_leave(&turn);
        a->spent.took += turn.took;
        return NULL;
    case HPM_ADMISSION_GONE:
        x->outcome = HPM_UPSTREAM_GONE;
        pm_fail(&x->why, APR_ECONNABORTED,
                "the client has gone before a worker was free");
        return NULL;
    case HPM_ADMISSION_REFUSED:
    default:
        *retry = turn.retry;
        return turn.why;
    }
}

/* Once more, for the same request. */
static int again(const hpm_server_t *server, const hpm_pool_t *pool,
                 hpm_body_t *body)
{
    if (!hpm_body_rewind(body)) {
        return 0;
    }
    pm_request_stats_count(
        pm_scoreboard_stats(server->board, server->row, pool->slot),
        PM_REQUEST_STATS_RETRIED);
    return 1;
}

/* Nothing was sent to a script's pool, which has vanished, or has died with
 * its manager.  @return 1: there is another one */
static int moved(const hpm_upstream_t *x, request_rec *r, const char **not_now,
                 const hpm_pool_t **pool, hpm_pool_t *next)
{
    const hpm_server_t *server = hpm_server(r->server);
    apr_uint32_t former = (*pool)->generation;
    int gone = *not_now ? hpm_script_gone(server, *pool)
                        : x->outcome == HPM_UPSTREAM_UNREACHABLE
                              && (former & PM_SCOREBOARD_SCRIPT_BIT);

    if (!gone || hpm_script_again(r, former, next) != OK
        || next->generation == former) {
        return 0;
    }
    *not_now = NULL;
    *pool = next;
    return 1;
}

/* It was in vain the @a tries-th time; may it be tried once more? */
static int once_more(const hpm_upstream_t *x, request_rec *r, hpm_body_t *body,
                     int tries, const char **not_now, const hpm_pool_t **pool,
                     hpm_pool_t *next)
{
    const hpm_server_t *server = hpm_server(r->server);
    int early = x->outcome == HPM_UPSTREAM_CLOSED_EARLY;

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
static int has_gone(const hpm_upstream_t *x, const hpm_response_t *a)
{
    return x->outcome == HPM_UPSTREAM_GONE
           || (x->outcome == HPM_UPSTREAM_OPEN && a->stage == HPM_RESPONSE_GONE
               && a->r->connection->aborted);
}

const char *hpm_handler_ask(hpm_response_t *a, hpm_upstream_t *x,
                            const hpm_pool_t *pool, hpm_body_t *body,
                            const char *head, apr_size_t len,
                            apr_int64_t *retry)
{
    const hpm_server_t *server = hpm_server(a->r->server);
    apr_interval_time_t timeout = pool->conf->io_timeout;
    const char *not_now = NULL;
    hpm_pool_t next;
    int tries = 0;

    if (!timeout) {
        timeout = a->r->server->timeout;
    }
    hpm_response_limit(a, pool->conf->response_buffer);
    hpm_response_log(a,
                     &(hpm_response_stderr_t){
                         pool->log_fd,
                         pm_scoreboard_log_ratelimit(server->board, pool->slot),
                         pool->conf->log_limit, server->wakeup_fd, pool->slot});
    do {
        hpm_upstream_init(x, timeout, &body->source, &a->buffer);
        not_now = in_turn(x, a, pool, head, len, retry);
        if (x->outcome == HPM_UPSTREAM_CLOSED_EARLY) {
            /* a pool whose last worker died sends away who waits */
            not_now = hpm_handler_unavailable_reason(server, pool, retry);
        }
    } while (once_more(x, a->r, body, ++tries, &not_now, &pool, &next));
    if (has_gone(x, a)) {
        pm_scoreboard_count_aborted(
            pm_scoreboard_cell(server->board, server->row, pool->slot));
        hpm_client_forget(a->r->connection);
    }
    return not_now;
}

/* For the access log. */
static void note(request_rec *r, const hpm_spent_t *spent)
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

static int serve(request_rec *r, const hpm_pool_t *pool, hpm_body_t *body,
                 const char *head, apr_size_t len)
{
    hpm_upstream_t x;
    hpm_response_t a;
    const char *not_now;
    apr_int64_t retry = 1;
    int status;

    hpm_response_init(&a, r, pool->name);
    not_now = hpm_handler_ask(&a, &x, pool, body, head, len, &retry);
    note(r, &a.spent);
    status = not_now
                 ? fail(r, pool->name, HTTP_SERVICE_UNAVAILABLE, retry, not_now)
                 : conclude(&a, &x, body, pool->name);
    hpm_response_destroy(&a);
    return status;
}

static int answer(request_rec *r, const hpm_pool_t *pool)
{
    const hpm_server_t *server = hpm_server(r->server);
    const char *name = pool->name;
    hpm_body_t body;
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
    not_now = hpm_script_gone(server, pool)
                  ? NULL
                  : hpm_handler_unavailable_reason(server, pool, &retry);
    if (not_now) {
        return fail(r, name, HTTP_SERVICE_UNAVAILABLE, retry, not_now);
    }
    status = hpm_body_read(r, pool->conf->request_buffer, &body, &why);
    if (status != OK) {
        return fail(r, name, status, 0, why.text);
    }
    hpm_variables_responder(r, body.present ? body.source.length : -1);
    status = hpm_variables_encode(r, HPM_RESPONDER, &head, &len, &why);
    if (status != OK) {
        return fail(r, name, status, 0, why.text);
    }
    return serve(r, pool, &body, head, len);
}

int hpm_handler(request_rec *r)
{
    const char *name = pool_name(r);
    const hpm_pool_t *pool;
    hpm_pool_t found;
    int status;

    if (r->method_number == M_TRACE) {
        return DECLINED;
    }
    if (hpm_script_is(r)) {
        status = hpm_script_find(r, &found);
        return status == OK ? answer(r, &found) : status;
    }
    if (!name) {
        return DECLINED;
    }
    pool = hpm_server_pool(hpm_server(r->server), name);
    return pool ? answer(r, pool)
                : fail(r, name, HTTP_INTERNAL_SERVER_ERROR, 0,
                       "there is no pool of this name");
}
