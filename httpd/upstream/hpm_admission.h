/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_admission.h
 * @brief A request's turn to have a worker.
 *
 * As long as a pool has a worker to spare, a turn costs no system call.
 * Otherwise the request waits in its httpd thread, first come, first served
 * over all httpd children (pm_admission.h), until a worker is free for it,
 * FcgiPMQueueTimeout is over, or the pool cannot answer any more.  Before it
 * is given to a worker its client is looked at.
 *
 * Where processes cannot wait for each other (pm_futex.h) every request has
 * its turn at once, and the kernel's queue is the only one.
 */
#ifndef HPM_ADMISSION_H
#define HPM_ADMISSION_H

#include "httpd/config/hpm_module.h"
#include "httpd/config/hpm_pool.h"
#include "pm_core/shm/pm_scoreboard.h"

/** How waiting ended. */
typedef enum hpm_verdict {
    HPM_ADMISSION_GRANTED, /**< to be followed by hpm_admission_leave() */
    HPM_ADMISSION_REFUSED, /**< 503, see @c why: FcgiPMQueueLimit others wait
                            *   already, FcgiPMQueueTimeout is over, or the pool
                            *   cannot answer any more */
    HPM_ADMISSION_GONE     /**< the client has gone */
} hpm_verdict_t;

/** A turn.  Lives on the stack of the request's handler. */
typedef struct hpm_turn {
    const char *why;            /**< REFUSED */
    apr_int64_t retry;          /**< REFUSED: seconds, for Retry-After */
    apr_interval_time_t waited; /**< for the turn, or in vain */
    apr_interval_time_t took;   /**< after hpm_admission_leave() */

    pm_scoreboard_cell_t *cell; /* all below is private */
    pm_admission_t *gate;       /* NULL: there is none for us */
    pm_request_stats_t *meter;
    apr_time_t since;
} hpm_turn_t;

/** Wait for a turn.  The request is counted on the board, as waiting, then
 *  as under way. */
hpm_verdict_t hpm_admission_enter(hpm_turn_t *t, const request_rec *r,
                                  const hpm_pool_t *pool);

/** The worker's connection is closed. */
void hpm_admission_leave(hpm_turn_t *t);

#endif /* HPM_ADMISSION_H */
