/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/request/hpm_body.h"

#include "apr_strings.h"
#include "httpd/request/hpm_client.h"
#include "httpd/request/hpm_tempfile.h"
#include "http_log.h"
#include "http_protocol.h"
#include "util_filter.h"

APLOG_USE_MODULE(fcgipm);

/* Asked of the input filters at once; they give what they have. */
#define READ_SIZE APR_BUCKET_BUFF_SIZE

/* The same for a file, to which many small writes are dear. */
#define FILE_READ_SIZE (16 * READ_SIZE)

/* Buckets that one write takes. */
#define PIECES 32

/* Read from the file at once: two whole records. */
#define BLOCK_SIZE (2 * HPM_CONTENT_MAX)

/* Memory for a body that is to be streamed and cannot be. */
#define OFF_LIMIT 65536

/* Memory to begin with when nobody said how much will come. */
#define FIRST_SIZE 8192

/* --- keeping ------------------------------------------------------------ */

/* Room for @a len more bytes, doubling up to @a limit. @return 0: there is
 * none */
static int reserve(hpm_body_t *body, apr_size_t len, apr_size_t limit)
{
    apr_size_t size = body->size ? body->size : FIRST_SIZE;
    char *memory;

    if (len > limit - body->used) {
        return 0;
    }
    while (size < body->used + len) {
        size *= 2;
    }
    if (size > limit) {
        size = limit;
    }
    if (size > body->size) {
        memory = apr_palloc(body->r->pool, size);
        if (body->used) {
            memcpy(memory, body->memory, body->used);
        }
        body->memory = memory;
        body->size = size;
    }
    return 1;
}

/* Memory is full: from now on all goes to a file. */
static apr_status_t open_file(hpm_body_t *body, pm_reason_t *why)
{
    apr_status_t rv = hpm_tempfile_open(&body->file, body->r->pool, why);
    struct iovec v = {body->memory, body->used};

    return rv == APR_SUCCESS && body->used
               ? hpm_tempfile_write(body->file, &v, 1, why)
               : rv;
}

