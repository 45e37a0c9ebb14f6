/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/request/hpm_response.h"

#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "apr_hash.h"
#include "apr_lib.h"
#include "apr_portable.h"
#include "apr_strings.h"
#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"
#include "httpd/config/hpm_server.h"
#include "httpd/request/hpm_client.h"
#include "httpd/request/hpm_sendfile.h"
#include "pm_core/ipc/pm_wakeup.h"
#include "pm_core/os/pm_logfile.h"
#include "util_script.h"

APLOG_USE_MODULE(fcgipm);

/* One recv(), and not more than can be passed on at once.  With what the
 * allocator adds it is a whole number of pages, so that it comes from the
 * free list of the connection's allocator. */
#define RESPONSE_BUFFER_SIZE (15 * 4096 - 128)

/* The rest of a buffer is used when it is at least this long. */
#define RESPONSE_BUFFER_MIN (RESPONSE_BUFFER_SIZE / 2)

/* So many bytes are passed on without waiting for a pause of the worker. */
#define RESPONSE_PASS_SIZE (RESPONSE_BUFFER_SIZE / 2)

/* Shorter pieces are moved together: a bucket costs more than the copy. */
#define RESPONSE_MOVE_MAX 1024

static void response_fail(hpm_response_t *a, const char *fmt, ...)
    PM_PRINTF(2, 3);
static void response_fail(hpm_response_t *a, const char *fmt, ...)
{
    va_list ap;

    a->state = HPM_RESPONSE_MALFORMED;
    va_start(ap, fmt);
    apr_vsnprintf(a->why.text, sizeof(a->why.text), fmt, ap);
    va_end(ap);
}

/* --- the receive buffer --------------------------------------------------- */

/* A heap bucket: mod_http2 hands those to the connection's thread without a
 * copy.  As long as it is held, nobody appends to the memory behind its
 * copies (apr_brigade_write()), where the bytes received next lie.
 *
 * A stream of HTTP/2 has an allocator of its own, which gives everything back
 * to the kernel at the stream's end: malloc() keeps it. */
static apr_bucket *response_bucket_create(apr_size_t size, const conn_rec *c)
{
    apr_bucket_alloc_t *list = c->bucket_alloc;

    return c->master ? apr_bucket_heap_create(ap_malloc(size), size, free, list)
                     : apr_bucket_heap_create(apr_bucket_alloc(size, list),
                                              size, apr_bucket_free, list);
}

static int response_bucket_is_alone(const apr_bucket *b)
{
    const apr_bucket_heap *heap = b->data;

    return heap->refcount.refcount == 1;
}

/* --- down the filters --------------------------------------------------- */

/* The spool has passed something on, with this result. */
static void response_check_spool(hpm_response_t *a, apr_status_t rv)
{
    if (rv != APR_SUCCESS) {
        a->why = a->spool.why;
        a->status = a->r->connection->aborted ? OK : AP_FILTER_ERROR;
        a->state = HPM_RESPONSE_ABORTED;
    }
}

/* All bytes received before have been dealt with. */
static char *response_get_buffer(void *ctx, apr_size_t *size)
{
    hpm_response_t *a = ctx;

    if (a->state == HPM_RESPONSE_BODY && a->spool.held >= RESPONSE_PASS_SIZE) {
        response_check_spool(a, hpm_spool_offer(&a->spool));
    }
    if (a->hold && response_bucket_is_alone(a->hold)) {
        a->fill = 0;
    }
    else if (a->hold && RESPONSE_BUFFER_SIZE - a->fill < RESPONSE_BUFFER_MIN) {
        apr_bucket_destroy(a->hold);
        a->hold = NULL;
    }
    if (!a->hold) {
        a->hold =
            response_bucket_create(RESPONSE_BUFFER_SIZE, a->r->connection);
        a->base = ((apr_bucket_heap *)a->hold->data)->base;
        a->fill = 0;
    }
    *size = RESPONSE_BUFFER_SIZE - a->fill;
    return a->base + a->fill;
}

