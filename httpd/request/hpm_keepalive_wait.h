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
#ifndef HPM_KEEPALIVE_WAIT_H
#define HPM_KEEPALIVE_WAIT_H

#include "httpd.h"

/** What has come so long after the answer before it was quick; and as long
 *  a thread stays. */
#define HPM_KEEPALIVE_WAIT apr_time_from_msec(2)

/** What the threads of an httpd child share. */
typedef struct hpm_thread_load {
    int threads;              /**< 0: the MPM is not asynchronous */
    apr_uint32_t connections; /**< of clients, open now */
} hpm_thread_load_t;

/** In child_init. */
hpm_thread_load_t *hpm_keepalive_wait_load(apr_pool_t *pchild);

/** process_connection hook: a connection is counted. */
int hpm_keepalive_wait_connection(conn_rec *c);

/** The whole answer to this request has been handed to the client's socket.
 */
void hpm_keepalive_wait_answered(request_rec *r);

/** log_transaction hook, after all others: the thread has nothing more to do
 *  for this request. */
int hpm_keepalive_wait_log(request_rec *r);

#endif /* HPM_KEEPALIVE_WAIT_H */
