/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl_text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apr_strings.h"
#include "apr_tables.h"
#include "pm_core/control/pm_control_reply.h"

/* --- pieces --------------------------------------------------------------- */

int ctl_text_coloured(FILE *out)
{
    const char *no = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    return isatty(fileno(out)) && !(no && no[0]) && term
           && strcmp(term, "dumb") != 0;
}

const char *ctl_text_safe(char *buf, size_t size, const char *text)
{
    size_t i;

    for (i = 0; i + 1 < size && text[i]; i++) {
        unsigned char c = (unsigned char)text[i];
        int c1 =
            c >= 0x80 && c < 0xa0 && i && (unsigned char)text[i - 1] == 0xc2;

        buf[i] = c < 0x20 || c == 0x7f || c1 ? '?' : text[i];
    }
    buf[i] = '\0';
    return buf;
}

const char *ctl_text_number(char *buf, size_t size, double n, int width)
{
    static const char units[] = "KMGTP";
    int i;

    snprintf(buf, size, "%.0f", n);
    for (i = 0; units[i] && (int)strlen(buf) > width; i++) {
        n /= 1000;
        snprintf(buf, size, "%.0f%c", n, units[i]);
    }
    return buf;
}

const char *ctl_text_age(char *buf, size_t size, double seconds)
{
    static const struct {
        double limit, unit;
        char letter;
    } steps[] = {{100, 1, 's'}, {6000, 60, 'm'}, {360000, 3600, 'h'}};
    unsigned i;

    for (i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (seconds < steps[i].limit) {
            snprintf(buf, size, "%d%c",
                     seconds > 0 ? (int)(seconds / steps[i].unit) : 0,
                     steps[i].letter);
            return buf;
        }
    }
    snprintf(buf, size, "%.0fd", seconds / 86400);
    return buf;
}

const char *ctl_text_size(char *buf, size_t size, double bytes)
{
    static const char units[] = "KMGT";
    int i = 0;

    for (bytes /= 1024; bytes >= 1000 && units[i + 1]; i++) {
        bytes /= 1024;
    }
    snprintf(buf, size, "%.*f%c", i && bytes < 10 ? 1 : 0, bytes, units[i]);
    return buf;
}

/* The end of the line that begins at text, and where the next one begins. */
static size_t line_of(const char *text, size_t width, const char **next)
{
    size_t len = strcspn(text, "\n");
    size_t cut;

    *next = text + len + (text[len] == '\n');
    if (len <= width) {
        return len;
    }
    for (cut = width; cut > 0 && text[cut] != ' '; cut--) {
        ;
    }
    cut = cut ? cut : width;
    *next = text + cut + strspn(text + cut, " ");
    return cut;
}

void ctl_text_wrap(FILE *out, const char *head, const char *text)
{
    int indent = (int)strlen(head);
    char buf[CTL_COLUMNS];

    fputs(head, out);
    for (;;) {
        const char *next;
        size_t len = line_of(text, CTL_COLUMNS - 1 - (size_t)indent, &next);

        fprintf(out, "%s\n", ctl_text_safe(buf, len + 1, text));
        text = next;
        if (!*text) {
            return;
        }
        fprintf(out, "%*s", indent, "");
    }
}

/* --- the table ------------------------------------------------------------ */

/* The columns of a pool, behind its name and state. */
static const struct {
    const char *head;
    const char *member;
    int width;
} columns[] = {{"MAX", "max", 4},       {"LIVE", "workers", 4},
               {"IDLE", "idle", 4},     {"BUSY", "busy", 4},
               {"QUEUE", "queue", 5},   {"REQUESTS", "requests", 9},
               {"CRASH", "crashed", 5}, {"KILL", "killed", 4}};