/* Append to the last bucket, when it lies in the same buffer. */
static int response_move_up(hpm_response_t *a, const char *span, apr_size_t len)
{
    apr_bucket *b = APR_BRIGADE_LAST(a->spool.bb);

    if (len >= RESPONSE_MOVE_MAX || APR_BRIGADE_EMPTY(a->spool.bb)
        || b->data != a->hold->data) {
        return 0;
    }
    memmove(a->base + b->start + b->length, span, len);
    b->length += len;
    a->fill = (apr_size_t)b->start + b->length;
    return 1;
}

static void response_add_body(hpm_response_t *a, const char *span,
                              apr_size_t len)
{
    apr_bucket *b;

    if (a->length >= 0) {
        /* The client would take more than was announced for the next response.
         */
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
    if (response_move_up(a, span, len)) {
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
static apr_size_t response_header_end(hpm_response_t *a, const char *head,
                                      apr_size_t len, apr_size_t from)
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
        a->folded |= nl < end && (*nl == ' ' || *nl == '\t');
    }
    return 0;
}

/* A line that begins with a blank goes on with the line before it (RFC 9112,
 * section 5.2): make one line of both.  Behind the last line there is none. */
static void response_unfold(char *head, apr_size_t len)
{
    const char *last = head + len - 1;
    char *nl;

    for (nl = head; (nl = memchr(nl, '\n', (apr_size_t)(last - nl))); nl++) {
        if (nl[1] == ' ' || nl[1] == '\t') {
            *nl = ' ';
            if (nl > head && nl[-1] == '\r') {
                nl[-1] = ' ';
            }
        }
    }
}

/* Append a piece of the header.  @return bytes of it that fit */
static apr_size_t response_collect_header(hpm_response_t *a, const char *span,
                                          apr_size_t len)
{
    apr_size_t size = a->head_size ? a->head_size : 2048;
    char *head;

    if (len > a->head_max - a->head_len) {
        len = a->head_max - a->head_len;
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
typedef struct response_line {
    const char *text;
    apr_size_t len;
    apr_size_t name_len;
    const char *value; /* after the colon and blanks; ends with the line */
} response_line_t;

static int response_is_name(const response_line_t *l, const char *name)
{
    return l->name_len == strlen(name)
           && !ap_cstr_casecmpn(l->text, name, l->name_len);
}

/* Take the next line; the header ends with an empty one, and has no NUL.
 * @return 0 when that is reached or the line is none */
static int response_next_line(hpm_response_t *a, const char **at,
                              response_line_t *l)
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
        response_fail(a,
                      strncmp(*at, "HTTP/", 5)
                          ? "the worker's header has a line that is not a "
                            "header field: \"%.*s\""
                          : "the worker's answer begins with a status line, "
                            "where a header belongs: \"%.*s\"",
                      (int)(l->len < 60 ? l->len : 60), l->text);
        return 0;
    }
    l->value = stop + 1 + strspn(stop + 1, " \t");
    stop = ap_scan_http_field_content(l->value);
    if (*stop != '\n' && !(stop[0] == '\r' && stop[1] == '\n')) {
        response_fail(a, "the worker's header %.*s has a control character",
                      (int)(l->name_len < 60 ? l->name_len : 60), l->text);
        return 0;
    }
    *at = strchr(stop, '\n') + 1;
    return 1;
}

static void response_check_status(hpm_response_t *a, const response_line_t *l)
{
    const char *v = l->value;

    if (v[0] < '2' || v[0] > '5' || !apr_isdigit(v[1]) || !apr_isdigit(v[2])
        || apr_isdigit(v[3])) {
        response_fail(a, "the worker's header has a wrong Status: \"%.*s\"",
                      (int)strcspn(v, "\r\n"), v);
    }
}

/* httpd gets the length from us: response_scan_header() leaves the line
 * out. */
static void response_check_length(hpm_response_t *a, const response_line_t *l)
{
    apr_off_t n;
    char *end;
    apr_status_t rv = apr_strtoff(&n, l->value, &end, 10);

    end += strspn(end, " \t");
    if (rv != APR_SUCCESS || !apr_isdigit(l->value[0])
        || (*end != '\r' && *end != '\n')
        || (a->length >= 0 && a->length != n)) {
        response_fail(
            a, "the worker's header has a wrong Content-Length: \"%.*s\"",
            (int)strcspn(l->value, "\r\n"), l->value);
        return;
    }
    a->length = a->left = n;
}

/* @return a header's name in lower case */
static const char *response_fold(apr_pool_t *p, const char *name,
                                 apr_size_t len)
{
    char *folded = apr_pstrmemdup(p, name, len);
    apr_size_t i;

    for (i = 0; i < len; i++) {
        folded[i] = apr_tolower(name[i]);
    }
    return folded;
}

/* A Connection line names others that are for the next hop only. */
static void response_check_connection(hpm_response_t *a,
                                      const response_line_t *l)
{
    const char *at = l->value;
    const char *name;

    if (!a->hop_by_hop) {
        a->hop_by_hop = apr_hash_make(a->r->pool);
    }
    while (*at != '\r' && *at != '\n') {
        name = at;
        at += strcspn(at, ", \t\r\n");
        name = response_fold(a->r->pool, name, (apr_size_t)(at - name));
        apr_hash_set(a->hop_by_hop, name, APR_HASH_KEY_STRING, name);
        at += strspn(at, ", \t");
    }
}

/* Is every line "name: value"?  @param longest the length of the longest */
static int response_check_header(hpm_response_t *a, const char *head,
                                 apr_size_t len, apr_size_t *longest)
{
    const char *at = head;
    response_line_t l;

    if (memchr(head, '\0', len)) {
        response_fail(a, "the worker's header contains a NUL");
        return 0;
    }
    *longest = 0;
    while (a->state == HPM_RESPONSE_HEADER && response_next_line(a, &at, &l)) {
        if (l.len > *longest) {
            *longest = l.len;
        }
        if (response_is_name(&l, "Status")) {
            response_check_status(a, &l);
        }
        else if (response_is_name(&l, "Content-Length")) {
            response_check_length(a, &l);
        }
        else if (response_is_name(&l, "Connection")) {
            response_check_connection(a, &l);
        }
        else if (response_is_name(&l, HPM_SENDFILE_HEADER)) {
            a->names_file = 1;
        }
    }
    return a->state == HPM_RESPONSE_HEADER;
}

/* --- the header: to httpd ----------------------------------------------- */

/* What response_gets() reads from. */
typedef struct response_lines {
    hpm_response_t *a;
    const char *at;
    const char *own;     /* memory for a line, and its size: httpd offers */
    apr_size_t own_size; /* MAX_STRING_LEN, a line may have 64K */
} response_lines_t;

/* Length and encoding of the body, and what a server tells the next hop only
 * (RFC 9110, section 7.6.1), are httpd's to write. */
static int response_is_httpds(const hpm_response_t *a, const response_line_t *l)
{
    static const char *const names[] = {"Content-Length",   "Transfer-Encoding",
                                        "Connection",       "Keep-Alive",
                                        "Proxy-Connection", "TE",
                                        "Trailer",          "Upgrade"};
    unsigned int i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (response_is_name(l, names[i])) {
            return 1;
        }
    }
    return a->hop_by_hop
           && apr_hash_get(a->hop_by_hop,
                           response_fold(a->r->pool, l->text, l->name_len),
                           APR_HASH_KEY_STRING);
}

