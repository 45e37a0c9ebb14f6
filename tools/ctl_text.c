/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl_text.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apr_strings.h"
#include "apr_tables.h"
#include "pm_tree.h"

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
        int c1 = c >= 0x80 && c < 0xa0 && i
                 && (unsigned char)text[i - 1] == 0xc2;

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
            snprintf(buf, size, "%d%c", (int)(seconds / steps[i].unit),
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

static double number(const pm_node_t *object, const char *name)
{
    return (double)pm_tree_int(object, name);
}

static double seconds(const pm_node_t *object, const char *name)
{
    return (double)pm_tree_time(object, name) / 1e6;
}

static const char *string(const pm_node_t *object, const char *name)
{
    return pm_tree_text(object, name);
}

static const pm_node_t *first_of(const pm_node_t *object, const char *name)
{
    return pm_tree_member(object, name)->first;
}

/* The columns of a pool, behind its name and state. */
static const struct {
    const char *head;
    const char *member;
    int width;
} columns[] = {
    {"MAX", "max", 4},       {"LIVE", "workers", 4},
    {"IDLE", "idle", 4},     {"BUSY", "busy", 4},
    {"QUEUE", "queue", 5},   {"REQUESTS", "requests", 9},
    {"CRASH", "crashed", 5}, {"KILL", "killed", 4}
};

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

static void put_state(FILE *out, const pm_node_t *object)
{
    const char *state = string(object, "state");
    const char *colour = ctl_text_coloured(out) ? colour_of(state) : "";
    char buf[16];

    fprintf(out, "%s%-9s%s", colour, ctl_text_safe(buf, sizeof(buf), state),
            colour[0] ? "\033[0m" : "");
}

static void put_worker(FILE *out, const pm_node_t *worker)
{
    char a[24], b[24], c[24], d[24];

    fprintf(out, "  %8.0f ", number(worker, "pid"));
    put_state(out, worker);
    fprintf(out, " %10s %8s %10s %8s\n",
            ctl_text_number(a, sizeof(a), number(worker, "requests"), 10),
            ctl_text_age(b, sizeof(b), seconds(worker, "uptime")),
            ctl_text_age(c, sizeof(c), seconds(worker, "busy_for")),
            ctl_text_size(d, sizeof(d), number(worker, "rss")));
}

static void put_pool(FILE *out, const pm_node_t *pool, int detail)
{
    const pm_node_t *worker;
    char buf[24], name[24];
    size_t i;

    fprintf(out, "%-20.20s ", ctl_text_safe(name, 21, string(pool, "name")));
    put_state(out, pool);
    for (i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        fprintf(out, " %*s", columns[i].width,
                ctl_text_number(buf, sizeof(buf),
                                number(pool, columns[i].member),
                                columns[i].width));
    }
    fputc('\n', out);
    if (seconds(pool, "retry_in") > 0) {
        fprintf(out, "  next start: in %s\n",
                ctl_text_age(buf, sizeof(buf), seconds(pool, "retry_in")));
    }
    if (string(pool, "last_error")[0]) {
        ctl_text_wrap(out, "  last error: ", string(pool, "last_error"));
    }
    if (!detail) {
        return;
    }
    ctl_text_wrap(out, "  command: ", string(pool, "command"));
    ctl_text_wrap(out, "  listen: ", string(pool, "listen"));
    if (string(pool, "last_stderr")[0]) {
        ctl_text_wrap(out, "  last said: ", string(pool, "last_stderr"));
    }
    fprintf(out, "\n  %8s %-9s %10s %8s %10s %8s\n", "PID", "STATE",
            "REQUESTS", "UPTIME", "BUSY FOR", "MEMORY");
    for (worker = first_of(pool, "worker"); worker; worker = worker->next) {
        put_worker(out, worker);
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(string(*(const pm_node_t *const *)a, "name"),
                  string(*(const pm_node_t *const *)b, "name"));
}

/* Calls put for each in the order of their names, which the manager does not
 * keep. */
static void each_pool(const pm_node_t *all, FILE *out, int detail,
                      apr_pool_t *p,
                      void (*put)(FILE *out, const pm_node_t *pool,
                                  int detail))
{
    apr_array_header_t *pools = apr_array_make(p, 16,
                                               sizeof(const pm_node_t *));
    const pm_node_t *pool;
    int i;

    for (pool = first_of(all, "pools"); pool; pool = pool->next) {
        *(const pm_node_t **)apr_array_push(pools) = pool;
    }
    qsort(pools->elts, (size_t)pools->nelts,
          sizeof(const pm_node_t *), by_name);
    for (i = 0; i < pools->nelts; i++) {
        put(out, APR_ARRAY_IDX(pools, i, const pm_node_t *), detail);
    }
}

/* The answer's object, with a manager in it; or NULL. */
static const pm_node_t *read_answer(const char *text, apr_pool_t *p)
{
    const pm_node_t *all = pm_tree_read(apr_pstrdup(p, text), p);

    return all && pm_tree_member(all, "manager")->kind == PM_NODE_OBJECT
               ? all : NULL;
}

int ctl_text_status(FILE *out, const char *text, int detail, apr_pool_t *p)
{
    const pm_node_t *status = read_answer(text, p);
    const pm_node_t *manager;
    char age[24], version[24];
    size_t i;

    if (!status) {
        return 0;
    }
    manager = pm_tree_member(status, "manager");
    fprintf(out, "manager %.0f, up %s, %.0f reloads, %.0f restarts, version "
            "%s\n\n",
            number(manager, "pid"),
            ctl_text_age(age, sizeof(age), seconds(manager, "uptime")),
            number(manager, "reloads"), number(manager, "restarts"),
            ctl_text_safe(version, sizeof(version),
                          string(status, "version")));
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
static const char *words_of(char *buf, size_t size, const pm_node_t *words)
{
    const pm_node_t *word;
    size_t len = 0;

    buf[0] = '\0';
    for (word = words->first; word && len + 1 < size; word = word->next) {
        int quote = !*word->text || strpbrk(word->text, " \t\"\\");

        snprintf(buf + len, size - len, "%s%s%s%s", len ? " " : "",
                 quote ? "\"" : "", word->text, quote ? "\"" : "");
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

static void put_setting(FILE *out, const pm_node_t *setting)
{
    const pm_node_t *line = first_of(setting, "value");
    const char *where = string(setting, "where");
    char origin[2048], words[4096], name[40];

    snprintf(origin, sizeof(origin), "%s%s%s", string(setting, "from"),
             where[0] ? " " : "", where);
    ctl_text_safe(name, sizeof(name), string(setting, "name"));
    put_line(out, name, line ? words_of(words, sizeof(words), line) : "-",
             origin);
    for (line = line ? line->next : NULL; line; line = line->next) {
        put_line(out, "", words_of(words, sizeof(words), line), "");
    }
}

static void put_settings(FILE *out, const pm_node_t *pool, int manager)
{
    const pm_node_t *setting;
    char name[72];

    fprintf(out, "%s%s%s\n", manager ? "" : "\n", manager ? "manager" : "pool ",
            ctl_text_safe(name, sizeof(name), string(pool, "name")));
    for (setting = first_of(pool, "settings"); setting;
         setting = setting->next) {
        put_setting(out, setting);
    }
}

int ctl_text_config(FILE *out, const char *text, apr_pool_t *p)
{
    const pm_node_t *config = read_answer(text, p);

    if (config) {
        put_settings(out, pm_tree_member(config, "manager"), 1);
        each_pool(config, out, 0, p, put_settings);
    }
    return config != NULL;
}
