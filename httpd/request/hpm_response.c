/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/request/hpm_response.h"

#include <stddef.h>
#include <sys/socket.h>

#include "apr_lib.h"
#include "apr_portable.h"
#include "apr_strings.h"
#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"
#include "httpd/request/hpm_sendfile.h"
#include "pm_core/ipc/pm_wakeup.h"
#include "pm_core/os/pm_logfile.h"
#include "util_script.h"

APLOG_USE_MODULE(fcgipm);

/* One recv(), and not more than can be passed on at once.  With what the
 * allocator adds it is a whole number of pages, so that it comes from the
 * free list of the connection's allocator. */
#define BUFFER_SIZE (15 * 4096 - 128)

/* What is left of a buffer is used when it is at least this. */
#define BUFFER_MIN (BUFFER_SIZE / 2)

/* As much is passed on without a pause of the worker. */
#define PASS_SIZE (BUFFER_SIZE / 2)

/* Pieces shorter than this are moved together: a bucket costs more. */
#define MOVE_MAX 1024

static void broken(hpm_response_t *a, const char *fmt, ...) PM_PRINTF(2, 3);
static void broken(hpm_response_t *a, const char *fmt, ...)
{
    va_list ap;

    a->stage = HPM_RESPONSE_BROKEN;
    va_start(ap, fmt);
    apr_vsnprintf(a->why.text, sizeof(a->why.text), fmt, ap);
    va_end(ap);
}

/* --- buckets over the receive buffer ------------------------------------ */

/* Like heap buckets, but for one thing: apr_brigade_write() of any filter
 * appends to the memory behind a heap bucket, and there stands what was
 * received after it. */
typedef struct shared {
    apr_bucket_refcount refcount;
    char *base;
} shared_t;

static void shared_destroy(void *data)
{
    shared_t *s = data;

    if (apr_bucket_shared_destroy(s)) {
        apr_bucket_free(s->base);
        apr_bucket_free(s);
    }
}

static apr_status_t shared_read(apr_bucket *b, const char **data,
                                apr_size_t *len, apr_read_type_e block)
{
    shared_t *s = b->data;

    (void)block;
    *data = s->base + b->start;
    *len = b->length;
    return APR_SUCCESS;
}

static const apr_bucket_type_t shared_type = {"FCGIPM",
                                              5,
                                              APR_BUCKET_DATA,
                                              shared_destroy,
                                              shared_read,
                                              apr_bucket_setaside_noop,
                                              apr_bucket_shared_split,
                                              apr_bucket_shared_copy};

static apr_bucket *shared_create(apr_size_t size, apr_bucket_alloc_t *list)
{
    shared_t *s = apr_bucket_alloc(sizeof(*s), list);
    apr_bucket *b = apr_bucket_alloc(sizeof(*b), list);

    APR_BUCKET_INIT(b);
    b->free = apr_bucket_free;
    b->list = list;
    s->base = apr_bucket_alloc(size, list);
    b = apr_bucket_shared_make(b, s, 0, size);
    b->type = &shared_type;
    return b;
}

static int shared_alone(const apr_bucket *b)
{
    const shared_t *s = b->data;

    return s->refcount.refcount == 1;
}

/* --- down the filters --------------------------------------------------- */

/* What the spool says. */
static void settle(hpm_response_t *a, apr_status_t rv)
{
    if (rv != APR_SUCCESS) {
        a->why = a->spool.why;
        a->status = a->r->connection->aborted ? OK : AP_FILTER_ERROR;
        a->stage = HPM_RESPONSE_GONE;
    }
}

/* hpm_buffer_t: all that was received before has been dealt with. */
static char *get_buffer(void *ctx, apr_size_t *size)
{
    hpm_response_t *a = ctx;

    if (a->stage == HPM_RESPONSE_BODY && a->spool.held >= PASS_SIZE) {
        settle(a, hpm_spool_offer(&a->spool));
    }
    if (a->hold && shared_alone(a->hold)) {
        a->fill = 0;
    }
    else if (a->hold && BUFFER_SIZE - a->fill < BUFFER_MIN) {
        apr_bucket_destroy(a->hold);
        a->hold = NULL;
    }
    if (!a->hold) {
        a->hold = shared_create(BUFFER_SIZE, a->r->connection->bucket_alloc);
        a->base = ((shared_t *)a->hold->data)->base;
        a->fill = 0;
    }
    *size = BUFFER_SIZE - a->fill;
    return a->base + a->fill;
}

