/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: a request on its way to a worker, from variables and body to
 * records (hpm_variables.h, hpm_upstream.h).
 *
 * Input: three bytes, variables, the body.  The first byte: bit 0 asks for an
 * authorizer, bits 1 and 2 make it look like PHP's, bit 3 lets the worker
 * answer before it has read, bit 4 lets it go at once.  The second: bytes of
 * the body in a piece, more of a long one, 0 for all.  The third: how often the
 * body comes, and once more.  A variable is NAME, NUL, VALUE, NUL; an empty
 * name ends them.  A VALUE
 * "\1NX" is 1 << N bytes long, and X.
 *
 * What must hold: a worker that reads gets BEGIN_REQUEST, then records of at
 * most 65535 bytes, each of its kind, from which it reads these variables and
 * this body, and their ends; variables that do not fit are refused; and the
 * request has its variables still, by their own names.
 */
#include "httpd/request/hpm_variables.h"

#include <ctype.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "http_core.h"
#include "httpd/request/hpm_alias.h"
#include "httpd/upstream/hpm_upstream.h"
#include "must.h"
#include "pm_core/os/pm_fds.h"
#include "util_fcgi.h"
#include "util_script.h"

/* A socket takes about 200,000 bytes (SO_SNDBUF), in which each piece counts as
 * up to twice as many, and more. */
#define BODY_MAX 80000
#define HEAD_MAX 10000
#define PIECES   16
#define SENT_MAX (HEAD_MAX + 2 * BODY_MAX)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* --- in httpd's place ---------------------------------------------------- */

module fcgipm_module;

void ap_add_common_vars(request_rec *r)
{
    (void)r;
}

void ap_add_cgi_vars(request_rec *r)
{
    (void)r;
}

const char *ap_document_root(request_rec *r)
{
    (void)r;
    return "/srv/www";
}

int ap_cstr_casecmpn(const char *a, const char *b, apr_size_t n)
{
    return strncasecmp(a, b, n);
}

int hpm_alias_split(request_rec *r, const char **script, const char **info)
{
    (void)r;
    (void)script;
    (void)info;
    return 0;
}

static const apr_table_entry_t *entries(const apr_table_t *table)
{
    return (const apr_table_entry_t *)(void *)apr_table_elts(table)->elts;
}

static apr_size_t pair_size(const apr_table_entry_t *e)
{
    apr_size_t n = strlen(e->key), v = strlen(e->val);

    return (n < 128 ? 1 : 4) + (v < 128 ? 1 : 4) + n + v;
}

/* What of the table fits into so many bytes. */
apr_size_t ap_fcgi_encoded_env_len(apr_table_t *env, apr_size_t most,
                                   int *starting_elem)
{
    apr_size_t len = 0;
    int i = *starting_elem;

    for (; i < apr_table_elts(env)->nelts
           && len + pair_size(&entries(env)[i]) <= most;
         i++) {
        len += pair_size(&entries(env)[i]);
    }
    *starting_elem = i;
    return len;
}

apr_status_t ap_fcgi_encode_env(request_rec *r, apr_table_t *env, void *buffer,
                                apr_size_t len, int *starting_elem)
{
    unsigned char *at = buffer, *end = at + len;
    int i = *starting_elem;

    (void)r;
    for (; at < end; i++) {
        const apr_table_entry_t *e = &entries(env)[i];

        MUST(i < apr_table_elts(env)->nelts);
        MUST(pair_size(e) <= (apr_size_t)(end - at));
        at += pm_codec_length(at, strlen(e->key));
        at += pm_codec_length(at, strlen(e->val));
        memcpy(at, e->key, strlen(e->key));
        at += strlen(e->key);
        memcpy(at, e->val, strlen(e->val));
        at += strlen(e->val);
    }
    MUST(at == end);
    *starting_elem = i;
    return APR_SUCCESS;
}

/* --- the worker ---------------------------------------------------------- */

static struct worker {
    int listener, fd;
    pm_addr_t addr;
    unsigned char got[SENT_MAX];
    size_t n;
} worker;

