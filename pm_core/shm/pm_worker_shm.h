/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_worker_shm.h
 * @brief The memory in which the guarded workers of one pool tell the manager
 *        what they do: an array of pm_worker_status_t.
 *
 * It is a memory file without a name (memfd_create(2)): only a process that
 * inherits its descriptor can open it.  Its size is sealed, so a worker cannot
 * make the manager's reads fail with SIGBUS.  Where there are no such files a
 * pool has none, and the manager knows less of its workers.
 *
 * The manager alone calls these functions, with NULL for a pool that has none.
 * Workers map the descriptor themselves.
 */
#ifndef PM_WORKER_SHM_H
#define PM_WORKER_SHM_H

#include <sys/types.h>

#include "pm_core/base/pm_base.h"
#include "pm_core/shm/pm_worker_status.h"

typedef struct pm_worker_shm pm_worker_shm_t;

/** What is known of a worker. */
typedef struct pm_worker_facts {
    int known;             /**< 0: all but @c forked is 0 */
    int idle;              /**< it waits for a request and has none */
    int busy;              /**< it has one */
    int requests_now;      /**< how many it has */
    int takes_more;        /**< it has one since before @a now, and waits for
                            *   another */
    apr_time_t busy_since; /**< when the oldest of them began */
    apr_uint64_t requests; /**< it has accepted */
    apr_uint32_t refused;  /**< connections of clients that may not connect */
    pm_worker_forked_t forked; /**< before it waited for its first request;
                                *   also when not known */
} pm_worker_facts_t;

/** Do processes that it has forked serve in its place, as far as is known? */
static inline int pm_worker_children_serve(const pm_worker_facts_t *facts)
{
    return facts->forked == PM_WORKER_FORKED_SERVES
           || (facts->forked != PM_WORKER_FORKED_NONE && !facts->known);
}

/** Create the memory of a pool; pm_worker_shm_destroy() ends it.
 *  @return an error with a reason where it cannot be made */
apr_status_t pm_worker_shm_create(pm_worker_shm_t **shm, apr_pool_t *p,
                                  pm_reason_t *why);

/** Unmap and close.  Workers keep what they have mapped. */
void pm_worker_shm_destroy(pm_worker_shm_t *shm);

/** @return the descriptor a worker inherits, or -1 */
int pm_worker_shm_fd(const pm_worker_shm_t *shm);

/** Take a free record for a new worker and zero it.
 *  @return its index; -1: there is none */
int pm_worker_shm_claim(pm_worker_shm_t *shm);

/** Give the record of a worker that has gone back.  @param index or -1 */
void pm_worker_shm_release(pm_worker_shm_t *shm, int index);

/**
 * Read what a worker says.  It is known only if it can be true: its own pid is
 * in the record.  A time ahead of @a now becomes @a now.
 * @param index -1: nothing is known
 * @param pid   of the worker
 * @param now   pm_time_now()
 */
pm_worker_facts_t pm_worker_shm_read(const pm_worker_shm_t *shm, int index,
                                     pid_t pid, apr_time_t now);

/** Ask a worker to notify the manager after @a requests requests, or as soon
 *  as it is busy: see pm_worker_status.h.  @param index or -1 */
void pm_worker_shm_notify_at(pm_worker_shm_t *shm, int index,
                             apr_uint64_t requests);
void pm_worker_shm_notify_busy(pm_worker_shm_t *shm, int index);

/** Ask a worker to go after @a requests requests.  @param index or -1 */
void pm_worker_shm_leave_at(pm_worker_shm_t *shm, int index,
                            apr_uint64_t requests);

#endif /* PM_WORKER_SHM_H */