/* Behind the last bucket, when that is ours and in the same buffer. */
static int move_up(hpm_response_t *a, const char *span, apr_size_t len)
{
    apr_bucket *b = APR_BRIGADE_LAST(a->spool.bb);

    if (len >= MOVE_MAX || APR_BRIGADE_EMPTY(a->spool.bb)
        || b->data != a->hold->data) {
        return 0;
    }
    memmove(a->base + b->start + b->length, span, len);
    b->length += len;
    a->fill = (apr_size_t)b->start + b->length;
    return 1;
}

static void add_body(hpm_response_t *a, const char *span, apr_size_t len)
{
    apr_bucket *b;

    if (a->length >= 0) {
        /* More than was announced would be taken for the next response. */
        if ((apr_off_t)len > a->left) {
            len = (apr_size_t)a->left;
        }
        a->left -= (apr_off_t)len;
    }
    if (!len) {
        return;
    }
    if (!hpm_spool_add(&a->spool, span, len)) {
        return;
    }
    a->spool.held += len;
    if (move_up(a, span, len)) {
        return;
    }
    apr_bucket_copy(a->hold, &b);
    b->start = span - a->base;
    b->length = len;
    a->fill = (apr_size_t)b->start + len;
    APR_BRIGADE_INSERT_TAIL(a->spool.bb, b);
}

/* --- the header: collecting --------------------------------------------- */

/* @param from where to begin looking
 * @return the length with its empty line, 0 when that is not there yet */
static apr_size_t head_end(const char *head, apr_size_t len, apr_size_t from)
{
    const char *end = head + len;
    const char *nl = head + from;

    if (!from && len
        && (head[0] == '\n'
            || (len > 1 && head[0] == '\r' && head[1] == '\n'))) {
        return head[0] == '\n' ? 1 : 2;
    }
    while ((nl = memchr(nl, '\n', (apr_size_t)(end - nl)))) {
        nl++;
        if (nl < end && *nl == '\n') {
            return (apr_size_t)(nl + 1 - head);
        }
        if (end - nl > 1 && nl[0] == '\r' && nl[1] == '\n') {
            return (apr_size_t)(nl + 2 - head);
        }
    }
    return 0;
}

/* Put a piece behind those that were there before.  @return how much of it
 * was taken */
static apr_size_t collect(hpm_response_t *a, const char *span, apr_size_t len)
{
    apr_size_t size = a->head_size ? a->head_size : 2048;
    char *head;

    if (len > HPM_HEAD_MAX - a->head_len) {
        len = HPM_HEAD_MAX - a->head_len;
    }
    while (size < a->head_len + len) {
        size *= 2;
    }
    if (size > a->head_size) {
        head = apr_palloc(a->r->pool, size);
        if (a->head_len) {
            memcpy(head, a->head, a->head_len);
        }
        a->head = head;
        a->head_size = size;
    }
    memcpy(a->head + a->head_len, span, len);
    a->head_len += len;
    return len;
}

/* --- the header: checking ----------------------------------------------- */

/* A line of it, without its end. */
typedef struct line {
    const char *text;
    apr_size_t len;
    apr_size_t name_len;
    const char *value; /* after the colon and blanks; ends with the line */
} line_t;

static int is_name(const line_t *l, const char *name)
{
    return l->name_len == strlen(name)
           && !ap_cstr_casecmpn(l->text, name, l->name_len);
}

/* Take the next line; the header ends with an empty one, and has no NUL.
 * @return 0 when that is reached or the line is none */
