/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/control/pm_probe.h"

#include <stdlib.h>
#include <string.h>

#include "apr_strings.h"
#include "pm_core/control/pm_openmetrics.h"
#include "pm_core/control/pm_report_status.h"

/* Figures are collected anew after so long. */
#define PROBE_AGE apr_time_from_sec(1)

/* The figures of one moment; those that are sent from it keep it. */
typedef struct snapshot {
    apr_pool_t *p;
    int users;
    apr_time_t at;
    pm_metric_value_t manager[PM_METRICS];
    apr_array_header_t *pools; /* of pm_openmetrics_pool_t */
    int workers;               /* that were read */
} snapshot_t;

struct pm_probe {
    pm_context_t *context;
    apr_pool_t *p;
    snapshot_t *last; /* NULL: none yet */
};

pm_probe_t *pm_probe_create(pm_context_t *context, apr_pool_t *p)
{
    pm_probe_t *probe = apr_pcalloc(p, sizeof(*probe));

    probe->context = context;
    probe->p = p;
    return probe;
}

/* --- figures -------------------------------------------------------------- */

static const char *probe_number(const void *object, const pm_metric_t *m,
                                apr_pool_t *p)
{
    const pm_metric_value_t *value =
        (const pm_metric_value_t *)object + (m - pm_metrics);

    return m->type == PM_METRIC_SECONDS
               ? pm_openmetrics_seconds(value->time, p)
               : apr_psprintf(p, "%" APR_INT64_T_FMT, value->number);
}

static const char *probe_text(const void *object, const pm_metric_t *m)
{
    const char *text = ((const pm_metric_value_t *)object)[m - pm_metrics].text;

    return text ? text : "";
}

static const char *probe_histogram(const void *object, const pm_metric_t *m,
                                   apr_uint64_t *counts, apr_pool_t *p)
{
    const pm_histogram_t *h =
        ((const pm_metric_value_t *)object)[m - pm_metrics].times;

    memcpy(counts, h->bucket, sizeof(h->bucket));
    return pm_openmetrics_seconds((apr_int64_t)h->sum, p);
}

static const pm_openmetrics_source_t probe_source = {probe_number, probe_text,
                                                     probe_histogram};

/* --- a snapshot ----------------------------------------------------------- */

static void probe_read_workers(snapshot_t *s, pm_openmetrics_pool_t *to,
                               const pm_pool_t *pool)
{
    apr_array_header_t *workers = apr_array_make(s->p, 4, sizeof(const void *));
    const pm_worker_t *w = NULL;

    APR_RING_FOREACH(w, &pool->workers.list, pm_worker, link)
    {
        pm_metric_value_t *value;

        if (s->workers >= PM_OPENMETRICS_WORKERS) {
            to->more++;
            continue;
        }
        s->workers++;
        value = apr_palloc(s->p, PM_METRICS * sizeof(*value));
        pm_report_status_of_worker(value, w, s->at);
        APR_ARRAY_PUSH(workers, const void *) = value;
    }
    to->workers = workers;
}

static void probe_read_pool(snapshot_t *s, pm_pool_t *pool)
{
    pm_report_status_t *status = apr_palloc(s->p, sizeof(*status));
    pm_openmetrics_pool_t to = {.object = status->value};

    pm_report_status_of_pool(status, pool, s->at, s->p);
    to.name = apr_pstrdup(s->p, pool->conf->name);
    probe_read_workers(s, &to, pool);
    APR_ARRAY_PUSH(s->pools, pm_openmetrics_pool_t) = to;
}

/* Two pools may not have the same labels: one that drains is left out while
 * another of its name is there. */
static int probe_is_hidden(const pm_context_t *context, const pm_pool_t *pool)
{
    apr_hash_index_t *hi;

    if (pool->published->avail != PM_AVAIL_DRAINING) {
        return 0;
    }
    for (hi = apr_hash_first(NULL, context->pools); hi;
         hi = apr_hash_next(hi)) {
        const pm_pool_t *other = apr_hash_this_val(hi);

        if (other != pool && !strcmp(other->conf->name, pool->conf->name)
            && (other->published->avail != PM_AVAIL_DRAINING
                || other->generation > pool->generation)) {
            return 1;
        }
    }
    return 0;
}

static int probe_compare(const void *a, const void *b)
{
    return strcmp(((const pm_openmetrics_pool_t *)a)->name,
                  ((const pm_openmetrics_pool_t *)b)->name);
}

static void probe_release(snapshot_t *s)
{
    if (s && !--s->users) {
        apr_pool_destroy(s->p);
    }
}

static apr_status_t probe_on_sent(void *data)
{
    probe_release(data);
    return APR_SUCCESS;
}

