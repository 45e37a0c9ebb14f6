/* SPDX-License-Identifier: Apache-2.0 */
/* The status as OpenMetrics 1.0.  A metric family is written as a whole, over
 * all pools; a pool that drains while another of its name is there is left
 * out, as two may not have the same labels. */
#include "httpd/status/hpm_status.h"

#include <string.h>

#include "apr_strings.h"
#include "http_protocol.h"

typedef struct writer {
    request_rec *r;
    const json_t *status;
    apr_array_header_t *pools; /* of const json_t *, each name once */
    int managed;               /* the manager answers */
} writer_t;

/** One number of each pool, or worker.  Rows of one family follow each
 *  other. */
typedef struct metric {
    const char *family, *type, *unit, *help;
    const char *label, *value; /**< one more label, or NULL */
    const char *member;        /**< of the pool, or worker */
    int manager;               /**< known to the manager only */
} metric_t;

#define COUNTER "counter"
#define GAUGE   "gauge"

#define WORKERS                                                                \
    "fcgipm_pool_workers", GAUGE, NULL,                                        \
        "Workers of the pool by what they do.", "state"
#define REFUSED                                                                \
    "fcgipm_pool_requests_refused", COUNTER, NULL,                             \
        "Requests answered with 503 as none of the pool's workers "            \
        "was to be had.",                                                      \
        "reason"
#define ENDED                                                                  \
    "fcgipm_pool_workers_ended", COUNTER, NULL, "Workers that have ended.",    \
        "cause"

static const metric_t pool_metrics[] = {
    {WORKERS, "idle", "idle", 1},
    {WORKERS, "busy", "busy", 1},
    {WORKERS, "starting", "starting", 1},
    {WORKERS, "stopping", "stopping", 1},
    {"fcgipm_pool_workers_min", GAUGE, NULL,
     "The least workers FcgiPMProcesses allows.", NULL, NULL, "min", 0},
    {"fcgipm_pool_workers_max", GAUGE, NULL,
     "The most workers FcgiPMProcesses allows.", NULL, NULL, "max", 0},
    {"fcgipm_pool_requests_in_flight", GAUGE, NULL,
     "Requests of httpd's that a worker has or that wait for one.", NULL, NULL,
     "in_flight", 0},
    {"fcgipm_pool_requests_queued", GAUGE, NULL,
     "Requests of httpd's that wait for a worker.", NULL, NULL, "queue", 1},
    {"fcgipm_pool_next_start_seconds", GAUGE, "seconds",
     "Time until a worker is started again after failures.", NULL, NULL,
     "retry_in", 1},
    {"fcgipm_pool_requests", COUNTER, NULL,
     "Requests a worker has begun to answer.", NULL, NULL, "requests", 0},
    {"fcgipm_pool_requests_aborted", COUNTER, NULL,
     "Requests whose client went before the worker was done.", NULL, NULL,
     "aborted", 0},
    {"fcgipm_pool_requests_retried", COUNTER, NULL,
     "Requests that were given to a second worker.", NULL, NULL, "retried", 0},
    {REFUSED, "queue_limit", "refused_limit", 0},
    {REFUSED, "queue_timeout", "refused_timeout", 0},
    {REFUSED, "unavailable", "refused_unavailable", 0},
    {"fcgipm_pool_workers_started", COUNTER, NULL, "Workers that were started.",
     NULL, NULL, "spawned", 0},
    {ENDED, "exited", "exited", 0},
    {ENDED, "crashed", "crashed", 0},
    {ENDED, "killed", "killed", 0},
    {"fcgipm_pool_workers_recycled", COUNTER, NULL,
     "Workers that were replaced for a limit of requests, age or size, or by "
     "a rolling reload.",
     NULL, NULL, "recycled", 0},
    {"fcgipm_pool_workers_timed_out", COUNTER, NULL,
     "Workers that were ended for FcgiPMRequestTimeout.", NULL, NULL,
     "timed_out", 0},
    {NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0}};

