/* SPDX-License-Identifier: Apache-2.0 */
#include "run_log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "apr_escape.h"
#include "apr_lib.h"
#include "apr_strings.h"
#include "pm_core/control/pm_json.h"
#include "pm_core/os/pm_logfile.h"

/* Of a line, with its newline.  journald cuts what is longer (LineMax=). */
#define LOG_LINE 48000

/* ctx of the sink. */
typedef struct run_log {
    int fd;
    int is_json;
    apr_pool_t *p;
    apr_uint64_t dropped; /* lines since the last that was written */
    apr_size_t left;      /* of a line that is written in part: rest */
    char rest[LOG_LINE];
} run_log_t;

static const char *const log_names[] = {"",     "",       "crit", "error",
                                        "warn", "notice", "info", "debug"};

/* --- a line's parts ------------------------------------------------------- */

/* Reads "pid 12" or "worker 12", or "manager (pid 12)", before @a end.
 * @return what follows; NULL: it is none */
static const char *log_read_pid(const char *text, const char *word, long *pid,
                                const char *end)
{
    apr_size_t len = strlen(word);
    char *after;
    long n;

    if (strncmp(text, word, len) != 0 || !apr_isdigit(text[len])) {
        return NULL;
    }
    n = strtol(text + len, &after, 10);
    len = strlen(end);
    if (strncmp(after, end, len) != 0) {
        return NULL;
    }
    *pid = n;
    return after + len;
}

static void log_split_pool(run_log_parts_t *parts)
{
    const char *name = parts->message;
    const char *rest;
    apr_size_t len;

    if (strncmp(name, "pool ", 5) != 0) {
        return;
    }
    name += 5;
    len = strcspn(name, ": ");
    if (!len || name[len] != ':' || name[len + 1] != ' ') {
        return;
    }
    parts->pool = name;
    parts->pool_len = len;
    parts->message = name + len + 2;
    rest = log_read_pid(parts->message, "pid ", &parts->pid, ": ");
    if (rest) {
        parts->message = rest;
    }
    else {
        log_read_pid(parts->message, "worker ", &parts->pid, "");
    }
}

run_log_parts_t run_log_split(const char *line)
{
    run_log_parts_t parts = {.message = line};
    const char *rest = log_read_pid(line, "manager (pid ", &parts.pid, "): ");

    if (rest) {
        parts.message = rest;
    }
    else {
        log_split_pool(&parts);
    }
    rest = strstr(parts.message, ": ");
    parts.reason = rest ? rest + 2 : NULL;
    return parts;
}

/* --- writing -------------------------------------------------------------- */

/* Never waits: a pipe is one that does not block, a socket is told so.
 * @return how much of it was taken, -1: none */
static ssize_t log_send(const run_log_t *l, const char *text, apr_size_t len)
{
    ssize_t n;

    do {
        n = send(l->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == ENOTSOCK) {
            n = write(l->fd, text, len);
        }
    } while (n < 0 && errno == EINTR);
    return n;
}

/* @return 0: there is no room for the rest of the line before */
static int log_flush(run_log_t *l)
{
    ssize_t n = l->left ? log_send(l, l->rest, l->left) : 0;

    if (n > 0) {
        l->left -= (apr_size_t)n;
        memmove(l->rest, l->rest + n, l->left);
    }
    else if (n < 0 && errno != EAGAIN) {
        l->left = 0; /* nobody will read it */
    }
    return l->left == 0;
}

/* A line, in one piece where that is possible: the survivor writes there, too.
 */
static void log_put(run_log_t *l, const char *text, apr_size_t len)
{
    ssize_t n = log_flush(l) ? log_send(l, text, len) : -1;

    if (n < 0) {
        l->dropped++;
    }
    else if ((apr_size_t)n < len) {
        l->left = len - (apr_size_t)n;
        memcpy(l->rest, text + n, l->left);
    }
}

/* --- formats -------------------------------------------------------------- */

/* @param max bytes of the message at most
 *  @return of LOG_LINE bytes at most, with a newline */
static const char *log_text(const char *line, const char *level, apr_size_t max,
                            apr_pool_t *p)
{
    time_t now = time(NULL);
    struct tm tm;
    char text[40];
    const char *safe = apr_pescape_echo(p, apr_pstrndup(p, line, max), 0);

    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", localtime_r(&now, &tm));
    return apr_pstrcat(p, text, " [", level, "] ", safe, "\n", NULL);
}

/* RFC 3339, UTC. */
static const char *log_time(char *buf, apr_size_t size)
{
    struct timespec now;
    struct tm tm;
    char text[40];

    clock_gettime(CLOCK_REALTIME, &now);
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S",
             gmtime_r(&now.tv_sec, &tm));
    apr_snprintf(buf, size, "%s.%03ldZ", text, now.tv_nsec / 1000000);
    return buf;
}

