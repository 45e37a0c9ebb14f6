/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/control/pm_metric.h"

const pm_metric_t pm_metrics[PM_METRICS + 1] = {
#define PM_METRIC(object, member, type, known, page, section, table, top,      \
                  width, family, label, value, help)                           \
    {PM_METRIC_##object,                                                       \
     #member,                                                                  \
     PM_METRIC_##type,                                                         \
     PM_METRIC_BY_##known,                                                     \
     page,                                                                     \
     section,                                                                  \
     table,                                                                    \
     top,                                                                      \
     width,                                                                    \
     family,                                                                   \
     label,                                                                    \
     value,                                                                    \
     help},
#include "pm_core/control/pm_metric_rows.h"
};

int pm_metric_adds_up(const pm_metric_t *metric)
{
    return metric->type == PM_METRIC_NUMBER || metric->type == PM_METRIC_COUNTER
           || metric->type == PM_METRIC_BYTES;
}

const char *pm_metric_unit(const pm_metric_t *metric)
{
    switch (metric->type) {
    case PM_METRIC_SECONDS:
    case PM_METRIC_HISTOGRAM:
        return "seconds";
    case PM_METRIC_BYTES:
        return "bytes";
    default:
        return NULL;
    }
}

/* --- as JSON -------------------------------------------------------------- */

static void metric_put_histogram(pm_json_t *j, const char *name,
                                 const pm_histogram_t *h)
{
    int i;

    pm_json_open(j, name, '{');
    pm_json_int(j, "count", (apr_int64_t)pm_request_stats_total(h));
    pm_json_precise(j, "sum", (apr_int64_t)h->sum);
    pm_json_open(j, "counts", '[');
    for (i = 0; i < PM_REQUEST_STATS_BUCKETS; i++) {
        pm_json_int(j, NULL, (apr_int64_t)h->bucket[i]);
    }
    pm_json_close(j, ']');
    pm_json_close(j, '}');
}

static void metric_put(pm_json_t *j, const pm_metric_t *metric,
                       const pm_metric_value_t *value)
{
    switch (metric->type) {
    case PM_METRIC_TEXT:
    case PM_METRIC_STATE:
        pm_json_string(j, metric->member, value->text ? value->text : "");
        break;
    case PM_METRIC_FLAG:
        pm_json_bool(j, metric->member, value->number != 0);
        break;
    case PM_METRIC_SECONDS:
        pm_json_seconds(j, metric->member, value->time);
        break;
    case PM_METRIC_HISTOGRAM:
        metric_put_histogram(j, metric->member, value->times);
        break;
    case PM_METRIC_NUMBER:
    case PM_METRIC_COUNTER:
    case PM_METRIC_BYTES:
        pm_json_int(j, metric->member, value->number);
        break;
    }
}

void pm_metric_write(pm_json_t *j, pm_metric_object_t object,
                     const pm_metric_value_t *value)
{
    int i;

    for (i = 0; i < PM_METRICS; i++) {
        if (pm_metrics[i].object == object) {
            metric_put(j, &pm_metrics[i], &value[i]);
        }
    }
}
