/* SPDX-License-Identifier: Apache-2.0 */
/* The handler: which pool serves a request, the call of that pool, and the
 * response to it, whatever the call's outcome. */
#include "httpd/request/hpm_handler.h"

#include "apr_strings.h"
#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"

#include "httpd/config/hpm_dir.h"
#include "httpd/config/hpm_server.h"
#include "httpd/request/hpm_alias.h"
#include "httpd/request/hpm_allow.h"
#include "httpd/request/hpm_client.h"
#include "httpd/request/hpm_park.h"
#include "httpd/request/hpm_response.h"
#include "httpd/request/hpm_script.h"
#include "httpd/request/hpm_sendfile.h"
#include "httpd/request/hpm_variables.h"
#include "httpd/upstream/hpm_availability.h"

APLOG_USE_MODULE(fcgipm);

/* --- which pool --------------------------------------------------------- */

/* @return the pool's name in r->handler, NULL: the request is not ours */
static const char *handler_pool_name(const request_rec *r)
{
    const char *rest;

    if (!r->handler
        || strncmp(r->handler, HPM_HANDLER, sizeof(HPM_HANDLER) - 1)) {
        return NULL;
    }
    rest = r->handler + sizeof(HPM_HANDLER) - 1;
    return *rest == ':' ? rest + 1 : *rest ? NULL : HPM_DEFAULT_POOL;
}

/* --- the response ------------------------------------------------------- */

static int handler_fail(request_rec *r, const char *pool, int status,
                        apr_int64_t retry_after, const char *why)
{
    /* What the client did wrong is no error of the server; the manager has
     * logged why a pool is unavailable, or a limit was reached. */
    int level = status == AP_FILTER_ERROR || (status >= 400 && status < 500)
                    ? APLOG_INFO
                : status == HTTP_SERVICE_UNAVAILABLE ? APLOG_WARNING
                                                     : APLOG_ERR;

    ap_log_rerror(APLOG_MARK, level, 0, r, "pool %s: %s", pool, why);
    if (status == HTTP_SERVICE_UNAVAILABLE) {
        apr_table_setn(r->err_headers_out, "Retry-After",
                       apr_psprintf(r->pool, "%" APR_INT64_T_FMT, retry_after));
    }
    return status;
}

int hpm_handler_status(hpm_upstream_outcome_t outcome, const hpm_body_t *body)
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
        [HPM_UPSTREAM_UNAVAILABLE] = HTTP_SERVICE_UNAVAILABLE,
    };

    if (outcome == HPM_UPSTREAM_BODY) {
        /* the body knows of every failure but silence */
        return body->status == OK ? HTTP_REQUEST_TIME_OUT : body->status;
    }
    return statuses[outcome];
}

/* There will be no whole response. */
static int handler_give_up(hpm_response_t *a, const hpm_call_t *call,
                           int status, const char *why)
{
    const char *pool = call->pool->name;

    if (hpm_response_cut(a)) {
        return handler_fail(call->r, pool, status, call->retry_after, why);
    }
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, call->r,
                  "pool %s: %s; the response is cut off", pool, why);
    return OK;
}

/* As mod_cgi: a GET without a body takes the request's place. */
static int handler_redirect(request_rec *r, const char *location)
{
    r->method = "GET";
    r->method_number = M_GET;
    apr_table_unset(r->headers_in, "Content-Length");
    apr_table_unset(r->headers_in, "Transfer-Encoding");
    ap_internal_redirect_handler(location, r);
    return OK;
}

/* The manager's line about a worker that takes too long has no URL, so this
 * one has. */
static const char *handler_reason(const hpm_call_t *call)
{
    const request_rec *r = call->r;

    return call->outcome != HPM_UPSTREAM_TIMEOUT
               ? call->why.text
               : apr_psprintf(r->pool, "%s %s: %s", r->method, r->unparsed_uri,
                              call->why.text);
}

static int handler_end_aborted(const hpm_call_t *call, int status,
                               const char *why)
{
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, call->r, "pool %s: %s",
                  call->pool->name, why);
    return status;
}

/* The call is over: give the client what its answer is. */
static int handler_respond(hpm_response_t *a, const hpm_call_t *call,
                           const hpm_body_t *body)
{
    if (call->outcome == HPM_UPSTREAM_GONE) {
        return handler_end_aborted(call, OK, call->why.text);
    }
    if (a->state == HPM_RESPONSE_MALFORMED) {
        return handler_give_up(a, call, HTTP_BAD_GATEWAY, a->why.text);
    }
    if (a->state == HPM_RESPONSE_ABORTED) {
        return handler_end_aborted(call, a->status, a->why.text);
    }
    if (call->outcome != HPM_UPSTREAM_COMPLETE) {
        return handler_give_up(a, call, hpm_handler_status(call->outcome, body),
                               handler_reason(call));
    }
    if (!hpm_response_is_whole(a)) {
        return handler_give_up(a, call, HTTP_BAD_GATEWAY, a->why.text);
    }
    switch (a->state) {
    case HPM_RESPONSE_REDIRECT:
        return handler_redirect(call->r, a->location);
    case HPM_RESPONSE_FILE:
        return hpm_sendfile_send(call->r, call->pool, a->file);
    case HPM_RESPONSE_BODY:
        hpm_response_finish(a);
        break;
    default:
        break;
    }
    return a->state == HPM_RESPONSE_ABORTED
               ? handler_end_aborted(call, a->status, a->why.text)
               : a->status;
}

/* --- the call ----------------------------------------------------------- */