static int response_gets(char *w, int len, void *ctx)
{
    response_lines_t *lines = ctx;
    apr_size_t size = w == lines->own ? lines->own_size : (apr_size_t)len;
    response_line_t l;

    do {
        if (!response_next_line(lines->a, &lines->at, &l)) {
            apr_cpystrn(w, "\n", size);
            return 1;
        }
    } while (response_is_httpds(lines->a, &l));
    apr_cpystrn(w, l.text, l.len + 1 < size ? l.len + 1 : size);
    return 1;
}

/* @return OK, or what httpd makes of it: 304, 412, 500 */
static int response_scan_header(hpm_response_t *a, const char *head,
                                apr_size_t longest)
{
    request_rec *r = a->r;
    apr_size_t size = longest + 2;
    char *line = apr_palloc(r->pool, size);
    response_lines_t lines = {a, head, line, size};
    int no_local_copy = r->no_local_copy;
    int rv;

    if (!apr_is_empty_table(r->err_headers_out)) {
        a->err_headers = apr_table_clone(r->pool, r->err_headers_out);
    }
    /* A conditional request is compared with the file, if there is one. */
    r->no_local_copy |= a->names_file;
    rv = ap_scan_script_header_err_core_ex(r, line, response_gets, &lines,
                                           APLOG_MODULE_INDEX);
    r->no_local_copy = no_local_copy;
    if (a->names_file) {
        a->file = hpm_sendfile_take(r, a->pool);
    }
    return rv;
}

