/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_report_status.h
 * @brief The status of pools and workers: the values of pm_metric_rows.h, and
 *        all of them as JSON.
 *
 * The names of the members are a contract; see docs/admin/control.md.  The
 * manager writes one for its control socket.  When the manager does not
 * answer, a process of httpd's writes one from its configuration and the
 * scoreboard.
 */
#ifndef PM_REPORT_STATUS_H
#define PM_REPORT_STATUS_H

#include "pm_core/control/pm_metric.h"
#include "pm_core/pool/pm_pool.h"

/** A pool as a process of httpd's knows it. */
typedef struct pm_report_status_known {
    const pm_conf_t *conf;
    pm_scoreboard_t *board; /**< NULL: there is none */
    int slot;               /**< -1: it has none */
    apr_uint32_t generation;
    const char *failed; /**< why the pool cannot run, or NULL */
} pm_report_status_known_t;

/** Where values live that pm_metric_value_t only points to. */
typedef struct pm_report_status {
    pm_metric_value_t value[PM_METRICS];
    pm_histogram_t request_time, queue_time;
} pm_report_status_t;

/** Write the beginning: the first members, and "pools" is open.
 *  @param head of the scoreboard; NULL: there was never a manager
 *  @param error why the manager does not answer, NULL: it does */
void pm_report_status_begin(pm_json_t *j, const pm_scoreboard_header_t *head,
                            const char *error, apr_time_t now);

/** Workers of one pool, as they were when it was written. */
typedef struct pm_report_workers {
    apr_array_header_t *seen; /**< NULL: no pool was written yet */
    int left; /**< of these and their end, still to be written */
} pm_report_workers_t;

/** The manager: write one pool, as an element of "pools"; its workers follow.
 *  @param list out; zeroed at first, and given again for the next pool
 *  @param now  pm_time_now() */
void pm_report_status_pool(pm_json_t *j, pm_report_workers_t *list,
                           pm_pool_t *pool, apr_time_t now);

/** Write the next worker of that pool, or its end.
 *  @return 0: it is written whole */
int pm_report_status_worker(pm_json_t *j, pm_report_workers_t *workers);

/** A process of httpd's: write one pool.  Its workers are not known, and how
 *  many there are is what the manager told last. */
void pm_report_status_known(pm_json_t *j, const pm_report_status_known_t *pool,
                            apr_time_t now);

/** The same as values.
 *  @param out valid as long as @a pool and @a p */
void pm_report_status_values(pm_report_status_t *out,
                             const pm_report_status_known_t *pool,
                             apr_time_t now, apr_pool_t *p);

/** Values as the manager knows them, PM_METRICS each; texts are not owned.
 *  @param error see pm_report_status_begin()
 *  @param out   must not be moved */
void pm_report_status_of_manager(pm_metric_value_t *value,
                                 const pm_scoreboard_header_t *head,
                                 const char *error, apr_time_t now);
void pm_report_status_of_pool(pm_report_status_t *out, pm_pool_t *pool,
                              apr_time_t now, apr_pool_t *p);
void pm_report_status_of_worker(pm_metric_value_t *value, const pm_worker_t *w,
                                apr_time_t now);

/** Write what follows the last pool. */
void pm_report_status_end(pm_json_t *j);

/** A pm_avail_t in words. */
const char *pm_report_status_state(pm_avail_t avail);

#endif /* PM_REPORT_STATUS_H */