static const metric_t worker_metrics[] = {
    {"fcgipm_worker_requests", COUNTER, NULL,
     "Connections the worker has accepted.", NULL, NULL, "requests", 1},
    {"fcgipm_worker_busy_seconds", GAUGE, "seconds",
     "How long the worker has been busy with its request.", NULL, NULL,
     "busy_for", 1},
    {"fcgipm_worker_uptime_seconds", GAUGE, "seconds",
     "How long the worker has been there.", NULL, NULL, "uptime", 1},
    {"fcgipm_worker_resident_memory_bytes", GAUGE, "bytes",
     "Memory the worker occupies.", NULL, NULL, "rss", 1},
    {NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0}};

/* --- lines ---------------------------------------------------------------- */

/* A label's value. */
static const char *escaped(const writer_t *w, const char *text)
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

static void describe(const writer_t *w, const char *family, const char *type,
                     const char *unit, const char *help)
{
    ap_rvputs(w->r, "# TYPE ", family, " ", type, "\n", NULL);
    if (unit) {
        ap_rvputs(w->r, "# UNIT ", family, " ", unit, "\n", NULL);
    }
    ap_rvputs(w->r, "# HELP ", family, " ", help, "\n", NULL);
}

static const char *text_of(const writer_t *w, const json_t *object,
                           const char *member)
{
    return hpm_status_text(json_object_get(object, member), w->r->pool);
}

/* @param labels that the pool or worker has */
static void put(const writer_t *w, const metric_t *m, const char *labels,
                const json_t *node)
{
    const char *value = text_of(w, node, m->member);

    ap_rvputs(w->r, m->family, !strcmp(m->type, COUNTER) ? "_total" : "", "{",
              labels, NULL);
    if (m->label) {
        ap_rvputs(w->r, ",", m->label, "=\"", m->value, "\"", NULL);
    }
    ap_rvputs(w->r, "} ", *value ? value : "0", "\n", NULL);
}

static const char *pool_label(const writer_t *w, const json_t *pool)
{
    return apr_pstrcat(w->r->pool, "pool=\"",
                       escaped(w, pm_control_reply_text(pool, "name")), "\"",
                       NULL);
}

static const json_t *pool_at(const writer_t *w, int i)
{
    return APR_ARRAY_IDX(w->pools, i, const json_t *);
}

/* --- pools ---------------------------------------------------------------- */

