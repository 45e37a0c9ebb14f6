/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_worker_shm.h
 * @brief Layer 2: a pool's page, on which its guarded workers tell what they
 *        do.
 *
 * A memory file (memfd_create(2)) without a name: who was not given its
 * descriptor cannot open it.  It is sealed against changes of its size, so a
 * worker cannot make the manager's reading fail.  Where there are no such
 * files there is no page, and less is known.
 */
#ifndef PM_WORKER_SHM_H
#define PM_WORKER_SHM_H

#include <sys/types.h>

#include "pm_core/base/pm_base.h"

typedef struct pm_worker_shm pm_worker_shm_t;

/** What is known of a worker. */
typedef struct pm_worker_facts {
    int known; /**< 0: all that follows is 0 */
    int idle;  /**< it waits for a request and has none */
    int busy;  /**< it has one */
    apr_time_t busy_since;
    apr_uint64_t requests; /**< it has accepted */
    int forked;            /**< it has forked before it waited for its first
                            *   request; also when not known */
} pm_worker_facts_t;

/** @return an error where there cannot be one; the pool works without */
apr_status_t pm_worker_shm_create(pm_worker_shm_t **page, apr_pool_t *p,
                                  pm_reason_t *why);

/** Unmap and close; workers keep what they have mapped.  NULL is harmless. */
void pm_worker_shm_destroy(pm_worker_shm_t *page);

/** The descriptor, to be inherited; -1 for NULL. */
int pm_worker_shm_fd(const pm_worker_shm_t *page);

/** A free place, zeroed.  @return -1 when there is none, or no page */
int pm_worker_shm_claim(pm_worker_shm_t *page);

/** The worker has gone.  Harmless for -1. */
void pm_worker_shm_release(pm_worker_shm_t *page, int place);

/**
 * What does the worker say?  Only a claim that can be true is known: its own
 * pid stands there, and its time is not ahead of ours.
 * @param place -1: nothing is known
 */
pm_worker_facts_t pm_worker_shm_read(const pm_worker_shm_t *page, int place,
                                     pid_t pid, apr_time_t now);

/** Wishes to a worker, which rings when they come true: see pm_worker_status.h.
 *  Harmless for -1. */
void pm_worker_shm_notify_at(pm_worker_shm_t *page, int place,
                             apr_uint64_t requests);
void pm_worker_shm_notify_busy(pm_worker_shm_t *page, int place);

#endif /* PM_WORKER_SHM_H */