static const char *log_json(const run_log_parts_t *parts, const char *level,
                            apr_size_t max, apr_pool_t *p)
{
    char time_text[64];
    pm_json_t j;

    pm_json_init(&j, p);
    pm_json_open(&j, NULL, '{');
    pm_json_string(&j, "time", log_time(time_text, sizeof(time_text)));
    pm_json_string(&j, "level", level);
    if (parts->pool) {
        pm_json_string(&j, "pool",
                       apr_pstrmemdup(p, parts->pool, parts->pool_len));
    }
    if (parts->pid) {
        pm_json_int(&j, "pid", parts->pid);
    }
    if (parts->is_output) {
        pm_json_bool(&j, "output", 1);
    }
    pm_json_string(&j, "message", apr_pstrndup(p, parts->message, max));
    if (parts->reason) {
        pm_json_string(&j, "reason", apr_pstrndup(p, parts->reason, max));
    }
    pm_json_close(&j, '}');
    return apr_pstrcat(p, pm_json_text(&j), "\n", NULL);
}

static void log_write(run_log_t *l, pm_level_t level,
                      const run_log_parts_t *parts, const char *line)
{
    apr_pool_t *p = pm_subpool_create(l->p);
    apr_size_t max = strlen(line);
    const char *text;

    do {
        text = l->is_json ? log_json(parts, log_names[level], max, p)
                          : log_text(line, log_names[level], max, p);
        max /= 2;
    } while (strlen(text) > LOG_LINE);
    log_put(l, text, strlen(text));
    apr_pool_destroy(p);
}

static void log_tell_dropped(run_log_t *l)
{
    run_log_parts_t parts = {0};
    char line[100];
    apr_uint64_t n = l->dropped;

    if (!n || !log_flush(l)) {
        return;
    }
    l->dropped = 0;
    apr_snprintf(line, sizeof(line),
                 "%" APR_UINT64_T_FMT
                 " lines of this log were dropped: its reader is slow",
                 n);
    parts.message = line;
    log_write(l, PM_WARNING, &parts, line);
    l->dropped = l->dropped ? n : 0; /* it was not written either */
}

/* --- the sink ------------------------------------------------------------- */

static void log_emit(void *ctx, pm_level_t level, const char *line)
{
    run_log_parts_t parts = run_log_split(line);

    log_tell_dropped(ctx);
    log_write(ctx, level, &parts, line);
}

static void log_output(void *ctx, pm_level_t level, const char *pool, pid_t pid,
                       const char *line)
{
    run_log_t *l = ctx;
    run_log_parts_t parts = {.pool = pool,
                             .pool_len = strlen(pool),
                             .pid = (long)pid,
                             .is_output = 1,
                             .message = line};
    char text[8192];

    apr_snprintf(text, sizeof(text), "pool %s: pid %d: %s", pool, (int)pid,
                 line);
    log_tell_dropped(l);
    log_write(l, level, &parts, text);
}

/* A pipe is opened once more, as O_NONBLOCK is the pipe's other users' too.
 * What a file or a terminal takes it takes at once. */
static int log_open_fd(void)
{
    struct stat st;
    int fd = fstat(STDERR_FILENO, &st) == 0 && S_ISFIFO(st.st_mode)
                 ? pm_logfile_unblock(STDERR_FILENO)
                 : STDERR_FILENO;

    return fd < 0 ? STDERR_FILENO : fd;
}

void run_log_open(pm_log_t *log, apr_pool_t *p)
{
    run_log_t *l = apr_pcalloc(p, sizeof(*l));

    l->fd = log_open_fd();
    l->p = p;
    log->emit = log_emit;
    log->output = log_output;
    log->ctx = l;
}

apr_status_t run_log_set_format(pm_log_t *log, const char *format,
                                pm_reason_t *why)
{
    run_log_t *l = log->ctx;

    if (strcmp(format, "text") != 0 && strcmp(format, "json") != 0) {
        return pm_fail(why, APR_EINVAL,
                       "--log-format: \"%.100s\" is not one of text|json",
                       format);
    }
    l->is_json = format[0] == 'j';
    return APR_SUCCESS;
}

int run_log_fd(const pm_log_t *log)
{
    const run_log_t *l = log->ctx;

    return l->fd == STDERR_FILENO ? -1 : l->fd;
}

/* People read this at a terminal, where the name helps and the time does not.
 */
void run_log_say(const pm_log_t *log, pm_level_t level, const char *text)
{
    const run_log_t *l = log->ctx;

    if (l->is_json) {
        log->emit(log->ctx, level, text);
    }
    else {
        fprintf(stderr, "fcgipm-run: %s%s\n",
                level == PM_WARNING ? "warning: " : "", text);
    }
}
