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
#ifndef FCGIPM_QUEUE_H
#define FCGIPM_QUEUE_H

#include "httpd/mod_fcgipm.h"

/** How waiting ended. */
typedef enum fcgipm_verdict {
    FCGIPM_Q_GRANTED,   /**< to be followed by fcgipm_queue_leave() */
    FCGIPM_Q_REFUSED,   /**< 503, see @c why: FcgiPMQueueLimit others wait
                         *   already, FcgiPMQueueTimeout is over, or the pool
                         *   cannot answer any more */
    FCGIPM_Q_GONE       /**< the client has gone */
} fcgipm_verdict_t;

/** A turn.  Lives on the stack of the request's handler. */
typedef struct fcgipm_turn {
    const char *why;     /**< REFUSED */
    apr_int64_t retry;   /**< REFUSED: seconds, for Retry-After */
    apr_interval_time_t waited;  /**< for the turn, or in vain */
    apr_interval_time_t took;    /**< after fcgipm_queue_leave() */

    pm_cell_t *cell;     /* all below is private */
    pm_gate_t *gate;     /* NULL: there is none for us */
    pm_meter_t *meter;
    apr_time_t since;
} fcgipm_turn_t;

/** Wait for a turn.  The request is counted on the board, as waiting, then
 *  as under way. */
fcgipm_verdict_t fcgipm_queue_enter(fcgipm_turn_t *t, const request_rec *r,
                                    const fcgipm_pool_t *pool);

/** The worker's connection is closed. */
void fcgipm_queue_leave(fcgipm_turn_t *t);

#endif /* FCGIPM_QUEUE_H */
