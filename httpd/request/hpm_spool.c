/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/request/hpm_spool.h"

#include <errno.h>

#include "apr_strings.h"
#include "httpd/request/hpm_client.h"
#include "httpd/request/hpm_tempfile.h"
#include "httpd/request/hpm_keepalive_wait.h"
#include "http_log.h"

APLOG_USE_MODULE(fcgipm);

/* Every client is quick for so long. */
#define GRACE apr_time_from_msec(20)

/* Without asking, a stream gets this much of an answer, and after that still
 * pieces of this size: events. */
#define BLIND_FIRST 32768
#define BLIND_EVENT 8192

/* An answer of no more than this goes out as soon as it is whole, if what
 * went before it is out. */
#define SEND_NOW 16384

void hpm_spool_init(hpm_spool_t *s, request_rec *r)
{
    conn_rec *c = r->connection;

    memset(s, 0, sizeof(*s));
    s->r = r;
    s->limit = -1;
    s->bb = apr_brigade_create(r->pool, c->bucket_alloc);
    s->out = apr_brigade_create(r->pool, c->bucket_alloc);
    s->blind = hpm_client_fd(c) < 0;
    s->whole = r->method_number == M_GET
               && apr_table_get(r->headers_in, "Range") != NULL;
}

/* --- down the filters ----------------------------------------------------- */

static apr_status_t failed(hpm_spool_t *s, apr_status_t rv, const char *what)
{
    s->rv = rv;
    return pm_fail_os(&s->why, rv, "%s", what);
}

static apr_status_t pass(hpm_spool_t *s, apr_bucket_brigade *bb)
{
    conn_rec *c = s->r->connection;
    apr_status_t rv = ap_pass_brigade(s->r->output_filters, bb);

    apr_brigade_cleanup(bb);
    s->passed = 1;
    if (rv == APR_SUCCESS && c->aborted) {
        rv = APR_ECONNABORTED;
    }
    return rv == APR_SUCCESS
               ? rv
               : failed(s, rv, "the answer could not be passed on");
}

apr_status_t hpm_spool_pass(hpm_spool_t *s)
{
    s->passed_bytes += (apr_off_t)s->held;
    s->held = 0;
    return pass(s, s->bb);
}

/* From memory. */
static apr_status_t pass_held(hpm_spool_t *s, apr_size_t most)
{
    apr_bucket_brigade *first = s->bb;
    apr_bucket *rest;
    apr_status_t rv;

    if (s->held <= most) {
        return hpm_spool_pass(s);
    }
    rv = apr_brigade_partition(first, (apr_off_t)most, &rest);
    if (rv != APR_SUCCESS) {
        return failed(s, rv, "the answer could not be split");
    }
    s->bb = apr_brigade_split_ex(first, rest, s->out);
    s->out = first;
    s->held -= most;
    s->passed_bytes += (apr_off_t)most;
    return pass(s, first);
}

static int in_file(const hpm_spool_t *s)
{
    return s->head < s->tail;
}

/* All that was in the file is out of it. */
static void rewind_file(hpm_spool_t *s)
{
    apr_off_t at = 0;

    s->head = s->tail = 0;
    (void)apr_file_seek(s->file, APR_SET, &at);
    (void)apr_file_trunc(s->file, 0);
}

static apr_status_t pass_filed(hpm_spool_t *s, apr_size_t most)
{
    apr_bucket_alloc_t *list = s->r->connection->bucket_alloc;
    apr_size_t len = s->tail - s->head < (apr_off_t)most
                         ? (apr_size_t)(s->tail - s->head)
                         : most;
    char *data = apr_bucket_alloc(len, list);
    ssize_t n = hpm_tempfile_read(s->file, data, len, s->head);

    if (n <= 0) {
        apr_bucket_free(data);
        return failed(s, n < 0 ? APR_FROM_OS_ERROR(errno) : APR_EOF,
                      "cannot read from a temporary file");
    }
    s->head += n;
    s->passed_bytes += n;
    APR_BRIGADE_INSERT_TAIL(
        s->out,
        apr_bucket_heap_create(data, (apr_size_t)n, apr_bucket_free, list));
    if (!in_file(s)) {
        rewind_file(s);
    }
    return pass(s, s->out);
}

static apr_status_t pass_some(hpm_spool_t *s, apr_size_t most)
{
    return s->held ? pass_held(s, most) : pass_filed(s, most);
}

static int holds(const hpm_spool_t *s)
{
    return s->held || in_file(s);
}

/* Everything, waiting for the client. */
static apr_status_t drain(hpm_spool_t *s)
{
    while (s->rv == APR_SUCCESS && holds(s)) {
        pass_some(s, HPM_CLIENT_PASS);
    }
    return s->rv;
}

/* Out of the filters, whatever is in there. */
static apr_status_t flush(hpm_spool_t *s)
{
    APR_BRIGADE_INSERT_TAIL(
        s->bb, apr_bucket_flush_create(s->r->connection->bucket_alloc));
    s->unflushed = 0;
    return hpm_spool_pass(s);
}

apr_status_t hpm_spool_offer(hpm_spool_t *s)
{
    if (s->limit < 0) {
        return drain(s);
    }
    while (s->rv == APR_SUCCESS && !s->whole && !s->blind && holds(s)
           && hpm_client_push(s->r->connection)) {
        pass_some(s, HPM_CLIENT_PASS);
    }
    return s->rv;
}

