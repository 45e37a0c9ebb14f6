/* SPDX-License-Identifier: Apache-2.0 */
/* The status, which is JSON here, as OpenMetrics (pm_openmetrics.h).  A pool
 * that drains while another of its name is there is left out, as two may not
 * have the same labels. */
#include "httpd/status/hpm_status.h"

#include <string.h>

#include "apr_strings.h"
#include "http_protocol.h"
#include "pm_core/control/pm_openmetrics.h"

/* --- figures -------------------------------------------------------------- */

/* What is no number would break the line. */
static const char *metrics_value(const json_t *value, apr_pool_t *p)
{
    return json_is_number(value) || json_is_boolean(value)
               ? hpm_status_text(value, p)
               : "0";
}

static const char *metrics_number(const void *object, const pm_metric_t *m,
                                  apr_pool_t *p)
{
    return metrics_value(json_object_get(object, m->member), p);
}

static const char *metrics_text(const void *object, const pm_metric_t *m)
{
    return pm_control_reply_text(object, m->member);
}

static const char *metrics_histogram(const void *object, const pm_metric_t *m,
                                     apr_uint64_t *counts, apr_pool_t *p)
{
    const json_t *histogram = json_object_get(object, m->member);
    const json_t *list = json_object_get(histogram, "counts");
    size_t i;

    for (i = 0; i < PM_REQUEST_STATS_BUCKETS; i++) {
        counts[i] = (apr_uint64_t)json_integer_value(json_array_get(list, i));
    }
    return metrics_value(json_object_get(histogram, "sum"), p);
}

static const pm_openmetrics_source_t metrics_source = {
    metrics_number, metrics_text, metrics_histogram};

/* --- objects -------------------------------------------------------------- */

static apr_array_header_t *metrics_workers(const json_t *pool, apr_pool_t *p)
{
    const json_t *all = json_object_get(pool, "worker");
    apr_array_header_t *workers =
        apr_array_make(p, (int)json_array_size(all) + 1, sizeof(const void *));
    const json_t *worker;
    size_t i;

    json_array_foreach(all, i, worker)
    {
        APR_ARRAY_PUSH(workers, const void *) = worker;
    }
    return workers;
}

static apr_array_header_t *metrics_each_once(const apr_array_header_t *pools,
                                             apr_pool_t *p)
{
    apr_array_header_t *once =
        apr_array_make(p, pools->nelts + 1, sizeof(pm_openmetrics_pool_t));
    const char *before = "";
    int i;

    for (i = 0; i < pools->nelts; i++) {
        const json_t *pool = APR_ARRAY_IDX(pools, i, const json_t *);
        const char *name = pm_control_reply_text(pool, "name");

        if (strcmp(name, before)) {
            APR_ARRAY_PUSH(once, pm_openmetrics_pool_t) =
                (pm_openmetrics_pool_t){name, pool, metrics_workers(pool, p),
                                        0};
        }
        before = name;
    }
    return once;
}

void hpm_openmetrics_write(request_rec *r, const json_t *status)
{
    pm_openmetrics_t w = {
        .source = &metrics_source,
        .version = pm_control_reply_text(status, "version"),
        .managed = hpm_status_is_managed(status),
        .manager = json_object_get(status, "manager"),
        .pools = metrics_each_once(pm_control_reply_pools(status, r->pool),
                                   r->pool)};
    apr_pool_t *p = pm_subpool_create(r->pool);
    const char *text;

    while ((text = pm_openmetrics_next(&w, p))) {
        ap_rputs(text, r);
        apr_pool_clear(p);
    }
    apr_pool_destroy(p);
}
