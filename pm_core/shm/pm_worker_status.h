/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_worker_status.h
 * @brief What a guarded worker says of itself in shared memory.
 *
 * The guard in the worker writes it, the manager reads it
 * (pm_worker_shm_read()).  It is the claim of a program that may be broken or
 * hostile; the manager checks it and never relies on it alone.
 *
 * NOTIFICATION: a worker that has news for the manager writes a NUL byte to its
 * standard error, which is a pipe to the manager.  News are that it waits for
 * its first request, and that one of the manager's wishes below has come true.
 * A worker that has put something else in the place of its standard error is
 * not heard.
 */
#ifndef PM_WORKER_STATUS_H
#define PM_WORKER_STATUS_H

#include <stdint.h>

/** Records in the memory of one pool. */
#define PM_WORKER_STATUS_MAX 16384

/** Number of this layout.  The guard does not write into memory of another. */
#define PM_WORKER_STATUS_LAYOUT 3

/** What a worker has forked before it waited for its first request. */
typedef enum pm_worker_forked {
    PM_WORKER_FORKED_NONE,
    PM_WORKER_FORKED_ANY,   /**< processes: perhaps other programs that it
                             *   needs to load, perhaps those that serve */
    PM_WORKER_FORKED_SERVES /**< one that waits for requests in its place; no
                             *   record is for that */
} pm_worker_forked_t;

/** The record of one worker; the manager tells it the index. */
typedef struct pm_worker_status {
    uint32_t pid;         /**< of the worker that writes here; 0: it has not
                           *   waited for a request yet */
    uint32_t waiting;     /**< threads in accept() */
    uint32_t busy;        /**< connections with a request: from accept() to
                           *   END_REQUEST */
    uint32_t forked;      /**< pm_worker_forked_t */
    uint64_t busy_since;  /**< CLOCK_MONOTONIC, microseconds: when the oldest
                           *   of these requests began */
    uint64_t requests;    /**< connections accepted, and further requests on
                           *   kept ones */
    uint64_t notify_at;   /**< the manager's wish: notify it when so many
                           *   requests have been accepted and the worker waits
                           *   for another; 0: none.  The worker that notifies
                           *   clears it */
    uint32_t notify_busy; /**< the manager's wish: notify it when the worker
                           *   becomes busy; cleared likewise */
    uint32_t refused;     /**< connections closed as FcgiPMListenClients does
                           *   not list where they came from */
    uint64_t leave_at;    /**< the manager's wish: when so many requests have
                           *   been accepted and one has ended, notify it and
                           *   go, as after SIGTERM; 0: none; cleared
                           *   likewise */
} pm_worker_status_t;

#endif /* PM_WORKER_STATUS_H */
