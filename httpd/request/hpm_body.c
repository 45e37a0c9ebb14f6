/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/request/hpm_body.h"

#include "apr_strings.h"
#include "httpd/request/hpm_client.h"
#include "httpd/request/hpm_tempfile.h"
#include "http_log.h"
#include "http_protocol.h"
#include "util_filter.h"

APLOG_USE_MODULE(fcgipm);

/* Bytes asked of the input filters at once; they give what they have. */
#define BODY_READ_SIZE APR_BUCKET_BUFF_SIZE

/* The same for a body that goes to a file: fewer writes. */
#define BODY_FILE_READ_SIZE (16 * BODY_READ_SIZE)

/* Buckets written at once. */
#define BODY_PIECES 32

/* Bytes read from the file at once: two whole records. */
#define BODY_BLOCK_SIZE (2 * PM_FCGI_MAX_LENGTH)

/* Bytes of a streamed body given at once: a whole record. */
#define BODY_STREAM_SIZE PM_FCGI_MAX_LENGTH

/* Bytes in memory for a body that should be streamed and cannot be. */
#define BODY_OFF_LIMIT 65536

/* Bytes of memory to begin with, for a body of unknown length. */
#define BODY_FIRST_SIZE 8192

/* --- keeping ------------------------------------------------------------ */

/* Make room for @a len more bytes, doubling up to @a limit.
 * @return 0: there is none */
