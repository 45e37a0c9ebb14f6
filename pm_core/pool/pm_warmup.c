/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/pool/pm_warmup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apr_escape.h"
#include "apr_strings.h"
#include "pm_core/base/pm_codec.h"
#include "pm_core/ipc/pm_fork_client.h"
#include "pm_core/os/pm_fds.h"
#include "pm_core/pool/pm_fork_server.h"
#include "pm_core/pool/pm_output.h"
#include "pm_core/pool/pm_pool_exit.h"
#include "pm_core/pool/pm_rollback.h"

/* One request. */
typedef struct warm_request {
    pm_warmup_t *warmup;
    const char *uri;
    int fd; /* -1: nothing more will come */
    pm_watch_t watch;
    pm_codec_parser_t parser;
    int ended;         /* END_REQUEST has come */
    apr_size_t len;    /* of what is kept of the answer */
    char answer[2048]; /* its beginning: the header */
} warm_request_t;

struct pm_warmup {
    pm_pool_t *pool;
    pm_worker_t *w; /* NULL: not yet */
    apr_pool_t *p;
    apr_time_t since;
    pm_lines_t lines; /* of FCGI_STDERR */
    int n;
    warm_request_t request[]; /* as many as FcgiPMWarmup has words */
};

static void warm_note(pm_pool_t *pool, pm_level_t level, const char *fmt, ...)
    PM_PRINTF(3, 4);

/* For the status; the log gets what is new. */
static void warm_note(pm_pool_t *pool, pm_level_t level, const char *fmt, ...)
{
    char text[sizeof(pool->warmup)];
    va_list ap;

    va_start(ap, fmt);
    apr_vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    if (strcmp(text, pool->warmup)) {
        apr_cpystrn(pool->warmup, text, sizeof(pool->warmup));
        pm_log(pool->context->log, level, "pool %s: FcgiPMWarmup: %s",
               pool->conf->name, text);
    }
}

/* --- a request ------------------------------------------------------------ */

/* A word of FcgiPMWarmup in its parts. */
typedef struct warm_url {
    const char *scheme;
    const char *host; /* with its port */
    const char *name; /* without it */
    const char *port;
    const char *uri;
    const char *path; /* decoded */
    const char *query;
    const char *script; /* the part of the path that names it, decoded */
    const char *root;   /* "": not known */
} warm_url_t;

/* What httpd knows of a URL it has added: "URL SCRIPT ROOT". */
static void warm_split(char *text, const char **script, const char **root)
{
    char *at = strchr(text, ' ');

    *script = *root = NULL;
    if (at) {
        *at++ = '\0';
        *script = at;
        at = strchr(at, ' ');
    }
    if (at) {
        *at++ = '\0';
        *root = at;
    }
}

static const char *warm_decode(const char *text, apr_pool_t *p)
{
    const char *decoded = apr_punescape_url(p, text, NULL, NULL, 0);

    return decoded ? decoded : text;
}

static warm_url_t warm_parse(const char *word, apr_pool_t *p)
{
    char *text = apr_pstrdup(p, word);
    char *host = strstr(text, "://"), *slash, *colon;
    warm_url_t u = {.scheme = "http", .host = "localhost", .query = ""};
    const char *script;

    warm_split(text, &script, &u.root);
    u.uri = text;
    if (text[0] != '/' && host) {
        u.scheme = apr_pstrmemdup(p, text, (apr_size_t)(host - text));
        host += 3;
        slash = strchr(host, '/');
        u.uri = slash ? slash : "/";
        u.host =
            slash ? apr_pstrmemdup(p, host, (apr_size_t)(slash - host)) : host;
    }
    slash = apr_pstrdup(p, u.uri);
    if ((host = strchr(slash, '?'))) {
        *host = '\0';
        u.query = host + 1;
    }
    u.path = warm_decode(slash, p);
    u.script = script ? warm_decode(script, p) : u.path;
    u.name = apr_pstrdup(p, u.host);
    colon = strrchr(u.name, ':');
    u.port = strcmp(u.scheme, "https") ? "80" : "443";
    if (colon && !strchr(colon, ']')) {
        *colon = '\0';
        u.port = colon + 1;
    }
    return u;
}

/* The variables of a request that httpd would send, as far as they are known
 * here.  @return name and value in turn, NULL at the end */
