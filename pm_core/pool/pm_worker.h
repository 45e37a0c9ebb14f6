/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_worker.h
 * @brief One worker: a FastCGI process, from fork to the end of its group.
 *
 * A worker knows the group it belongs to, not the pool: it reports to the pool
 * by the group's events.  What follows on which event of a worker is the table
 * of pm_worker_fsm.h; when it is replaced, pm_recycle.h; when SIGTERM is
 * repeated and SIGKILL is sent, pm_stop_policy.h.  All of it runs in the
 * manager.
 */
#ifndef PM_WORKER_H
#define PM_WORKER_H

#include "pm_core/base/pm_lines.h"
#include "pm_core/policy/pm_recycle.h"
#include "pm_core/policy/pm_restart_policy.h"
#include "pm_core/policy/pm_worker_fsm.h"
#include "pm_core/pool/pm_context.h"
#include "pm_core/shm/pm_worker_shm.h"
#include "pm_core/spawn/pm_spawn.h"

/** Bytes of a worker's last lines that are kept. */
#define PM_WORKER_SAID 1024

APR_RING_HEAD(pm_workers, pm_worker);

/** What a worker, or the demand for workers, reports to its pool. */
typedef struct pm_worker_events {
    /** Something has changed: the pool is to be planned. */
    void (*changed)(pm_pool_t *pool);
    /** An error or warning about a worker, for log and status. */
    void (*error)(pm_pool_t *pool, pm_level_t level, const char *text);
    /** The worker waits for requests, or it is not known when it will.
     *  @return 0: it is not to count as ready yet, or is being ended */
    int (*waits)(pm_pool_t *pool, pm_worker_t *w,
                 const pm_worker_facts_t *seen);
    /** The worker counts as ready. */
    void (*ready)(pm_pool_t *pool, pm_worker_t *w);
    /** The worker was not ready in time; the error was reported before. */
    void (*late)(pm_pool_t *pool, pm_worker_t *w, apr_time_t now);
    /** Nothing judges its clients: another worker would be as open to all. */
    void (*unjudged)(pm_pool_t *pool);
    /** The worker was reaped.  @param status of waitpid(2)
     *  @param facts all but @c served */
    void (*exited)(pm_pool_t *pool, pm_worker_t *w, int status,
                   pm_exit_facts_t facts);
    /** A line of its standard output or error. */
    void (*said)(pm_pool_t *pool, pm_worker_t *w, const char *line);
    /** Its status was read, because something may have changed there. */
    void (*status)(pm_pool_t *pool, pm_worker_t *w,
                   const pm_worker_facts_t *facts);
    /** It is about to be freed. */
    void (*gone)(pm_pool_t *pool, pm_worker_t *w);
} pm_worker_events_t;

/** The workers of one pool and what they share.  The pool fills in the first
 *  part; counts are kept by pm_worker.c. */
typedef struct pm_worker_group {
    pm_pool_t *pool; /**< given to the events */
    const pm_worker_events_t *events;
    pm_context_t *context;
    apr_pool_t *p;
    const pm_conf_t *conf;           /**< in force */
    pm_worker_shm_t *shm;            /**< NULL: workers tell nothing */
    pm_scoreboard_slot_t *published; /**< the pool's slot, for counters */
    int watched; /**< callers that wait for a reload: a start that fails
                  *   matters */

    struct pm_workers list;
    int count[PM_WORKER_GONE + 1]; /**< workers, by pm_worker_state_t */
    int due[PM_DUE_START + 1];     /**< workers that are to be replaced, by
                                    *   pm_due_t; [PM_DUE_NOT] has no meaning */
    apr_uint64_t lead;             /**< see pm_recycle_learn_lead() */
    unsigned reports; /**< the last definition of which a worker has reported
                       *   that it waits: so its others do; 0: none */
    int held;    /**< requests that workers which were told to stop may have, as
                  *   was seen when they were looked at last */
    int ordered; /**< workers that have not come yet, pm_order.h */
    int forking; /**< of these, those that the fork server was asked for */
} pm_worker_group_t;

/** What the slow log knows of a worker's request; pm_slow_log.c's. */
typedef struct pm_slow_mark {
    pm_timer_t timer;
    apr_time_t since;       /**< busy_since of the request reported last; of
                             *   several, all that began until then are */
    apr_time_t reported_at; /**< when, found by the worker's status */
} pm_slow_mark_t;

/** What has happened to those that a worker has left, and that have the pool's
 *  socket. */
typedef enum pm_worker_swept {
    PM_WORKER_UNSWEPT,
    PM_WORKER_SPARED, /**< they may still lay it down */
    PM_WORKER_TOLD,   /**< they serve in its place; the stop policy is theirs */
    PM_WORKER_SWEPT   /**< they end by a deadline */
} pm_worker_swept_t;

