/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl_sample.h"

#include <stdlib.h>
#include <string.h>

#include "apr_strings.h"
#include "ctl_text.h"
#include "pm_core/control/pm_control_reply.h"

enum { TEXT, NUMBER, RATE, SECONDS, BYTES };

static const ctl_column_t pool_columns[] = {
    {"POOL", 17, TEXT, "name"},       {"STATE", 9, TEXT, "state"},
    {"LIVE", -5, NUMBER, "workers"},  {"IDLE", -5, NUMBER, "idle"},
    {"BUSY", -5, NUMBER, "busy"},     {"QUEUE", -5, NUMBER, "queue"},
    {"REQ/S", -7, RATE, "requests"},  {"REQUESTS", -8, NUMBER, "requests"},
    {"CRASH", -5, NUMBER, "crashed"}, {"KILL", -4, NUMBER, "killed"}};

static const ctl_column_t worker_columns[] = {
    {"PID", -8, NUMBER, "pid"},           {"POOL", 18, TEXT, NULL},
    {"STATE", 9, TEXT, "state"},          {"REQ/S", -7, RATE, "requests"},
    {"REQUESTS", -9, NUMBER, "requests"}, {"UPTIME", -7, SECONDS, "uptime"},
    {"BUSY", -6, SECONDS, "busy_for"},    {"MEMORY", -8, BYTES, "rss"}};

static const struct {
    const ctl_column_t *columns;
    int n;
} views[CTL_VIEWS] = {
    [CTL_POOLS] = {pool_columns,
                   sizeof(pool_columns) / sizeof(pool_columns[0])},
    [CTL_WORKERS] = {worker_columns,
                     sizeof(worker_columns) / sizeof(worker_columns[0])}};

const ctl_column_t *ctl_sample_columns(ctl_view_t view, int *n)
{
    *n = views[view].n;
    return views[view].columns;
}

/* --- reading -------------------------------------------------------------- */

/* Requests in a second since the former sample; 0 when they are not to be
 * compared. */
static double rate_of(const ctl_sample_t *now, const ctl_sample_t *former,
                      ctl_view_t view, const char *key, int column,
                      double requests)
{
    const ctl_line_t *was =
        former ? apr_hash_get(former->by_key[view], key, APR_HASH_KEY_STRING)
               : NULL;
    double passed = former ? (double)(now->at - former->at) / 1e6 : 0;
    double before = was ? was->value[column] : 0;

    return was && passed > 0 && requests >= before
               ? (requests - before) / passed
               : 0;
}

/* The column that has the count a rate is made of. */
static int count_column(ctl_view_t view)
{
    int i;

    for (i = 0; i < views[view].n; i++) {
        const ctl_column_t *c = &views[view].columns[i];

        if (c->kind == NUMBER && !strcmp(c->member, "requests")) {
            break;
        }
    }
    return i;
}

static ctl_line_t *add_line(ctl_sample_t *sample, const ctl_sample_t *former,
                            ctl_view_t view, const json_t *node,
                            const char *pool, const char *key, apr_pool_t *p)
{
    ctl_line_t *line = apr_pcalloc(p, sizeof(*line));
    int count = count_column(view);
    int i;

    line->key = key;
    for (i = 0; i < views[view].n; i++) {
        const ctl_column_t *c = &views[view].columns[i];

        line->text[i] = c->kind != TEXT ? ""
                        : c->member     ? pm_control_reply_text(node, c->member)
                                        : pool;
        line->value[i] =
            c->kind == TEXT ? 0 : pm_control_reply_number(node, c->member);
        if (c->kind == RATE) {
            line->value[i] =
                rate_of(sample, former, view, key, count, line->value[i]);
            sample->rate += view == CTL_POOLS ? line->value[i] : 0;
        }
    }
    *(ctl_line_t **)apr_array_push(sample->lines[view]) = line;
    apr_hash_set(sample->by_key[view], key, APR_HASH_KEY_STRING, line);
    return line;
}

static void add_pool(ctl_sample_t *sample, const ctl_sample_t *former,
                     const json_t *pool, apr_pool_t *p)
{
    const char *name = pm_control_reply_text(pool, "name");
    const json_t *w;
    size_t i;

    /* two can have one name, when the address was changed */
    add_line(
        sample, former, CTL_POOLS, pool, name,
        apr_pstrcat(p, name, " ", pm_control_reply_text(pool, "listen"), NULL),
        p);
    json_array_foreach(json_object_get(pool, "worker"), i, w)
    {
        add_line(sample, former, CTL_WORKERS, w, name,
                 apr_psprintf(p, "%.0f", pm_control_reply_number(w, "pid")), p);
    }
}