/* Of a HEAD's body httpd would take the length, though the worker may have
 * written only a part of it. */
static int response_is_announced_only(const hpm_response_t *a)
{
    return a->r->header_only && a->length >= 0;
}

static int response_has_no_body(int status)
{
    return status == HTTP_NO_CONTENT || status == HTTP_RESET_CONTENT
           || status == HTTP_NOT_MODIFIED;
}

/* httpd cuts byte ranges from a response of a known length, if it can be held.
 * What is a part already, or may have no end, goes out as it comes. */
static int response_may_be_cut(const hpm_response_t *a)
{
    const request_rec *r = a->r;

    return r->method_number == M_GET && apr_table_get(r->headers_in, "Range")
           && r->status == HTTP_OK
           && !apr_table_get(r->headers_out, "Content-Range") && a->length >= 0
           && a->length <= HPM_SPOOL_MAX;
}

/* The header is whole: choose what becomes of the body. */
static void response_take_header(hpm_response_t *a, char *head, apr_size_t len)
{
    request_rec *r = a->r;
    apr_size_t longest;
    const char *location;
    int rv;

    if (a->folded) {
        response_unfold(head, len);
    }
    if (!response_check_header(a, head, len, &longest)) {
        return;
    }
    rv = response_scan_header(a, head, longest);
    location = apr_table_get(r->headers_out, "Location");
    if (rv == HTTP_INTERNAL_SERVER_ERROR) {
        response_fail(a, "httpd did not take the worker's header");
    }
    else if (rv == HTTP_NOT_MODIFIED) {
        /* As a handler's status it would be an error, and mod_cache would
         * not see it. */
        r->status = rv;
        a->status = OK;
        a->state = HPM_RESPONSE_DISCARD;
    }
    else if (rv != OK) {
        a->status = rv;
        a->state = HPM_RESPONSE_DISCARD;
    }
    else if (location && r->status == HTTP_OK) {
        a->location = location;
        a->status = HTTP_MOVED_TEMPORARILY;
        a->state =
            location[0] == '/' ? HPM_RESPONSE_REDIRECT : HPM_RESPONSE_DISCARD;
    }
    else if (a->file) {
        a->state = HPM_RESPONSE_FILE;
    }
    else {
        if (r->status == HTTP_RESET_CONTENT) {
            ap_set_content_length(r, 0); /* RFC 9110, 15.3.6 */
        }
        else if (a->length >= 0 && !response_has_no_body(r->status)) {
            ap_set_content_length(r, a->length);
        }
        hpm_spool_head(&a->spool, response_may_be_cut(a));
        a->state = HPM_RESPONSE_BODY;
    }
}

/* Take a piece that begins inside the header.  @return bytes of it that
 * belong to the header */
