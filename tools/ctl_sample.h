/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ctl_sample.h
 * @brief What `fcgipmctl top` shows: a status as lines of columns, with rates
 *        from the sample before.
 *
 * The columns are the rows of pm_metric_rows.h that have a head for top, a
 * rate before the count of requests, and for a worker the name of its pool.
 * Data only: no terminal, no clock, no socket.
 */
#ifndef CTL_SAMPLE_H
#define CTL_SAMPLE_H

#include "apr_hash.h"
#include "apr_tables.h"
#include "pm_core/control/pm_metric.h"

typedef enum ctl_view {
    CTL_POOLS,   /**< a line for each pool */
    CTL_WORKERS, /**< a line for each worker */
    CTL_VIEWS
} ctl_view_t;

#define CTL_CELLS 16 /**< columns of a view at the most */

typedef struct ctl_column {
    const char *head;
    int width; /**< > 0: text, at the left; < 0: a number */
    pm_metric_type_t type;
    int rate;           /**< 1: of that counter in a second */
    const char *member; /**< of the pool or worker; NULL: the pool's name */
} ctl_column_t;

typedef struct ctl_line {
    const char *key;   /**< the same in each sample */
    int failing;       /**< of a pool (pm_control_reply.h) */
    const char *error; /**< of a pool: its last one; "": none */
    const char *text[CTL_CELLS];
    double value[CTL_CELLS];
} ctl_line_t;

typedef struct ctl_sample {
    apr_time_t at;
    const char *version;
    double pid, reloads, restarts;
    double uptime; /**< seconds */
    double rate;   /**< requests of all pools in a second */
    int failing;   /**< pools */
    apr_array_header_t *lines[CTL_VIEWS]; /**< of ctl_line_t * */
    apr_hash_t *by_key[CTL_VIEWS];
} ctl_sample_t;

/** The columns of a view.  @param n how many */
const ctl_column_t *ctl_sample_columns(ctl_view_t view, int *n);

/**
 * @param json   the manager's answer
 * @param at     when it came
 * @param former the sample before, for rates; NULL: there is none
 * @param filter pools that are shown (ctl_text_matches()); NULL: all
 * @return NULL: it cannot be understood
 */
ctl_sample_t *ctl_sample_read(const char *json, apr_time_t at,
                              const ctl_sample_t *former, const char *filter,
                              apr_pool_t *p);

/** Sort by a column: text from a to z, numbers from the greatest; @a reverse
 *  the other way round.  Equal ones by name.  Pools that fail come first. */
void ctl_sample_sort(ctl_sample_t *sample, ctl_view_t view, int column,
                     int reverse);

/** A cell as it is shown, without padding. */
const char *ctl_sample_cell(char *buf, apr_size_t size, ctl_view_t view,
                            const ctl_line_t *line, int column);

#endif /* CTL_SAMPLE_H */