static const char **warm_variables(const pm_pool_t *pool, const warm_url_t *u,
                                   apr_pool_t *p)
{
    const pm_launch_file_t *file = pool->spec->file;
    const char *root = u->root ? u->root : "";
    const char *all[][2] = {
        {"FCGIPM_WARMUP", "1"},
        {"GATEWAY_INTERFACE", "CGI/1.1"},
        {"SERVER_SOFTWARE", "mod_fcgipm"},
        {"SERVER_PROTOCOL", "HTTP/1.1"},
        {"REQUEST_METHOD", "GET"},
        {"REQUEST_SCHEME", u->scheme},
        {"HTTPS", strcmp(u->scheme, "https") ? NULL : "on"},
        {"HTTP_HOST", u->host},
        {"HTTP_USER_AGENT", "mod_fcgipm (FcgiPMWarmup)"},
        {"SERVER_NAME", u->name},
        {"SERVER_PORT", u->port},
        {"SERVER_ADDR", "127.0.0.1"},
        {"REMOTE_ADDR", "127.0.0.1"},
        {"REMOTE_PORT", "0"},
        {"REQUEST_URI", u->uri},
        {"QUERY_STRING", u->query},
        {"SCRIPT_NAME", u->script},
        {"PATH_INFO", strncmp(u->path, u->script, strlen(u->script))
                              || !u->path[strlen(u->script)]
                          ? NULL
                          : u->path + strlen(u->script)},
        {"DOCUMENT_ROOT", root},
        {"SCRIPT_FILENAME",
         file ? file->path : apr_pstrcat(p, root, u->script, NULL)},
        {"CONTENT_LENGTH", "0"}};
    const size_t n = sizeof(all) / sizeof(all[0]);
    const char **pairs = apr_pcalloc(p, (2 * n + 1) * sizeof(*pairs));
    size_t i, to = 0;

    for (i = 0; i < n; i++) {
        if (all[i][1]) {
            pairs[to++] = all[i][0];
            pairs[to++] = all[i][1];
        }
    }
    return pairs;
}

static unsigned char *warm_put(unsigned char *at, const char *text)
{
    size_t n = strlen(text);

    memcpy(at, text, n);
    return at + n;
}

/* BEGIN_REQUEST, PARAMS, the end of PARAMS, the end of STDIN. */
static unsigned char *warm_encode(const char *const *pairs, apr_size_t *len,
                                  apr_pool_t *p)
{
    apr_size_t most = PM_FCGI_BEGIN_LEN + 3 * PM_FCGI_HEADER_LEN;
    unsigned char *record, *params, *at;
    int i;

    for (i = 0; pairs[i]; i++) {
        most += 4 + strlen(pairs[i]);
    }
    record = apr_palloc(p, most);
    pm_codec_begin(record, PM_FCGI_RESPONDER);
    params = record + PM_FCGI_BEGIN_LEN + PM_FCGI_HEADER_LEN;
    at = params;
    for (i = 0; pairs[i] && pairs[i + 1]; i += 2) {
        at += pm_codec_length(at, strlen(pairs[i]));
        at += pm_codec_length(at, strlen(pairs[i + 1]));
        at = warm_put(at, pairs[i]);
        at = warm_put(at, pairs[i + 1]);
    }
    pm_codec_header(record + PM_FCGI_BEGIN_LEN, PM_FCGI_PARAMS,
                    (apr_size_t)(at - params));
    pm_codec_header(at, PM_FCGI_PARAMS, 0);
    at += PM_FCGI_HEADER_LEN;
    pm_codec_header(at, PM_FCGI_STDIN, 0);
    at += PM_FCGI_HEADER_LEN;
    *len = (apr_size_t)(at - record);
    return record;
}

/* --- an answer ------------------------------------------------------------ */

static void warm_on_line(void *ctx, const char *line)
{
    pm_warmup_t *warmup = ctx;

    pm_output_line(warmup->pool, warmup->w ? warmup->w->pid : 0, line);
}

static void warm_close(warm_request_t *r)
{
    if (r->fd >= 0) {
        pm_loop_unwatch(r->warmup->pool->context->loop, &r->watch);
        pm_fds_close(&r->fd);
    }
}

static void warm_keep(warm_request_t *r)
{
    apr_size_t n = sizeof(r->answer) - 1 - r->len;

    n = r->parser.span_len < n ? r->parser.span_len : n;
    memcpy(r->answer + r->len, r->parser.span, n);
    r->len += n;
}

static void warm_feed(warm_request_t *r, const char *bytes, apr_size_t n)
{
    for (;;) {
        switch (pm_codec_parser_next(&r->parser, &bytes, &n)) {
        case PM_CODEC_EVENT_STDOUT:
            warm_keep(r);
            break;
        case PM_CODEC_EVENT_STDERR:
            pm_lines_feed(&r->warmup->lines, r->parser.span, r->parser.span_len,
                          warm_on_line, r->warmup);
            break;
        case PM_CODEC_EVENT_END:
            r->ended = 1;
            warm_close(r);
            return;
        case PM_CODEC_EVENT_ERROR:
            warm_close(r);
            return;
        case PM_CODEC_EVENT_MORE:
        default:
            return;
        }
    }
}

