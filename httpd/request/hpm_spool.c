/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/request/hpm_spool.h"

#include <errno.h>

#include "apr_strings.h"
#include "httpd/request/hpm_client.h"
#include "httpd/request/hpm_tempfile.h"
#include "httpd/request/hpm_keepalive_wait.h"
#include "http_log.h"

APLOG_USE_MODULE(fcgipm);

/* So long the thread waits for any client. */
#define SPOOL_GRACE apr_time_from_msec(20)

/* While the worker has more to come, a stream of HTTP/2 gets so much at once,
 * and so much more a second, in pieces of such a size: its buffers hold that
 * for some seconds when the client takes nothing. */
#define SPOOL_BLIND_FIRST 32768
#define SPOOL_BLIND_RATE  16384
#define SPOOL_BLIND_PIECE 8192
#define SPOOL_BLIND_PAUSE apr_time_from_msec(400)

/* A response of at most this is sent as soon as it is whole. */
#define SPOOL_SEND_NOW 16384

void hpm_spool_init(hpm_spool_t *s, request_rec *r, apr_int64_t limit)
{
    conn_rec *c = r->connection;

    memset(s, 0, sizeof(*s));
    s->r = r;
    s->limit = limit;
    s->bb = apr_brigade_create(r->pool, c->bucket_alloc);
    s->out = apr_brigade_create(r->pool, c->bucket_alloc);
    s->blind = hpm_client_fd(c) < 0;
}

/* Events, pictures of a camera, sound: its client has it piece by piece. */
static int spool_is_endless(const request_rec *r)
{
    static const char *const types[] = {
        "text/event-stream", "multipart/x-mixed-replace", "audio/", "video/"};
    const char *type = r->content_type;
    apr_size_t i;

    if (!type || apr_table_get(r->headers_out, "Content-Length")) {
        return 0;
    }
    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (!ap_cstr_casecmpn(type, types[i], strlen(types[i]))) {
            return 1;
        }
    }
    return 0;
}

void hpm_spool_head(hpm_spool_t *s, int whole)
{
    s->unflushed = 1;
    s->whole = whole != 0;
    if (s->blind) {
        s->passed_at = pm_time_now();
        s->limit = spool_is_endless(s->r) ? -1 : s->limit;
    }
}

/* --- down the filters ----------------------------------------------------- */

static apr_status_t spool_fail(hpm_spool_t *s, apr_status_t rv,
                               const char *what)
{
    s->rv = rv;
    return pm_fail_os(&s->why, rv, "%s", what);
}

static apr_status_t spool_pass(hpm_spool_t *s, apr_bucket_brigade *bb)
{
    conn_rec *c = s->r->connection;
    apr_status_t rv = ap_pass_brigade(s->r->output_filters, bb);

    apr_brigade_cleanup(bb);
    s->passed = 1;
    if (rv == APR_SUCCESS && c->aborted) {
        rv = APR_ECONNABORTED;
    }
    /* A client of HTTP/2 can close when it has what it needs, before this
     * thread looks. */
    if (c->master && s->enough && APR_STATUS_IS_ECONNABORTED(rv)) {
        rv = APR_SUCCESS;
    }
    return rv == APR_SUCCESS
               ? rv
               : spool_fail(s, rv, "the answer could not be passed on");
}

apr_status_t hpm_spool_pass(hpm_spool_t *s)
{
    s->passed_bytes += (apr_off_t)s->held;
    s->held = 0;
    return spool_pass(s, s->bb);
}

static apr_status_t spool_pass_held(hpm_spool_t *s, apr_size_t most)
{
    apr_bucket_brigade *first = s->bb;
    apr_bucket *rest;
    apr_status_t rv;

    if (s->held <= most) {
        return hpm_spool_pass(s);
    }
    rv = apr_brigade_partition(first, (apr_off_t)most, &rest);
    if (rv != APR_SUCCESS) {
        return spool_fail(s, rv, "the answer could not be split");
    }
    s->bb = apr_brigade_split_ex(first, rest, s->out);
    s->out = first;
    s->held -= most;
    s->passed_bytes += (apr_off_t)most;
    return spool_pass(s, first);
}

static int spool_in_file(const hpm_spool_t *s)
{
    return s->head < s->tail;
}

/* The file is empty. */
static void spool_rewind_file(hpm_spool_t *s)
{
    apr_off_t at = 0;

    s->head = s->tail = 0;
    (void)apr_file_seek(s->file, APR_SET, &at);
    (void)apr_file_trunc(s->file, 0);
}

