/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_keepalive_wait.h
 * @brief After a response, a thread waits a moment for its client's next
 *        request.
 *
 * When a response is sent and the next request is not there yet, an
 * asynchronous MPM gives the connection to its listener, which gives it to
 * another thread later: ten system calls and two switches between threads,
 * half as much as a whole exchange with a worker.  A client whose last request
 * came at once will probably send the next one at once, too.
 *
 * No connection is kept from a thread by this: a thread waits only while its
 * child has more threads than connections.
 */
#ifndef HPM_KEEPALIVE_WAIT_H
#define HPM_KEEPALIVE_WAIT_H

#include "httpd.h"
#include "pm_core/shm/pm_admission_rows.h"

/** A request that comes within this time after a response is quick; and as
 *  long a thread waits for the next. */
#define HPM_KEEPALIVE_WAIT apr_time_from_msec(2)

/** The load of an httpd child; its threads share it. */
typedef struct hpm_thread_load {
    int threads;                     /**< 0: the MPM is not asynchronous */
    apr_uint32_t connections;        /**< of clients, open now */
    const pm_admission_rows_t *rows; /**< NULL: it says nothing */
} hpm_thread_load_t;

/** child_init: make it.
 *  @param rows   where the child says that it is crowded, until @a pchild goes;
 *                NULL: it never does
 *  @param p      lives as long as the process: connections outlive @a pchild */
hpm_thread_load_t *hpm_keepalive_wait_load(const pm_admission_rows_t *rows,
                                           apr_pool_t *pchild, apr_pool_t *p);

/** process_connection hook: count the connection. */
int hpm_keepalive_wait_connection(conn_rec *c);

/** The whole response to this request has been given to the client's socket.
 *  The request's thread calls this. */
void hpm_keepalive_wait_answered(request_rec *r);

/** log_transaction hook, after all others: wait, if the client was quick. */
int hpm_keepalive_wait_log(request_rec *r);

#endif /* HPM_KEEPALIVE_WAIT_H */