/* For the access log. */
static void handler_set_notes(const hpm_call_t *call)
{
    const request_rec *r = call->r;

    apr_table_setn(r->notes, "FCGIPM_QUEUE",
                   apr_off_t_toa(r->pool, (apr_off_t)call->waited));
    if (call->took) {
        apr_table_setn(r->notes, "FCGIPM_TIME",
                       apr_off_t_toa(r->pool, (apr_off_t)call->took));
    }
    if (call->worker) {
        apr_table_setn(r->notes, "FCGIPM_WORKER",
                       apr_ltoa(r->pool, (long)call->worker));
    }
}

/* A request in its pool: it may go on in another thread. */
typedef struct handler_job {
    hpm_call_t call; /* the first member: hpm_park.h knows that only */
    hpm_body_t body;
    hpm_pool_t script; /* the pool of a script */
} handler_job_t;

static int handler_finish(handler_job_t *job)
{
    hpm_response_t *a = job->call.downstream_ctx;
    int status;

    hpm_call_run(&job->call);
    handler_set_notes(&job->call);
    status = handler_respond(a, &job->call, &job->body);
    hpm_response_destroy(a);
    return status;
}

static int handler_go_on(hpm_call_t *call)
{
    hpm_response_t a;

    hpm_response_init(&a, call->r, call->pool);
    /* for the call below only */
    /* cppcheck-suppress autoVariables */
    call->downstream_ctx = &a;
    return handler_finish((handler_job_t *)(void *)call);
}

/* What the client has not sent yet is read by the thread that has a worker. */
static int handler_is_streamed(const handler_job_t *job)
{
    return job->body.reader.length && !job->body.reader.rewind;
}

static int handler_call(handler_job_t *job)
{
    hpm_call_t *call = &job->call;
    request_rec *r = call->r;
    hpm_response_t a;
    int status;

    call->body = &job->body.reader;
    call->downstream = &hpm_response_downstream;
    call->downstream_ctx = &a;
    call->client_fd = hpm_client_fd(r->connection);
    call->find_pool = hpm_script_find_other;
    hpm_response_init(&a, r, call->pool);
    if (!handler_is_streamed(job)
        && hpm_park_request(r, call, handler_go_on, &status)) {
        hpm_response_destroy(&a);
        return status;
    }
    return handler_finish(job);
}

/* AcceptPathInfo Off */
static int handler_rejects_path_info(request_rec *r)
{
    const char *path_info = r->path_info;
    const char *script_name;

    if (r->used_path_info != AP_REQ_REJECT_PATH_INFO) {
        return 0;
    }
    hpm_alias_split(r, &script_name, &path_info);
    return path_info && *path_info;
}

static int handler_serve(request_rec *r, handler_job_t *job)
{
    const hpm_server_t *server = hpm_server(r->server);
    const hpm_pool_t *pool = job->call.pool;
    const char *name = pool->name;
    pm_reason_t why;
    apr_int64_t retry_after = 1;
    const char *unavailable;
    char *head;
    int status;

    apr_table_setn(r->notes, "FCGIPM_POOL", name);
    if (handler_rejects_path_info(r)) {
        return handler_fail(r, name, HTTP_NOT_FOUND, 0,
                            "AcceptPathInfo is off");
    }
    /* a script's pool that has ended has a successor: see hpm_call.c */
    unavailable = hpm_availability_has_ended(server, pool)
                      ? NULL
                      : hpm_availability_check(server, pool, &retry_after);
    if (unavailable) {
        return handler_fail(r, name, HTTP_SERVICE_UNAVAILABLE, retry_after,
                            unavailable);
    }
    status = hpm_body_read(r, pool->conf->request_buffer, &job->body, &why);
    if (status != OK) {
        return handler_fail(r, name, status, 0, why.text);
    }
    hpm_variables_responder(r,
                            job->body.present ? job->body.reader.length : -1);
    status = hpm_variables_encode(r, pool->conf, PM_FCGI_RESPONDER, &head,
                                  &job->call.head_len, &why);
    if (status != OK) {
        return handler_fail(r, name, status, 0, why.text);
    }
    job->call.head = head;
    return handler_call(job);
}

static handler_job_t *handler_job(request_rec *r)
{
    handler_job_t *job = apr_pcalloc(r->pool, sizeof(*job));

    job->call.r = r;
    job->call.pool = &job->script;
    return job;
}

static int handler_serve_script(request_rec *r)
{
    handler_job_t *job = handler_job(r);
    int status = hpm_script_find(r, &job->script);

    return status == OK ? handler_serve(r, job) : status;
}

static int handler_serve_pool(request_rec *r, const hpm_pool_t *pool)
{
    handler_job_t *job = handler_job(r);

    job->call.pool = pool;
    return handler_serve(r, job);
}

int hpm_handler(request_rec *r)
{
    const char *name = handler_pool_name(r);
    const hpm_pool_t *pool;
    int status;

    if (r->method_number == M_TRACE) {
        return DECLINED;
    }
    if (hpm_script_is_request(r)) {
        return handler_serve_script(r);
    }
    if (!name) {
        return DECLINED;
    }
    pool = hpm_server_pool(hpm_server(r->server), name);
    if (!pool) {
        return handler_fail(r, name, HTTP_INTERNAL_SERVER_ERROR, 0,
                            "there is no pool of this name");
    }
    status = hpm_allow_check(r, pool, hpm_dir_is_from_htaccess(r));
    return status == OK ? handler_serve_pool(r, pool) : status;
}
