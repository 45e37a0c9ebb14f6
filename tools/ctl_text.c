/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl_text.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "apr_strings.h"
#include "apr_tables.h"
#include "pm_core/base/pm_utf8.h"
#include "pm_core/control/pm_control_reply.h"

/* --- pieces --------------------------------------------------------------- */

int ctl_text_coloured(FILE *out)
{
    const char *no = getenv("NO_COLOR");
    const char *term = getenv("TERM");

    return isatty(fileno(out)) && !(no && no[0]) && term
           && strcmp(term, "dumb") != 0;
}

int ctl_text_columns(FILE *out)
{
    struct winsize size = {0};

    if (ioctl(fileno(out), TIOCGWINSZ, &size)) {
        return CTL_COLUMNS;
    }
    return size.ws_col < CTL_COLUMNS        ? CTL_COLUMNS
           : size.ws_col > CTL_COLUMNS_MOST ? CTL_COLUMNS_MOST
                                            : size.ws_col;
}

int ctl_text_name_width(int columns, int least, int longest)
{
    int most = columns > CTL_COLUMNS ? least + columns - CTL_COLUMNS : least;

    return longest > most ? most : longest > least ? longest : least;
}

int ctl_text_matches(const char *filter, const json_t *pool)
{
    return !filter
           || (!strcmp(filter, "failing")
                   ? pm_control_reply_is_failing(pool)
                   : !fnmatch(filter, pm_control_reply_text(pool, "name"), 0));
}

const char *ctl_text_safe(char *buf, size_t size, const char *text)
{
    const char *end = text + (size - 1);
    apr_uint32_t code = 0;
    size_t at = 0;
    size_t n;

    for (; *text; text += n ? n : 1) {
        n = pm_utf8_read(text, &code);
        if (text + (n ? n : 1) > end) {
            break;
        }
        if (n && pm_utf8_is_visible(code)) {
            memcpy(buf + at, text, n);
            at += n;
        }
        else {
            buf[at++] = '?';
        }
    }
    buf[at] = '\0';
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

    if (bytes <= 0) { /* not known */
        snprintf(buf, size, "-");
        return buf;
    }
    for (bytes /= 1024; bytes >= 1000 && units[i + 1]; i++) {
        bytes /= 1024;
    }
    snprintf(buf, size, "%.*f%c", i && bytes < 10 ? 1 : 0, bytes, units[i]);
    return buf;
}

const char *ctl_text_figure(char *buf, size_t size, pm_metric_type_t type,
                            double n, int width)
{
    switch (type) {
    case PM_METRIC_SECONDS:
        return ctl_text_age(buf, size, n);
    case PM_METRIC_BYTES:
        return ctl_text_size(buf, size, n);
    default:
        return ctl_text_number(buf, size, n, width);
    }
}

const char *ctl_text_complaint(char *buf, size_t size, const char *fmt,
                               va_list ap)
{
    const char *text;

    apr_vsnprintf(buf, size, fmt, ap);
    buf[strcspn(buf, "\n")] = '\0';
    text = strstr(buf, ": ");
    return text ? text + 2 : buf;
}

/* The end of the line that begins at text, and where the next one begins. */
static size_t text_line(const char *text, size_t width, const char **next)
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
    size_t columns = (size_t)ctl_text_columns(out);
    char buf[CTL_COLUMNS_MOST];

    fputs(head, out);
    for (;;) {
        const char *next;
        size_t len = text_line(text, columns - 1 - (size_t)indent, &next);

        fprintf(out, "%s\n", ctl_text_safe(buf, len + 1, text));
        text = next;
        if (!*text) {
            return;
        }
        fprintf(out, "%*s", indent, "");
    }
}

/* --- the table ------------------------------------------------------------ */

static const char *text_colour(const char *state)
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

static int text_is_words(const pm_metric_t *m)
{
    return m->type == PM_METRIC_TEXT || m->type == PM_METRIC_STATE;
}

/* @return the first row from m on that is a column of this object's table;
 *         NULL: there is none */
static const pm_metric_t *text_column(const pm_metric_t *m,
                                      pm_metric_object_t object)
{
    while (m->member && !(m->table && m->object == object)) {
        m++;
    }
    return m->member ? m : NULL;
}

static int text_name_width(FILE *out, const apr_array_header_t *pools)
{
    int longest = 0;
    int i;

    for (i = 0; i < pools->nelts; i++) {
        const json_t *pool = APR_ARRAY_IDX(pools, i, const json_t *);
        int len = (int)strlen(pm_control_reply_text(pool, "name"));

        longest = len > longest ? len : longest;
    }
    return ctl_text_name_width(ctl_text_columns(out),
                               pm_metrics[PM_METRIC_POOL_name].width, longest);
}

/* @param names width of pools' names */
static int text_width(const pm_metric_t *m, int names)
{
    return m == &pm_metrics[PM_METRIC_POOL_name] ? names : m->width;
}

static void text_put_heads(FILE *out, pm_metric_object_t object, int names,
                           const char *indent)
{
    const pm_metric_t *m = text_column(pm_metrics, object);

    for (; m; m = text_column(m + 1, object), indent = " ") {
        int width = text_width(m, names);

        fprintf(out, "%s%*s", indent, text_is_words(m) ? -width : width,
                m->table);
    }
    fputc('\n', out);
}

