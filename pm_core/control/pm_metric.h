/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_metric.h
 * @brief The table of what is told of managers, pools and workers.
 *
 * Everything that shows figures walks this table: the status as JSON and
 * OpenMetrics, the status page, mod_status's section, fcgipmctl.  The rows
 * are in pm_metric_rows.h.  The table is constant; any thread may read it.
 */
#ifndef PM_METRIC_H
#define PM_METRIC_H

#include "pm_core/control/pm_json.h"
#include "pm_core/shm/pm_request_stats.h"

/** Whose figure a row is. */
typedef enum pm_metric_object {
    PM_METRIC_MANAGER,
    PM_METRIC_POOL,
    PM_METRIC_WORKER
} pm_metric_object_t;

/** What a figure is. */
typedef enum pm_metric_type {
    PM_METRIC_TEXT,     /**< words; has no sum */
    PM_METRIC_STATE,    /**< one of a few words; has no sum */
    PM_METRIC_FLAG,     /**< true or false; has no sum */
    PM_METRIC_NUMBER,   /**< how many there are now */
    PM_METRIC_COUNTER,  /**< how many there have been; only grows */
    PM_METRIC_SECONDS,  /**< a time; has no sum */
    PM_METRIC_BYTES,    /**< a size now */
    PM_METRIC_HISTOGRAM /**< times, in the buckets of pm_request_stats.h */
} pm_metric_type_t;

/** Which process can tell it. */
typedef enum pm_metric_known {
    PM_METRIC_BY_BOARD,  /**< any of httpd's, from shared memory */
    PM_METRIC_BY_MANAGER /**< the manager; others tell 0, or what the manager
                          *   told last */
} pm_metric_known_t;

/** A row; see pm_metric_rows.h for its columns. */
typedef struct pm_metric {
    pm_metric_object_t object;
    const char *member; /**< NULL: the table's end */
    pm_metric_type_t type;
    pm_metric_known_t known;
    const char *page, *section, *table, *top; /**< heads, or NULL */
    int width;
    const char *family, *label, *value; /**< or NULL */
    const char *help;
} pm_metric_t;

/** The index of a row: PM_METRIC_POOL_busy. */
enum {
#define PM_METRIC(object, member, type, known, page, section, table, top,      \
                  width, family, label, value, help)                           \
    PM_METRIC_##object##_##member,
#include "pm_core/control/pm_metric_rows.h"
    PM_METRICS /**< how many rows there are */
};

/** The rows, and one more without a member. */
extern const pm_metric_t pm_metrics[PM_METRICS + 1];

/** A figure's value; which one it is the row's type says. */
typedef union pm_metric_value {
    const char *text;            /**< TEXT, STATE; not owned */
    apr_int64_t number;          /**< FLAG, NUMBER, COUNTER, BYTES */
    apr_interval_time_t time;    /**< SECONDS, in microseconds */
    const pm_histogram_t *times; /**< HISTOGRAM; not owned */
} pm_metric_value_t;

/** Does the sum over pools say something? */
int pm_metric_adds_up(const pm_metric_t *metric);

/** The unit as OpenMetrics has it.  @return NULL: none */
const char *pm_metric_unit(const pm_metric_t *metric);

/** Write all figures of that object as members of the JSON object that is
 *  open.
 *  @param value PM_METRICS of them, by the rows' indices */
void pm_metric_write(pm_json_t *j, pm_metric_object_t object,
                     const pm_metric_value_t *value);

#endif /* PM_METRIC_H */
