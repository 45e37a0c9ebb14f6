/* SPDX-License-Identifier: Apache-2.0 */
/* The status as OpenMetrics 1.0, from the rows of pm_metric_rows.h.  A metric
 * family is written as a whole, over all pools; a pool that drains while
 * another of its name is there is left out, as two may not have the same
 * labels. */
#include "httpd/status/hpm_status.h"

#include <string.h>

#include "apr_strings.h"
#include "http_protocol.h"

typedef struct metrics_writer {
    request_rec *r;
    const json_t *status;
    apr_array_header_t *pools; /* of const json_t *, each name once */
    int managed;               /* the manager answers */
    int workers;               /* there are, in the family written last */
} metrics_writer_t;

/* --- lines ---------------------------------------------------------------- */

/* A label's value. */
static const char *metrics_escape(const metrics_writer_t *w, const char *text)
{
    char *out = apr_palloc(w->r->pool, 2 * strlen(text) + 1);
    char *to = out;

    for (; *text; text++) {
        if (*text == '\\' || *text == '"' || *text == '\n') {
            *to++ = '\\';
        }
        *to++ = (char)(*text == '\n' ? 'n' : *text);
    }
    *to = '\0';
    return out;
}

static void metrics_describe(const metrics_writer_t *w, const char *family,
                             const char *type, const char *unit,
                             const char *help)
{
    ap_rvputs(w->r, "# TYPE ", family, " ", type, "\n", NULL);
    if (unit) {
        ap_rvputs(w->r, "# UNIT ", family, " ", unit, "\n", NULL);
    }
    ap_rvputs(w->r, "# HELP ", family, " ", help, "\n", NULL);
}

/* A value.  What is none would break the line. */
static const char *metrics_number(const metrics_writer_t *w,
                                  const json_t *value)
{
    return json_is_number(value) || json_is_boolean(value)
               ? hpm_status_text(value, w->r->pool)
               : "0";
}

static const char *metrics_member(const metrics_writer_t *w,
                                  const json_t *object, const char *member)
{
    return metrics_number(w, json_object_get(object, member));
}

/* @param labels of the pool or worker; "": it has none */
static void metrics_put_number(const metrics_writer_t *w, const pm_metric_t *m,
                               const char *labels, const json_t *object)
{
    ap_rvputs(w->r, m->family, m->type == PM_METRIC_COUNTER ? "_total" : "",
              NULL);
    if (m->label) {
        ap_rvputs(w->r, "{", labels, ",", m->label, "=\"", m->value, "\"}",
                  NULL);
    }
    else if (*labels) {
        ap_rvputs(w->r, "{", labels, "}", NULL);
    }
    ap_rvputs(w->r, " ", metrics_member(w, object, m->member), "\n", NULL);
}

static void metrics_put_states(const metrics_writer_t *w, const pm_metric_t *m,
                               const char *labels, const json_t *object)
{
    static const char *const states[] = {"starting", "running", "backoff",
                                         "stopped", "draining"};
    const char *is = pm_control_reply_text(object, m->member);
    size_t i;

    for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        ap_rvputs(w->r, m->family, "{", labels, ",", m->family, "=\"",
                  states[i], "\"} ", strcmp(is, states[i]) ? "0" : "1", "\n",
                  NULL);
    }
}

static void metrics_put_histogram(const metrics_writer_t *w,
                                  const pm_metric_t *m, const char *labels,
                                  const json_t *object)
{
    const json_t *histogram = json_object_get(object, m->member);
    const json_t *bounds = json_object_get(w->status, "time_bounds");
    const json_t *count;
    apr_uint64_t sum = 0; /* no overflow, whatever the numbers are */
    size_t i;

    json_array_foreach(json_object_get(histogram, "counts"), i, count)
    {
        const json_t *bound = json_array_get(bounds, i);

        sum += (apr_uint64_t)json_integer_value(count);
        ap_rprintf(w->r, "%s_bucket{%s,le=\"%s\"} %" APR_UINT64_T_FMT "\n",
                   m->family, labels, bound ? metrics_number(w, bound) : "+Inf",
                   sum);
    }
    ap_rprintf(w->r, "%s_count{%s} %" APR_UINT64_T_FMT "\n", m->family, labels,
               sum);
    ap_rvputs(w->r, m->family, "_sum{", labels, "} ",
              metrics_member(w, histogram, "sum"), "\n", NULL);
}

/* --- types ---------------------------------------------------------------- */

