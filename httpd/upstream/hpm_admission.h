/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_admission.h
 * @brief Admission control: which requests have a worker, and which are
 *        queued for one.
 *
 * As long as a pool has a worker to spare, admission costs no system call.
 * Otherwise the request waits in its httpd thread, first come, first served
 * over all httpd children (pm_admission.h), until a worker is free for it,
 * FcgiPMQueueTimeout is over, or the pool stops to answer requests
 * (hpm_availability.h).
 *
 * Where processes cannot wait for each other (pm_futex.h) every request is
 * admitted at once, and the listening socket's backlog is the only queue.
 *
 * The request's thread in an httpd child calls all of this.
 */
#ifndef HPM_ADMISSION_H
#define HPM_ADMISSION_H

#include "httpd/config/hpm_server.h"

/** One request's admission; on its thread's stack. */
typedef struct hpm_admission {
    int queued;                 /**< no worker was free at once */
    apr_interval_time_t waited; /**< in the queue */
    apr_interval_time_t took;   /**< from admission to release */
    const char *why;            /**< not admitted: the reason */
    apr_int64_t retry_after;    /**< not admitted: seconds, for Retry-After */

    /* private to hpm_admission.c */
    pm_scoreboard_cell_t *cell;
    pm_admission_t gate; /* without words: nothing to wait at */
    pm_request_stats_t *stats;
    apr_time_t since;
} hpm_admission_t;

/**
 * Wait until the request may have a worker.  The scoreboard counts it as
 * waiting, then as in flight.
 * @return 1: admitted; hpm_admission_release() or hpm_admission_cancel() must
 *         follow.  0: not admitted, see @c why: FcgiPMQueueLimit others wait
 *         already, FcgiPMQueueTimeout is over, or the pool answers no requests
 */
int hpm_admission_acquire(hpm_admission_t *a, const hpm_server_t *server,
                          const hpm_pool_t *pool);

/** The worker has begun to answer: count it.  At most once per admission. */
void hpm_admission_count_answered(const hpm_admission_t *a);

/** The connection to the worker is closed: the next request may have it. */
void hpm_admission_release(hpm_admission_t *a);

/** Release what no worker was asked for: the request counts as not served. */
void hpm_admission_cancel(hpm_admission_t *a);

#endif /* HPM_ADMISSION_H */
