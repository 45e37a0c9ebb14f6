/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/control/pm_openmetrics.h"

#include <string.h>

#include "apr_strings.h"

/* Pools in one part. */
#define METRICS_POOLS 16

/* A part that is written. */
typedef struct part {
    pm_openmetrics_t *w;
    apr_array_header_t *texts; /* of const char * */
    apr_pool_t *p;
} part_t;

static void part_put(part_t *part, const char *text)
{
    APR_ARRAY_PUSH(part->texts, const char *) = text;
}

/* --- lines ---------------------------------------------------------------- */

/* A label's value. */
static const char *metrics_escape(const char *text, apr_pool_t *p)
{
    char *out = apr_palloc(p, 2 * strlen(text) + 1);
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

const char *pm_openmetrics_seconds(apr_int64_t us, apr_pool_t *p)
{
    const char *minus = us < 0 ? "-" : "";
    apr_uint64_t n = us < 0 ? 0 - (apr_uint64_t)us : (apr_uint64_t)us;
    char *text = apr_psprintf(p, "%s%" APR_UINT64_T_FMT ".%06u", minus,
                              n / 1000000, (unsigned)(n % 1000000));
    char *end;

    for (end = text + strlen(text); end[-1] == '0' && end[-2] != '.'; end--) {
        end[-1] = '\0';
    }
    return text;
}

static void metrics_describe(part_t *part, const char *family, const char *type,
                             const char *unit, const char *help)
{
    part_put(part,
             apr_pstrcat(part->p, "# TYPE ", family, " ", type, "\n", NULL));
    if (unit) {
        part_put(part, apr_pstrcat(part->p, "# UNIT ", family, " ", unit, "\n",
                                   NULL));
    }
    part_put(part,
             apr_pstrcat(part->p, "# HELP ", family, " ", help, "\n", NULL));
}

/* @param labels of the pool or worker; "": it has none */
static void metrics_put_number(part_t *part, const pm_metric_t *m,
                               const char *labels, const void *object)
{
    const char *set = m->label
                          ? apr_pstrcat(part->p, "{", labels, ",", m->label,
                                        "=\"", m->value, "\"}", NULL)
                      : *labels ? apr_pstrcat(part->p, "{", labels, "}", NULL)
                                : "";

    part_put(part,
             apr_pstrcat(part->p, m->family,
                         m->type == PM_METRIC_COUNTER ? "_total" : "", set, " ",
                         part->w->source->number(object, m, part->p), "\n",
                         NULL));
}

static void metrics_put_states(part_t *part, const pm_metric_t *m,
                               const char *labels, const void *object)
{
    static const char *const states[] = {"starting", "running", "backoff",
                                         "stopped", "draining"};
    const char *is = part->w->source->text(object, m);
    size_t i;

    for (i = 0; i < sizeof(states) / sizeof(states[0]); i++) {
        part_put(part,
                 apr_pstrcat(part->p, m->family, "{", labels, ",", m->family,
                             "=\"", states[i], "\"} ",
                             strcmp(is, states[i]) ? "0" : "1", "\n", NULL));
    }
}

static void metrics_put_histogram(part_t *part, const pm_metric_t *m,
                                  const char *labels, const void *object)
{
    apr_uint64_t counts[PM_REQUEST_STATS_BUCKETS] = {0};
    const char *total = part->w->source->histogram(object, m, counts, part->p);
    apr_uint64_t sum = 0; /* no overflow, whatever the numbers are */
    int i;

    for (i = 0; i < PM_REQUEST_STATS_BUCKETS; i++) {
        sum += counts[i];
        part_put(part,
                 apr_psprintf(
                     part->p, "%s_bucket{%s,le=\"%s\"} %" APR_UINT64_T_FMT "\n",
                     m->family, labels,
                     i < PM_REQUEST_STATS_BUCKETS - 1 ? pm_openmetrics_seconds(
                         pm_request_stats_bounds[i], part->p)
                                                      : "+Inf",
                     sum));
    }
    part_put(part, apr_psprintf(part->p, "%s_count{%s} %" APR_UINT64_T_FMT "\n",
                                m->family, labels, sum));
    part_put(part, apr_pstrcat(part->p, m->family, "_sum{", labels, "} ", total,
                               "\n", NULL));
}

/* --- types ---------------------------------------------------------------- */

/* A type without a function is not written. */
static const struct {
    const char *name;
    void (*put)(part_t *part, const pm_metric_t *m, const char *labels,
                const void *object);
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

static void metrics_put_manager(part_t *part, const pm_metric_t *m)
{
    metrics_types[m->type].put(part, m, "", part->w->manager);
}

static const pm_openmetrics_pool_t *metrics_pool(const part_t *part, int i,
                                                 const char **label)
{
    const pm_openmetrics_pool_t *pool =
        &APR_ARRAY_IDX(part->w->pools, i, pm_openmetrics_pool_t);

    *label = apr_pstrcat(part->p, "pool=\"",
                         metrics_escape(pool->name, part->p), "\"", NULL);
    return pool;
}

static void metrics_put_workers_of(part_t *part, const pm_metric_t *m,
                                   const pm_openmetrics_pool_t *pool,
                                   const char *label)
{
    const pm_metric_t *pid = &pm_metrics[PM_METRIC_WORKER_pid];
    int i;

    for (i = 0; pool->workers && i < pool->workers->nelts; i++) {
        const void *worker = APR_ARRAY_IDX(pool->workers, i, const void *);

        if (part->w->workers++ < PM_OPENMETRICS_WORKERS) {
            metrics_types[m->type].put(
                part, m,
                apr_pstrcat(part->p, label, ",pid=\"",
                            part->w->source->number(worker, pid, part->p), "\"",
                            NULL),
                worker);
        }
    }
    part->w->workers += pool->more;
}

/* The row for some pools, or for their workers.  @return 1: it is written whole
 */
static int metrics_put_some(part_t *part, const pm_metric_t *m)
{
    pm_openmetrics_t *w = part->w;
    int end = w->at + METRICS_POOLS;
    const char *label;

    if (m->object == PM_METRIC_WORKER && !w->at) {
        w->workers = 0;
    }
    for (; w->at < end && w->at < w->pools->nelts; w->at++) {
        const pm_openmetrics_pool_t *pool = metrics_pool(part, w->at, &label);

        if (m->object == PM_METRIC_WORKER) {
            metrics_put_workers_of(part, m, pool, label);
        }
        else {
            metrics_types[m->type].put(part, m, label, pool->object);
        }
    }
    return w->at >= w->pools->nelts;
}

/* --- parts ---------------------------------------------------------------- */

static void metrics_put_build(part_t *part)
{
    metrics_describe(part, "fcgipm_build", "info", NULL, "The module.");
    part_put(part, apr_pstrcat(part->p, "fcgipm_build_info{version=\"",
                               metrics_escape(part->w->version, part->p),
                               "\"} 1\n", NULL));
}

static void metrics_put_end(part_t *part)
{
    int more = part->w->workers - PM_OPENMETRICS_WORKERS;

    if (part->w->managed) {
        metrics_describe(part, "fcgipm_workers_left_out", "gauge", NULL,
                         "Workers that have no metrics of their own, as there "
                         "are too many.");
        part_put(part, apr_psprintf(part->p, "fcgipm_workers_left_out %d\n",
                                    more > 0 ? more : 0));
    }
    part_put(part, "# EOF\n");
}

static int metrics_is_written(const pm_openmetrics_t *w, const pm_metric_t *m)
{
    return m->family && (m->known != PM_METRIC_BY_MANAGER || w->managed);
}

/* Goes on with the row that comes next.  @return 0: there is none */
static int metrics_put_row(part_t *part)
{
    pm_openmetrics_t *w = part->w;
    const pm_metric_t *m = w->next;

    while (m->member && !metrics_is_written(w, m)) {
        m++;
    }
    w->next = m;
    if (!m->member) {
        return 0;
    }
    if (!w->family || strcmp(w->family, m->family) != 0) {
        w->family = m->family;
        metrics_describe(part, m->family, metrics_types[m->type].name,
                         pm_metric_unit(m), m->help);
    }
    if (m->object == PM_METRIC_MANAGER) {
        metrics_put_manager(part, m);
        w->next++;
    }
    else if (metrics_put_some(part, m)) {
        w->at = 0;
        w->next++;
    }
    return 1;
}

const char *pm_openmetrics_next(pm_openmetrics_t *w, apr_pool_t *p)
{
    part_t part = {w, apr_array_make(p, 64, sizeof(const char *)), p};

    if (!w->begun) {
        w->begun = 1;
        w->next = pm_metrics;
        metrics_put_build(&part);
    }
    else if (!w->next) {
        return NULL;
    }
    else if (!metrics_put_row(&part)) {
        metrics_put_end(&part);
        w->next = NULL;
    }
    return apr_array_pstrcat(p, part.texts, '\0');
}
