/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/control/pm_probe.h"

#include <stdlib.h>
#include <string.h>

#include "apr_strings.h"
#include "pm_core/control/pm_openmetrics.h"
#include "pm_core/control/pm_report_status.h"

/* Figures are collected anew after so long, and after this many times the time
 * that collecting them took. */
#define PROBE_AGE   apr_time_from_sec(1)
#define PROBE_SHARE 20

/* A turn of the loop collects and writes for so long, a step in any case. */
#define PROBE_SLICE apr_time_from_msec(2)

/* A pool that was there when the snapshot was begun. */
typedef struct probe_pool {
    apr_uint32_t generation;
    apr_array_header_t *pids; /* of pid_t; NULL: it has not been read */
    apr_array_header_t *workers;
} probe_pool_t;

/* The figures of one moment, and their text, which is made in steps: each pool,
 * each worker, each part of the text.  Those to which it is sent keep it. */
typedef struct snapshot {
    apr_pool_t *p;
    int users;
    apr_time_t at;
    apr_interval_time_t took;  /* to make it so far */
    apr_pool_t *pvalues;       /* of the figures; NULL: the text is whole */
    apr_array_header_t *seen;  /* of probe_pool_t */
    int pool, worker;          /* that come next */
    int workers;               /* that were read */
    apr_array_header_t *pools; /* of pm_openmetrics_pool_t */
    pm_metric_value_t manager[PM_METRICS];
    pm_openmetrics_t text;
    apr_array_header_t *parts; /* of const char *, what is written of it */
} snapshot_t;

/* An answer: how far it has come. */
typedef struct probe_answer {
    struct pm_probe *probe;
    snapshot_t *snapshot;
    int next;
} probe_answer_t;

