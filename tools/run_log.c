/* SPDX-License-Identifier: Apache-2.0 */
#include "run_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apr_escape.h"
#include "apr_lib.h"
#include "apr_strings.h"
#include "pm_core/control/pm_json.h"

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
        parts->is_output = strncmp(rest, "slow: ", 6) != 0;
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
    if (!parts.is_output) {
        rest = strstr(parts.message, ": ");
        parts.reason = rest ? rest + 2 : NULL;
    }
    return parts;
}

/* --- formats -------------------------------------------------------------- */

static void log_text(void *ctx, pm_level_t level, const char *line)
{
    time_t now = time(NULL);
    struct tm tm;
    char text[40];
    char safe[4 * 8192 + 1]; /* a line is 8191 bytes at the most */

    (void)ctx;
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", localtime_r(&now, &tm));
    if (apr_escape_echo(safe, line, APR_ESCAPE_STRING, 0, NULL)
        == APR_SUCCESS) {
        line = safe; /* a terminal is not what a worker's words control */
    }
    fprintf(stderr, "%s [%s] %s\n", text, log_names[level], line);
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

static void log_json(void *ctx, pm_level_t level, const char *line)
{
    apr_pool_t *p = pm_subpool_create(ctx);
    run_log_parts_t parts = run_log_split(line);
    char time_text[64];
    pm_json_t j;

    pm_json_init(&j, p);
    pm_json_open(&j, NULL, '{');
    pm_json_string(&j, "time", log_time(time_text, sizeof(time_text)));
    pm_json_string(&j, "level", log_names[level]);
    if (parts.pool) {
        pm_json_string(&j, "pool",
                       apr_pstrmemdup(p, parts.pool, parts.pool_len));
    }
    if (parts.pid) {
        pm_json_int(&j, "pid", parts.pid);
    }
    if (parts.is_output) {
        pm_json_bool(&j, "output", 1);
    }
    pm_json_string(&j, "message", parts.message);
    if (parts.reason) {
        pm_json_string(&j, "reason", parts.reason);
    }
    pm_json_close(&j, '}');
    fputs(apr_pstrcat(p, pm_json_text(&j), "\n", NULL), stderr);
    apr_pool_destroy(p);
}

apr_status_t run_log_open(pm_log_t *log, const char *format, apr_pool_t *p,
                          pm_reason_t *why)
{
    if (strcmp(format, "text") != 0 && strcmp(format, "json") != 0) {
        return pm_fail(why, APR_EINVAL,
                       "--log-format: \"%.100s\" is not one of text|json",
                       format);
    }
    log->emit = format[0] == 'j' ? log_json : log_text;
    log->ctx = p;
    return APR_SUCCESS;
}

/* People read this at a terminal, where the name helps and the time does not.
 */
void run_log_say(const pm_log_t *log, pm_level_t level, const char *text)
{
    if (log->emit == log_json) {
        log->emit(log->ctx, level, text);
    }
    else {
        fprintf(stderr, "fcgipm-run: %s%s\n",
                level == PM_WARNING ? "warning: " : "", text);
    }
}