static const char *colour_of(const char *state)
{
    static const struct {
        const char *state, *colour;
    } colours[] = {{"running", "\033[32m"},  {"idle", "\033[32m"},
                   {"busy", "\033[36m"},     {"starting", "\033[33m"},
                   {"stopping", "\033[33m"}, {"draining", "\033[33m"},
                   {"backoff", "\033[31m"},  {"stopped", "\033[31m"}};
    unsigned i;

    for (i = 0; i < sizeof(colours) / sizeof(colours[0]); i++) {
        if (!strcmp(state, colours[i].state)) {
            return colours[i].colour;
        }
    }
    return "";
}

static void put_state(FILE *out, const json_t *object)
{
    const char *state = pm_control_reply_text(object, "state");
    const char *colour = ctl_text_coloured(out) ? colour_of(state) : "";
    char buf[16];

    fprintf(out, "%s%-9s%s", colour, ctl_text_safe(buf, sizeof(buf), state),
            colour[0] ? "\033[0m" : "");
}

static void put_worker(FILE *out, const json_t *worker)
{
    char a[24], b[24], c[24], d[24];

    fprintf(out, "  %8.0f ", pm_control_reply_number(worker, "pid"));
    put_state(out, worker);
    fprintf(
        out, " %10s %8s %10s %8s\n",
        ctl_text_number(a, sizeof(a),
                        pm_control_reply_number(worker, "requests"), 10),
        ctl_text_age(b, sizeof(b), pm_control_reply_number(worker, "uptime")),
        ctl_text_age(c, sizeof(c), pm_control_reply_number(worker, "busy_for")),
        ctl_text_size(d, sizeof(d), pm_control_reply_number(worker, "rss")));
}

static void put_pool(FILE *out, const json_t *pool, int detail)
{
    const json_t *worker;
    char buf[24], name[24];
    size_t i;

    fprintf(out, "%-20.20s ",
            ctl_text_safe(name, 21, pm_control_reply_text(pool, "name")));
    put_state(out, pool);
    for (i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        fprintf(
            out, " %*s", columns[i].width,
            ctl_text_number(buf, sizeof(buf),
                            pm_control_reply_number(pool, columns[i].member),
                            columns[i].width));
    }
    fputc('\n', out);
    if (pm_control_reply_number(pool, "retry_in") > 0) {
        fprintf(out, "  next start: in %s\n",
                ctl_text_age(buf, sizeof(buf),
                             pm_control_reply_number(pool, "retry_in")));
    }
    if (pm_control_reply_text(pool, "last_error")[0]) {
        ctl_text_wrap(
            out, "  last error: ", pm_control_reply_text(pool, "last_error"));
    }
    if (!detail) {
        return;
    }
    ctl_text_wrap(out, "  command: ", pm_control_reply_text(pool, "command"));
    ctl_text_wrap(out, "  listen: ", pm_control_reply_text(pool, "listen"));
    if (pm_control_reply_text(pool, "last_stderr")[0]) {
        ctl_text_wrap(
            out, "  last said: ", pm_control_reply_text(pool, "last_stderr"));
    }
    fprintf(out, "\n  %8s %-9s %10s %8s %10s %8s\n", "PID", "STATE", "REQUESTS",
            "UPTIME", "BUSY FOR", "MEMORY");
    json_array_foreach(json_object_get(pool, "worker"), i, worker)
    {
        put_worker(out, worker);
    }
}

/* Calls put for each in the order of their names, which the manager does not
 * keep. */
static void each_pool(const json_t *all, FILE *out, int detail, apr_pool_t *p,
                      void (*put)(FILE *out, const json_t *pool, int detail))
{
    const apr_array_header_t *pools = pm_control_reply_pools(all, p);
    int i;

    for (i = 0; i < pools->nelts; i++) {
        put(out, APR_ARRAY_IDX(pools, i, const json_t *), detail);
    }
}

/* The answer's object, with a manager in it; or NULL. */
static const json_t *read_answer(const char *text, apr_pool_t *p)
{
    const json_t *all = pm_control_reply_read(text, p);

    return json_is_object(json_object_get(all, "manager")) ? all : NULL;
}

