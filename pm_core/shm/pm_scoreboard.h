/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_scoreboard.h
 * @brief The shared memory of httpd's processes and the manager.
 *
 * The parent creates it before its first fork and keeps it for as long as the
 * server runs, over restarts and managers.  It holds no pointer and no lock.
 * It has three parts:
 *
 *   - trusted, written by the parent and the manager only.  The header: the
 *     manager (its pid, its start), @c restarts the parent.  A slot for each
 *     pool: the manager (can the pool answer, counters), and what it says of
 *     admission.  The rows' owners: each child in child_init, then the parent;
 *   - common, written by all with atomic operations: for each slot admission
 *     words (pm_admission.h), request statistics (pm_request_stats.h), and
 *     log limits (pm_log_ratelimit.h);
 *   - rows, one for each child, with a cell for each pool: that child.  Row 0
 *     is the parent's, which adds up there what children that have gone did.
 *
 * A child that has its row gives up the right to write more than that row and
 * the common part (pm_scoreboard_restrict()).  So a child that has been taken
 * over can write there, and nowhere else.  Whatever reads the common part or a
 * row takes care that no value does harm: bounds, settings and rights are in
 * the trusted part or in private memory.
 *
 * The parent decides which slot a pool has; from PM_SCOREBOARD_SCRIPTS up the
 * manager does.  A generation number tells the pools that have lived in one
 * slot apart.
 */
#ifndef PM_SCOREBOARD_H
#define PM_SCOREBOARD_H

#include "pm_core/base/pm_base.h"
#include "pm_core/shm/pm_admission.h"
#include "pm_core/base/pm_log_ratelimit.h"
#include "pm_core/shm/pm_request_stats.h"

#define PM_SCOREBOARD_SLOTS 4096 /**< pools at the most */

/** From this slot up the manager gives slots to pools of scripts; their
 *  generations have this bit. */
#define PM_SCOREBOARD_SCRIPTS    2048
#define PM_SCOREBOARD_SCRIPT_BIT 0x80000000U

/** Can the pool answer?  The request handler acts on it. */
typedef enum pm_avail {
    PM_AVAIL_NONE = 0, /**< no such pool (yet): 503 */
    PM_AVAIL_STARTING, /**< its first workers are starting: connect, the
                        *   kernel queues */
    PM_AVAIL_RUNNING,  /**< at least one worker lives: connect */
    PM_AVAIL_BACKOFF,  /**< no worker lives and the next start is
                        *   delayed: 503 with Retry-After */
    PM_AVAIL_STOPPED,  /**< stopped or failed: 503 */
    PM_AVAIL_DRAINING  /**< removed; a child that still knows its socket may
                        *   connect */
} pm_avail_t;

/** A pool as the manager describes it.  Numbers are totals since the slot was
 *  given to the pool; they outlive a manager that dies. */
typedef struct pm_scoreboard_slot {
    apr_uint32_t generation;   /**< of the pool in this slot; 0: free */
    apr_uint32_t avail;        /**< a pm_avail_t */
    apr_int64_t retry_at;      /**< BACKOFF: pm_time_now() of the next start */
    apr_uint64_t done_base;    /**< @c done of all rows before this pool */
    apr_uint64_t direct;       /**< connections of other clients than httpd's
                                *   children, see pm_direct.h */
    apr_uint32_t aborted_base; /**< @c aborted of all rows before it */
    apr_uint32_t spawned;      /**< workers started */
    apr_uint32_t exited;       /**< ended as told, or by themselves, well */
    apr_uint32_t crashed;      /**< ended by a signal or status of their own */
    apr_uint32_t killed;       /**< ended by the manager's SIGKILL */
    apr_uint32_t recycled;     /**< replaced by another, see pm_recycle.h */
    apr_uint32_t timed_out;    /**< ended for FcgiPMRequestTimeout */
    apr_uint32_t strangers;    /**< connections closed by workers for
                                *   FcgiPMListenClients */
    apr_uint32_t held;         /**< 1: stopped by the control word `stop` */
    apr_uint32_t scaled;       /**< 1: bounds set by the control word `scale` */
    apr_int64_t scale_min;
    apr_int64_t scale_max;
} pm_scoreboard_slot_t;

/** The requests of one pool in one child. */
typedef struct pm_scoreboard_cell {
    apr_uint32_t in_flight; /**< hold a grant: from before connect() to the
                             *   end */
    apr_uint32_t waiting;   /**< queued for a grant */
    apr_uint64_t done;      /**< a worker began to answer */
    apr_uint32_t aborted;   /**< the client went before the answer's end */
    apr_uint32_t lost;      /**< row 0: in flight in children that died */
    apr_uint32_t parked;    /**< of those that wait: they hold no thread */
    apr_uint32_t kept;      /**< idle connections to workers; see hpm_kept.h */
    apr_time_t head;        /**< since when the request waits that is granted
                             *   next; 0: none can be.  See
                             *   pm_admission_rows.h */
} pm_scoreboard_cell_t;

