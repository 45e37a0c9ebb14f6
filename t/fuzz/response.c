/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: what a worker sends, from its bytes to httpd's filters
 * (pm_codec.h, hpm_response.h).
 *
 * Input: N, N bytes that say how the worker's bytes come, these bytes.  Of
 * each of the N, which are used over and over, bits 0-5 are the length of a
 * piece (0: all that is left, or all that there is room for; 63: between two
 * records long ones come that are not in the input), bit 6 says that the
 * client takes nothing in for now, bit 7 that the worker pauses.
 *
 * What stands here for httpd does what the answer needs of it, no more.
 *
 * What must hold: what goes down the filters is the worker's body, byte by
 * byte, and stays so for as long as a filter keeps it; no more than
 * Content-Length of it; an answer that is finished has its end, one that is
 * not never has.
 */
#include "httpd/request/hpm_response.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "pm_core/base/pm_codec.h"
#include "http_core.h"
#include "http_log.h"
#include "http_protocol.h"
#include "httpd/config/hpm_module.h"
#include "must.h"
#include "util_script.h"

#define LONG  20011 /* bytes of STDOUT in a long record */
#define HOLE  40009 /* bytes of nothing in another */
#define LONGS 7     /* of those in a run */
#define LIMIT 50000 /* a buffer for the response, if there is one */

/* One run: what the worker has sent, and what the client has got. */
static struct run {
    unsigned char *sent; /* STDOUT */
    apr_size_t nsent;
    apr_size_t got;     /* bytes of the body */
    apr_size_t body_at; /* where in `sent` the header ends, or what
                         * there is of it */
    apr_size_t line_at; /* where its last line begins */
    int has_body;       /* it has ended */
    int holding;        /* the client takes nothing in */
    int complete;       /* END_REQUEST, and all is well */
    int ends, errors;
    apr_bucket_brigade *kept;
    apr_size_t gone; /* of what was got, this is not in there */
} run;

/* --- in httpd's place ---------------------------------------------------- */

module fcgipm_module;

void *ap_malloc(size_t size)
{
    void *memory = malloc(size);

    if (!memory) {
        abort();
    }
    return memory;
}

int ap_cstr_casecmpn(const char *a, const char *b, apr_size_t n)
{
    return strncasecmp(a, b, n);
}

const char *ap_scan_http_token(const char *at)
{
    while (*at > ' ' && *at < 127 && !strchr("\"(),/:;<=>?@[\\]{}", *at)) {
        at++;
    }
    return at;
}

const char *ap_scan_http_field_content(const char *at)
{
    while ((unsigned char)*at >= ' ' ? *at != 127 : *at == '\t') {
        at++;
    }
    return at;
}

void ap_set_content_length(request_rec *r, apr_off_t length)
{
    r->clength = length;
}

apr_socket_t *ap_get_conn_socket(conn_rec *c)
{
    (void)c;
    return NULL;
}

apr_bucket *ap_bucket_error_create(int error, const char *buf, apr_pool_t *p,
                                   apr_bucket_alloc_t *list)
{
    (void)error;
    (void)buf;
    (void)p;
    run.errors++;
    return apr_bucket_flush_create(list);
}

/* hpm_client.h: a client that takes what it gets unless it is holding. */
int hpm_client_fd(conn_rec *c);
int hpm_client_has_gone(conn_rec *c);
int hpm_client_push(conn_rec *c);
int hpm_client_is_writable(conn_rec *c, apr_interval_time_t timeout);

int hpm_client_fd(conn_rec *c)
{
    (void)c;
    return 0;
}

int hpm_client_has_gone(conn_rec *c)
{
    (void)c;
    return 0;
}

int hpm_client_push(conn_rec *c)
{
    (void)c;
    return !run.holding;
}

int hpm_client_is_writable(conn_rec *c, apr_interval_time_t timeout)
{
    (void)c;
    (void)timeout;
    return !run.holding;
}

/* hpm_keepalive_wait.h: nothing waits for another request. */
void hpm_keepalive_wait_answered(request_rec *r);

