/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_worker_status.h
 * @brief Layer 0: what a guarded worker says of itself in shared memory.
 *
 * A pool has one page (pm_worker_shm.h), an array of these, one for each of its
 * workers; the manager says which is whose.  The worker's guard writes, the
 * manager reads: what stands here is the claim of a program that may be
 * broken or hostile, and is checked by pm_worker_shm_read().
 */
#ifndef PM_WORKER_STATUS_H
#define PM_WORKER_STATUS_H

#include <stdint.h>

/** How many a page has. */
#define PM_WORKER_STATUS_MAX 16384

/** A manager and a guard of different layouts do without a page. */
#define PM_WORKER_STATUS_LAYOUT 2

/**
 * THE BELL: a worker that has news for the manager (it waits for its first
 * request, one of the manager's wishes has come true) writes a NUL byte to its
 * standard error, which is a pipe to the manager.  One that has put something
 * else there is not heard.
 */
typedef struct pm_worker_status {
    uint32_t pid;         /**< of the worker that writes here; 0: it has not
                           *   waited for a request yet */
    uint32_t waiting;     /**< threads in accept() */
    uint32_t busy;        /**< connections that were accepted and are open */
    uint32_t forked;      /**< 1: it has forked before it waited; those who
                           *   serve can be its children, whom no guard
                           *   watches */
    uint64_t busy_since;  /**< CLOCK_MONOTONIC, microseconds: when busy became
                           *   more than 0, or one of several connections was
                           *   closed, whichever is later */
    uint64_t requests;    /**< connections accepted */
    uint64_t notify_at;   /**< the manager's wish: ring when so many requests
                           *   have been accepted and the worker waits for
                           *   another; 0: none.  Who rings clears it */
    uint32_t notify_busy; /**< the manager's wish: ring when you become busy;
                           *   who rings clears it */
    uint32_t spare[3];
} pm_worker_status_t;

#endif /* PM_WORKER_STATUS_H */