int ctl_text_status(FILE *out, const char *text, int detail, apr_pool_t *p)
{
    const json_t *status = read_answer(text, p);
    const json_t *manager;
    char age[24], version[24];
    size_t i;

    if (!status) {
        return 0;
    }
    manager = json_object_get(status, "manager");
    fprintf(out,
            "manager %.0f, up %s, %.0f reloads, %.0f restarts, version "
            "%s\n\n",
            pm_control_reply_number(manager, "pid"),
            ctl_text_age(age, sizeof(age),
                         pm_control_reply_number(manager, "uptime")),
            pm_control_reply_number(manager, "reloads"),
            pm_control_reply_number(manager, "restarts"),
            ctl_text_safe(version, sizeof(version),
                          pm_control_reply_text(status, "version")));
    fprintf(out, "%-20s %-9s", "POOL", "STATE");
    for (i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        fprintf(out, " %*s", columns[i].width, columns[i].head);
    }
    fputc('\n', out);
    each_pool(status, out, detail, p, put_pool);
    return 1;
}

/* --- settings ------------------------------------------------------------- */

#define VALUE_WIDTH 24

/* Words as one would write them, cut where nobody reads on. */
static const char *words_of(char *buf, size_t size, const json_t *words)
{
    const json_t *value;
    size_t len = 0;
    size_t i;

    buf[0] = '\0';
    json_array_foreach(words, i, value)
    {
        const char *word = pm_control_reply_string(value);
        int quote = !*word || strpbrk(word, " \t\"\\");

        snprintf(buf + len, size - len, "%s%s%s%s", len ? " " : "",
                 quote ? "\"" : "", word, quote ? "\"" : "");
        len += strlen(buf + len);
    }
    return buf;
}

static void put_line(FILE *out, const char *name, const char *value,
                     const char *origin)
{
    char buf[4096];

    fprintf(out, "  %-23s %-*s", name, VALUE_WIDTH,
            ctl_text_safe(buf, sizeof(buf), value));
    if (origin[0] && strlen(value) > VALUE_WIDTH) {
        fprintf(out, "\n  %-23s %-*s", "", VALUE_WIDTH, "");
    }
    fprintf(out, " %s\n", ctl_text_safe(buf, sizeof(buf), origin));
}

static void put_setting(FILE *out, const json_t *setting)
{
    const json_t *lines = json_object_get(setting, "value");
    const char *where = pm_control_reply_text(setting, "where");
    char origin[2048], words[4096], name[40];
    size_t i;

    snprintf(origin, sizeof(origin), "%s%s%s",
             pm_control_reply_text(setting, "from"), where[0] ? " " : "",
             where);
    ctl_text_safe(name, sizeof(name), pm_control_reply_text(setting, "name"));
    put_line(out, name,
             json_array_size(lines)
                 ? words_of(words, sizeof(words), json_array_get(lines, 0))
                 : "-",
             origin);
    for (i = 1; i < json_array_size(lines); i++) {
        put_line(out, "",
                 words_of(words, sizeof(words), json_array_get(lines, i)), "");
    }
}

static void put_settings(FILE *out, const json_t *pool, int manager)
{
    const json_t *setting;
    char name[72];
    size_t i;

    fprintf(
        out, "%s%s%s\n", manager ? "" : "\n", manager ? "manager" : "pool ",
        ctl_text_safe(name, sizeof(name), pm_control_reply_text(pool, "name")));
    json_array_foreach(json_object_get(pool, "settings"), i, setting)
    {
        put_setting(out, setting);
    }
}

int ctl_text_config(FILE *out, const char *text, apr_pool_t *p)
{
    const json_t *config = read_answer(text, p);

    if (config) {
        put_settings(out, json_object_get(config, "manager"), 1);
        each_pool(config, out, 0, p, put_settings);
    }
    return config != NULL;
}