void hpm_keepalive_wait_answered(request_rec *r)
{
    (void)r;
}

/* hpm_sendfile.h: there is no file. */
const char *hpm_sendfile_take(request_rec *r, const hpm_pool_t *pool);

const char *hpm_sendfile_take(request_rec *r, const hpm_pool_t *pool)
{
    (void)r;
    (void)pool;
    return NULL;
}

/* What is logged is a line that a string can hold. */
void ap_log_rerror_(const char *file, int line, int module_index, int level,
                    apr_status_t status, const request_rec *r, const char *fmt,
                    ...)
{
    char text[PM_LINES_MAX + sizeof(PM_LINES_CUT) + 64]; /* and a prefix */
    va_list ap;

    (void)file;
    (void)line;
    (void)module_index;
    (void)level;
    (void)status;
    (void)r;
    va_start(ap, fmt);
    apr_vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    MUST(!strchr(text, '\n') && strlen(text) < sizeof(text) - 1);
}

/* A line is what it promises to be, and is in the memory it was given. */
int ap_scan_script_header_err_core_ex(request_rec *r, char *buffer,
                                      int (*gets)(char *, int, void *),
                                      void *ctx, int module_index)
{
    char *colon;

    (void)module_index;
    for (;;) {
        MUST(gets(buffer, MAX_STRING_LEN - 1, ctx));
        if (buffer[0] == '\n' || !buffer[0]) {
            return OK;
        }
        colon = strchr(buffer, ':');
        MUST(colon && colon > buffer && !strpbrk(buffer, "\r\n"));
        MUST(strncasecmp(buffer, "Content-Length:", 15)
             && strncasecmp(buffer, "Transfer-Encoding:", 18));
        if (!strncasecmp(buffer, "Status:", 7)) {
            r->status = atoi(colon + 1 + strspn(colon + 1, " \t"));
            MUST(r->status >= 200 && r->status < 600);
        }
        if (!strncasecmp(buffer, "Location:", 9)) {
            apr_table_set(r->headers_out, "Location",
                          colon + 1 + strspn(colon + 1, " \t"));
        }
    }
}

/* The client has it; does it still look as it did when it was passed on? */
static void let_go(void)
{
    const char *data;
    apr_size_t len;
    apr_bucket *b;

    while (!APR_BRIGADE_EMPTY(run.kept)) {
        b = APR_BRIGADE_FIRST(run.kept);
        MUST(apr_bucket_read(b, &data, &len, APR_BLOCK_READ) == APR_SUCCESS);
        MUST(!memcmp(data, run.sent + run.body_at + run.gone, len));
        run.gone += len;
        apr_bucket_delete(b);
    }
    MUST(run.gone == run.got);
}

static void take_data(apr_bucket *b)
{
    const char *data;
    apr_size_t len;

    MUST(apr_bucket_read(b, &data, &len, APR_BLOCK_READ) == APR_SUCCESS);
    MUST(!run.ends && !run.errors);
    MUST(run.body_at + run.got + len <= run.nsent);
    MUST(!memcmp(data, run.sent + run.body_at + run.got, len));
    run.got += len;
    APR_BUCKET_REMOVE(b);
    APR_BRIGADE_INSERT_TAIL(run.kept, b);
}

apr_status_t ap_pass_brigade(ap_filter_t *f, apr_bucket_brigade *bb)
{
    apr_bucket *b;

    (void)f;
    while (!APR_BRIGADE_EMPTY(bb)) {
        b = APR_BRIGADE_FIRST(bb);
        if (!APR_BUCKET_IS_METADATA(b)) {
            take_data(b);
            continue;
        }
        run.ends += APR_BUCKET_IS_EOS(b);
        apr_bucket_delete(b);
    }
    if (!run.holding) {
        let_go();
    }
    return APR_SUCCESS;
}

/* --- a run --------------------------------------------------------------- */

/* The module's record of a server without a scoreboard. */
static struct ap_conf_vector_t *make_config(apr_pool_t *p)
{
    void **slots = apr_pcalloc(p, sizeof(*slots));

