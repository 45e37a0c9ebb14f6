/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_watcher.h
 * @brief Which clients of suspended requests have gone?
 *
 * While a request is suspended the MPM polls its bell (hpm_queue.h), and
 * nothing else looks at the client's socket.  One thread of the child, the
 * watcher, polls those of all requests that have waited for a moment, and takes
 * a request whose client has closed its side out of the queue.
 */
#ifndef HPM_WATCHER_H
#define HPM_WATCHER_H

#include "httpd/upstream/hpm_queue.h"

typedef struct hpm_watcher hpm_watcher_t;

/** A client that is watched; the caller's memory until it is removed. */
typedef struct hpm_watched {
    /* private to hpm_watcher.c */
    APR_RING_ENTRY(hpm_watched) link; /* until its socket is polled */
    hpm_waiter_t *waiter;
    apr_time_t due; /* its socket is polled from then on */
    int fd;
    int polled;
} hpm_watched_t;

/** Start the child's watcher (child_init).
 *  @param after a client is looked at so long after it was added; a shorter
 *               wait costs no system call here
 *  @param p     lives as long as the process
 *  @return NULL, and why */
hpm_watcher_t *hpm_watcher_start(hpm_queue_t *q, apr_interval_time_t after,
                                 apr_pool_t *p, pm_reason_t *why);

/** End the thread. */
void hpm_watcher_stop(hpm_watcher_t *watcher);

/** Watch a client's socket.  If that cannot be, the request is asked for its
 *  client when it is granted. */
void hpm_watcher_add(hpm_watcher_t *watcher, hpm_watched_t *client, int fd,
                     hpm_waiter_t *w);

/** Watch it no more, before it is closed.  When this returns, the watcher uses
 *  neither @a client nor its waiter any more. */
void hpm_watcher_remove(hpm_watcher_t *watcher, hpm_watched_t *client);

#endif /* HPM_WATCHER_H */