static int next_line(hpm_response_t *a, const char **at, line_t *l)
{
    const char *stop;

    if (**at == '\n' || (**at == '\r' && (*at)[1] == '\n')) {
        return 0;
    }
    l->text = *at;
    l->len = strcspn(*at, "\r\n");
    stop = ap_scan_http_token(*at);
    l->name_len = (apr_size_t)(stop - *at);
    if (*stop != ':' || !l->name_len) {
        broken(a,
               strncmp(*at, "HTTP/", 5)
                   ? "the worker's header has a line that is none: \"%.*s\""
                   : "the worker's answer begins with a status line, "
                     "where a header belongs: \"%.*s\"",
               (int)(l->len < 60 ? l->len : 60), l->text);
        return 0;
    }
    l->value = stop + 1 + strspn(stop + 1, " \t");
    stop = ap_scan_http_field_content(l->value);
    if (*stop != '\n' && !(stop[0] == '\r' && stop[1] == '\n')) {
        broken(a, "the worker's header %.*s has a control character",
               (int)(l->name_len < 60 ? l->name_len : 60), l->text);
        return 0;
    }
    *at = strchr(stop, '\n') + 1;
    return 1;
}

static void check_status(hpm_response_t *a, const line_t *l)
{
    const char *v = l->value;

    if (v[0] < '2' || v[0] > '5' || !apr_isdigit(v[1]) || !apr_isdigit(v[2])
        || apr_isdigit(v[3])) {
        broken(a, "the worker's header has a wrong Status: \"%.*s\"",
               (int)strcspn(v, "\r\n"), v);
    }
}

/* It is ours to check that it is true, so httpd need not distrust it. */
static void check_length(hpm_response_t *a, const line_t *l)
{
    apr_off_t n;
    char *end;
    apr_status_t rv = apr_strtoff(&n, l->value, &end, 10);

    end += strspn(end, " \t");
    if (rv != APR_SUCCESS || !apr_isdigit(l->value[0])
        || (*end != '\r' && *end != '\n')
        || (a->length >= 0 && a->length != n)) {
        broken(a, "the worker's header has a wrong Content-Length: \"%.*s\"",
               (int)strcspn(l->value, "\r\n"), l->value);
        return;
    }
    a->length = a->left = n;
}

/* Is every line one?  @param longest the length of the longest */
static int check_head(hpm_response_t *a, const char *head, apr_size_t len,
                      apr_size_t *longest)
{
    const char *at = head;
    line_t l;

    if (memchr(head, '\0', len)) {
        broken(a, "the worker's header has a NUL");
        return 0;
    }
    *longest = 0;
    while (a->stage == HPM_RESPONSE_HEAD && next_line(a, &at, &l)) {
        if (l.len > *longest) {
            *longest = l.len;
        }
        if (is_name(&l, "Status")) {
            check_status(a, &l);
        }
        else if (is_name(&l, "Content-Length")) {
            check_length(a, &l);
        }
        else if (is_name(&l, HPM_SENDFILE_HEADER)) {
            a->names_file = 1;
        }
    }
    return a->stage == HPM_RESPONSE_HEAD;
}

/* --- the header: to httpd ----------------------------------------------- */

/* What lines_gets() reads from. */
typedef struct lines {
    hpm_response_t *a;
    const char *at;
    const char *own;     /* our memory for a line, and its size: a line of */
    apr_size_t own_size; /* 64K is more than httpd has room for */
} lines_t;

/* Length and encoding of the body are between us and httpd. */
static int is_framing(const line_t *l)
{
    return is_name(l, "Content-Length") || is_name(l, "Transfer-Encoding");
}

static int lines_gets(char *w, int len, void *ctx)
{
    lines_t *lines = ctx;
    apr_size_t size = w == lines->own ? lines->own_size : (apr_size_t)len;
    line_t l;

    do {
        if (!next_line(lines->a, &lines->at, &l)) {
            apr_cpystrn(w, "\n", size);
            return 1;
        }
    } while (is_framing(&l));
    apr_cpystrn(w, l.text, l.len + 1 < size ? l.len + 1 : size);
    return 1;
}