/* Would passing on all of it surely not be for long? */
static int blind_will_do(const hpm_spool_t *s)
{
    return !in_file(s)
           && (s->held <= BLIND_EVENT
               || s->passed_bytes + (apr_off_t)s->held <= BLIND_FIRST);
}

static int may_flush(const hpm_spool_t *s)
{
    conn_rec *c = s->r->connection;

    return s->limit < 0
           || (s->blind ? blind_will_do(s)
                        : !holds(s) && hpm_client_push(c)
                              && hpm_client_writable(c, 0));
}

apr_status_t hpm_spool_pause(hpm_spool_t *s)
{
    hpm_spool_offer(s);
    if (s->rv == APR_SUCCESS && s->unflushed && !s->whole && may_flush(s)) {
        flush(s);
    }
    return s->rv;
}

int hpm_spool_wants_room(const hpm_spool_t *s)
{
    return !s->whole && !s->blind
           && (s->unflushed || holds(s)
               || s->r->connection->data_in_output_filters);
}

/* The core output filter would keep the answer until the request has been
 * logged and cleaned up, and then the MPM hands the connection to its
 * listener.  A client that has its answer before that is often so quick with
 * its next request that the thread finds it there and goes on.  Not for
 * streams of HTTP/2, whose connection is another's, and not for long answers,
 * which the MPM can wait for without a thread. */
static void send_now(hpm_spool_t *s)
{
    conn_rec *c = s->r->connection;

    APR_BRIGADE_INSERT_TAIL(s->bb, apr_bucket_flush_create(c->bucket_alloc));
    ap_pass_brigade(c->output_filters, s->bb);
    apr_brigade_cleanup(s->bb);
    hpm_keepalive_wait_answered(s->r);
}

static int is_small(const hpm_spool_t *s)
{
    conn_rec *c = s->r->connection;

    return !in_file(s) && s->passed_bytes + (apr_off_t)s->held <= SEND_NOW
           && !c->data_in_output_filters && !c->master && !s->r->main;
}

apr_status_t hpm_spool_finish(hpm_spool_t *s)
{
    int small = is_small(s);

    if (s->rv != APR_SUCCESS) {
        return s->rv;
    }
    if (in_file(s)) {
        apr_brigade_insert_file(s->bb, s->file, s->head, s->tail - s->head,
                                s->r->pool);
        s->head = s->tail;
    }
    APR_BRIGADE_INSERT_TAIL(
        s->bb, apr_bucket_eos_create(s->r->connection->bucket_alloc));
    if (hpm_spool_pass(s) == APR_SUCCESS && small) {
        send_now(s);
    }
    return s->rv;
}

void hpm_spool_forget(hpm_spool_t *s)
{
    apr_brigade_cleanup(s->bb);
    s->held = 0;
    s->unflushed = 0;
    if (in_file(s)) {
        rewind_file(s);
    }
}

/* --- holding -------------------------------------------------------------- */

static int fits(const hpm_spool_t *s, apr_size_t len)
{
    return s->limit < 0
           || (!in_file(s)
               && (!s->held || (apr_int64_t)(s->held + len) <= s->limit));
}

/* As long as the client is quick, wait for its socket. */
static void wait_for_room(hpm_spool_t *s, apr_size_t len)
{
    apr_interval_time_t left;
    apr_time_t begin;
    int writable = 1;

    while (hpm_spool_offer(s) == APR_SUCCESS && !fits(s, len) && writable) {
        left = GRACE + s->passed_bytes * APR_USEC_PER_SEC / HPM_SPOOL_QUICK
               - s->waited;
        if (left <= 0) {
            return;
        }
        begin = pm_time_now();
        writable = hpm_client_writable(s->r->connection, left);
        s->waited += pm_time_now() - begin;
    }
}

/* Never again in this answer: the worker waits for the client. */
static int without_file(hpm_spool_t *s, const char *why)
{
    ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, s->r,
                  "%s: the answer to a "
                  "slow client holds its worker: %s",
                  s->r->handler ? s->r->handler : "fcgipm", why);
    s->no_file = 1;
    return 0;
}

/* @return 1: it is in the file */
static int write_file(hpm_spool_t *s, const char *data, apr_size_t len)
{
    struct iovec piece = {(void *)(apr_uintptr_t)data, len};
    pm_reason_t why;

    if (s->no_file) {
        return 0;
    }
    if (s->tail + (apr_off_t)len > HPM_SPOOL_MAX) {
        return without_file(s, "it is too long for a temporary file");
    }
    if (!s->file
        && hpm_tempfile_open(&s->file, s->r->pool, &why) != APR_SUCCESS) {
        return without_file(s, why.text);
    }
    if (hpm_tempfile_write(s->file, &piece, 1, &why) != APR_SUCCESS) {
        return without_file(s, why.text);
    }
    s->tail += (apr_off_t)len;
    return 1;
}

int hpm_spool_add(hpm_spool_t *s, const char *data, apr_size_t len)
{
    s->unflushed = 1;
    if (fits(s, len)) {
        return 1;
    }
    if (!s->blind && !s->whole) {
        wait_for_room(s, len);
    }
    if (fits(s, len)) {
        return 1;
    }
    if (write_file(s, data, len)) {
        return 0;
    }
    s->whole = 0;
    drain(s);
    return 1;
}