static apr_status_t spool_pass_filed(hpm_spool_t *s, apr_size_t most)
{
    apr_bucket_alloc_t *list = s->r->connection->bucket_alloc;
    apr_size_t len = s->tail - s->head < (apr_off_t)most
                         ? (apr_size_t)(s->tail - s->head)
                         : most;
    char *data = apr_bucket_alloc(len, list);
    ssize_t n = hpm_tempfile_read(s->file, data, len, s->head);

    if (n <= 0) {
        apr_bucket_free(data);
        return spool_fail(s, n < 0 ? APR_FROM_OS_ERROR(errno) : APR_EOF,
                          "cannot read from a temporary file");
    }
    s->head += n;
    s->passed_bytes += n;
    APR_BRIGADE_INSERT_TAIL(
        s->out,
        apr_bucket_heap_create(data, (apr_size_t)n, apr_bucket_free, list));
    if (!spool_in_file(s)) {
        spool_rewind_file(s);
    }
    return spool_pass(s, s->out);
}

static apr_status_t spool_pass_some(hpm_spool_t *s, apr_size_t most)
{
    return s->held ? spool_pass_held(s, most) : spool_pass_filed(s, most);
}

static int spool_holds(const hpm_spool_t *s)
{
    return s->held || spool_in_file(s);
}

/* Pass on everything, blocking for the client. */
static apr_status_t spool_drain(hpm_spool_t *s)
{
    while (s->rv == APR_SUCCESS && spool_holds(s)) {
        spool_pass_some(s, HPM_CLIENT_PASS);
    }
    return s->rv;
}

/* What has been passed on so far. */
static void spool_flush(hpm_spool_t *s)
{
    APR_BRIGADE_INSERT_TAIL(
        s->out, apr_bucket_flush_create(s->r->connection->bucket_alloc));
    s->unflushed = spool_holds(s);
    spool_pass(s, s->out);
}

apr_status_t hpm_spool_offer(hpm_spool_t *s)
{
    if (s->limit < 0) {
        return spool_drain(s);
    }
    while (s->rv == APR_SUCCESS && !s->whole && !s->blind && spool_holds(s)
           && hpm_client_push(s->r->connection)) {
        spool_pass_some(s, HPM_CLIENT_PASS);
    }
    return s->rv;
}

static int spool_may_flush(const hpm_spool_t *s)
{
    conn_rec *c = s->r->connection;

    return s->limit < 0
           || (!spool_holds(s) && hpm_client_push(c)
               && hpm_client_is_writable(c, 0));
}

/* A client that cannot be asked may get more as time goes on. */
static void spool_grow_room(hpm_spool_t *s, apr_time_t now)
{
    apr_off_t more = (now - s->since) * SPOOL_BLIND_RATE / APR_USEC_PER_SEC;

    if (more > 0) {
        s->since = now;
        s->room = s->room + more < SPOOL_BLIND_FIRST ? s->room + more
                                                     : SPOOL_BLIND_FIRST;
    }
}

/* All of it may go, or a piece that has been held for some time: to pass a
 * large answer on in two parts costs more. */
static int spool_has_room(const hpm_spool_t *s, apr_time_t now)
{
    apr_off_t all = (apr_off_t)s->held + s->tail - s->head;

    return s->room >= all
           || (s->room >= SPOOL_BLIND_PIECE
               && now - s->passed_at >= SPOOL_BLIND_PAUSE);
}

static void spool_pause_blind(hpm_spool_t *s)
{
    apr_time_t now = pm_time_now();
    apr_off_t before;

    spool_grow_room(s, now);
    if (!spool_has_room(s, now)) {
        return;
    }
    while (s->rv == APR_SUCCESS && spool_holds(s) && s->room > 0) {
        before = s->passed_bytes;
        spool_pass_some(s, (apr_size_t)s->room);
        s->room -= s->passed_bytes - before;
    }
    if (s->rv == APR_SUCCESS) {
        s->passed_at = pm_time_now(); /* it may have blocked */
        spool_flush(s);
    }
}

apr_status_t hpm_spool_pause(hpm_spool_t *s)
{
    hpm_spool_offer(s);
    if (s->rv != APR_SUCCESS || !s->unflushed || s->whole) {
        return s->rv;
    }
    if (s->blind && s->limit >= 0) {
        spool_pause_blind(s);
    }
    else if (spool_may_flush(s)) {
        spool_flush(s);
    }
    return s->rv;
}

int hpm_spool_is_delivered(const hpm_spool_t *s)
{
    return s->passed && !s->unflushed && !spool_holds(s)
           && !s->r->connection->data_in_output_filters;
}