/* @return OK, or what httpd makes of it: 304, 412, 500 */
static int scan_head(hpm_response_t *a, const char *head, apr_size_t longest)
{
    request_rec *r = a->r;
    apr_size_t size = longest + 2;
    char *line = apr_palloc(r->pool, size);
    lines_t lines = {a, head, line, size};
    int no_local_copy = r->no_local_copy;
    int rv;

    if (!apr_is_empty_table(r->err_headers_out)) {
        a->err_headers = apr_table_clone(r->pool, r->err_headers_out);
    }
    /* What the client has is compared with the file, if there is one. */
    r->no_local_copy |= a->names_file;
    rv = ap_scan_script_header_err_core_ex(r, line, lines_gets, &lines,
                                           APLOG_MODULE_INDEX);
    r->no_local_copy = no_local_copy;
    if (a->names_file) {
        a->file = hpm_sendfile_take(r, a->pool);
    }
    return rv;
}

static int has_no_body(int status)
{
    return status == HTTP_NO_CONTENT || status == HTTP_NOT_MODIFIED;
}

/* What the header says is to be done. */
static void take_head(hpm_response_t *a, const char *head, apr_size_t len)
{
    request_rec *r = a->r;
    apr_size_t longest;
    const char *location;
    int rv;

    if (!check_head(a, head, len, &longest)) {
        return;
    }
    rv = scan_head(a, head, longest);
    location = apr_table_get(r->headers_out, "Location");
    if (rv == HTTP_INTERNAL_SERVER_ERROR) {
        broken(a, "httpd did not take the worker's header");
    }
    else if (rv == HTTP_NOT_MODIFIED) {
        /* Not an error, else a cache that asked would be passed by. */
        r->status = rv;
        a->status = OK;
        a->stage = HPM_RESPONSE_SILENCE;
    }
    else if (rv != OK) {
        a->status = rv;
        a->stage = HPM_RESPONSE_SILENCE;
    }
    else if (location && r->status == HTTP_OK) {
        a->location = location;
        a->status = HTTP_MOVED_TEMPORARILY;
        a->stage =
            location[0] == '/' ? HPM_RESPONSE_REDIRECT : HPM_RESPONSE_SILENCE;
    }
    else if (a->file) {
        a->stage = HPM_RESPONSE_FILE;
    }
    else {
        if (a->length >= 0 && !has_no_body(r->status)) {
            ap_set_content_length(r, a->length);
        }
        hpm_spool_head(&a->spool);
        a->stage = HPM_RESPONSE_BODY;
    }
}

/* A piece of the header.  @return how much of it that was */
static apr_size_t add_head(hpm_response_t *a, const char *span, apr_size_t len)
{
    apr_size_t before = a->head_len;
    apr_size_t end;

    if (!before && (end = head_end(span, len, 0)) && end <= HPM_HEAD_MAX) {
        /* All at once: it is looked at where it lies. */
        take_head(a, span, end);
        return end;
    }
    len = collect(a, span, len);
    /* The empty line's first two bytes can be here already. */
    end = head_end(a->head, a->head_len, before > 2 ? before - 2 : 0);
    if (end) {
        take_head(a, a->head, end);
        return end - before;
    }
    if (a->head_len == HPM_HEAD_MAX) {
        broken(a, "the worker's header does not end within %d bytes",
               HPM_HEAD_MAX);
    }
    return len;
}

/* --- STDERR ------------------------------------------------------------- */

static void put_line(hpm_response_t *a, const char *line)
{
    char who[80], pid[24] = "";
    char buf[PM_LINES_FITS];

    if (a->spent.worker) {
        apr_snprintf(pid, sizeof(pid), "pid %" APR_PID_T_FMT, a->spent.worker);
    }
    apr_snprintf(who, sizeof(who), "%s%sclient %s", pid, *pid ? " " : "",
                 a->r->useragent_ip);
    if (!pm_logfile_write(a->said.fd, a->pool, who, line)) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, a->r, "pool %s: %s%s%s",
                      a->pool, pid, *pid ? ": " : "",
                      pm_lines_fit(buf, sizeof(buf), line));
    }
}

static void log_line(void *ctx, const char *line)
{
    hpm_response_t *a = ctx;
    const hpm_response_stderr_t *said = &a->said;

    switch (said->quota
                ? pm_log_ratelimit_take(said->quota, said->limit, pm_time_now())
                : PM_LOG_RATELIMIT_PASS) {
    case PM_LOG_RATELIMIT_PASS:
        put_line(a, line);
        break;
    case PM_LOG_RATELIMIT_FIRST:
        pm_wakeup_send(said->bell, said->slot);
        break;
    case PM_LOG_RATELIMIT_DROP:
        break;
    }
}

