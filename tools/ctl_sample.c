/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl_sample.h"

#include <stdlib.h>
#include <string.h>

#include "apr_strings.h"
#include "ctl_text.h"
#include "pm_core/control/pm_control_reply.h"

/* What a rate is made of. */
#define SAMPLE_COUNT "requests"

/* --- columns -------------------------------------------------------------- */

typedef struct sample_view {
    ctl_column_t column[CTL_CELLS];
    int n;
} sample_view_t;

static int sample_is_text(pm_metric_type_t type)
{
    return type == PM_METRIC_TEXT || type == PM_METRIC_STATE;
}

static void sample_add_column(sample_view_t *view, ctl_column_t column)
{
    if (view->n < CTL_CELLS) {
        view->column[view->n++] = column;
    }
}

static void sample_add_row(sample_view_t *view, const pm_metric_t *m)
{
    static const ctl_column_t rate = {"REQ/S", -7, PM_METRIC_COUNTER, 1,
                                      SAMPLE_COUNT};
    static const ctl_column_t pool = {"POOL", 17, PM_METRIC_TEXT, 0, NULL};
    ctl_column_t column = {m->top,
                           sample_is_text(m->type) ? m->width : -m->width,
                           m->type, 0, m->member};

    if (!strcmp(m->member, SAMPLE_COUNT)) {
        sample_add_column(view, rate);
    }
    sample_add_column(view, column);
    if (m == &pm_metrics[PM_METRIC_WORKER_pid]) {
        sample_add_column(view, pool);
    }
}

static const sample_view_t *sample_view(ctl_view_t which)
{
    static const pm_metric_object_t objects[CTL_VIEWS] = {
        [CTL_POOLS] = PM_METRIC_POOL, [CTL_WORKERS] = PM_METRIC_WORKER};
    static sample_view_t views[CTL_VIEWS];
    sample_view_t *view = &views[which];
    const pm_metric_t *m;

    if (view->n) {
        return view;
    }
    for (m = pm_metrics; m->member; m++) {
        if (m->object == objects[which] && m->top) {
            sample_add_row(view, m);
        }
    }
    return view;
}

const ctl_column_t *ctl_sample_columns(ctl_view_t view, int *n)
{
    const sample_view_t *v = sample_view(view);

    *n = v->n;
    return v->column;
}

/* --- reading -------------------------------------------------------------- */

/* Requests in a second since the former sample; 0 when they are not to be
 * compared. */
static double sample_rate(const ctl_sample_t *now, const ctl_sample_t *former,
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
static int sample_count_column(const sample_view_t *view)
{
    int i = 0;

    while (i < view->n
           && (view->column[i].rate || !view->column[i].member
               || strcmp(view->column[i].member, SAMPLE_COUNT))) {
        i++;
    }
    return i;
}

static void sample_add_line(ctl_sample_t *sample, const ctl_sample_t *former,
                            ctl_view_t view, const json_t *node,
                            const char *pool, const char *key, apr_pool_t *p)
{
    const sample_view_t *v = sample_view(view);
    ctl_line_t *line = apr_pcalloc(p, sizeof(*line));
    int count = sample_count_column(v);
    int i;

    line->key = key;
    line->failing = view == CTL_POOLS && pm_control_reply_is_failing(node);
    line->error =
        view == CTL_POOLS ? pm_control_reply_text(node, "last_error") : "";
    sample->failing += line->failing;
    for (i = 0; i < v->n; i++) {
        const ctl_column_t *c = &v->column[i];

        if (sample_is_text(c->type)) {
            line->text[i] =
                c->member ? pm_control_reply_text(node, c->member) : pool;
            continue;
        }
        line->text[i] = "";
        line->value[i] = pm_control_reply_number(node, c->member);
        if (c->rate) {
            line->value[i] =
                sample_rate(sample, former, view, key, count, line->value[i]);
            sample->rate += view == CTL_POOLS ? line->value[i] : 0;
        }
    }
    APR_ARRAY_PUSH(sample->lines[view], ctl_line_t *) = line;
    apr_hash_set(sample->by_key[view], key, APR_HASH_KEY_STRING, line);
}

static void sample_add_pool(ctl_sample_t *sample, const ctl_sample_t *former,
                            const json_t *pool, apr_pool_t *p)
{
    const char *name = pm_control_reply_text(pool, "name");
    const json_t *w;
    size_t i;

    /* two have one name while the one with the former address drains */
    sample_add_line(
        sample, former, CTL_POOLS, pool, name,
        apr_pstrcat(p, name, " ", pm_control_reply_text(pool, "listen"), NULL),
        p);
    json_array_foreach(json_object_get(pool, "worker"), i, w)
    {
        sample_add_line(
            sample, former, CTL_WORKERS, w, name,
            apr_psprintf(p, "%.0f", pm_control_reply_number(w, "pid")), p);
    }
}

ctl_sample_t *ctl_sample_read(const char *json, apr_time_t at,
                              const ctl_sample_t *former, const char *filter,
                              apr_pool_t *p)
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
        if (ctl_text_matches(filter, pool)) {
            sample_add_pool(sample, former, pool, p);
        }
    }
    return sample;
}