static apr_size_t response_add_header(hpm_response_t *a, const char *span,
                                      apr_size_t len)
{
    apr_size_t before = a->head_len;
    apr_size_t end;

    if (!before && (end = response_header_end(a, span, len, 0))
        && end <= a->head_max) {
        /* It came in one piece: no copy. */
        response_take_header(a, a->base + (span - a->base), end);
        return end;
    }
    len = response_collect_header(a, span, len);
    /* The piece before may have ended inside the empty line. */
    end = response_header_end(a, a->head, a->head_len,
                              before > 2 ? before - 2 : 0);
    if (end) {
        response_take_header(a, a->head, end);
        return end - before;
    }
    if (a->head_len == a->head_max) {
        response_fail(a,
                      "the worker's header does not end within %" APR_SIZE_T_FMT
                      " bytes: see FcgiPMResponseHeaderLimit",
                      a->head_max);
    }
    return len;
}

/* --- STDERR ------------------------------------------------------------- */

static void response_write_line(hpm_response_t *a, const char *line)
{
    const char *pool = a->pool->name;
    char origin[80], pid[24] = "";
    char buf[PM_LINES_FITS];

    if (a->worker) {
        apr_snprintf(pid, sizeof(pid), "pid %" APR_PID_T_FMT, a->worker);
    }
    apr_snprintf(origin, sizeof(origin), "%s%sclient %s", pid, *pid ? " " : "",
                 a->r->useragent_ip);
    if (!pm_logfile_write(a->pool->log_fd, pool, origin, line)) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, a->r, "pool %s: %s%s%s",
                      pool, pid, *pid ? ": " : "",
                      pm_lines_fit(buf, sizeof(buf), line));
    }
}

static void response_log_line(void *ctx, const char *line)
{
    hpm_response_t *a = ctx;

    switch (a->ratelimit ? pm_log_ratelimit_take(
                a->ratelimit, a->pool->conf->log_limit, pm_time_now())
                         : PM_LOG_RATELIMIT_PASS) {
    case PM_LOG_RATELIMIT_PASS:
        response_write_line(a, line);
        break;
    case PM_LOG_RATELIMIT_FIRST:
        /* the manager logs how many lines were dropped */
        pm_wakeup_send(hpm_server(a->r->server)->wakeup_fd, a->pool->slot);
        break;
    case PM_LOG_RATELIMIT_DROP:
        break;
    }
}

/* --- the downstream of a call -------------------------------------------- */

static void response_take_stdout(void *ctx, const char *span, apr_size_t len)
{
    hpm_response_t *a = ctx;
    apr_size_t n;

    if (a->state == HPM_RESPONSE_HEADER) {
        n = response_add_header(a, span, len);
        span += n;
        len -= n;
    }
    if (a->state == HPM_RESPONSE_BODY && len
        && !response_has_no_body(a->r->status)
        && !response_is_announced_only(a)) {
        response_add_body(a, span, len);
        a->spool.enough = a->length >= 0 && !a->left;
        response_check_spool(a, a->spool.rv);
    }
}

static void response_take_stderr(void *ctx, pid_t worker, const char *span,
                                 apr_size_t len)
{
    hpm_response_t *a = ctx;

    a->worker = worker;
    pm_lines_feed(&a->lines, span, len, response_log_line, a);
}

static void response_pass(void *ctx)
{
    hpm_response_t *a = ctx;

    if (a->state == HPM_RESPONSE_BODY) {
        response_check_spool(a, hpm_spool_pause(&a->spool));
    }
}

static int response_wants_room(void *ctx)
{
    const hpm_response_t *a = ctx;

    return a->state == HPM_RESPONSE_BODY && hpm_spool_wants_room(&a->spool);
}

/* Has the client got all that the header announces?  Without a body httpd
 * keeps the header until the end. */
static int response_is_delivered(const hpm_response_t *a)
{
    return a->state == HPM_RESPONSE_BODY && !a->r->header_only
           && !response_has_no_body(a->r->status) && a->length >= 0 && !a->left
           && hpm_spool_is_delivered(&a->spool);
}