void hpm_response_stderr(hpm_response_t *a, const char *span, apr_size_t len)
{
    pm_lines_feed(&a->lines, span, len, log_line, a);
}

/* --- the answer --------------------------------------------------------- */

void hpm_response_init(hpm_response_t *a, request_rec *r, const char *pool)
{
    memset(a, 0, offsetof(hpm_response_t, lines.text));
    a->stage = HPM_RESPONSE_HEAD;
    a->status = OK;
    a->buffer.get = get_buffer;
    a->buffer.ctx = a;
    a->r = r;
    a->pool = pool;
    a->length = -1;
    a->said.fd = -1;
    hpm_spool_init(&a->spool, r);
}

void hpm_response_stdout(hpm_response_t *a, const char *span, apr_size_t len)
{
    apr_size_t n;

    if (a->stage == HPM_RESPONSE_HEAD) {
        n = add_head(a, span, len);
        span += n;
        len -= n;
    }
    if (a->stage == HPM_RESPONSE_BODY && len && !has_no_body(a->r->status)) {
        add_body(a, span, len);
        settle(a, a->spool.rv);
    }
}

void hpm_response_pause(hpm_response_t *a)
{
    if (a->stage == HPM_RESPONSE_BODY) {
        settle(a, hpm_spool_pause(&a->spool));
    }
}

int hpm_response_whole(hpm_response_t *a)
{
    if (a->stage == HPM_RESPONSE_HEAD) {
        pm_fail(&a->why, APR_EGENERAL,
                a->head_len ? "the worker's header has no end"
                            : "the worker's answer is empty");
        return 0;
    }
    if (a->stage == HPM_RESPONSE_BODY && a->length >= 0 && a->left > 0
        && !a->r->header_only && !has_no_body(a->r->status)) {
        pm_fail(&a->why, APR_EGENERAL,
                "the worker's answer is %" APR_OFF_T_FMT
                " bytes shorter than its Content-Length",
                a->left);
        return 0;
    }
    return 1;
}

void hpm_response_finish(hpm_response_t *a)
{
    settle(a, hpm_spool_finish(&a->spool));
}

/* A response that ends with its connection looks whole when that is closed
 * in order; let it end in a reset. */
static void reset_on_close(conn_rec *c)
{
    struct linger now = {1, 0};
    apr_socket_t *sock = ap_get_conn_socket(c);
    apr_os_sock_t fd;

    if (sock && apr_os_sock_get(&fd, sock) == APR_SUCCESS) {
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
}

static void forget_head(hpm_response_t *a)
{
    request_rec *r = a->r;

    if (a->err_headers) {
        r->err_headers_out = a->err_headers;
    }
    else {
        apr_table_clear(r->err_headers_out);
    }
    apr_table_clear(r->headers_out);
    r->status = HTTP_OK;
    r->status_line = NULL;
}

int hpm_response_cut(hpm_response_t *a)
{
    conn_rec *c = a->r->connection;

    apr_bucket_brigade *bb = a->spool.bb;

    hpm_spool_forget(&a->spool);
    if (!a->spool.passed) {
        if (a->stage != HPM_RESPONSE_HEAD) {
            forget_head(a);
        }
        return 1;
    }
    /* The HTTP filters know what this bucket means: no last chunk. */
    APR_BRIGADE_INSERT_TAIL(bb, ap_bucket_error_create(HTTP_BAD_GATEWAY, NULL,
                                                       a->r->pool,
                                                       c->bucket_alloc));
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(c->bucket_alloc));
    settle(a, hpm_spool_pass(&a->spool));
    if (!c->master && !a->r->chunked && a->length < 0) {
        reset_on_close(c);
    }
    c->keepalive = AP_CONN_CLOSE;
    c->aborted = 1;
    return 0;
}

void hpm_response_destroy(hpm_response_t *a)
{
    pm_lines_end(&a->lines, log_line, a);
    apr_brigade_destroy(a->spool.bb);
    apr_brigade_destroy(a->spool.out);
    if (a->hold) {
        apr_bucket_destroy(a->hold);
        a->hold = NULL;
    }
}
