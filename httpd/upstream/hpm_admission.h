/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_admission.h
 * @brief Admission control: which requests have a worker, and which are
 *        queued for one.
 *
 * As long as a pool has a worker to spare, admission costs no system call.
 * Otherwise the request is queued, first come, first served over all httpd
 * children (pm_admission.h), until a worker is free for it,
 * FcgiPMQueueTimeout is over, or the pool stops to answer requests
 * (hpm_availability.h).  Where the child has a queue (hpm_queue.h) a request
 * may be parked meanwhile: its thread does something else.
 *
 * Where processes cannot wait for each other (pm_futex.h) every request is
 * admitted at once, and the listening socket's backlog is the only queue.
 *
 *     hpm_admission_ask(a, ..., may_park);
 *     if hpm_admission_is_parked(a): leave; from here on when its bell rings
 *     if hpm_admission_wait(a, client):
 *         ... hpm_admission_release(a) or hpm_admission_cancel(a)
 *
 * With a worker may come a connection to it, which an earlier request has left.
 *
 * The request's thread in an httpd child calls all of this.
 */
#ifndef HPM_ADMISSION_H
#define HPM_ADMISSION_H

#include "httpd/config/hpm_server.h"
#include "httpd/upstream/hpm_kept.h"
#include "httpd/upstream/hpm_queue.h"

/** What the request's thread is. */
typedef enum hpm_admission_thread {
    HPM_ADMISSION_OTHER, /**< none of the MPM's, such as those of mod_http2 */
    HPM_ADMISSION_BLOCK, /**< one of the MPM's, which has to wait */
    HPM_ADMISSION_PARK   /**< one of the MPM's; the request may be parked */
} hpm_admission_thread_t;

/** One request's admission; it stays where it is until it is over. */
typedef struct hpm_admission {
    int queued;                 /**< no worker was free at once */
    int gone;                   /**< not admitted as the client has gone */
    apr_interval_time_t waited; /**< in the queue */
    apr_interval_time_t took;   /**< from admission to release */
    const char *why;            /**< not admitted: the reason */
    apr_int64_t retry_after;    /**< not admitted: seconds, for Retry-After */
    hpm_conn_t conn; /**< admitted: a connection to the worker, or none.  One
                      *   that stands here at release is kept for others */

    /* private to hpm_admission.c */
    const hpm_server_t *server;
    const hpm_pool_t *pool;
    pm_scoreboard_cell_t *cell;
    pm_admission_t gate; /* without words: nothing to wait at */
    int called;          /* the gate's */
    pm_request_stats_t *stats;
    hpm_kept_t *kept;   /* NULL: no connections are */
    hpm_queue_t *queue; /* NULL: it waits in its thread, by itself */
    int holds_thread;   /* of those that pools may hold */
    int joined;         /* the child's queue: waiter says how that ended */
    hpm_waiter_t waiter;
    apr_uint32_t seen;
    apr_time_t began, since;
} hpm_admission_t;

/** Ask for a worker: the request has one, is refused, or is queued.  The
 *  scoreboard counts it as waiting, then as in flight.
 *  @param pool  stays until the admission is over
 *  @param keeps 1: it can go on a kept connection, and leave one */
void hpm_admission_ask(hpm_admission_t *a, const hpm_server_t *server,
                       const hpm_pool_t *pool, hpm_admission_thread_t thread,
                       int keeps);

/** @return 1: it is queued without a thread.  The bell of @c waiter rings when
 *  that has ended; then hpm_admission_wait() does not wait. */
int hpm_admission_is_parked(const hpm_admission_t *a);

/**
 * Wait until the request may have a worker.
 * @param client NULL: its end changes nothing
 * @return 1: admitted; hpm_admission_release() or hpm_admission_cancel() must
 *         follow.  0: not admitted, see @c why: FcgiPMQueueLimit others wait
 *         already, FcgiPMQueueTimeout is over, the pool answers no requests,
 *         or @c gone
 */
int hpm_admission_wait(hpm_admission_t *a, const hpm_gone_t *client);

/** Nothing will come of a request that was parked. */
void hpm_admission_abandon(hpm_admission_t *a);

/** @return 1: the worker is to keep the connection at the end of the request,
 *  as the next request can come before others need the worker */
int hpm_admission_may_keep(const hpm_admission_t *a);

/** The worker has begun to answer: count it.  At most once per admission. */
void hpm_admission_count_answered(const hpm_admission_t *a);

/** The connection to the worker is closed, or is @c conn: the next request may
 *  have it. */
void hpm_admission_release(hpm_admission_t *a);

/** Close @c conn, if there is one. */
void hpm_admission_close_conn(hpm_admission_t *a);

/** Release what no worker was asked for: the request counts as not served.
 *  @c conn is closed. */
void hpm_admission_cancel(hpm_admission_t *a);

#endif /* HPM_ADMISSION_H */
