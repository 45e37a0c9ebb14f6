/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_park.h
 * @brief A request that waits for a worker holds no thread.
 *
 * Its handler returns SUSPENDED, and the MPM gets the connection back to poll
 * for it (CONN_STATE_ASYNC_WAITIO, httpd 2.4.63 and later).  What the MPM
 * polls is not the client but the bell of the queued request (hpm_queue.h): it
 * stands in the socket's place meanwhile.  When it rings, a thread of the MPM
 * takes the connection, the handler goes on, and what httpd does behind a
 * handler is done: keep-alive, pipelining and write completion are the MPM's
 * as ever.
 *
 *     process_connection   runs the other modules' hooks; the request is parked
 *     suspend_connection   bell in, client out; the watcher has the client
 *     resume_connection    the other way round
 *     process_connection   the request is concluded, or is parked on
 *
 * Parked is a request of HTTP/1 that is no subrequest, and what mod_rewrite
 * makes of it in a .htaccess file.  All others wait in their threads.
 *
 * Hooks and functions run in the thread that has the connection.
 */
#ifndef HPM_PARK_H
#define HPM_PARK_H

#include "httpd/config/hpm_server.h"
#include "httpd/upstream/hpm_call.h"

/** @return 1: the MPM can have a connection without a thread */
int hpm_park_is_possible(void);

/** child_init: start what parks requests, if FcgiPMPark is on and the MPM can
 *  do it.  @param row the child's, its own */
void hpm_park_start(apr_pool_t *pchild, server_rec *s);

/**
 * Ask for the first worker of a call without waiting in this thread.
 * @param call   stays as long as the request
 * @param go_on  what the handler does then, in another thread: makes the call
 *               and responds.  @return what a handler returns
 * @param status what the handler is to return
 * @return 1: the request is parked.  0: it is not, hpm_call_run() is to follow
 */
int hpm_park_request(request_rec *r, hpm_call_t *call,
                     int (*go_on)(hpm_call_t *call), int *status);

/** process_connection hook, first of all. */
int hpm_park_process(conn_rec *c);
/** suspend_connection hook, last of all. */
void hpm_park_suspend(conn_rec *c, request_rec *r);
/** resume_connection hook, first of all. */
void hpm_park_resume(conn_rec *c, request_rec *r);
/** handler hook, first of all: a handler that redirects in its thread. */
int hpm_park_redirect(request_rec *r);

#endif /* HPM_PARK_H */
