/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_pool.h
 * @brief A pool: one definition, one listening socket, its workers.
 *
 * An event changes a worker or a pool and touches the pool; after each round
 * of events the manager plans every touched pool once (pm_pool_plan()), so a
 * thousand events in one round cost one plan.
 *
 * Features that a pool can do without (waiting for a reload, the slow log,
 * watched files, scripts) hang on it by hooks, keep their state behind a
 * pointer of their own type, and register a cleanup on pool->p.  pm_pool.c
 * names none of them.
 */
#ifndef PM_POOL_H
#define PM_POOL_H

#include "pm_core/os/pm_listen.h"
#include "pm_core/policy/pm_exit_hint.h"
#include "pm_core/pool/pm_demand.h"
#include "pm_core/pool/pm_direct.h"
#include "pm_core/pool/pm_worker.h"

/** What a feature wants to be called for; NULL: not for that.  They are called
 *  in the order of context->features. */
typedef struct pm_pool_feature {
    void (*create)(pm_pool_t *pool); /**< the pool has no definition yet */
    /** A worker is to be started.  @return 0: not now; the pool has the error
     */
    int (*before_start)(pm_pool_t *pool);
    void (*planned)(pm_pool_t *pool); /**< the plan has been carried out */
    /** Another definition is about to replace the one there is, or the pool
     *  closes. */
    void (*ended)(pm_pool_t *pool);
    void (*status)(pm_worker_t *w, const pm_worker_facts_t *facts);
    void (*worker_gone)(pm_worker_t *w);
} pm_pool_feature_t;

/** Where a pool is in its life. */
typedef enum pm_pool_phase {
    PM_POOL_RUNNING,
    PM_POOL_FAILED,   /**< it could not be started; last_error says why */
    PM_POOL_DRAINING, /**< removed, but its socket may still be called */
    PM_POOL_CLOSING   /**< its workers were told to stop, none follow */
} pm_pool_phase_t;

/** A worker that died at birth or did not become ready. */
typedef struct pm_start_failure {
    apr_uint32_t n; /**< how many there have been */
    int roll;       /**< old workers that are kept, as the failure has ended
                     *   a rolling reload; else 0 */
    pid_t pid;      /**< 0: there was not even a process */
    char reason[512];
    char said[PM_WORKER_SAID]; /**< its last lines, a newline between them */
} pm_start_failure_t;

/** Definitions that are proven and not; pm_rollback.c's. */
typedef struct pm_rollback {
    unsigned number;                /**< of the definition in force */
    int proven;                     /**< a worker of it has become ready */
    int ever;                       /**< a worker of any has */
    const pm_launch_spec_t *former; /**< of the last proven one before; NULL */
    apr_pool_t *p;                  /**< holds that */
    int back; /**< workers are started from the former one */
} pm_rollback_t;

struct pm_pool {
    APR_RING_ENTRY(pm_pool) touched; /**< in context->touched */
    int is_touched;
    APR_RING_ENTRY(pm_pool) room; /**< in context->waiting */
    int waits_for_room;
    pm_context_t *context;
    apr_pool_t *p;
    const pm_conf_t *conf;
    pm_conf_t *own;              /**< the same, for `scale` */
    pm_range_t configured;       /**< conf->processes before that */
    pm_launch_spec_t *spec;      /**< NULL when FAILED */
    pm_launch_spec_t *slow_spec; /**< of FcgiPMSlowLog's command; NULL: none */
    apr_pool_t *pconf;           /**< holds conf and specs */
    pm_rollback_t rollback;
    int slot; /**< of the scoreboard */
    apr_uint32_t generation;
    pm_scoreboard_slot_t *published; /**< that slot; the manager writes it */
    pm_listener_t listener;
    pm_pool_phase_t phase;
    pm_worker_group_t workers;
    pm_demand_t demand;
    pm_direct_t direct;
    int open; /**< one more worker could be started as soon as one is needed */
    pm_restart_policy_t restart;
    apr_time_t last_start;
    apr_uint64_t paid;              /**< see pm_restart_policy_spend_credit() */
    apr_time_t leaves_at;           /**< when it is to drain and then to be
                                     *   held; 0: it is not */
    int is_succeeded;               /**< its socket is another pool's now */
    apr_time_t shut_at;             /**< since when no client can connect */
    apr_time_t drain_wait;          /**< next pause while draining */
    pm_timer_t timer;               /**< the next plan */
    struct pm_output *output;       /**< pm_output.c's */
    struct pm_slow_log *slow;       /**< pm_slow_log.c's; NULL: no command
                                     *   runs */
    struct pm_filewatch *filewatch; /**< pm_filewatch.c's */
    struct pm_reload_waits *reloads;      /**< pm_reload_wait.c's */
    struct pm_script_pool *script;        /**< pm_script_pools.c's; NULL: it was
                                           *   not made for a script */
    struct pm_socket_check *socket_check; /**< pm_socket_check.c's */
    int nonblocking;                    /**< its program sets O_NONBLOCK on the
                                         *   listening socket */
    int job_outputs;                    /**< pm_leftovers.c's: that are read */
    struct pm_overload *overload;       /**< pm_overload.c's */
    struct pm_fork_server *fork_server; /**< pm_fork_server.c's */
    pm_start_failure_t failure;         /**< the last one */
    pm_exit_left_t left;                /**< pm_pool_exit.c's */
    char warmup[200]; /**< pm_warmup.c's: how the last one was */
    char last_error[512];
    apr_time_t last_error_at; /**< 0: there is none */
};