static int response_client_may_go(void *ctx)
{
    const hpm_response_t *a = ctx;

    switch ((pm_ignore_abort_t)a->pool->conf->ignore_abort) {
    case PM_IGNORE_ABORT_ON:
        return 1;
    case PM_IGNORE_ABORT_OFF:
        return 0;
    case PM_IGNORE_ABORT_AUTO:
        break;
    }
    return a->r->method_number != M_GET || response_is_delivered(a);
}

/* Without its client a request goes on, and what comes is dropped. */
static int response_has_enough(void *ctx)
{
    hpm_response_t *a = ctx;

    return a->state == HPM_RESPONSE_MALFORMED
           || (a->state == HPM_RESPONSE_ABORTED && !response_client_may_go(a));
}

static int response_client_has_gone(void *ctx)
{
    const hpm_response_t *a = ctx;

    return hpm_client_has_gone(a->r->connection);
}

const hpm_downstream_t hpm_response_downstream = {
    response_get_buffer,      response_take_stdout,
    response_take_stderr,     response_pass,
    response_wants_room,      response_has_enough,
    response_client_has_gone, response_client_may_go};

/* --- the response -------------------------------------------------------- */

void hpm_response_init(hpm_response_t *a, request_rec *r,
                       const hpm_pool_t *pool)
{
    const hpm_server_t *server = hpm_server(r->server);

    memset(a, 0, offsetof(hpm_response_t, lines.text));
    a->state = HPM_RESPONSE_HEADER;
    a->status = OK;
    a->r = r;
    a->pool = pool;
    a->length = -1;
    a->head_max = (apr_size_t)pool->conf->header_limit;
    if (server->board) {
        a->ratelimit = pm_scoreboard_log_ratelimit(server->board, pool->slot);
    }
    hpm_spool_init(&a->spool, r, pool->conf->response_buffer);
}

int hpm_response_is_whole(hpm_response_t *a)
{
    if (a->state == HPM_RESPONSE_HEADER) {
        pm_fail(&a->why, APR_EGENERAL,
                a->head_len ? "the worker's header has no end"
                            : "the worker's answer is empty");
        return 0;
    }
    if (a->state == HPM_RESPONSE_BODY && a->length >= 0 && a->left > 0
        && !a->r->header_only && !response_has_no_body(a->r->status)) {
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
    int delivered = response_is_delivered(a);
    apr_status_t rv = hpm_spool_finish(&a->spool);

    /* Only the end did not reach a client that needed none. */
    response_check_spool(a, delivered ? APR_SUCCESS : rv);
}

/* Without a length the end of the connection is the end of the response: an
 * orderly close would make a cut response look whole, a reset does not. */
static void response_reset_on_close(conn_rec *c)
{
    struct linger now = {1, 0};
    apr_socket_t *sock = ap_get_conn_socket(c);
    apr_os_sock_t fd;

    if (sock && apr_os_sock_get(&fd, sock) == APR_SUCCESS) {
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    }
}

static void response_forget_header(hpm_response_t *a)
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
        if (a->state != HPM_RESPONSE_HEADER) {
            response_forget_header(a);
        }
        return 1;
    }
    /* For this bucket the HTTP filters send no last chunk. */
    APR_BRIGADE_INSERT_TAIL(bb, ap_bucket_error_create(HTTP_BAD_GATEWAY, NULL,
                                                       a->r->pool,
                                                       c->bucket_alloc));
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(c->bucket_alloc));
    response_check_spool(a, hpm_spool_pass(&a->spool));
    if (!c->master && !a->r->chunked && a->length < 0) {
        response_reset_on_close(c);
    }
    c->keepalive = AP_CONN_CLOSE;
    c->aborted = 1;
    return 0;
}

void hpm_response_destroy(hpm_response_t *a)
{
    pm_lines_end(&a->lines, response_log_line, a);
    apr_brigade_destroy(a->spool.bb);
    apr_brigade_destroy(a->spool.out);
    if (a->hold) {
        apr_bucket_destroy(a->hold);
        a->hold = NULL;
    }
}