static snapshot_t *probe_take(const pm_probe_t *probe, apr_time_t now)
{
    const pm_context_t *context = probe->context;
    apr_pool_t *p = pm_subpool_create(probe->p);
    snapshot_t *s = apr_pcalloc(p, sizeof(*s));
    apr_hash_index_t *hi;

    s->p = p;
    s->users = 1;
    s->at = now;
    s->pools = apr_array_make(p, 16, sizeof(pm_openmetrics_pool_t));
    pm_report_status_of_manager(
        s->manager, pm_scoreboard_header(context->scoreboard), NULL, now);
    for (hi = apr_hash_first(NULL, context->pools); hi;
         hi = apr_hash_next(hi)) {
        pm_pool_t *pool = apr_hash_this_val(hi);

        if (!probe_is_hidden(context, pool)) {
            probe_read_pool(s, pool);
        }
    }
    qsort(s->pools->elts, (size_t)s->pools->nelts,
          sizeof(pm_openmetrics_pool_t), probe_compare);
    return s;
}

static const char *probe_next(void *ctx, apr_pool_t *p)
{
    return pm_openmetrics_next(ctx, p);
}

static void probe_metrics(pm_probe_t *probe, pm_http_answer_t *answer,
                          apr_pool_t *p)
{
    pm_openmetrics_t *w = apr_pcalloc(p, sizeof(*w));
    apr_time_t now = pm_time_now();

    if (!probe->last || now - probe->last->at >= PROBE_AGE) {
        probe_release(probe->last);
        probe->last = probe_take(probe, now);
    }
    probe->last->users++;
    apr_pool_cleanup_register(p, probe->last, probe_on_sent,
                              apr_pool_cleanup_null);
    w->source = &probe_source;
    w->version = PM_VERSION;
    w->managed = 1;
    w->manager = probe->last->manager;
    w->pools = probe->last->pools;
    *answer = (pm_http_answer_t){200, PM_OPENMETRICS_TYPE, "", probe_next, w};
}

/* --- readiness ------------------------------------------------------------ */

/* A pool whose workers are all being replaced is ready: requests wait at its
 * socket for a moment.  One that has never had a worker is not. */
static int probe_is_ready(const pm_pool_t *pool)
{
    int avail = (int)pool->published->avail;

    return pool->phase == PM_POOL_RUNNING
           && (avail == PM_AVAIL_RUNNING
               || (avail == PM_AVAIL_STARTING && pool->rollback.ever));
}

/* @param name "": all pools; scripts' pools come and go, and drained ones go */
static int probe_is_asked(const pm_pool_t *pool, const char *name)
{
    return *name ? !strcmp(pool->conf->name, name)
                       && pool->published->avail != PM_AVAIL_DRAINING
                 : !pool->script && pool->published->avail != PM_AVAIL_DRAINING;
}

static void probe_ready(const pm_probe_t *probe, const char *name,
                        pm_http_answer_t *answer, apr_pool_t *p)
{
    const pm_context_t *context = probe->context;
    apr_array_header_t *lines = apr_array_make(p, 8, sizeof(const char *));
    apr_hash_index_t *hi;
    int asked = 0;

    for (hi = apr_hash_first(NULL, context->pools); hi;
         hi = apr_hash_next(hi)) {
        const pm_pool_t *pool = apr_hash_this_val(hi);

        if (probe_is_asked(pool, name)) {
            asked++;
            if (!probe_is_ready(pool)) {
                APR_ARRAY_PUSH(lines, const char *) = apr_pstrcat(
                    p, "pool ", pool->conf->name, ": ",
                    pm_report_status_state((pm_avail_t)pool->published->avail),
                    "\n", NULL);
            }
        }
    }
    if (context->dying_at || !context->global) {
        APR_ARRAY_PUSH(lines, const char *) =
            context->dying_at ? "the manager ends\n" : "the manager starts\n";
    }
    answer->status = *name && !asked ? 404 : lines->nelts ? 503 : 200;
    answer->text = lines->nelts ? apr_array_pstrcat(p, lines, '\0') : NULL;
}

/* --- paths ---------------------------------------------------------------- */

void pm_probe_answer(void *ctx, const char *path, pm_http_answer_t *answer,
                     apr_pool_t *p)
{
    pm_probe_t *probe = ctx;

    if (!strcmp(path, "/metrics")) {
        probe_metrics(probe, answer, p);
    }
    else if (!strcmp(path, "/ready")) {
        probe_ready(probe, "", answer, p);
    }
    else if (!strncmp(path, "/ready/", 7) && path[7]) {
        probe_ready(probe, path + 7, answer, p);
    }
}