/* In the abstract namespace (unix(7)): nothing is left behind. */
static void start_worker(void)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&worker.addr.sa;

    un->sun_family = AF_UNIX;
    snprintf(un->sun_path + 1, sizeof(un->sun_path) - 1, "fcgipm-fuzz-%d",
             (int)getpid());
    worker.addr.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1
                                  + strlen(un->sun_path + 1));
    worker.listener = socket(AF_UNIX, SOCK_STREAM, 0);
    MUST(worker.listener >= 0);
    MUST(bind(worker.listener, (const struct sockaddr *)un, worker.addr.len)
             == 0
         && listen(worker.listener, 8) == 0);
}

static void answer(void)
{
    unsigned char end[PM_FCGI_HEADER_LEN + 8] = {0};

    pm_codec_header(end, PM_FCGI_END_REQUEST, 8);
    MUST(send(worker.fd, end, sizeof(end), MSG_NOSIGNAL) > 0);
}

/* It has all been sent. */
static void serve(void)
{
    ssize_t n;

    do {
        MUST(worker.n < sizeof(worker.got));
        n = recv(worker.fd, worker.got + worker.n,
                 sizeof(worker.got) - worker.n, MSG_DONTWAIT);
        worker.n += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    answer();
}

/* --- what it has got ----------------------------------------------------- */

static size_t read_length(const unsigned char **at, const unsigned char *end)
{
    size_t n;

    MUST(*at < end);
    n = *(*at)++;
    if (n & 0x80) {
        MUST(end - *at >= 3);
        n = (n & 0x7f) << 24 | (size_t)(*at)[0] << 16 | (size_t)(*at)[1] << 8
            | (*at)[2];
        *at += 3;
    }
    return n;
}

static size_t content_of(const unsigned char *record)
{
    return (size_t)record[4] << 8 | record[5];
}

/* Records of one type are one stream.  @return the first byte behind them */
static size_t read_stream(const unsigned char *bytes, size_t n, int type,
                          unsigned char *to, size_t *len)
{
    size_t at = 0, part;

    *len = 0;
    do {
        MUST(n - at >= PM_FCGI_HEADER_LEN);
        part = content_of(bytes + at);
        MUST(bytes[at] == 1 && bytes[at + 1] == type && bytes[at + 2] == 0
             && bytes[at + 3] == 1 && !bytes[at + 6]);
        at += PM_FCGI_HEADER_LEN;
        MUST(n - at >= part);
        memcpy(to + *len, bytes + at, part);
        *len += part;
        at += part;
    } while (part);
    return at;
}

static void check_variables(const apr_table_t *env, const unsigned char *at,
                            size_t len, apr_pool_t *p)
{
    const unsigned char *end = at + len;
    apr_table_t *got = apr_table_make(p, 16);
    int i;

    while (at < end) {
        size_t n = read_length(&at, end);
        size_t v = read_length(&at, end);
        char *name, *dot;

        MUST((size_t)(end - at) >= n + v);
        name = apr_pstrmemdup(p, (const char *)at, n);
        dot = strchr(name, '.'); /* the second names for PHP */
        if (dot) {
            *dot = '_';
        }
        MUST(!apr_table_get(got, name));
        apr_table_setn(got, name, apr_pstrmemdup(p, (const char *)at + n, v));
        at += n + v;
    }
    MUST(apr_table_elts(got)->nelts == apr_table_elts(env)->nelts);
    for (i = 0; i < apr_table_elts(env)->nelts; i++) {
        const char *value = apr_table_get(got, entries(env)[i].key);

        MUST(value && !strcmp(value, entries(env)[i].val));
    }
}

static size_t check_head(const unsigned char *head, size_t n, int role,
                         const apr_table_t *env, apr_pool_t *p)
{
    unsigned char *stream = apr_palloc(p, n);
    unsigned char begin[PM_FCGI_BEGIN_LEN];
    size_t len, used;

    MUST(n >= sizeof(begin));
    pm_codec_begin(begin, role);
    MUST(!memcmp(head, begin, sizeof(begin)) && !head[10]);
    used = sizeof(begin)
           + read_stream(head + sizeof(begin), n - sizeof(begin),
                         PM_FCGI_PARAMS, stream, &len);
    check_variables(env, stream, len, p);
    return used;
}

/* --- the body ------------------------------------------------------------ */

typedef struct body {
    const char *bytes;
    size_t n, at, step;
} body_t;

static apr_status_t body_read(void *ctx, const char **data, apr_size_t *len)
{
    body_t *body = ctx;
    size_t left = body->n - body->at;

    MUST(left);
    *data = body->bytes + body->at;
    *len = body->step && body->step < left ? body->step : left;
    body->at += *len;
    return APR_SUCCESS;
}

static char *buffer_get(void *ctx, apr_size_t *size)
{
    *size = 4096;
    return ctx;
}

/* With a worker that has less to do than a socket takes, the exchange first
 * waits, and so says that it does, when all has been sent. */
static void send_all(const char *head, apr_size_t head_len, body_t *body,
                     int hasty, int leaving)
{
    static char bytes[4096];
    hpm_upstream_reader_t reader = {(apr_off_t)body->n, body_read, NULL, body};
    hpm_upstream_buffer_t buffer = {buffer_get, bytes};
    hpm_upstream_event_t event;
    hpm_upstream_t x;

    hpm_upstream_init(&x, apr_time_from_sec(20), &reader, &buffer);
    x.slow_at = 1;
    MUST(hpm_upstream_open(&x, &worker.addr, apr_time_from_sec(20), head,
                           head_len)
         == HPM_UPSTREAM_OPEN);
    worker.n = 0;
    worker.fd = accept(worker.listener, NULL, NULL);
    MUST(worker.fd >= 0);
    if (hasty) {
        answer();
    }
    if (leaving) {
        pm_fds_close(&worker.fd);
    }
    while ((event = hpm_upstream_next(&x)) != HPM_UPSTREAM_EVENT_OVER) {
        if (event == HPM_UPSTREAM_EVENT_SLOW && worker.fd >= 0) {
            serve();
        }
    }
    hpm_upstream_close(&x);
    pm_fds_close(&worker.fd);
    MUST(leaving ? x.outcome != HPM_UPSTREAM_OPEN
                       && x.outcome != HPM_UPSTREAM_TIMEOUT
                 : x.outcome == HPM_UPSTREAM_COMPLETE);
}

static void check_all(const char *head, apr_size_t head_len, const body_t *body,
                      apr_pool_t *p)
{
    unsigned char *stream = apr_palloc(p, worker.n);
    size_t len;

    MUST(worker.n > head_len && !memcmp(worker.got, head, head_len));
    MUST(head_len
             + read_stream(worker.got + head_len, worker.n - head_len,
                           PM_FCGI_STDIN, stream, &len)
         == worker.n);
    MUST(len == body->n && !memcmp(stream, body->bytes, len));
}

/* --- a run --------------------------------------------------------------- */

static const char *make_value(const char *text, apr_pool_t *p)
{
    size_t n;
    char *value;

    if (text[0] != 1 || !text[1]) {
        return text;
    }
    n = ((size_t)1 << (text[1] & 15)) * 4 + (unsigned char)text[2];
    value = apr_palloc(p, n + 1);
    memset(value, 'v', n);
    value[n] = '\0';
    return value;
}

/* @return what is left of the input */
static const char *read_variables(apr_table_t *env, const char *at,
                                  const char *end, apr_pool_t *p)
{
    while (at < end && *at) {
        char *name = apr_pstrdup(p, at);
        char *c;

        for (c = name; *c; c++) {
            *c = (char)(isalnum((unsigned char)*c) ? toupper((unsigned char)*c)
                                                   : '_');
        }
        at += strlen(at) + 1;
        if (at >= end) {
            return end;
        }
        apr_table_setn(env, name, make_value(at, p));
        at += strlen(at) + 1;
    }
    return at < end ? at + 1 : end;
}

static body_t make_body(const char *at, size_t n, const uint8_t *how,
                        apr_pool_t *p)
{
    size_t times = how[2] + 1U;
    body_t body = {NULL, 0, 0, how[1]};
    char *bytes;

    times = n * times > BODY_MAX ? 1 : times;
    bytes = apr_palloc(p, n * times + 1);
    for (; times; times--, body.n += n) {
        memcpy(bytes + body.n, at, n);
    }
    body.bytes = bytes;
    body.step *= body.n / (255 * (size_t)PIECES) + 1;
    body.step = body.n / PIECES > body.step ? 0 : body.step;
    return body;
}

static request_rec *make_request(const uint8_t *how, apr_pool_t *p)
{
    request_rec *r = apr_pcalloc(p, sizeof(*r));

    r->pool = p;
    r->request_config = apr_pcalloc(p, sizeof(void *)); /* of one module */
    r->filename = apr_pstrdup(p, how[0] & 4 ? "/srv/www/x.php" : "/srv/www/x");
    r->subprocess_env = apr_table_make(p, 16);
    return r;
}

static void add_variables(request_rec *r, int role, const body_t *body)
{
    const apr_table_t *env = r->subprocess_env;
    const char *length;

    if (role == PM_FCGI_AUTHORIZER) {
        hpm_variables_authorizer(r, apr_table_make(r->pool, 1));
        MUST(!apr_table_get(env, "CONTENT_LENGTH"));
        MUST(!apr_table_get(env, "SCRIPT_NAME"));
    }
    else {
        hpm_variables_responder(r, (apr_off_t)body->n);
        length = apr_table_get(env, "CONTENT_LENGTH");
        MUST(length && (size_t)atol(length) == body->n);
    }
    MUST(!apr_table_get(env, "HTTP_PROXY"));
    MUST(!apr_table_get(env, "HTTP_TRANSFER_ENCODING"));
}

/* Only what is really long may be refused. */
static void check_refused(const apr_table_t *env, int status,
                          const pm_reason_t *why)
{
    apr_size_t all = 0, most = 0;
    int i;

    MUST(status == HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE && why->text[0]);
    for (i = 0; i < apr_table_elts(env)->nelts; i++) {
        apr_size_t n = pair_size(&entries(env)[i]);

        all += n;
        most = n > most ? n : most;
    }
    MUST(most > PM_FCGI_MAX_LENGTH || all > 16 * PM_FCGI_MAX_LENGTH);
}

static void run(request_rec *r, const uint8_t *how, body_t *body)
{
    int role = how[0] & 1 ? PM_FCGI_AUTHORIZER : PM_FCGI_RESPONDER;
    pm_conf_t *conf = pm_conf_create(r->pool, "app");
    apr_table_t *before;
    pm_reason_t why = {""};
    apr_size_t len;
    char *head;
    int status;

    conf->command = apr_array_make(r->pool, 1, sizeof(char *));
    *(const char **)apr_array_push(conf->command) =
        how[0] & 2 ? "/usr/bin/php-cgi" : "/srv/app";
    add_variables(r, role, body);
    before = apr_table_copy(r->pool, r->subprocess_env);
    status = hpm_variables_encode(r, how[0] & 1 ? NULL : conf, role, &head,
                                  &len, &why);
    if (status != OK) {
        check_refused(before, status, &why);
        return;
    }
    MUST(check_head((const unsigned char *)head, len, role, r->subprocess_env,
                    r->pool)
         == len);
    MUST(check_head((const unsigned char *)head, len, role, before, r->pool)
         == len);
    if (len <= HEAD_MAX) {
        send_all(head, len, body, how[0] & 8, how[0] & 16);
    }
    if (len <= HEAD_MAX && !(how[0] & 24)) {
        check_all(head, len, body, r->pool);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static apr_pool_t *root;
    const char *at, *end;
    request_rec *r;
    apr_pool_t *p;
    char *text;
    body_t body;

    if (!root) {
        MUST(apr_initialize() == APR_SUCCESS
             && apr_pool_create(&root, NULL) == APR_SUCCESS);
        start_worker();
    }
    if (size < 3) {
        return 0;
    }
    MUST(apr_pool_create(&p, root) == APR_SUCCESS);
    r = make_request(data, p);
    text = apr_pstrmemdup(p, (const char *)data + 3, size - 3);
    end = text + size - 3;
    at = read_variables(r->subprocess_env, text, end, p);
    body = make_body(at, (size_t)(end - at), data, p);
    run(r, data, &body);
    apr_pool_destroy(p);
    return 0;
}
