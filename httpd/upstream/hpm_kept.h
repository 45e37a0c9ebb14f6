/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_kept.h
 * @brief The idle connections to workers that this httpd child keeps
 *        (FCGI_KEEP_CONN), for the next request.
 *
 * A kept connection saves connect() and close(), accept() and a switch of
 * processes.  It also holds its worker, whatever else needs one: so it is
 * counted in the child's row and in the pool's words (pm_admission.h), and
 * given up
 *   - as soon as requests and kept connections together are more than the
 *     pool's workers may have requests.  The request that makes it so closes
 *     those of its own child, or wakes the children that keep others;
 *   - when it has been idle for some milliseconds (hpm_keep_policy.h).
 * One thread of the child, the closer, does both.  It starts with the first
 * connection, and sleeps on a word of the child's row (recalls), until it is
 * woken or the next connection is due.
 *
 * Only requests that may be sent once more go on a kept connection: its worker
 * may end by itself in the same moment.
 *
 * Any thread of the child may call what is here, unless it says otherwise; one
 * mutex guards it all.
 */
#ifndef HPM_KEPT_H
#define HPM_KEPT_H

#include "httpd/config/hpm_pool.h"
#include "httpd/upstream/hpm_keep_policy.h"
#include "pm_core/shm/pm_scoreboard.h"

typedef struct hpm_kept hpm_kept_t;

/** A connection to a worker, or none. */
typedef struct hpm_conn {
    int fd;            /**< -1: none */
    int may_keep;      /**< the worker may be asked to keep it */
    int requests;      /**< that were answered on it */
    pid_t worker;      /**< that has answered them */
    apr_time_t opened; /**< when it was made, if it is to be kept */
    apr_time_t until;  /**< private to hpm_kept.c */
} hpm_conn_t;

/** Prepare the child (child_init).  It lives as long as the process. */
hpm_kept_t *hpm_kept_create(pm_scoreboard_t *board, int row,
                            const hpm_keep_limits_t *limits, apr_pool_t *p);

/** Close all, end the closer; none is kept from now on. */
void hpm_kept_stop(hpm_kept_t *kept);

/** Take a kept connection of a pool, the one that was used last.
 *  @param conn out: it; without @c fd there is none, and the request makes one
 *              of its own */
void hpm_kept_take(hpm_kept_t *kept, const hpm_pool_t *pool, apr_time_t now,
                   hpm_conn_t *conn);

/** Keep a connection, or close it.  The request has released its grant. */
void hpm_kept_put(hpm_kept_t *kept, const hpm_pool_t *pool, hpm_conn_t *conn,
                  apr_time_t now);

/** A request that is granted, or queued, makes a connection of its own or
 *  waits: if it needs the worker of a kept one, that is given up. */
void hpm_kept_give_up(hpm_kept_t *kept, const hpm_pool_t *pool);

/** A kept connection of the pool has come to this. */
void hpm_kept_learn(hpm_kept_t *kept, const hpm_pool_t *pool,
                    hpm_keep_event_t event, apr_time_t now);

#endif /* HPM_KEPT_H */
