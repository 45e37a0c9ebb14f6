/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_keepalive_wait.h
 * @brief A thread stays with a client that is quick.
 *
 * When an answer is out and the next request is not there yet, an
 * asynchronous MPM gives the connection to its listener, and that later to
 * another thread: ten system calls and two switches between threads, half as
 * much as a whole exchange with a worker.  A client that was quick with this
 * request, so many others behave alike, is waited for a moment first.
 *
 * Nobody waits for a thread that stays: it stays only while its child has
 * more threads than connections.
 */
#ifndef FCGIPM_LINGER_H
#define FCGIPM_LINGER_H

#include "httpd.h"

/** What has come so long after the answer before it was quick; and as long
 *  a thread stays. */
#define FCGIPM_LINGER apr_time_from_msec(2)

/** What the threads of an httpd child share. */
typedef struct fcgipm_crowd {
    int threads;               /**< 0: the MPM is not asynchronous */
    apr_uint32_t connections;  /**< of clients, open now */
} fcgipm_crowd_t;

/** In child_init. */
fcgipm_crowd_t *fcgipm_linger_crowd(apr_pool_t *pchild);

/** process_connection hook: a connection is counted. */
int fcgipm_linger_connection(conn_rec *c);

/** The whole answer to this request has been handed to the client's socket.
 */
void fcgipm_linger_answered(request_rec *r);

/** log_transaction hook, after all others: the thread has nothing more to do
 *  for this request. */
int fcgipm_linger_log(request_rec *r);

#endif /* FCGIPM_LINGER_H */