    slots[0] = apr_pcalloc(p, sizeof(hpm_server_t));
    return (struct ap_conf_vector_t *)slots;
}

static request_rec *make_request(apr_pool_t *p)
{
    request_rec *r = apr_pcalloc(p, sizeof(*r));
    conn_rec *c = apr_pcalloc(p, sizeof(*c));

    c->pool = p;
    c->bucket_alloc = apr_bucket_alloc_create(p);
    c->base_server = r->server = apr_pcalloc(p, sizeof(server_rec));
    r->server->log.level = APLOG_INFO;
    r->server->module_config = make_config(p);
    r->pool = p;
    r->connection = c;
    r->status = HTTP_OK;
    r->method_number = M_GET;
    r->headers_in = apr_table_make(p, 1);
    r->headers_out = apr_table_make(p, 4);
    r->err_headers_out = apr_table_make(p, 4);
    return r;
}

/* Looks on for the first empty line. */
static void find_body(void)
{
    unsigned char *line;

    for (; !run.has_body && run.body_at < run.nsent; run.body_at++) {
        if (run.sent[run.body_at] == '\n') {
            line = run.sent + run.line_at;
            run.has_body = *line == '\n' || (*line == '\r' && line[1] == '\n');
            run.line_at = run.body_at + 1;
        }
    }
}

/* What a recv() has brought.  @return 0: no more is wanted */
static int take_piece(hpm_response_t *a, pm_codec_parser_t *ps,
                      const char *data, apr_size_t len)
{
    while (!hpm_response_downstream.has_enough(a)) {
        switch (pm_codec_parser_next(ps, &data, &len)) {
        case PM_CODEC_EVENT_STDOUT:
            memcpy(run.sent + run.nsent, ps->span, ps->span_len);
            run.nsent += ps->span_len;
            find_body();
            hpm_response_downstream.take_stdout(a, ps->span, ps->span_len);
            break;
        case PM_CODEC_EVENT_STDERR:
            hpm_response_downstream.take_stderr(a, 0, ps->span, ps->span_len);
            break;
        case PM_CODEC_EVENT_MORE:
            return 1;
        case PM_CODEC_EVENT_END:
            run.complete = ps->protocol_status == PM_FCGI_REQUEST_COMPLETE;
            return 0;
        case PM_CODEC_EVENT_ERROR:
            return 0;
        }
    }
    return 0;
}

/* Some bytes come from the worker, in as many recv() as they need. */
static int come(hpm_response_t *a, pm_codec_parser_t *ps,
                const unsigned char *data, apr_size_t len)
{
    apr_size_t size;
    char *buffer;
    int more = 1;

    for (; more && len; data += size, len -= size) {
        buffer = hpm_response_downstream.get_buffer(a, &size);
        MUST(size > 0);
        size = size < len ? size : len;
        memcpy(buffer, data, size);
        more = take_piece(a, ps, buffer, size);
    }
    return more;
}

/* A record: its content is a pattern.  @return its length */
static apr_size_t make_record(unsigned char *record, int type, int id,
                              apr_size_t len)
{
    apr_size_t i;

    pm_codec_header(record, type, len);
    record[3] = (unsigned char)id;
    for (i = 0; i < len; i++) {
        record[PM_FCGI_HEADER_LEN + i] = (unsigned char)(i * 7);
    }
    return PM_FCGI_HEADER_LEN + len;
}

/* Kind 0: a long record of nothing and a short one of the body; 1: a long
 * one of the body; 2: a long one of STDERR, without a newline. */
static int come_long(hpm_response_t *a, pm_codec_parser_t *ps, int kind)
{
    static unsigned char body[PM_FCGI_HEADER_LEN + LONG];
    static unsigned char hole[2 * PM_FCGI_HEADER_LEN + HOLE + 9];
    static unsigned char line[PM_FCGI_HEADER_LEN + LONG];
    apr_size_t at;

    if (!body[0]) {
        make_record(body, PM_FCGI_STDOUT, PM_FCGI_REQUEST_ID, LONG);
        at = make_record(hole, PM_FCGI_GET_VALUES_RESULT, 0, HOLE);
        make_record(hole + at, PM_FCGI_STDOUT, PM_FCGI_REQUEST_ID, 9);
        make_record(line, PM_FCGI_STDERR, PM_FCGI_REQUEST_ID, LONG);
        memset(line + PM_FCGI_HEADER_LEN, 'x', LONG);
    }
    return kind == 0   ? come(a, ps, hole, sizeof(hole))
           : kind == 1 ? come(a, ps, body, sizeof(body))
                       : come(a, ps, line, sizeof(line));
}