static apr_status_t keep(hpm_body_t *body, const struct iovec *v, int n,
                         apr_size_t limit, pm_reason_t *why)
{
    apr_status_t rv;
    int i;

    for (i = 0; i < n && !body->file && reserve(body, v[i].iov_len, limit);
         i++) {
        memcpy(body->memory + body->used, v[i].iov_base, v[i].iov_len);
        body->used += v[i].iov_len;
    }
    if (i < n && !body->file) {
        rv = open_file(body, why);
        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    return i < n ? hpm_tempfile_write(body->file, v + i, n - i, why)
                 : APR_SUCCESS;
}

/* --- reading from the client -------------------------------------------- */

static int refuse(hpm_body_t *body, apr_status_t rv, pm_reason_t *why)
{
    if (rv == AP_FILTER_ERROR) {
        /* Which has answered already. */
        pm_fail(why, rv, "the request's body was refused by a filter");
    }
    else {
        pm_fail_os(why, rv, "the request's body could not be read");
    }
    body->status = APR_STATUS_IS_TIMEUP(rv)
                       ? HTTP_REQUEST_TIME_OUT
                       : ap_map_http_request_error(rv, HTTP_BAD_REQUEST);
    return body->status;
}

/* The bytes at a brigade's begin, as many as one write takes; their buckets
 * remain.  @param stop the first bucket after them */
static apr_status_t gather(hpm_body_t *body, struct iovec *v, int *n,
                           apr_bucket **stop)
{
    apr_bucket *b = APR_BRIGADE_FIRST(body->bb);
    const char *data;
    apr_size_t len;
    apr_status_t rv;

    *n = 0;
    for (; b != APR_BRIGADE_SENTINEL(body->bb) && *n < PIECES;
         b = APR_BUCKET_NEXT(b)) {
        if (APR_BUCKET_IS_EOS(b)) {
            body->eos = 1;
        }
        else if (!APR_BUCKET_IS_METADATA(b)) {
            rv = apr_bucket_read(b, &data, &len, APR_BLOCK_READ);
            if (rv != APR_SUCCESS) {
                return rv;
            }
            if (len) {
                v[*n].iov_base = (void *)(apr_uintptr_t)data;
                v[*n].iov_len = len;
                body->source.length += (apr_off_t)len;
                ++*n;
            }
        }
    }
    *stop = b;
    return APR_SUCCESS;
}

/* Keep a brigade's bytes.  @return OK or an HTTP status */
static int keep_brigade(hpm_body_t *body, apr_size_t limit, pm_reason_t *why)
{
    struct iovec v[PIECES];
    apr_bucket *stop;
    apr_status_t rv;
    int n;

    while (!APR_BRIGADE_EMPTY(body->bb)) {
        rv = gather(body, v, &n, &stop);
        if (rv != APR_SUCCESS) {
            return refuse(body, rv, why);
        }
        if (n && keep(body, v, n, limit, why) != APR_SUCCESS) {
            return HTTP_INTERNAL_SERVER_ERROR;
        }
        while (APR_BRIGADE_FIRST(body->bb) != stop) {
            apr_bucket_delete(APR_BRIGADE_FIRST(body->bb));
        }
    }
    return OK;
}

static int read_whole(hpm_body_t *body, apr_size_t limit, pm_reason_t *why)
{
    apr_status_t rv;
    int status = OK;

    while (status == OK && !body->eos) {
        rv = ap_get_brigade(body->r->input_filters, body->bb, AP_MODE_READBYTES,
                            APR_BLOCK_READ,
                            body->file || !limit ? FILE_READ_SIZE : READ_SIZE);
        status = rv == APR_SUCCESS ? keep_brigade(body, limit, why)
                                   : refuse(body, rv, why);
    }
    return status;
}

/* --- giving to the worker ----------------------------------------------- */

static apr_status_t next_memory(void *ctx, const char **data, apr_size_t *len)
{
    hpm_body_t *body = ctx;

    *data = body->memory;
    *len = body->used;
    return APR_SUCCESS;
}

static apr_status_t next_file(void *ctx, const char **data, apr_size_t *len)
{
    hpm_body_t *body = ctx;
    ssize_t n =
        hpm_tempfile_read(body->file, body->block, BLOCK_SIZE, body->at);

    if (n <= 0) {
        body->status = HTTP_INTERNAL_SERVER_ERROR;
        return n < 0 ? APR_FROM_OS_ERROR(errno) : APR_EOF;
    }
    body->at += n;
    *data = body->block;
    *len = (apr_size_t)n;
    return APR_SUCCESS;
}

/* httpd does this by itself only when a read may wait; see ap_http_filter(),
 * which has found nothing wrong with the length by now. */
static void send_continue(request_rec *r)
{
    int status = r->status;
    const char *line = r->status_line;

    if (r->expecting_100 && r->proto_num >= HTTP_VERSION(1, 1) && !r->bytes_sent
        && ap_is_HTTP_SUCCESS(status)) {
        r->status = HTTP_CONTINUE;
        r->status_line = NULL;
        ap_send_interim_response(r, 0);
        r->status = status;
        r->status_line = line;
    }
}

/* See to it that there is a bucket, without waiting.  A success that brings
 * none is a filter's way to say that there is nothing. */
static apr_status_t stream_fill(hpm_body_t *body)
{
    apr_status_t rv;

    if (!APR_BRIGADE_EMPTY(body->bb)) {
        return APR_SUCCESS;
    }
    if (body->eos) {
        return APR_EOF;
    }
    rv = ap_get_brigade(body->r->input_filters, body->bb, AP_MODE_READBYTES,
                        APR_NONBLOCK_READ, READ_SIZE);
    if (rv == APR_SUCCESS && APR_BRIGADE_EMPTY(body->bb)) {
        rv = APR_EAGAIN;
    }
    if (APR_STATUS_IS_EAGAIN(rv)) {
        send_continue(body->r);
    }
    return rv;
}

/* The first bucket with bytes in it; those before it are gone. */
static apr_status_t stream_read(hpm_body_t *body, const char **data,
                                apr_size_t *len)
{
    apr_status_t rv;
    apr_bucket *b;

    for (;;) {
        rv = stream_fill(body);
        if (rv != APR_SUCCESS) {
            return rv;
        }
        b = APR_BRIGADE_FIRST(body->bb);
        if (APR_BUCKET_IS_EOS(b)) {
            body->eos = 1;
        }
        else if (!APR_BUCKET_IS_METADATA(b)) {
            rv = apr_bucket_read(b, data, len, APR_NONBLOCK_READ);
            if (rv != APR_SUCCESS || *len) {
                return rv;
            }
        }
        apr_bucket_delete(b);
    }
}

/* The first bucket in bb is the piece given last, if that was given. */
static apr_status_t next_stream(void *ctx, const char **data, apr_size_t *len)
{
    hpm_body_t *body = ctx;
    apr_status_t rv;

    if (body->given) {
        apr_bucket_delete(APR_BRIGADE_FIRST(body->bb));
        body->given = 0;
    }
    rv = stream_read(body, data, len);
    if (APR_STATUS_IS_EAGAIN(rv)) {
        return APR_EAGAIN;
    }
    if (rv == APR_SUCCESS) {
        body->given = 1;
        body->at += (apr_off_t)*len;
        /* An input filter can make more of it than was announced. */
        if (body->at > body->source.length) {
            rv = APR_EGENERAL;
        }
    }
    if (rv != APR_SUCCESS) {
        refuse(body, rv, NULL);
    }
    return rv;
}

/* --- the whole ---------------------------------------------------------- */

/* What a request says of its body's length. */
#define CHUNKED APR_INT64_C(-1)
#define NO_BODY APR_INT64_C(-2)

static apr_off_t announced(const request_rec *r)
{
    const char *len = apr_table_get(r->headers_in, "Content-Length");
    apr_off_t n;
    char *end;

    if (apr_table_get(r->headers_in, "Transfer-Encoding")) {
        return CHUNKED;
    }
    if (!len) {
        return NO_BODY;
    }
    /* httpd has refused what is not a number already. */
    if (apr_strtoff(&n, len, &end, 10) != APR_SUCCESS || *end || n < 0) {
        return CHUNKED;
    }
    return n;
}

/* A body may be streamed when its length is sure, and when the client and the
 * worker can be waited for at once.  That of a GET can be what an internal
 * redirect has left of a POST whose body is gone. */
static int can_stream(const request_rec *r, apr_off_t len)
{
    return len > 0 && r->method_number != M_GET
           && hpm_client_fd(r->connection) >= 0;
}

int hpm_body_read(request_rec *r, apr_int64_t limit, hpm_body_t *body,
                  pm_reason_t *why)
{
    apr_off_t len = announced(r);
    int status;

    memset(body, 0, sizeof(*body));
    body->r = r;
    body->status = OK;
    body->source.ctx = body;
    body->source.next = next_memory;
    body->present = len != NO_BODY;
    if (!body->present) {
        return OK;
    }
    body->bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    if (limit < 0 && can_stream(r, len)) {
        body->streamed = 1;
        body->source.length = len;
        body->source.next = next_stream;
        return OK;
    }
    if (limit < 0) {
        limit = OFF_LIMIT;
    }
    if (len > limit) {
        limit = 0; /* a file it will be, and from the beginning */
    }
    else if (len > 0) {
        body->memory = apr_palloc(r->pool, (apr_size_t)len);
        body->size = (apr_size_t)len;
    }
    status = read_whole(body, (apr_size_t)limit, why);
    apr_brigade_destroy(body->bb);
    if (status == OK && body->file) {
        body->block = apr_palloc(r->pool, BLOCK_SIZE);
        body->source.next = next_file;
    }
    return status;
}

int hpm_body_rewind(hpm_body_t *body)
{
    if (body->streamed) {
        return 0;
    }
    body->at = 0;
    return 1;
}