/** A pool for this member of a set; takes the member's descriptors. */
pm_pool_t *pm_pool_create(pm_context_t *context, pm_member_t *member);

/** Another definition.  One that cannot work is refused and logged; the pool
 *  then goes on with what it has, if it has anything.  Takes the member's
 *  descriptor if the pool has none yet. */
void pm_pool_define(pm_pool_t *pool, pm_member_t *member);

/** Replace every worker and forget all failures.  FcgiPMReload all: workers are
 *  told to stop now, the plan starts others; rolling: every worker is due.
 *  What people and files ask for comes by pm_reload_run(). */
void pm_pool_reload(pm_pool_t *pool);

/** A worker of the code that a reload has brought is there: the workers that
 *  were to stay until then are told to go. */
void pm_pool_tell_former(pm_pool_t *pool);

/** A worker could not be started; the error was reported. */
void pm_pool_start_failed(pm_pool_t *pool);

/** Workers that a reload was to replace stay, but for those that have a socket
 *  which was replaced.  @param last those from PM_DUE_ROLL to this */
void pm_pool_keep_workers(pm_pool_t *pool, pm_due_t last);

/** Does the worker accept at the pool's socket, as it is now? */
static inline int pm_pool_has_socket(const pm_worker_t *w)
{
    return w->at.inode == w->pool->listener.socket;
}

/** The pool is to have no workers, and requests get 503, until it is let go on
 *  again.  The scoreboard keeps that over reloads and managers. */
void pm_pool_hold(pm_pool_t *pool, unsigned held);

static inline int pm_pool_held(const pm_pool_t *pool)
{
    return pool->published->held != 0;
}

/** Other bounds than FcgiPMProcesses, until the pool's definition is
 *  another. */
void pm_pool_scale(pm_pool_t *pool, pm_range_t processes);

/** The pool has all the workers it is to have, and they are ready. */
int pm_pool_settled(const pm_pool_t *pool);

/** The pool was removed from the configuration: it drains, closes, and goes. */
void pm_pool_remove(pm_pool_t *pool);

/** A script's pool is not needed any more: it goes at once.
 *  @return 0: a request is on its way, the pool stays */
int pm_pool_retire(pm_pool_t *pool);

/** The manager is about to end: tell every worker to stop, start no other. */
void pm_pool_close(pm_pool_t *pool);

/** The pool is not ready from now on, and serves.  As soon as no connection is
 *  queued, from @a at on, it is held.  pm_pool_hold() takes that back. */
void pm_pool_drain(pm_pool_t *pool, apr_time_t at);

/** The manager is about to end, and the pool's socket with it: what is queued
 *  there is served first, within the die timeout, while nobody can call any
 *  more.  Then it closes; at once where the socket is foreign, whose queue the
 *  next manager serves. */
void pm_pool_finish(pm_pool_t *pool);

/** Have it planned at the end of this round. */
void pm_pool_touch(pm_pool_t *pool);

/** Plan, do what was planned, and publish the result. */
void pm_pool_plan(pm_pool_t *pool, apr_time_t now);

/** A closed pool without workers: can be destroyed. */
int pm_pool_is_gone(const pm_pool_t *pool);

void pm_pool_destroy(pm_pool_t *pool);

/** Keep an error for the status and log it, with the pool's name in front. */
void pm_pool_error(pm_pool_t *pool, pm_level_t level, const char *fmt, ...)
    PM_PRINTF(3, 4);

/** Workers that were not told to stop. */
static inline int pm_pool_alive(const pm_pool_t *pool)
{
    return pm_worker_alive(&pool->workers);
}

/** Do something to each worker; @a act may free it. */
void pm_pool_each_worker(pm_pool_t *pool,
                         void (*act)(pm_worker_t *w, void *ctx), void *ctx);

#endif /* PM_POOL_H */