/* More than a socket holds: what a worker writes without end is left for the
 * next turn, until the deadline. */
#define READS 64

static void warm_read(warm_request_t *r)
{
    char bytes[8192];
    ssize_t n;
    int i;

    for (i = 0; i < READS && r->fd >= 0; i++) {
        n = recv(r->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            return;
        }
        if (n <= 0) {
            warm_close(r);
            return;
        }
        warm_feed(r, bytes, (apr_size_t)n);
    }
}

/* The header's Status; 200 without one. */
static int warm_status(const char *answer)
{
    const char *line = answer;

    while (line && *line && *line != '\r' && *line != '\n') {
        if (!strncasecmp(line, "Status:", 7)) {
            return atoi(line + 7);
        }
        line = strchr(line, '\n');
        line = line ? line + 1 : NULL;
    }
    return 200;
}

/* @return what is wrong with the answer; NULL: nothing */
static const char *warm_fault(const warm_request_t *r)
{
    int status = warm_status(r->answer);

    if (r->parser.reason[0]) {
        return apr_psprintf(r->warmup->p, "is answered by %s",
                            r->parser.reason);
    }
    if (!r->ended) {
        return r->fd < 0 ? "is not answered to the end" : "is not answered";
    }
    if (r->parser.protocol_status != PM_FCGI_REQUEST_COMPLETE) {
        return "is refused";
    }
    if (!r->len) {
        return "is answered by nothing";
    }
    return status >= 500 || status < 100
               ? apr_psprintf(r->warmup->p, "is answered with %d", status)
               : NULL;
}

/* --- all of a worker ------------------------------------------------------ */

static void warm_free(pm_warmup_t *warmup)
{
    int i;

    for (i = 0; i < warmup->n; i++) {
        warm_close(&warmup->request[i]);
    }
    pm_lines_end(&warmup->lines, warm_on_line, warmup);
    if (warmup->w) {
        warmup->w->warmup = NULL;
    }
    apr_pool_destroy(warmup->p);
}

static int warm_pending(const pm_warmup_t *warmup)
{
    int i, n = 0;

    for (i = 0; i < warmup->n; i++) {
        n += warmup->request[i].fd >= 0;
    }
    return n;
}

static void warm_on_answer(void *ctx, int events)
{
    warm_request_t *r = ctx;
    pm_worker_t *w = r->warmup->w;

    (void)events;
    warm_read(r);
    if (w && !warm_pending(r->warmup) && pm_worker_fsm_alive(w->state)) {
        pm_worker_attend(w, pm_time_now());
    }
}

/* @return an errno; what was made is the request's */
static int warm_ask(warm_request_t *r, const char *word, int fork_fd)
{
    pm_pool_t *pool = r->warmup->pool;
    apr_pool_t *p = r->warmup->p;
    warm_url_t url = warm_parse(word, p);
    apr_size_t len;
    const unsigned char *request =
        warm_encode(warm_variables(pool, &url, p), &len, p);
    pm_reason_t why;
    int fd[2], err;

    r->uri = url.uri;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd)) {
        return errno;
    }
    r->fd = fd[0];
    err = send(fd[0], request, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len
              ? pm_fork_client_warmup(fork_fd, fd[1])
              : ENOBUFS;
    close(fd[1]);
    if (!err
        && pm_loop_watch(pool->context->loop, &r->watch, r->fd, APR_POLLIN, p,
                         &why)
               != APR_SUCCESS) {
        err = ENOMEM;
    }
    return err;
}

pm_warmup_t *pm_warmup_ask(pm_pool_t *pool, int fork_fd)
{
    const apr_array_header_t *words = pool->conf->warmup;
    pm_warmup_t *warmup;
    apr_pool_t *p;
    char text[120];
    int i, err = 0;

    if (!words) {
        return NULL;
    }
    p = pm_subpool_create(pool->p);
    warmup = apr_pcalloc(
        p, sizeof(*warmup) + (size_t)words->nelts * sizeof(warmup->request[0]));
    warmup->pool = pool;
    warmup->p = p;
    warmup->since = pm_time_now();
    for (i = 0; i < words->nelts && !err; i++) {
        warm_request_t *r = &warmup->request[warmup->n++];

        r->warmup = warmup;
        r->fd = -1;
        r->watch.ready = warm_on_answer;
        r->watch.ctx = r;
        pm_codec_parser_init(&r->parser);
        err = warm_ask(r, APR_ARRAY_IDX(words, i, const char *), fork_fd);
    }
    if (err) {
        pm_pool_error(pool, PM_ERROR, "cannot ask for FcgiPMWarmup: %s",
                      apr_strerror(err, text, sizeof(text)));
    }
    return warmup;
}