/* --- order ---------------------------------------------------------------- */

static int sample_compare(const ctl_line_t *a, const ctl_line_t *b,
                          ctl_view_t view, int column)
{
    if (sample_is_text(sample_view(view)->column[column].type)) {
        return strcmp(a->text[column], b->text[column]);
    }
    return (a->value[column] < b->value[column])
           - (a->value[column] > b->value[column]);
}

/* Are these the wrong way round? */
static int sample_swapped(const ctl_line_t *a, const ctl_line_t *b,
                          ctl_view_t view, int column, int reverse)
{
    int order = sample_compare(a, b, view, column);

    if (a->failing != b->failing) {
        return b->failing;
    }
    order = reverse ? -order : order;
    return order ? order > 0 : strcmp(a->key, b->key) > 0;
}

/* Merges two sorted runs; qsort(3) has no room for what to sort by. */
static void sample_merge(ctl_line_t **to, ctl_line_t **a, int na,
                         ctl_line_t **b, int nb, ctl_view_t view, int column,
                         int reverse)
{
    while (na && nb) {
        if (sample_swapped(*a, *b, view, column, reverse)) {
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

static void sample_sort(ctl_line_t **lines, ctl_line_t **room, int n,
                        ctl_view_t view, int column, int reverse)
{
    int half = n / 2;

    if (n < 2) {
        return;
    }
    sample_sort(lines, room, half, view, column, reverse);
    sample_sort(lines + half, room, n - half, view, column, reverse);
    memcpy(room, lines, (size_t)n * sizeof(ctl_line_t *));
    sample_merge(lines, room, half, room + half, n - half, view, column,
                 reverse);
}

void ctl_sample_sort(ctl_sample_t *sample, ctl_view_t view, int column,
                     int reverse)
{
    apr_array_header_t *lines = sample->lines[view];
    ctl_line_t **room = apr_palloc(lines->pool, ((size_t)lines->nelts + 1)
                                                    * sizeof(ctl_line_t *));

    sample_sort((ctl_line_t **)(void *)lines->elts, room, lines->nelts, view,
                column, reverse);
}

/* --- cells ---------------------------------------------------------------- */

const char *ctl_sample_cell(char *buf, apr_size_t size, ctl_view_t view,
                            const ctl_line_t *line, int column)
{
    const ctl_column_t *c = &sample_view(view)->column[column];
    double n = line->value[column];

    if (sample_is_text(c->type)) {
        return ctl_text_safe(buf, size, line->text[column]);
    }
    if (c->rate && n < 10000) {
        apr_snprintf(buf, size, "%.1f", n);
        return buf;
    }
    return ctl_text_figure(buf, size, c->type, n, -c->width);
}
