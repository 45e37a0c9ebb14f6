/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_context.h
 * @brief What all pools of a manager share.
 *
 * The manager owns the one context of its process and fills it in; pools,
 * workers and the features of pools (pm_pool.h) use it.
 */
#ifndef PM_CONTEXT_H
#define PM_CONTEXT_H

#include <sys/resource.h>

#include "apr_hash.h"
#include "apr_ring.h"
#include "pm_core/ipc/pm_fd_store.h"
#include "pm_core/ipc/pm_pool_set.h"
#include "pm_core/os/pm_loop.h"
#include "pm_core/os/pm_names.h"
#include "pm_core/os/pm_sock_diag.h"
#include "pm_core/shm/pm_roster.h"
#include "pm_core/shm/pm_scoreboard.h"
#include "pm_core/spawn/pm_spawner.h"

typedef struct pm_pool pm_pool_t;     /**< pm_pool.h */
typedef struct pm_worker pm_worker_t; /**< pm_worker.h */

APR_RING_HEAD(pm_pools, pm_pool);

typedef struct pm_context {
    apr_pool_t *p;
    pm_loop_t *loop;
    pm_log_t *log;
    pm_scoreboard_t *scoreboard;
    const struct pm_pool_feature *const *features; /**< NULL at the end */
    apr_hash_t *pools;                  /**< generation -> pm_pool_t */
    apr_hash_t *workers;                /**< pid_t -> pm_worker_t */
    pm_spawner_t spawner;               /**< forks them */
    struct pm_exec_orders *exec_orders; /**< pm_exec_order.c's */
    struct pm_control_reports *reports; /**< pm_control_report.c's */
    pm_roster_t *roster;                /**< workers; NULL: there is none */
    apr_hash_t *slow_commands;          /**< pid_t -> pm_slow_log_t */
    struct pm_script_pools *scripts;    /**< pm_script_pools.c's */
    int store_fd; /**< for their sockets, pm_fd_store.h; -1: none */
    struct pm_inotify *inotify; /**< NULL: no file is watched */
    apr_uint64_t started;       /**< workers started so far */
    uid_t httpd_uid;            /**< may read the status, besides root and the
                                 *   manager's own user */
    pm_names_t *names;          /**< in the configuration, that are known; NULL:
                                 *   they are looked up each time */
    const pm_global_t *global;  /**< of the set in force; NULL: none yet */
    struct pm_pools touched;    /**< to be planned at the end of this round */
    struct pm_pools waiting; /**< could have more workers if FcgiPMMaxProcesses
                              *   left room; the longest wait is first */
    pm_pool_t
        *slots[PM_SCOREBOARD_SLOTS]; /**< the pool of each slot, or NULL */
    int alive;     /**< workers of all pools that were not told to stop */
    int max_alive; /**< FcgiPMMaxProcesses; 0: no limit */
    pm_sock_diag_t sock_diag;
    struct rlimit files; /**< descriptors of workers, pm_fds_raise() */
    apr_time_t die_timeout;
    int leaving;         /**< 1: it is to end, and ready no more */
    apr_time_t dying_at; /**< when the manager's end began; 0: it has not */
    apr_time_t end_by;   /**< when it has to be over; 0: as dying_at */
    /** As SIGTERM does, for this reason.  NULL: httpd is the front, and ends
     * the manager. */
    void (*leave)(void *ctx, const char *why);
    void *leave_ctx;
    int config; /**< httpd's number of the configuration in force */
    int killed; /**< workers that got SIGKILL since dying_at */
} pm_context_t;

#endif /* PM_CONTEXT_H */