static int body_reserve(hpm_body_t *body, apr_size_t len, apr_size_t limit)
{
    apr_size_t size = body->size ? body->size : BODY_FIRST_SIZE;
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

/* Memory is full: the file begins with what is in it. */
static apr_status_t body_open_file(hpm_body_t *body, pm_reason_t *why)
{
    apr_status_t rv = hpm_tempfile_open(&body->file, body->r->pool, why);
    struct iovec v = {body->memory, body->used};

    return rv == APR_SUCCESS && body->used
               ? hpm_tempfile_write(body->file, &v, 1, why)
               : rv;
}

static apr_status_t body_keep(hpm_body_t *body, const struct iovec *v, int n,
                              apr_size_t limit, pm_reason_t *why)
{
    apr_status_t rv;
    int i;

    for (i = 0; i < n && !body->file && body_reserve(body, v[i].iov_len, limit);
         i++) {
        memcpy(body->memory + body->used, v[i].iov_base, v[i].iov_len);
        body->used += v[i].iov_len;
    }
    if (i < n && !body->file) {
        rv = body_open_file(body, why);
        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    return i < n ? hpm_tempfile_write(body->file, v + i, n - i, why)
                 : APR_SUCCESS;
}

/* --- reading from the client -------------------------------------------- */

static int body_refuse(hpm_body_t *body, apr_status_t rv, pm_reason_t *why)
{
    if (rv == AP_FILTER_ERROR) {
        /* the filter has responded already */
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

/* Gather the brigade's first bytes, as many as one write takes, without
 * removing their buckets.  @param stop the first bucket after them */
static apr_status_t body_gather(hpm_body_t *body, struct iovec *v, int *n,
                                apr_bucket **stop)
{
    apr_bucket *b = APR_BRIGADE_FIRST(body->bb);
    const char *data;
    apr_size_t len;
    apr_status_t rv;

    *n = 0;
    for (; b != APR_BRIGADE_SENTINEL(body->bb) && *n < BODY_PIECES;
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
                body->reader.length += (apr_off_t)len;
                ++*n;
            }
        }
    }
    *stop = b;
    return APR_SUCCESS;
}

/* Move the brigade's bytes to memory or the file.
 * @return OK or an HTTP status */
static int body_keep_brigade(hpm_body_t *body, apr_size_t limit,
                             pm_reason_t *why)
{
    struct iovec v[BODY_PIECES];
    apr_bucket *stop;
    apr_status_t rv;
    int n;

    while (!APR_BRIGADE_EMPTY(body->bb)) {
        rv = body_gather(body, v, &n, &stop);
        if (rv != APR_SUCCESS) {
            return body_refuse(body, rv, why);
        }
        if (n && body_keep(body, v, n, limit, why) != APR_SUCCESS) {
            return HTTP_INTERNAL_SERVER_ERROR;
        }
        while (APR_BRIGADE_FIRST(body->bb) != stop) {
            apr_bucket_delete(APR_BRIGADE_FIRST(body->bb));
        }
    }
    return OK;
}

static int body_read_whole(hpm_body_t *body, apr_size_t limit, pm_reason_t *why)
{
    apr_status_t rv;
    int status = OK;

    while (status == OK && !body->eos) {
        rv = ap_get_brigade(
            body->r->input_filters, body->bb, AP_MODE_READBYTES, APR_BLOCK_READ,
            body->file || !limit ? BODY_FILE_READ_SIZE : BODY_READ_SIZE);
        status = rv == APR_SUCCESS ? body_keep_brigade(body, limit, why)
                                   : body_refuse(body, rv, why);
    }
    return status;
}

/* --- giving to the worker ----------------------------------------------- */

static void body_rewind(void *ctx)
{
    hpm_body_t *body = ctx;

    body->at = 0;
}

static apr_status_t body_read_memory(void *ctx, const char **data,
                                     apr_size_t *len)
{
    hpm_body_t *body = ctx;

    *data = body->memory;
    *len = body->used;
    return APR_SUCCESS;
}

static apr_status_t body_read_file(void *ctx, const char **data,
                                   apr_size_t *len)
{
    hpm_body_t *body = ctx;
    ssize_t n =
        hpm_tempfile_read(body->file, body->block, BODY_BLOCK_SIZE, body->at);

    if (n <= 0) {
        body->status = HTTP_INTERNAL_SERVER_ERROR;
        return n < 0 ? APR_FROM_OS_ERROR(errno) : APR_EOF;
    }
    body->at += n;
    *data = body->block;
    *len = (apr_size_t)n;
    return APR_SUCCESS;
}

/* ap_http_filter() sends this by itself only for a read that may block.  It
 * has checked the length by now. */
static void body_send_continue(request_rec *r)
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

/* Get a bucket into bb, without blocking.  A filter that has nothing may
 * return an empty brigade and APR_SUCCESS. */
static apr_status_t body_stream_fill(hpm_body_t *body)
{
    apr_status_t rv;

    if (!APR_BRIGADE_EMPTY(body->bb)) {
        return APR_SUCCESS;
    }
    if (body->eos) {
        return APR_EOF;
    }
    rv = ap_get_brigade(body->r->input_filters, body->bb, AP_MODE_READBYTES,
                        APR_NONBLOCK_READ, BODY_READ_SIZE);
    if (rv == APR_SUCCESS && APR_BRIGADE_EMPTY(body->bb)) {
        rv = APR_EAGAIN;
    }
    if (APR_STATUS_IS_EAGAIN(rv)) {
        body_send_continue(body->r);
    }
    return rv;
}

/* Read the first bucket that has bytes; drop those before it. */
static apr_status_t body_stream_read(hpm_body_t *body, const char **data,
                                     apr_size_t *len)
{
    apr_status_t rv;
    apr_bucket *b;

    for (;;) {
        rv = body_stream_fill(body);
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

/* Copy bytes to the block.  @return 0: the client has sent no more, or rv */
static int body_stream_take(hpm_body_t *body, apr_size_t *used,
                            apr_status_t *rv)
{
    apr_size_t room = BODY_STREAM_SIZE - *used;
    const char *data;
    apr_size_t len;

    *rv = room ? body_stream_read(body, &data, &len) : APR_EAGAIN;
    if (*rv != APR_SUCCESS) {
        return 0;
    }
    if (len > room) {
        apr_bucket_split(APR_BRIGADE_FIRST(body->bb), room);
        len = room;
    }
    memcpy(body->block + *used, data, len);
    apr_bucket_delete(APR_BRIGADE_FIRST(body->bb));
    *used += len;
    return 1;
}

/* A whole record, if the client has sent that much: the filters give small
 * pieces, and each would be a record. */
static apr_status_t body_read_stream(void *ctx, const char **data,
                                     apr_size_t *len)
{
    hpm_body_t *body = ctx;
    apr_status_t rv = body->failed;

    *data = body->block;
    *len = 0;
    while (rv == APR_SUCCESS && body_stream_take(body, len, &rv)) {
    }
    body->at += (apr_off_t)*len;
    /* An input filter may have added bytes. */
    if (body->at > body->reader.length) {
        rv = APR_EGENERAL;
    }
    else if (*len) {
        body->failed = APR_STATUS_IS_EAGAIN(rv) ? APR_SUCCESS : rv;
        return APR_SUCCESS;
    }
    if (APR_STATUS_IS_EAGAIN(rv)) {
        return APR_EAGAIN;
    }
    body_refuse(body, rv, NULL);
    return rv;
}

/* --- the whole ---------------------------------------------------------- */

/* What a request says of its body's length. */
#define BODY_CHUNKED APR_INT64_C(-1)
#define BODY_NONE    APR_INT64_C(-2)

static apr_off_t body_announced_length(const request_rec *r)
{
    const char *len = apr_table_get(r->headers_in, "Content-Length");
    apr_off_t n;
    char *end;

    if (apr_table_get(r->headers_in, "Transfer-Encoding")) {
        return BODY_CHUNKED;
    }
    if (!len) {
        return BODY_NONE;
    }
    /* httpd refuses what is no number before any handler runs. */
    if (apr_strtoff(&n, len, &end, 10) != APR_SUCCESS || *end || n < 0) {
        return BODY_CHUNKED;
    }
    return n;
}

/* A body can be streamed when its length is known and the thread can wait for
 * client and worker at once.  A GET's length may be what an internal redirect
 * has left of a POST whose body has been read. */
static int body_can_stream(const request_rec *r, apr_off_t len)
{
    return len > 0 && r->method_number != M_GET
           && hpm_client_fd(r->connection) >= 0;
}

void hpm_body_init(hpm_body_t *body, request_rec *r)
{
    memset(body, 0, sizeof(*body));
    body->r = r;
    body->status = OK;
    body->reader.ctx = body;
    body->reader.read = body_read_memory;
}

int hpm_body_read(request_rec *r, apr_int64_t limit, hpm_body_t *body,
                  pm_reason_t *why)
{
    apr_off_t len = body_announced_length(r);
    int status;

    hpm_body_init(body, r);
    if (len == BODY_NONE) {
        return OK;
    }
    body->present = 1;
    body->reader.rewind = body_rewind;
    body->bb = apr_brigade_create(r->pool, r->connection->bucket_alloc);
    if (limit < 0 && body_can_stream(r, len)) {
        body->reader.length = len;
        body->reader.read = body_read_stream;
        body->block = apr_palloc(r->pool, BODY_STREAM_SIZE);
        body->reader.rewind = NULL;
        return OK;
    }
    if (limit < 0) {
        limit = BODY_OFF_LIMIT;
    }
    if (len > limit) {
        limit = 0; /* all of it goes to the file */
    }
    else if (len > 0) {
        body->memory = apr_palloc(r->pool, (apr_size_t)len);
        body->size = (apr_size_t)len;
    }
    status = body_read_whole(body, (apr_size_t)limit, why);
    apr_brigade_destroy(body->bb);
    if (status == OK && body->file) {
        body->block = apr_palloc(r->pool, BODY_BLOCK_SIZE);
        body->reader.read = body_read_file;
    }
    return status;
}