static void talk(hpm_response_t *a, pm_codec_parser_t *ps, const uint8_t *how,
                 size_t n, const uint8_t *data, size_t len)
{
    apr_size_t step, i;
    int longs = 0;
    int more = 1;

    for (i = 0; more && len; i++, data += step, len -= step) {
        uint8_t now = n ? how[i % n] : 0;

        step = now & 0x3f ? now & 0x3f : len;
        step = step > len ? len : step;
        run.holding = (now & 0x40) != 0;
        if ((now & 0x3f) == 0x3f && pm_codec_parser_is_at_record(ps)
            && longs < LONGS) {
            step = 0;
            more = come_long(a, ps, longs++ % 3);
        }
        else {
            more = come(a, ps, data, step);
        }
        if (more && (now & 0x80)) {
            hpm_response_downstream.pass(a);
        }
    }
}

/* As the handler does it. */
static void conclude(hpm_response_t *a)
{
    request_rec *r = a->r;
    int cut;

    if (a->state == HPM_RESPONSE_ABORTED) {
        return;
    }
    if (a->state == HPM_RESPONSE_MALFORMED || !run.complete
        || !hpm_response_is_whole(a)) {
        MUST(a->state != HPM_RESPONSE_MALFORMED || a->why.text[0]);
        cut = hpm_response_cut(a);
        MUST(cut ? !run.got && !run.ends && !run.errors
                 : run.errors && r->connection->aborted);
    }
    else if (a->state == HPM_RESPONSE_BODY) {
        MUST((r->status != HTTP_NO_CONTENT && r->status != HTTP_RESET_CONTENT)
             || !run.got);
        hpm_response_finish(a);
        MUST(run.ends == 1 && !run.errors);
        MUST(a->length < 0 || (apr_off_t)run.got <= a->length);
        MUST(a->length >= 0 || r->status == HTTP_NO_CONTENT
             || r->status == HTTP_RESET_CONTENT
             || r->status == HTTP_NOT_MODIFIED
             || run.body_at + run.got == run.nsent);
    }
    else {
        MUST(!run.got && !run.ends && !run.errors);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static apr_pool_t *root;
    static unsigned char *sent;
    static size_t room;
    size_t n = size && data[0] < size ? data[0] : 0;
    pm_conf_t conf = {0};
    const hpm_pool_t pool = {.name = "app", .conf = &conf, .log_fd = -1};
    pm_codec_parser_t ps;
    hpm_response_t a;
    request_rec *r;
    apr_pool_t *p;

    if (!root) {
        MUST(apr_initialize() == APR_SUCCESS
             && apr_pool_create(&root, NULL) == APR_SUCCESS);
    }
    MUST(apr_pool_create(&p, root) == APR_SUCCESS);
    r = make_request(p);
    memset(&run, 0, sizeof(run));
    if (room < size + LONGS * LONG) {
        room = size + LONGS * LONG;
        free(sent);
        sent = malloc(room);
    }
    run.sent = sent;
    run.kept = apr_brigade_create(p, r->connection->bucket_alloc);
    MUST(run.sent);

    pm_codec_parser_init(&ps);
    conf.response_buffer = n & 1 ? LIMIT : -1;
    conf.header_limit = 65536;
    hpm_response_init(&a, r, &pool);
    if (size) {
        talk(&a, &ps, data + 1, n, data + 1 + n, size - 1 - n);
    }
    conclude(&a);
    hpm_response_destroy(&a);
    let_go();
    apr_pool_destroy(p);
    return 0;
}