int hpm_spool_wants_room(const hpm_spool_t *s)
{
    if (s->whole) {
        return 0;
    }
    return s->blind ? s->limit >= 0 && spool_holds(s)
                    : s->unflushed || spool_holds(s)
                          || s->r->connection->data_in_output_filters;
}

/* The core output filter keeps a small response until the request has been
 * logged and cleaned up; then the MPM hands the connection to its listener.
 * A client that gets its response before that often has sent its next request
 * by then, and the thread goes on with it.  Streams of HTTP/2 belong to
 * another thread's connection; for long responses the MPM waits without a
 * thread. */
static void spool_send_now(hpm_spool_t *s)
{
    conn_rec *c = s->r->connection;

    APR_BRIGADE_INSERT_TAIL(s->bb, apr_bucket_flush_create(c->bucket_alloc));
    ap_pass_brigade(c->output_filters, s->bb);
    apr_brigade_cleanup(s->bb);
    hpm_keepalive_wait_answered(s->r);
}

static int spool_is_small(const hpm_spool_t *s)
{
    conn_rec *c = s->r->connection;

    return !spool_in_file(s)
           && s->passed_bytes + (apr_off_t)s->held <= SPOOL_SEND_NOW
           && !c->data_in_output_filters && !c->master && !s->r->main;
}

apr_status_t hpm_spool_finish(hpm_spool_t *s)
{
    int small = spool_is_small(s);

    if (spool_in_file(s)) {
        apr_brigade_insert_file(s->bb, s->file, s->head, s->tail - s->head,
                                s->r->pool);
        s->head = s->tail;
    }
    APR_BRIGADE_INSERT_TAIL(
        s->bb, apr_bucket_eos_create(s->r->connection->bucket_alloc));
    s->enough = 1;
    if (hpm_spool_pass(s) == APR_SUCCESS && small) {
        spool_send_now(s);
    }
    return s->rv;
}

void hpm_spool_forget(hpm_spool_t *s)
{
    apr_brigade_cleanup(s->bb);
    s->held = 0;
    s->unflushed = 0;
    if (spool_in_file(s)) {
        spool_rewind_file(s);
    }
}

/* --- holding -------------------------------------------------------------- */

static int spool_fits(const hpm_spool_t *s, apr_size_t len)
{
    return s->limit < 0
           || (!spool_in_file(s)
               && (!s->held || (apr_int64_t)(s->held + len) <= s->limit));
}

/* Wait for the client's socket as long as it is quick. */
static void spool_wait_for_room(hpm_spool_t *s, apr_size_t len)
{
    apr_interval_time_t left;
    apr_time_t begin;
    int writable = 1;

    while (hpm_spool_offer(s) == APR_SUCCESS && !spool_fits(s, len)
           && writable) {
        left = SPOOL_GRACE
               + s->passed_bytes * APR_USEC_PER_SEC / HPM_SPOOL_QUICK
               - s->waited;
        if (left <= 0) {
            return;
        }
        begin = pm_time_now();
        writable = hpm_client_is_writable(s->r->connection, left);
        s->waited += pm_time_now() - begin;
    }
}

/* For the rest of this answer the worker waits for the client. */
static int spool_do_without_file(hpm_spool_t *s, const char *why)
{
    ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, s->r,
                  "%s: the answer to a "
                  "slow client holds its worker: %s",
                  s->r->handler ? s->r->handler : "fcgipm", why);
    s->no_file = 1;
    return 0;
}

/* @return 1: it is in the file */
static int spool_write_file(hpm_spool_t *s, const char *data, apr_size_t len)
{
    struct iovec piece = {(void *)(apr_uintptr_t)data, len};
    pm_reason_t why;

    if (s->no_file) {
        return 0;
    }
    if (s->tail + (apr_off_t)len > HPM_SPOOL_MAX) {
        return spool_do_without_file(s, "it is too long for a temporary file");
    }
    if (!s->file
        && hpm_tempfile_open(&s->file, s->r->pool, &why) != APR_SUCCESS) {
        return spool_do_without_file(s, why.text);
    }
    if (hpm_tempfile_write(s->file, &piece, 1, &why) != APR_SUCCESS) {
        return spool_do_without_file(s, why.text);
    }
    s->tail += (apr_off_t)len;
    return 1;
}

int hpm_spool_add(hpm_spool_t *s, const char *data, apr_size_t len)
{
    s->unflushed = 1;
    if (spool_fits(s, len)) {
        return 1;
    }
    if (!s->blind && !s->whole) {
        spool_wait_for_room(s, len);
    }
    if (spool_fits(s, len)) {
        return 1;
    }
    if (spool_write_file(s, data, len)) {
        return 0;
    }
    s->whole = 0;
    spool_drain(s);
    return 1;
}
