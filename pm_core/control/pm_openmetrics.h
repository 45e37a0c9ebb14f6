/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_openmetrics.h
 * @brief Figures as OpenMetrics 1.0, from the rows of pm_metric_rows.h.
 *
 * A metric family is written as a whole, over all pools, some pools at a time:
 * a process that may not stand still does something else between two parts.
 * Where figures come from is the caller's: httpd has a status
 * as JSON, the manager its own values.
 */
#ifndef PM_OPENMETRICS_H
#define PM_OPENMETRICS_H

#include "apr_tables.h"
#include "pm_core/control/pm_metric.h"

#define PM_OPENMETRICS_TYPE                                                    \
    "application/openmetrics-text; version=1.0.0; charset=utf-8"

/** Workers that have metrics of their own; fcgipm_workers_left_out counts the
 *  others. */
#define PM_OPENMETRICS_WORKERS 512

/** How a figure of an object is read.  What is returned lives as long as the
 *  object or @a p. */
typedef struct pm_openmetrics_source {
    /** @return a number */
    const char *(*number)(const void *object, const pm_metric_t *m,
                          apr_pool_t *p);
    /** @return words; "": none */
    const char *(*text)(const void *object, const pm_metric_t *m);
    /** @param counts of the buckets, PM_REQUEST_STATS_BUCKETS, set
     *  @return the sum in seconds, a number */
    const char *(*histogram)(const void *object, const pm_metric_t *m,
                             apr_uint64_t *counts, apr_pool_t *p);
} pm_openmetrics_source_t;

typedef struct pm_openmetrics_pool {
    const char *name;
    const void *object;
    const apr_array_header_t *workers; /**< of const void *, or NULL */
    int more;                          /**< workers that are not in the array */
} pm_openmetrics_pool_t;

/** What is written; zeroed but for the first fields. */
typedef struct pm_openmetrics {
    const pm_openmetrics_source_t *source;
    const char *version;
    int managed; /**< 1: what only the manager can tell is known */
    const void *manager;
    const apr_array_header_t *pools; /**< of pm_openmetrics_pool_t, each name
                                      *   once */

    int begun;
    const pm_metric_t *next; /**< the row that comes next, or goes on */
    int at;                  /**< the pool with which it goes on */
    const char *family;      /**< that was described last */
    int workers; /**< in the family of workers that was written last */
} pm_openmetrics_t;

/** Write the next part.
 *  @param p the text lives in it; nothing of it is needed for the next part
 *  @return NULL: that was all */
const char *pm_openmetrics_next(pm_openmetrics_t *w, apr_pool_t *p);

/** @return microseconds as seconds, without needless zeros */
const char *pm_openmetrics_seconds(apr_int64_t us, apr_pool_t *p);

#endif /* PM_OPENMETRICS_H */