/** The manager, also for those that ask while it is dead. */
typedef struct pm_scoreboard_header {
    apr_uint32_t pid;      /**< of the manager that lives or lived last */
    apr_uint32_t restarts; /**< managers that died and were replaced;
                            *   written by the parent */
    apr_uint32_t reloads;  /**< SIGHUPs carried out, by all managers */
    apr_uint32_t scripts;  /**< pools made of scripts, by all managers */
    apr_uint32_t adopted;  /**< sets of pools put in force, by all managers;
                            *   children wait on it, see pm_futex.h */
    apr_uint32_t follows;  /**< 1: it follows another one, on which the pools of
                            *   scripts were; written by the parent */
    apr_int64_t started;   /**< pm_time_now() at the manager's start */
    apr_int64_t loop_max;  /**< microseconds, the longest round of its loop */
} pm_scoreboard_header_t;

typedef struct pm_scoreboard pm_scoreboard_t;

/**
 * Create the scoreboard, zeroed, in memory that children inherit.  Parent only.
 * @param rows how many children can live at once; two rows more are made:
 *             row 0, and one that surplus children share
 * @param most requests that one child can have in one pool at once; a row that
 *             says more is not believed
 * @param p    the memory lives as long as this pool
 * @param why  on success too, if it is not protected: why
 */
apr_status_t pm_scoreboard_create(pm_scoreboard_t **scoreboard, int rows,
                                  int most, apr_pool_t *p, pm_reason_t *why);

/** Requests of this server's children wait without a thread each, and children
 *  are called (pm_admission_rows.h).  Parent only, before its first fork.
 *  @param most that one child can have in one pool's queue; a row that says
 *              more is not believed */
void pm_scoreboard_set_parking(pm_scoreboard_t *scoreboard, int most);

/** Can a child give up its right to write? */
int pm_scoreboard_is_protected(const pm_scoreboard_t *scoreboard);

/** @return bytes of such a scoreboard.  A build that gives another number for
 *  the same rows has another layout and cannot read it. */
apr_size_t pm_scoreboard_size(int rows);

pm_scoreboard_header_t *pm_scoreboard_header(pm_scoreboard_t *scoreboard);

/** @param slot 0 to PM_SCOREBOARD_SLOTS - 1 */
pm_scoreboard_slot_t *pm_scoreboard_slot(pm_scoreboard_t *scoreboard, int slot);

/** @return the slot's admission.  Its words are never cleared: what was counted
 *  up is counted down again, whatever became of the pool. */
pm_admission_t pm_scoreboard_admission(pm_scoreboard_t *scoreboard, int slot);

/** pm_admission_set_workers().  Manager only. */
void pm_scoreboard_set_workers(pm_scoreboard_t *scoreboard, int slot,
                               apr_uint32_t workers, apr_uint32_t requests,
                               int changed);

/** @return what the manager said last there */
apr_uint32_t pm_scoreboard_workers(pm_scoreboard_t *scoreboard, int slot);

/** Look whether the slot's admission words can be true, and lower them where
 *  they cannot: a child that has been taken over may have written them.  Walks
 *  the rows: for a request that is refused or waits for long.  @return 1: they
 *  were not true, so the caller need not keep to them */
int pm_scoreboard_correct_admission(pm_scoreboard_t *scoreboard, int slot);

/** @return how many requests the children that live can have in one pool at
 *  once, at the most.  Walks the rows. */
apr_uint32_t pm_scoreboard_requests_max(const pm_scoreboard_t *scoreboard);

/** @return the limit of the lines that the pool's workers may log, which the
 *  manager and the children share */
pm_log_ratelimit_t *pm_scoreboard_log_ratelimit(pm_scoreboard_t *scoreboard,
                                                int slot);

/** @return the rows, as this process has them mapped.  Without
 *          pm_scoreboard_set_parking() they are none. */
pm_admission_rows_t *pm_scoreboard_rows(pm_scoreboard_t *scoreboard);

/** @return a row's futex that changes when a worker is needed which the child
 *          holds by a kept connection */
apr_uint32_t *pm_scoreboard_recalls(pm_scoreboard_t *scoreboard, int row);

/** A worker of the pool is needed: if children but that of @a row keep
 *  connections to workers, these children are woken to give them up.
 *  Walks the rows. */
void pm_scoreboard_recall_kept(pm_scoreboard_t *scoreboard, int row, int slot);

/** A child takes a row (child_init).
 *  @param config httpd's number of the child's configuration
 *                (AP_SQ_CONFIG_GEN)
 *  @return the number of the row, for pm_scoreboard_cell() */
int pm_scoreboard_row_claim(pm_scoreboard_t *scoreboard, apr_uint32_t pid,
                            int config);

/** A child gives up the right to write to more than its row and the common
 *  part, for ever (child_init, before it reads anything of a client). */
void pm_scoreboard_restrict(pm_scoreboard_t *scoreboard, int row);

/** Does a child live that has a configuration older than @a config?  It may
 *  still send requests to pools that are removed.  Walks the rows. */
int pm_scoreboard_has_older(pm_scoreboard_t *scoreboard, int config);