static apr_array_header_t *each_once(const apr_array_header_t *pools,
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

/* @return the first row of the next family */
static const metric_t *pool_family(const writer_t *w, const metric_t *first)
{
    const metric_t *m = first;
    int i;

    if (!first->manager || w->managed) {
        describe(w, first->family, first->type, first->unit, first->help);
    }
    for (; m->family && !strcmp(m->family, first->family); m++) {
        for (i = 0; i < w->pools->nelts && (!m->manager || w->managed); i++) {
            put(w, m, pool_label(w, pool_at(w, i)), pool_at(w, i));
        }
    }
    return m;
}

static void pool_states(const writer_t *w)
{
    static const char *const states[] = {"starting", "running", "backoff",
                                         "stopped", "draining"};
    size_t s;
    int i;

    describe(w, "fcgipm_pool_state", "stateset", NULL,
             "What the pool does, as was told last.");
    for (i = 0; i < w->pools->nelts; i++) {
        const char *is = pm_control_reply_text(pool_at(w, i), "state");

        for (s = 0; s < sizeof(states) / sizeof(states[0]); s++) {
            ap_rvputs(w->r, "fcgipm_pool_state{", pool_label(w, pool_at(w, i)),
                      ",fcgipm_pool_state=\"", states[s], "\"} ",
                      strcmp(is, states[s]) ? "0" : "1", "\n", NULL);
        }
    }
}

/* --- histograms ----------------------------------------------------------- */

static void histogram(const writer_t *w, const char *family, const char *labels,
                      const json_t *h)
{
    const json_t *bounds = json_object_get(w->status, "time_bounds");
    const json_t *count;
    apr_int64_t sum = 0;
    size_t i;

    json_array_foreach(json_object_get(h, "counts"), i, count)
    {
        const json_t *bound = json_array_get(bounds, i);

        sum += json_integer_value(count);
        ap_rprintf(w->r, "%s_bucket{%s,le=\"%s\"} %" APR_INT64_T_FMT "\n",
                   family, labels,
                   bound ? hpm_status_text(bound, w->r->pool) : "+Inf", sum);
    }
    ap_rprintf(w->r, "%s_count{%s} %" APR_INT64_T_FMT "\n", family, labels,
               sum);
    ap_rvputs(w->r, family, "_sum{", labels, "} ", text_of(w, h, "sum"), "\n",
              NULL);
}

static void histograms(const writer_t *w, const char *family,
                       const char *member, const char *help)
{
    int i;

    describe(w, family, "histogram", "seconds", help);
    for (i = 0; i < w->pools->nelts; i++) {
        histogram(w, family, pool_label(w, pool_at(w, i)),
                  json_object_get(pool_at(w, i), member));
    }
}

/* --- workers -------------------------------------------------------------- */

/* @return how many there are */
static int worker_family(const writer_t *w, const metric_t *m)
{
    const json_t *worker;
    int count = 0;
    size_t k;
    int i;

    describe(w, m->family, m->type, m->unit, m->help);
    for (i = 0; i < w->pools->nelts; i++) {
        const char *label = pool_label(w, pool_at(w, i));

        json_array_foreach(json_object_get(pool_at(w, i), "worker"), k, worker)
        {
            if (count++ < HPM_OPENMETRICS_WORKERS) {
                put(w, m,
                    apr_pstrcat(w->r->pool, label, ",pid=\"",
                                text_of(w, worker, "pid"), "\"", NULL),
                    worker);
            }
        }
    }
    return count;
}

static void workers(const writer_t *w)
{
    const metric_t *m;
    int count = 0;

    for (m = worker_metrics; m->family; m++) {
        count = worker_family(w, m);
    }
    describe(w, "fcgipm_workers_left_out", GAUGE, NULL,
             "Workers that have no metrics of their own, as there are too "
             "many.");
    ap_rprintf(w->r, "fcgipm_workers_left_out %d\n",
               count > HPM_OPENMETRICS_WORKERS ? count - HPM_OPENMETRICS_WORKERS
                                               : 0);
}

/* --- all ------------------------------------------------------------------ */

static void manager(const writer_t *w)
{
    const json_t *m = json_object_get(w->status, "manager");

    describe(w, "fcgipm_build", "info", NULL, "The module.");
    ap_rvputs(w->r, "fcgipm_build_info{version=\"",
              escaped(w, pm_control_reply_text(w->status, "version")),
              "\"} 1\n", NULL);
    describe(w, "fcgipm_manager_up", GAUGE, NULL, "Does the manager answer?");
    ap_rputs(w->managed ? "fcgipm_manager_up 1\n" : "fcgipm_manager_up 0\n",
             w->r);
    if (w->managed) {
        describe(w, "fcgipm_manager_uptime_seconds", GAUGE, "seconds",
                 "How long this manager has been there.");
        ap_rvputs(w->r, "fcgipm_manager_uptime_seconds ",
                  text_of(w, m, "uptime"), "\n", NULL);
    }
    describe(w, "fcgipm_manager_restarts", COUNTER, NULL,
             "Managers that died and were replaced.");
    ap_rvputs(w->r, "fcgipm_manager_restarts_total ", text_of(w, m, "restarts"),
              "\n", NULL);
    describe(w, "fcgipm_manager_reloads", COUNTER, NULL,
             "Reloads that were carried out.");
    ap_rvputs(w->r, "fcgipm_manager_reloads_total ", text_of(w, m, "reloads"),
              "\n", NULL);
}

void hpm_openmetrics_write(request_rec *r, const json_t *status)
{
    writer_t w = {r, status,
                  each_once(pm_control_reply_pools(status, r->pool), r->pool),
                  hpm_status_is_managed(status)};
    const metric_t *m = pool_metrics;

    manager(&w);
    pool_states(&w);
    while (m->family) {
        m = pool_family(&w, m);
    }
    histograms(&w, "fcgipm_pool_request_duration_seconds", "request_time",
               "How long workers had requests that have ended.");
    histograms(&w, "fcgipm_pool_queue_duration_seconds", "queue_time",
               "How long requests waited for a worker, or in vain.");
    if (w.managed) {
        workers(&w);
    }
    ap_rputs("# EOF\n", r);
}
