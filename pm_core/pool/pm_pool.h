/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_pool.h
 * @brief Layer 3: a pool, its workers, and doing what policy planned.
 *
 * An event changes a worker or a pool and touches the pool; after each round
 * of events every touched pool is planned once (pm_pool_plan()), so a
 * thousand events in one round cost one plan.
 */
#ifndef PM_POOL_H
#define PM_POOL_H

#include "apr_hash.h"
#include "apr_ring.h"
#include "pm_core/os/pm_listen_queue.h"
#include "pm_core/shm/pm_scoreboard.h"
#include "pm_core/policy/pm_restart_policy.h"
#include "pm_core/pool/pm_demand.h"
#include "pm_core/pool/pm_direct.h"
#include "pm_core/policy/pm_worker_fsm.h"
#include "pm_core/base/pm_lines.h"
#include "pm_core/os/pm_loop.h"
#include "pm_core/shm/pm_worker_shm.h"
#include "pm_core/base/pm_log_ratelimit.h"
#include "pm_core/policy/pm_recycle.h"
#include "pm_core/pool/pm_script_pools.h"
#include "pm_core/ipc/pm_pool_set.h"
#include "pm_core/spawn/pm_spawn.h"

typedef struct pm_pool pm_pool_t;
typedef struct pm_worker pm_worker_t;
typedef struct pm_slow_log pm_slow_log_t; /**< pm_slow_log.c's own */

APR_RING_HEAD(pm_pools, pm_pool);
APR_RING_HEAD(pm_workers, pm_worker);
APR_RING_HEAD(pm_waits, pm_reload_wait_part);

/** What all pools of a manager share. */
typedef struct pm_context {
    apr_pool_t *p;
    pm_loop_t *loop;
    pm_log_t *log;
    pm_scoreboard_t *board;
    apr_hash_t *pools; /**< generation -> pm_pool_t */
    pm_script_pools_t *scripts;
    apr_hash_t *workers;       /**< pid_t -> pm_worker_t: who are our own */
    apr_uint64_t births;       /**< workers started so far */
    uid_t asker;               /**< httpd's user, who may ask */
    struct pm_inotify *notify; /**< NULL: no file is watched */
    const pm_global_t *global; /**< of the set in force; NULL: none yet */
    apr_hash_t *commands;      /**< pid_t -> pm_slow_log_t */
    struct pm_pools touched;
    struct pm_pools hungry; /**< could have more workers if there were
                             *   room; who waits longest is first */
    pm_pool_t *slots[PM_SCOREBOARD_SLOTS]; /**< who lives there, or NULL */
    int alive;     /**< workers of all pools not told to go */
    int max_alive; /**< FcgiPMMaxProcesses; 0: no limit */
    pm_sock_diag_t diag;
    struct rlimit files; /**< descriptors of workers, see pm_fds_raise()
                          */
    apr_time_t die_timeout;
    apr_time_t dying_at; /**< the manager's end began; 0: no */
    int config;          /**< httpd's number of the configuration */
    int killed;          /**< workers that had to be killed at the end */
} pm_context_t;

/** A worker that died at its birth or did not become ready. */
typedef struct pm_start_failure {
    apr_uint32_t n; /**< how many there have been */
    int roll;       /**< old workers that are kept, as it has
                     *   ended a rolling reload; else 0 */
    pid_t pid;      /**< 0: there was not even a process */
    char reason[512];
    char said[1024]; /**< its last lines, a newline between them */
} pm_start_failure_t;

/** See pm_rollback.h. */
typedef struct pm_rollback {
    unsigned number;               /**< of the definition in force */
    int proven;                    /**< a worker of it has become ready */
    struct pm_launch_spec *former; /**< of the last proven one before; NULL */
    apr_pool_t *p;                 /**< holds that */
    int back;                      /**< workers are born of the former one */
} pm_rollback_t;

/** Where a pool is in its life. */
typedef enum pm_pool_phase {
    PM_POOL_RUNNING,
    PM_POOL_FAILED,   /**< it could not be started; last_error says why */
    PM_POOL_DRAINING, /**< removed, but its socket may still be called */
    PM_POOL_CLOSING   /**< its workers have been told to go, none follow */
} pm_pool_phase_t;