ctl_sample_t *ctl_sample_read(const char *json, apr_time_t at,
                              const ctl_sample_t *former, apr_pool_t *p)
{
    const json_t *status = pm_control_reply_read(json, p);
    const json_t *manager = json_object_get(status, "manager");
    ctl_sample_t *sample = apr_pcalloc(p, sizeof(*sample));
    const json_t *pool;
    size_t n;
    int i;

    if (!json_is_object(manager)) {
        return NULL;
    }
    sample->at = at;
    sample->version = pm_control_reply_text(status, "version");
    sample->pid = pm_control_reply_number(manager, "pid");
    sample->reloads = pm_control_reply_number(manager, "reloads");
    sample->restarts = pm_control_reply_number(manager, "restarts");
    sample->uptime = pm_control_reply_number(manager, "uptime");
    for (i = 0; i < CTL_VIEWS; i++) {
        sample->lines[i] = apr_array_make(p, 16, sizeof(ctl_line_t *));
        sample->by_key[i] = apr_hash_make(p);
    }
    json_array_foreach(json_object_get(status, "pools"), n, pool)
    {
        add_pool(sample, former, pool, p);
    }
    return sample;
}

/* --- order ---------------------------------------------------------------- */

static int compare(const ctl_line_t *a, const ctl_line_t *b, ctl_view_t view,
                   int column)
{
    if (views[view].columns[column].kind == TEXT) {
        return strcmp(a->text[column], b->text[column]);
    }
    return (a->value[column] < b->value[column])
           - (a->value[column] > b->value[column]);
}

/* Are these the wrong way round? */
static int swapped(const ctl_line_t *a, const ctl_line_t *b, ctl_view_t view,
                   int column, int reverse)
{
    int order = compare(a, b, view, column);

    order = reverse ? -order : order;
    return order ? order > 0 : strcmp(a->key, b->key) > 0;
}

/* Merges two sorted runs; qsort(3) has no room for what to sort by. */
static void merge(ctl_line_t **to, ctl_line_t **a, int na, ctl_line_t **b,
                  int nb, ctl_view_t view, int column, int reverse)
{
    while (na && nb) {
        if (swapped(*a, *b, view, column, reverse)) {
            *to++ = *b++;
            nb--;
        }
        else {
            *to++ = *a++;
            na--;
        }
    }
    memcpy(to, a, (size_t)na * sizeof(ctl_line_t *));
    memcpy(to + na, b, (size_t)nb * sizeof(ctl_line_t *));
}

static void sort(ctl_line_t **lines, ctl_line_t **room, int n, ctl_view_t view,
                 int column, int reverse)
{
    int half = n / 2;

    if (n < 2) {
        return;
    }
    sort(lines, room, half, view, column, reverse);
    sort(lines + half, room, n - half, view, column, reverse);
    memcpy(room, lines, (size_t)n * sizeof(ctl_line_t *));
    merge(lines, room, half, room + half, n - half, view, column, reverse);
}

void ctl_sample_sort(ctl_sample_t *sample, ctl_view_t view, int column,
                     int reverse)
{
    apr_array_header_t *lines = sample->lines[view];
    ctl_line_t **room = apr_palloc(lines->pool, ((size_t)lines->nelts + 1)
                                                    * sizeof(ctl_line_t *));

    sort((ctl_line_t **)(void *)lines->elts, room, lines->nelts, view, column,
         reverse);
}

/* --- cells ---------------------------------------------------------------- */

const char *ctl_sample_cell(char *buf, apr_size_t size, ctl_view_t view,
                            const ctl_line_t *line, int column)
{
    const ctl_column_t *c = &views[view].columns[column];
    double n = line->value[column];

    switch (c->kind) {
    case TEXT:
        return ctl_text_safe(buf, size, line->text[column]);
    case SECONDS:
        return ctl_text_age(buf, size, n);
    case BYTES:
        return ctl_text_size(buf, size, n);
    case RATE:
        if (n < 10000) {
            apr_snprintf(buf, size, "%.1f", n);
            return buf;
        }
        return ctl_text_number(buf, size, n, -c->width);
    default:
        return ctl_text_number(buf, size, n, -c->width);
    }
}