/** Does the row belong to one child alone?  What is counted in the shared row
 *  cannot be taken back when a child dies, so a child in it must not take
 *  grants that queued requests wait for. */
int pm_scoreboard_row_is_own(const pm_scoreboard_t *scoreboard, int row);

/** The parent has reaped the child @a pid: what it did is added to row 0, its
 *  grants and queued requests are taken back, the row is free.  Harmless for a
 *  pid that has no row. */
void pm_scoreboard_row_release(pm_scoreboard_t *scoreboard, apr_uint32_t pid);

/** @return the cell of a pool in the child's own row, for the functions below
 */
pm_scoreboard_cell_t *pm_scoreboard_cell(pm_scoreboard_t *scoreboard, int row,
                                         int slot);

/** @return the request statistics of the pool to which this row adds */
pm_request_stats_t *pm_scoreboard_stats(pm_scoreboard_t *scoreboard, int row,
                                        int slot);

/** The manager gives the slot to another pool: pm_scoreboard_stats_sum() counts
 *  from here on. */
void pm_scoreboard_stats_begin(pm_scoreboard_t *scoreboard, int slot);

/** @return the request statistics of the slot's pool */
pm_request_stats_t pm_scoreboard_stats_sum(const pm_scoreboard_t *scoreboard,
                                           int slot);

/* --- a child counts its requests; any of its threads ---------------------- */

/** A request begins to hold a grant. */
static inline void pm_scoreboard_begin(pm_scoreboard_cell_t *cell)
{
    __atomic_add_fetch(&cell->in_flight, 1, __ATOMIC_RELAXED);
}

/** Once per request: its worker has begun to answer. */
static inline void pm_scoreboard_count_answered(pm_scoreboard_cell_t *cell)
{
    __atomic_add_fetch(&cell->done, 1, __ATOMIC_RELAXED);
}

/** A request has released its grant. */
static inline void pm_scoreboard_end(pm_scoreboard_cell_t *cell)
{
    __atomic_sub_fetch(&cell->in_flight, 1, __ATOMIC_RELAXED);
}

/** @param n 1: a request is queued; -1: it has left the queue */
static inline void pm_scoreboard_add_waiting(pm_scoreboard_cell_t *cell, int n)
{
    __atomic_add_fetch(&cell->waiting, (apr_uint32_t)n, __ATOMIC_RELAXED);
}

/** @param n 1: a queued request holds no thread; -1: it does, or has left */
static inline void pm_scoreboard_add_parked(pm_scoreboard_cell_t *cell, int n)
{
    __atomic_add_fetch(&cell->parked, (apr_uint32_t)n, __ATOMIC_RELAXED);
}

/** @param n 1: one more connection is kept; -1: one less */
static inline void pm_scoreboard_add_kept(pm_scoreboard_cell_t *cell, int n)
{
    __atomic_add_fetch(&cell->kept, (apr_uint32_t)n, __ATOMIC_SEQ_CST);
}

/** Say since when the request waits that is granted next; 0: none can be. */
static inline void pm_scoreboard_set_head(pm_scoreboard_cell_t *cell,
                                          apr_time_t since)
{
    __atomic_store_n(&cell->head, since, __ATOMIC_SEQ_CST);
}

/** Once per request: its client has gone. */
static inline void pm_scoreboard_count_aborted(pm_scoreboard_cell_t *cell)
{
    __atomic_add_fetch(&cell->aborted, 1, __ATOMIC_RELAXED);
}

/** @return can the pool of @a generation answer?  NONE when a later pool lives
 *  in the slot, STARTING when the manager has not come to this one yet.  A pool
 *  of a script is in its slot before any child learns of it: if it is not
 *  there, it has gone. */
static inline pm_avail_t pm_scoreboard_avail(const pm_scoreboard_slot_t *slot,
                                             apr_uint32_t generation)
{
    apr_uint32_t there = __atomic_load_n(&slot->generation, __ATOMIC_ACQUIRE);

    if (there != generation) {
        return there < generation && !(generation & PM_SCOREBOARD_SCRIPT_BIT)
                   ? PM_AVAIL_STARTING
                   : PM_AVAIL_NONE;
    }
    return (pm_avail_t)__atomic_load_n(&slot->avail, __ATOMIC_ACQUIRE);
}

/** The requests of a slot, over all rows. */
typedef struct pm_scoreboard_totals {
    apr_uint32_t in_flight; /**< what rows say, as far as it can be true */
    apr_uint32_t waiting;   /**< likewise */
    apr_uint32_t parked;    /**< likewise; of those that wait */
    apr_uint32_t aborted;   /**< with those of former pools in the slot */
    apr_uint32_t lost;      /**< likewise; see the cell */
    apr_uint64_t done;      /**< likewise */
} pm_scoreboard_totals_t;

/** Walks the rows: not for the path of a request. */
pm_scoreboard_totals_t pm_scoreboard_sum(pm_scoreboard_t *scoreboard, int slot);

#endif /* PM_SCOREBOARD_H */