static void text_put_cell(FILE *out, const pm_metric_t *m, int names,
                          const json_t *node)
{
    const char *text = pm_control_reply_text(node, m->member);
    const char *colour = m->type == PM_METRIC_STATE && ctl_text_coloured(out)
                             ? text_colour(text)
                             : "";
    int width = text_width(m, names);
    char buf[CTL_COLUMNS_MOST];

    if (text_is_words(m)) {
        ctl_text_safe(buf, (size_t)width + 1, text);
    }
    else {
        ctl_text_figure(buf, sizeof(buf), m->type,
                        pm_control_reply_number(node, m->member), m->width);
    }
    fprintf(out, "%s%*s%s", colour, text_is_words(m) ? -width : width, buf,
            colour[0] ? "\033[0m" : "");
}

static void text_put_row(FILE *out, pm_metric_object_t object, int names,
                         const char *indent, const json_t *node)
{
    const pm_metric_t *m = text_column(pm_metrics, object);

    for (; m; m = text_column(m + 1, object), indent = " ") {
        fputs(indent, out);
        text_put_cell(out, m, names, node);
    }
    fputc('\n', out);
}

/* One line of text about a pool, when there is something to tell. */
static void text_put_about(FILE *out, const char *head, const json_t *pool,
                           const char *member)
{
    const char *text = pm_control_reply_text(pool, member);

    if (text[0]) {
        ctl_text_wrap(out, head, text);
    }
}

static void text_put_pool(FILE *out, const json_t *pool, int names, int detail)
{
    double retry_in = pm_control_reply_number(pool, "retry_in");
    const json_t *worker;
    char buf[24];
    size_t i;

    text_put_row(out, PM_METRIC_POOL, names, "", pool);
    if (retry_in > 0) {
        fprintf(out, "  next start: in %s\n",
                ctl_text_age(buf, sizeof(buf), retry_in));
    }
    text_put_about(out, "  last error: ", pool, "last_error");
    if (!detail) {
        return;
    }
    text_put_about(out, "  command: ", pool, "command");
    text_put_about(out, "  listen: ", pool, "listen");
    text_put_about(out, "  preload: ", pool, "preload");
    text_put_about(out, "  warm-up: ", pool, "warmup");
    text_put_about(out, "  last said: ", pool, "last_stderr");
    fputc('\n', out);
    text_put_heads(out, PM_METRIC_WORKER, 0, "  ");
    json_array_foreach(json_object_get(pool, "worker"), i, worker)
    {
        text_put_row(out, PM_METRIC_WORKER, 0, "  ", worker);
    }
}

/* The answer's object, with a manager in it; or NULL. */
static const json_t *text_read(const char *text, apr_pool_t *p)
{
    const json_t *all = pm_control_reply_read(text, p);

    return json_is_object(json_object_get(all, "manager")) ? all : NULL;
}

int ctl_text_status(FILE *out, const char *text, int detail, const char *filter,
                    apr_pool_t *p)
{
    const json_t *status = text_read(text, p);
    const apr_array_header_t *pools;
    const json_t *manager;
    char age[24], version[24];
    int names, i;

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
    pools = pm_control_reply_worst_first(status, p);
    names = text_name_width(out, pools);
    text_put_heads(out, PM_METRIC_POOL, names, "");
    for (i = 0; i < pools->nelts; i++) {
        const json_t *pool = APR_ARRAY_IDX(pools, i, const json_t *);

        if (ctl_text_matches(filter, pool)) {
            text_put_pool(out, pool, names, detail);
        }
    }
    return 1;
}

/* --- settings ------------------------------------------------------------- */

#define VALUE_WIDTH 24

/* Words as they would have to be written, cut to the buffer. */
static const char *text_join(char *buf, size_t size, const json_t *words)
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

static void text_put_line(FILE *out, const char *name, const char *value,
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

static void text_put_setting(FILE *out, const json_t *setting)
{
    const json_t *lines = json_object_get(setting, "value");
    const char *where = pm_control_reply_text(setting, "where");
    char origin[2048], words[4096], name[40];
    size_t i;

    snprintf(origin, sizeof(origin), "%s%s%s",
             pm_control_reply_text(setting, "from"), where[0] ? " " : "",
             where);
    ctl_text_safe(name, sizeof(name), pm_control_reply_text(setting, "name"));
    text_put_line(out, name,
                  json_array_size(lines) ? text_join(words, sizeof(words),
                                                     json_array_get(lines, 0))
                                         : "-",
                  origin);
    for (i = 1; i < json_array_size(lines); i++) {
        text_put_line(out, "",
                      text_join(words, sizeof(words), json_array_get(lines, i)),
                      "");
    }
}

static void text_put_settings(FILE *out, const json_t *pool, int manager)
{
    const json_t *setting;
    char name[72];
    size_t i;

    fprintf(
        out, "%s%s%s\n", manager ? "" : "\n", manager ? "manager" : "pool ",
        ctl_text_safe(name, sizeof(name), pm_control_reply_text(pool, "name")));
    json_array_foreach(json_object_get(pool, "settings"), i, setting)
    {
        text_put_setting(out, setting);
    }
}

int ctl_text_config(FILE *out, const char *text, apr_pool_t *p)
{
    const json_t *config = text_read(text, p);
    const apr_array_header_t *pools;
    int i;

    if (!config) {
        return 0;
    }
    text_put_settings(out, json_object_get(config, "manager"), 1);
    pools = pm_control_reply_pools(config, p);
    for (i = 0; i < pools->nelts; i++) {
        text_put_settings(out, APR_ARRAY_IDX(pools, i, const json_t *), 0);
    }
    return 1;
}