struct pm_pool {
    APR_RING_ENTRY(pm_pool) touched; /**< in world->touched */
    int is_touched;
    APR_RING_ENTRY(pm_pool) hungry; /**< in world->hungry */
    int is_hungry;
    pm_context_t *world;
    apr_pool_t *p;
    const pm_conf_t *conf;
    pm_conf_t *own;          /**< the same, for `scale` */
    pm_range_t configured;   /**< conf->processes before that */
    pm_launch_spec_t *birth; /**< NULL when FAILED */
    pm_rollback_t release;
    pm_launch_spec_t *slow_birth; /**< of FcgiPMSlowLog's command; NULL:
                                   *   none */
    apr_pool_t *pconf;            /**< holds conf and births */
    int slot;
    apr_uint32_t generation;
    pm_scoreboard_slot_t *board; /**< the slot, ours to write */
    pm_listener_t listener;
    pm_worker_shm_t *page; /**< NULL: there is none */
    pm_pool_phase_t phase;
    struct pm_workers workers;
    int count[PM_WORKER_GONE + 1]; /**< workers, by pm_worker_state_t */
    int due;                       /**< workers that are to be replaced */
    int rolling;                   /**< those of them that are due by a
                                    *   rolling reload */
    pm_script_pool_t *script;      /**< it was made of; NULL: none */
    pm_demand_t demand;
    pm_direct_t direct;
    int open; /**< one more worker could be started
               *   as soon as it is needed */
    pm_restart_policy_t crash;
    apr_time_t last_start;
    apr_uint64_t paid;     /**< see pm_restart_policy_spend_credit() */
    apr_time_t drain_wait; /**< next pause while draining */
    pm_timer_t timer;
    pm_timer_t watch_timer;     /**< set when a file has changed, see
                                 *   pm_filewatch.h */
    int log_fd;                 /**< its own log, see pm_output.h; -1:
                                 *   none */
    pm_log_ratelimit_t *quota;  /**< of lines, on the board */
    pm_timer_t quota_timer;     /**< set while lines are dropped */
    struct pm_waits waits;      /**< who waits for a reload */
    pm_start_failure_t failure; /**< of the last start that failed */
    pm_slow_log_t *slow;        /**< the command that runs, or NULL */
    char last_error[512];
    char last_stderr[1024]; /**< what its workers said last, a
                             *   newline between lines */
};

/** Is a worker to be replaced when another is ready? */
typedef enum pm_due {
    PM_DUE_NOT,
    PM_DUE_RECYCLE, /**< for what pm_recycle_plan() says */
    PM_DUE_ROLL     /**< by a rolling reload */
} pm_due_t;

struct pm_worker {
    APR_RING_ENTRY(pm_worker) link; /**< in pool->workers */
    pm_pool_t *pool;
    apr_pool_t *p;
    pm_launch_spec_t *birth; /**< the pool's when it was born; its
                              *   texts are in @c p */
    pid_t pid;
    apr_uint64_t number; /**< of world->births */
    unsigned release;    /**< number of the definition it was
                          *   born of; 0: the former one */
    int place;           /**< on the pool's page; -1: none */
    pm_worker_state_t state;
    int runs;             /**< its program was executed */
    int rang;             /**< there is news on its page */
    int guarded;          /**< it will tell when it is ready */
    unsigned chance;      /**< see pm_recycle_terms() */
    apr_uint64_t size_at; /**< requests at which its memory is
                           *   looked at again */
    pm_due_t due;
    int rank;        /**< pm_pool.c's own: what its page said
                      *   when workers were last told */
    int overdue;     /**< it is ended for taking too long */
    int wanted_dead; /**< by the command `kill` */
    apr_time_t born_at;
    apr_time_t told_at; /**< 0: not told */
    apr_time_t retold_at;
    int birth_fd;
    int output_fd;
    pm_watch_t birth_watch;
    pm_watch_t output_watch;
    pm_timer_t timer;      /**< the stop ladder's next step */
    pm_timer_t slow_timer; /**< see pm_slow_log.h */
    apr_time_t slow_since; /**< its busy_since that was spoken of */
    apr_time_t slow_at;    /**< and when that was, by its page */
    pm_lines_t *lines;     /**< NULL before its first word */
    char *said;            /**< its last lines; NULL likewise */
};