/* A type without a function is not written. */
static const struct {
    const char *name;
    void (*put)(const metrics_writer_t *w, const pm_metric_t *m,
                const char *labels, const json_t *object);
} metrics_types[] = {
    [PM_METRIC_TEXT] = {NULL, NULL},
    [PM_METRIC_STATE] = {"stateset", metrics_put_states},
    [PM_METRIC_FLAG] = {"gauge", metrics_put_number},
    [PM_METRIC_NUMBER] = {"gauge", metrics_put_number},
    [PM_METRIC_COUNTER] = {"counter", metrics_put_number},
    [PM_METRIC_SECONDS] = {"gauge", metrics_put_number},
    [PM_METRIC_BYTES] = {"gauge", metrics_put_number},
    [PM_METRIC_HISTOGRAM] = {"histogram", metrics_put_histogram}};

/* --- objects -------------------------------------------------------------- */

static void metrics_put_manager(metrics_writer_t *w, const pm_metric_t *m)
{
    metrics_types[m->type].put(w, m, "", json_object_get(w->status, "manager"));
}

static const json_t *metrics_pool(const metrics_writer_t *w, int i,
                                  const char **label)
{
    const json_t *pool = APR_ARRAY_IDX(w->pools, i, const json_t *);

    *label = apr_pstrcat(w->r->pool, "pool=\"",
                         metrics_escape(w, pm_control_reply_text(pool, "name")),
                         "\"", NULL);
    return pool;
}

static void metrics_put_pools(metrics_writer_t *w, const pm_metric_t *m)
{
    const char *label;
    int i;

    for (i = 0; i < w->pools->nelts; i++) {
        const json_t *pool = metrics_pool(w, i, &label);

        metrics_types[m->type].put(w, m, label, pool);
    }
}

static void metrics_put_workers(metrics_writer_t *w, const pm_metric_t *m)
{
    const json_t *worker;
    const char *label;
    size_t k;
    int i;

    w->workers = 0;
    for (i = 0; i < w->pools->nelts; i++) {
        const json_t *pool = metrics_pool(w, i, &label);

        json_array_foreach(json_object_get(pool, "worker"), k, worker)
        {
            if (w->workers++ < HPM_OPENMETRICS_WORKERS) {
                metrics_types[m->type].put(
                    w, m,
                    apr_pstrcat(w->r->pool, label, ",pid=\"",
                                metrics_member(w, worker, "pid"), "\"", NULL),
                    worker);
            }
        }
    }
}

static void (*const metrics_put[])(metrics_writer_t *w,
                                   const pm_metric_t *m) = {
    [PM_METRIC_MANAGER] = metrics_put_manager,
    [PM_METRIC_POOL] = metrics_put_pools,
    [PM_METRIC_WORKER] = metrics_put_workers};

/* --- all ------------------------------------------------------------------ */

static apr_array_header_t *metrics_each_once(const apr_array_header_t *pools,
                                             apr_pool_t *p)
{
    apr_array_header_t *once =
        apr_array_make(p, pools->nelts + 1, sizeof(const json_t *));
    const char *before = "";
    int i;

    for (i = 0; i < pools->nelts; i++) {
        const json_t *pool = APR_ARRAY_IDX(pools, i, const json_t *);
        const char *name = pm_control_reply_text(pool, "name");

        if (strcmp(name, before)) {
            APR_ARRAY_PUSH(once, const json_t *) = pool;
        }
        before = name;
    }
    return once;
}

static void metrics_put_build(const metrics_writer_t *w)
{
    metrics_describe(w, "fcgipm_build", "info", NULL, "The module.");
    ap_rvputs(w->r, "fcgipm_build_info{version=\"",
              metrics_escape(w, pm_control_reply_text(w->status, "version")),
              "\"} 1\n", NULL);
}

static void metrics_put_left_out(const metrics_writer_t *w)
{
    int more = w->workers - HPM_OPENMETRICS_WORKERS;

    metrics_describe(w, "fcgipm_workers_left_out", "gauge", NULL,
                     "Workers that have no metrics of their own, as there are "
                     "too many.");
    ap_rprintf(w->r, "fcgipm_workers_left_out %d\n", more > 0 ? more : 0);
}

static int metrics_is_first(const pm_metric_t *m)
{
    return m == pm_metrics || !m[-1].family
           || strcmp(m[-1].family, m->family) != 0;
}

void hpm_openmetrics_write(request_rec *r, const json_t *status)
{
    metrics_writer_t w = {
        r, status,
        metrics_each_once(pm_control_reply_pools(status, r->pool), r->pool),
        hpm_status_is_managed(status), 0};
    const pm_metric_t *m;

    metrics_put_build(&w);
    for (m = pm_metrics; m->member; m++) {
        if (!m->family || (m->known == PM_METRIC_BY_MANAGER && !w.managed)) {
            continue;
        }
        if (metrics_is_first(m)) {
            metrics_describe(&w, m->family, metrics_types[m->type].name,
                             pm_metric_unit(m), m->help);
        }
        metrics_put[m->object](&w, m);
    }
    if (w.managed) {
        metrics_put_left_out(&w);
    }
    ap_rputs("# EOF\n", r);
}