void pm_warmup_begin(pm_warmup_t *warmup, pm_worker_t *w)
{
    if (!warmup) {
        return;
    }
    if (!w) {
        warm_free(warmup);
        return;
    }
    warmup->w = w;
    w->warmup = warmup;
    w->asked = 1;
}

pm_warmup_t *pm_warmup_prepare(pm_pool_t *pool, int *fork_fd)
{
    pm_warmup_t *warmup = NULL;
    int fd[2] = {-1, -1};

    if (pool->conf->warmup
        && !(pm_rollback_spec(pool)->guard && pool->workers.shm)) {
        warm_note(pool, PM_WARNING,
                  "not asked, the guard is not in it (FcgiPMGuard)");
    }
    else if (pool->conf->warmup && pm_fork_client_pair(fd) == 0) {
        warmup = pm_warmup_ask(pool, fd[0]);
        close(fd[0]); /* no fork server is wanted */
    }
    *fork_fd = fd[1];
    return warmup;
}

/* --- the verdict ---------------------------------------------------------- */

/* Do old workers wait for it? */
static int warm_matters(const pm_pool_t *pool)
{
    return pool->workers.due[PM_DUE_ROLL] || pool->workers.due[PM_DUE_START];
}

static const warm_request_t *warm_find_fault(const pm_warmup_t *warmup)
{
    int i;

    for (i = 0; i < warmup->n; i++) {
        if (warm_fault(&warmup->request[i])) {
            return &warmup->request[i];
        }
    }
    return NULL;
}

/* @return 1: it serves nevertheless */
static int warm_failed(pm_worker_t *w, const warm_request_t *r)
{
    pm_pool_t *pool = w->pool;
    int matters = warm_matters(pool);

    pm_pool_error(pool, matters ? PM_ERROR : PM_WARNING,
                  "FcgiPMWarmup: %.200s %s by worker %d, which %s", r->uri,
                  warm_fault(r), (int)w->pid,
                  matters ? "is ended: the new code does not replace the old"
                          : "serves nevertheless");
    apr_snprintf(pool->warmup, sizeof(pool->warmup), "%.100s %s", r->uri,
                 warm_fault(r));
    warm_free(w->warmup);
    if (matters) {
        pm_pool_exit_failed(pool, w, pm_time_now());
        pm_fork_server_failed(pool, w, 1);
        w->overdue = 1;
        pm_worker_handle(w, PM_WORKER_EVENT_STOP);
    }
    return !matters;
}

static int warm_is_well(pm_worker_t *w)
{
    pm_warmup_t *warmup = w->warmup;
    pm_pool_t *pool = w->pool;
    double s = (double)(pm_time_now() - warmup->since) / 1e6;
    int n = warmup->n;

    pm_log(pool->context->log, PM_INFO,
           "pool %s: FcgiPMWarmup: worker %d has answered %d request%s in "
           "%.3f s",
           pool->conf->name, (int)w->pid, n, n == 1 ? "" : "s", s);
    apr_snprintf(pool->warmup, sizeof(pool->warmup), "%d answered in %.3f s", n,
                 s);
    warm_free(warmup);
    return 1;
}

int pm_warmup_judge(pm_worker_t *w, int over)
{
    const warm_request_t *fault;
    int i;

    if (!w->warmup) {
        return 1;
    }
    for (i = 0; i < w->warmup->n; i++) {
        warm_read(&w->warmup->request[i]);
    }
    if (!over && warm_pending(w->warmup)) {
        return 0;
    }
    fault = warm_find_fault(w->warmup);
    return fault ? warm_failed(w, fault) : warm_is_well(w);
}

int pm_warmup_waits(pm_worker_t *w, const pm_worker_facts_t *seen)
{
    return !w->guarded || !seen->known || pm_warmup_judge(w, 0);
}

void pm_warmup_ready(pm_worker_t *w)
{
    if (w->warmup) {
        warm_note(w->pool, PM_WARNING, "not asked, %s",
                  w->guarded ? "others serve in the worker's place"
                             : "the guard is not in the worker");
        warm_free(w->warmup);
    }
}

void pm_warmup_late(const pm_worker_t *w)
{
    const warm_request_t *r = w->warmup ? warm_find_fault(w->warmup) : NULL;

    if (r) {
        pm_pool_error(w->pool, PM_WARNING,
                      "FcgiPMWarmup: %.200s %s by worker %d in time "
                      "(FcgiPMStartTimeout)",
                      r->uri, warm_fault(r), (int)w->pid);
    }
}

static void warm_worker_gone(pm_worker_t *w)
{
    if (w->warmup) {
        warm_free(w->warmup);
    }
}

const char *pm_warmup_state(const pm_pool_t *pool)
{
    return pool->conf->warmup ? pool->warmup : "off";
}

const pm_pool_feature_t pm_warmup_feature = {.worker_gone = warm_worker_gone};