/* --- pm_pool.c ----------------------------------------------------------- */

/** A pool for this member of a set; takes the member's descriptor. */
pm_pool_t *pm_pool_create(pm_context_t *world, pm_member_t *member);

/** Another definition.  One that cannot work is refused and said; the pool
 *  then goes on with what it has, if it has anything.  Takes the member's
 *  descriptor if the pool has none yet. */
void pm_pool_define(pm_pool_t *pool, pm_member_t *member);

/** SIGHUP: tell every worker to go and forget all failures; the plan starts
 *  others.  FcgiPMReload rolling: every worker is due. */
void pm_pool_reload(pm_pool_t *pool);

/** A worker died at its birth, or did not become ready, as last_error says:
 *  starts are delayed, a rolling reload ends.
 *  @param w NULL: it could not be started at all */
void pm_pool_failed(pm_pool_t *pool, const pm_worker_t *w, apr_time_t now);

/** It is to have no workers, and requests get 503, until it is let go on
 *  again.  That is kept on the board: over reloads and managers. */
void pm_pool_hold(pm_pool_t *pool, unsigned held);

static inline int pm_pool_held(const pm_pool_t *pool)
{
    return pool->board->held != 0;
}

/** Other bounds than FcgiPMProcesses says, until the pool's definition is
 *  another. */
void pm_pool_scale(pm_pool_t *pool, pm_range_t processes);

/** It has all the workers it is to have, and they are ready. */
int pm_pool_settled(const pm_pool_t *pool);

/** The pool is no more: it drains, closes, and goes. */
void pm_pool_remove(pm_pool_t *pool);

/** Nobody needs a script's pool any more: it vanishes.
 *  @return 0: somebody does, and it stays */
int pm_pool_retire(pm_pool_t *pool);

/** The manager is about to end: tell every worker, start no other. */
void pm_pool_close(pm_pool_t *pool);

/** Have it planned at the end of this round. */
void pm_pool_touch(pm_pool_t *pool);

/** Plan, do what was planned, and tell the board. */
void pm_pool_plan(pm_pool_t *pool, apr_time_t now);

/** A closed pool without workers: can be destroyed. */
int pm_pool_is_gone(const pm_pool_t *pool);

void pm_pool_destroy(pm_pool_t *pool);

/** Remember an error for status and log it, with the pool's name in front. */
void pm_pool_error(pm_pool_t *pool, pm_level_t level, const char *fmt, ...)
    PM_PRINTF(3, 4);

/** Workers that were not told to go. */
static inline int pm_pool_alive(const pm_pool_t *pool)
{
    return pool->count[PM_WORKER_BORN] + pool->count[PM_WORKER_LOADING]
           + pool->count[PM_WORKER_READY];
}

/* --- pm_worker.c --------------------------------------------------------- */

/** Fork one.  @return 0 when that failed; the pool knows why */
int pm_worker_start(pm_pool_t *pool, apr_time_t now);

/** What its page says of it. */
static inline pm_worker_facts_t pm_worker_read_facts(const pm_worker_t *w,
                                                     apr_time_t now)
{
    return pm_worker_shm_read(w->pool->page, w->place, w->pid, now);
}

/** Something has happened to it; see pm_worker_fsm.h.  It may be freed by this.
 */
void pm_worker_handle(pm_worker_t *w, pm_worker_event_t event);

/** It was reaped, with this status of waitpid(2). */
void pm_worker_reaped(pm_worker_t *w, int status);

/** Is there news of it, on its page or in its pool's definition?  It may be
 *  told to go by this. */
void pm_worker_attend(pm_worker_t *w, apr_time_t now);

/** It is to be replaced; or, NOT, no longer. */
void pm_worker_due(pm_worker_t *w, pm_due_t due);

/** SIGKILL, without being told first: the command `kill`. */
void pm_worker_kill(pm_worker_t *w);

/** The manager is to end: its stop ladder is planned anew. */
void pm_worker_hurry(pm_worker_t *w);

#endif /* PM_POOL_H */