struct pm_worker {
    APR_RING_ENTRY(pm_worker) link; /**< in group->list, the oldest first */
    pm_worker_group_t *group;
    pm_pool_t *pool; /**< the group's */
    apr_pool_t *p;
    const pm_launch_spec_t *spec; /**< the pool's when it was started, kept */
    pid_t pid;
    apr_uint64_t number; /**< of context->started */
    unsigned definition; /**< pm_rollback.c's: number of the definition it was
                          *   started from; 0: the former one */
    int shm_index;       /**< its entry in group->shm; -1: none */
    pm_worker_state_t state;
    int runs;             /**< its program was executed */
    int forks;            /**< it is, or was, a fork server */
    apr_uint64_t forked;  /**< by the fork server of this number, whose memory
                           *   it shares; 0: by none */
    int notified;         /**< it has said that its status is worth a look */
    int guarded;          /**< it reports when it is ready */
    apr_time_t look_at;   /**< whether it has the guard is looked up, if it does
                           *   not report, not before then */
    apr_time_t blind_at;  /**< whether it judges its clients, likewise */
    unsigned chance;      /**< see pm_recycle_terms() */
    apr_uint64_t size_at; /**< requests at which its memory is looked at
                           *   again */
    apr_uint32_t refused; /**< pm_direct.c's: what it has counted of strangers
                           *   so far */
    pm_due_t due;
    apr_time_t due_at;      /**< when it became that, for FcgiPMMaxRequests */
    apr_uint64_t due_after; /**< requests it had served then */
    apr_time_t leave_by;    /**< PM_DUE_LEAVE: see pm_recycle_leave_by() */
    int rank;    /**< pm_pool.c's: its status when workers were last told
                  *   to stop */
    int overdue; /**< it is ended for taking too long */
    const char *killed_for; /**< why it gets SIGKILL; NULL: it was told to stop
                             *   and has not */
    apr_time_t started_at;
    apr_time_t term_at;      /**< of the first SIGTERM; 0: none yet */
    apr_time_t last_term_at; /**< of the last SIGTERM */
    apr_time_t idle_since;   /**< see pm_stop_policy_facts_t; PM_WORKER_TOLD:
                              *   all three are of those it has left */
    int held;                /**< in group->held */
    pm_accepted_at_t at;     /**< where it accepts */
    int place;               /**< in context->roster; -1: none */
    int jobs;                /**< it has ended, and has left some */
    int ends_all;            /**< what it has left is ended, whatever it is */
    pm_worker_swept_t swept; /**< once it has ended */
    int exec_fd;
    int output_fd;
    pm_watch_t exec_watch;
    pm_watch_t output_watch;
    pm_timer_t timer; /**< the next step of recycling or stopping */
    pm_slow_mark_t slow;
    struct pm_warmup *warmup; /**< pm_warmup.c's; NULL: none, or it is over */
    int asked;                /**< 1: FcgiPMWarmup has asked it something */
    pm_lines_t *lines;        /**< NULL before its first line */
    char *said;               /**< its last lines, PM_WORKER_SAID bytes; NULL
                               *   likewise */
};

/** What a worker is started from. */
typedef struct pm_worker_origin {
    const pm_launch_spec_t *spec;
    unsigned definition; /**< for w->definition */
    pm_accepted_at_t at; /**< for w->at: of the socket that it gets, which the
                          *   pool may have no more when it comes */
    apr_uint64_t server; /**< for w->forked */
} pm_worker_origin_t;

/**
 * Another process has made one: a child of this process.
 * @param born      its descriptors are the worker's from now on; exec_fd -1: it
 *                  does not execute a program, and leads its own group
 * @param shm_index its entry in group->shm; the worker's likewise
 */
pm_worker_t *pm_worker_adopt(pm_worker_group_t *group,
                             const pm_worker_origin_t *from,
                             const pm_spawned_t *born, int shm_index,
                             apr_time_t now);

/** What the worker itself reports in shared memory: a claim, checked. */
static inline pm_worker_facts_t pm_worker_read_facts(const pm_worker_t *w,
                                                     apr_time_t now)
{
    return pm_worker_shm_read(w->group->shm, w->shm_index, w->pid, now);
}

/** Something has happened to it: does what pm_worker_fsm.h says.  It may be
 *  freed by this. */
void pm_worker_handle(pm_worker_t *w, pm_worker_event_t event);

/** It was reaped, with this status of waitpid(2). */
void pm_worker_reaped(pm_worker_t *w, int status);

/** A process of its group, other than itself, was reaped. */
void pm_worker_leftover_reaped(pm_worker_t *w);

/** Its status or its pool's definition may have changed: is it ready, due, late
 *  or overdue?  It may be told to stop by this. */
void pm_worker_attend(pm_worker_t *w, apr_time_t now);

/** It is to be replaced; or, PM_DUE_NOT, no longer. */
void pm_worker_set_due(pm_worker_t *w, pm_due_t due);

/** It is due, and another is ready in its place: it goes now, or after its last
 *  request. */
void pm_worker_release(pm_worker_t *w, apr_time_t now);

/** SIGKILL without SIGTERM before: the command `kill`. */
void pm_worker_kill(pm_worker_t *w);

/** The manager's end has begun: how long it may take is planned anew. */
void pm_worker_hurry(pm_worker_t *w);

/** Workers that are not ready yet. */
static inline int pm_worker_loading(const pm_worker_group_t *group)
{
    return group->count[PM_WORKER_BORN] + group->count[PM_WORKER_LOADING]
           + group->ordered;
}

/** Workers that were not told to stop. */
static inline int pm_worker_alive(const pm_worker_group_t *group)
{
    return pm_worker_loading(group) + group->count[PM_WORKER_READY];
}

/** Workers that are to be replaced, and for which no other is ready. */
static inline int pm_worker_due(const pm_worker_group_t *group)
{
    return group->due[PM_DUE_RECYCLE] + group->due[PM_DUE_REQUESTS]
           + group->due[PM_DUE_ROLL] + group->due[PM_DUE_RELOAD]
           + group->due[PM_DUE_START];
}

#endif /* PM_WORKER_H */
