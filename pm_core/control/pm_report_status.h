/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_report_status.h
 * @brief Layer 3: the state of pools and workers as JSON.
 *
 * The names of the members are a contract; see docs/admin/control.md.  Who
 * writes one is the manager, or, when it does not answer, a process of httpd's
 * that knows the configuration and the board.
 */
#ifndef PM_REPORT_STATUS_H
#define PM_REPORT_STATUS_H

#include "pm_core/control/pm_json.h"
#include "pm_core/pool/pm_pool.h"

/** A pool as it is known without its manager. */
typedef struct pm_report_status_known {
    const pm_conf_t *conf;
    pm_scoreboard_t *board; /**< NULL: there is none */
    int slot;               /**< -1: it has none */
    apr_uint32_t generation;
    const char *failed; /**< why it cannot be had, or NULL */
} pm_report_status_known_t;

/** The beginning: the first members, and "pools" is open.
 *  @param head of the board; NULL: there was never a manager
 *  @param error why the manager does not answer, NULL: it does */
void pm_report_status_begin(pm_json_t *j, const pm_scoreboard_header_t *head,
                            const char *error, apr_time_t now);

/** One pool, as an element of "pools".
 *  @param now pm_time_now() */
void pm_report_status_pool(pm_json_t *j, pm_pool_t *pool, apr_time_t now);

/** The same from outside the manager.  There are no workers in it, and how
 *  many there are is what the manager said last. */
void pm_report_status_known(pm_json_t *j, const pm_report_status_known_t *pool,
                            apr_time_t now);

/** What follows the last pool. */
void pm_report_status_end(pm_json_t *j);

/** A pm_avail_t in words. */
const char *pm_report_status_state(pm_avail_t avail);

#endif /* PM_REPORT_STATUS_H */