struct pm_probe {
    pm_context_t *context;
    apr_pool_t *p;
    snapshot_t *last;  /* NULL: none yet */
    apr_time_t worked; /* the turn in which a slice was done last */
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

/* Which pools there are; they are read one by one. */
static snapshot_t *probe_begin(const pm_probe_t *probe, apr_time_t now)
{
    const pm_context_t *context = probe->context;
    apr_pool_t *p = pm_subpool_create(probe->p);
    snapshot_t *s = apr_pcalloc(p, sizeof(*s));
    apr_hash_index_t *hi;

    s->p = p;
    s->users = 1;
    s->at = now;
    s->pvalues = pm_subpool_create(p);
    s->parts = apr_array_make(p, 128, sizeof(const char *));
    s->seen = apr_array_make(s->pvalues, 16, sizeof(probe_pool_t));
    s->pools = apr_array_make(s->pvalues, 16, sizeof(pm_openmetrics_pool_t));
    pm_report_status_of_manager(
        s->manager, pm_scoreboard_header(context->scoreboard), NULL, now);
    for (hi = apr_hash_first(NULL, context->pools); hi;
         hi = apr_hash_next(hi)) {
        const pm_pool_t *pool = apr_hash_this_val(hi);

        APR_ARRAY_PUSH(s->seen, probe_pool_t) =
            (probe_pool_t){.generation = pool->generation};
    }
    s->text = (pm_openmetrics_t){.source = &probe_source,
                                 .version = PM_VERSION,
                                 .managed = 1,
                                 .manager = s->manager,
                                 .pools = s->pools};
    return s;
}

/* Texts belong to the pool, which may go before they are written; none is. */
static void probe_drop_texts(pm_metric_value_t *value)
{
    int i;

    for (i = 0; i < PM_METRICS; i++) {
        if (pm_metrics[i].type == PM_METRIC_TEXT) {
            value[i].text = NULL;
        }
    }
}

static void probe_read_pool(snapshot_t *s, probe_pool_t *seen, pm_pool_t *pool)
{
    pm_report_status_t *status = apr_palloc(s->pvalues, sizeof(*status));
    pm_openmetrics_pool_t to = {.object = status->value};
    const pm_worker_t *w = NULL;

    pm_report_status_of_pool(status, pool, pm_time_now(), s->pvalues);
    probe_drop_texts(status->value);
    to.name = apr_pstrdup(s->pvalues, pool->conf->name);
    seen->workers = apr_array_make(s->pvalues, 4, sizeof(const void *));
    to.workers = seen->workers;
    APR_RING_FOREACH(w, &pool->workers.list, pm_worker, link)
    {
        if (s->workers < PM_OPENMETRICS_WORKERS) {
            s->workers++;
            APR_ARRAY_PUSH(seen->pids, pid_t) = w->pid;
        }
        else {
            to.more++;
        }
    }
    APR_ARRAY_PUSH(s->pools, pm_openmetrics_pool_t) = to;
}

static void probe_read_worker(snapshot_t *s, const probe_pool_t *seen,
                              const pm_worker_t *w)
{
    pm_metric_value_t *value;

    if (w && w->pool->generation == seen->generation) {
        value = apr_palloc(s->pvalues, PM_METRICS * sizeof(*value));
        pm_report_status_of_worker(value, w, pm_time_now());
        probe_drop_texts(value);
        APR_ARRAY_PUSH(seen->workers, const void *) = value;
    }
}

/* Reads the pool that comes next, or a worker of it. */
static void probe_read(const pm_context_t *context, snapshot_t *s)
{
    probe_pool_t *seen = &APR_ARRAY_IDX(s->seen, s->pool, probe_pool_t);
    pm_pool_t *pool;

    if (!seen->pids) {
        seen->pids = apr_array_make(s->pvalues, 4, sizeof(pid_t));
        pool = apr_hash_get(context->pools, &seen->generation,
                            sizeof(seen->generation));
        if (pool && !probe_is_hidden(context, pool)) {
            probe_read_pool(s, seen, pool);
        }
    }
    else if (s->worker < seen->pids->nelts) {
        probe_read_worker(
            s, seen,
            apr_hash_get(context->workers,
                         &APR_ARRAY_IDX(seen->pids, s->worker, pid_t),
                         sizeof(pid_t)));
        s->worker++;
    }
    else {
        s->pool++;
        s->worker = 0;
    }
}

/* By name; each once, also if one was read and went, and then another. */
static void probe_sort(apr_array_header_t *pools)
{
    pm_openmetrics_pool_t *pool = (pm_openmetrics_pool_t *)(void *)pools->elts;
    int i, n = 0;

    qsort(pool, (size_t)pools->nelts, sizeof(*pool), probe_compare);
    for (i = 0; i < pools->nelts; i++) {
        if (!n || probe_compare(&pool[n - 1], &pool[i]) != 0) {
            pool[n++] = pool[i];
        }
    }
    pools->nelts = n;
}

/* Writes the next part of the text, and lets the figures go after the last. */
static void probe_write(snapshot_t *s)
{
    apr_pool_t *p = pm_subpool_create(s->pvalues);
    const char *part;

    if (!s->text.begun) {
        probe_sort(s->pools);
    }
    part = pm_openmetrics_next(&s->text, p);
    if (part) {
        APR_ARRAY_PUSH(s->parts, const char *) = apr_pstrdup(s->p, part);
        apr_pool_destroy(p);
    }
    else {
        apr_pool_destroy(s->pvalues);
        s->pvalues = NULL;
    }
}

/* In one turn of the loop one client's wish is done, which is all clients'. */
static void probe_work(pm_probe_t *probe, snapshot_t *s)
{
    apr_time_t turn = pm_loop_woken(probe->context->loop);
    apr_time_t start = pm_time_now();
    apr_time_t now = start;

    if (turn && turn == probe->worked) {
        return;
    }
    probe->worked = turn;
    while (s->pvalues && now - start < PROBE_SLICE) {
        if (s->pool < s->seen->nelts) {
            probe_read(probe->context, s);
        }
        else {
            probe_write(s);
        }
        now = pm_time_now();
    }
    s->took += now - start;
}

static const char *probe_next(void *ctx, apr_pool_t *p)
{
    probe_answer_t *a = ctx;
    snapshot_t *s = a->snapshot;

    (void)p;
    if (a->next >= s->parts->nelts && s->pvalues) {
        probe_work(a->probe, s);
    }
    if (a->next < s->parts->nelts) {
        return APR_ARRAY_IDX(s->parts, a->next++, const char *);
    }
    return s->pvalues ? "" : NULL;
}

/* One that is being made for somebody is fresh. */
static int probe_is_fresh(const snapshot_t *s, apr_time_t now)
{
    return s
           && ((s->pvalues && s->users > 1)
               || now - s->at < pm_time_max(PROBE_AGE, PROBE_SHARE * s->took));
}

static void probe_metrics(pm_probe_t *probe, pm_http_answer_t *answer,
                          apr_pool_t *p)
{
    probe_answer_t *a = apr_pcalloc(p, sizeof(*a));
    apr_time_t now = pm_time_now();

    if (!probe_is_fresh(probe->last, now)) {
        probe_release(probe->last);
        probe->last = probe_begin(probe, now);
    }
    probe->last->users++;
    apr_pool_cleanup_register(p, probe->last, probe_on_sent,
                              apr_pool_cleanup_null);
    a->probe = probe;
    a->snapshot = probe->last;
    *answer = (pm_http_answer_t){200, PM_OPENMETRICS_TYPE, "", probe_next, a};
}

/* --- readiness ------------------------------------------------------------ */

/* A pool whose workers are all being replaced is ready: requests wait at its
 * socket for a moment.  One that has never had a worker is not, nor one whose
 * last start has failed, unless the next request would start one: else no
 * request would ever come. */
static int probe_is_ready(const pm_pool_t *pool)
{
    int avail = (int)pool->published->avail;

    return pool->phase == PM_POOL_RUNNING && !pool->leaves_at
           && (avail == PM_AVAIL_RUNNING
               || (avail == PM_AVAIL_STARTING
                   && ((pool->rollback.ever && !pool->restart.failures)
                       || (pool->open && !pm_pool_alive(pool)))));
}

/* @param name "": all pools; scripts' pools come and go, and removed ones go */
static int probe_is_asked(const pm_pool_t *pool, const char *name)
{
    return pool->phase < PM_POOL_DRAINING
           && (*name ? !strcmp(pool->conf->name, name) : !pool->script);
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
    if (context->leaving || !context->global) {
        APR_ARRAY_PUSH(lines, const char *) =
            context->leaving ? "the manager ends\n" : "the manager starts\n";
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
