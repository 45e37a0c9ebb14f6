/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_scoreboard.h
 * @brief Layer 2: the shared memory that httpd's processes and the manager
 *        look at.
 *
 * Made once by the httpd parent, before the first fork, and kept for as long
 * as the server runs.  There is no pointer in it and no lock; each part but
 * the gates (pm_admission.h) has one writer:
 *
 *   - the head: the manager (who it is, since when);
 *   - a slot for each pool: the manager (can the pool answer, counters);
 *   - a row for each httpd child: that child (requests it has under way);
 *   - row 0: the httpd parent, which adds up there what children that have
 *     gone had done.
 *
 * Meters (pm_request_stats.h) have many writers, who only ever add.
 *
 * Which slot a pool has is decided by the httpd parent, of those from
 * PM_SCOREBOARD_SCRIPTS by the manager; a generation number tells the pools
 * that have lived in one slot apart.
 */
#ifndef PM_SCOREBOARD_H
#define PM_SCOREBOARD_H

#include "pm_core/base/pm_base.h"
#include "pm_core/shm/pm_admission.h"
#include "pm_core/base/pm_log_ratelimit.h"
#include "pm_core/shm/pm_request_stats.h"

#define PM_SCOREBOARD_SLOTS 4096 /**< pools at the most */

/** From here up slots are the manager's to give, to the pools it makes of
 *  scripts; their generations have this bit. */
#define PM_SCOREBOARD_SCRIPTS    2048
#define PM_SCOREBOARD_SCRIPT_BIT 0x80000000U

/** Can the pool answer?  What the request handler acts on. */
typedef enum pm_avail {
    PM_AVAIL_NONE = 0, /**< no such pool (yet): 503 */
    PM_AVAIL_STARTING, /**< first workers are being born: connect, the
                        *   kernel queues */
    PM_AVAIL_RUNNING,  /**< at least one worker lives: connect */
    PM_AVAIL_BACKOFF,  /**< no worker lives and the next start is
                        *   delayed: 503 with Retry-After */
    PM_AVAIL_STOPPED,  /**< stopped or failed: 503 */
    PM_AVAIL_DRAINING  /**< removed; who still knows its socket may
                        *   connect */
} pm_avail_t;

/** A pool, as its manager tells it.  Numbers are totals since the slot was
 *  given to the pool; they outlive a manager that died. */
typedef struct pm_scoreboard_slot {
    apr_uint32_t generation;   /**< of the pool in here; 0: free */
    apr_uint32_t avail;        /**< a pm_avail_t */
    apr_int64_t retry_at;      /**< BACKOFF: pm_time_now() of the next try */
    apr_uint64_t done_base;    /**< what rows had in done before this pool */
    apr_uint64_t direct;       /**< connections that others made, see
                                *   pm_direct.h */
    apr_uint32_t aborted_base; /**< and in aborted */
    apr_uint32_t spawned;      /**< workers started */
    apr_uint32_t exited;       /**< gone as told, or by themselves, well */
    apr_uint32_t crashed;      /**< gone by a signal or status of their own */
    apr_uint32_t killed;       /**< gone by our SIGKILL */
    apr_uint32_t recycled;     /**< told to go for another in their place */
    apr_uint32_t timed_out;    /**< ended for FcgiPMRequestTimeout */
    apr_uint32_t held;         /**< 1: `stop` was said */
    apr_uint32_t scaled;       /**< 1: `scale` was said, with these: */
    apr_int64_t scale_min;
    apr_int64_t scale_max;
} pm_scoreboard_slot_t;

/** One pool's requests in one httpd child. */
typedef struct pm_scoreboard_cell {
    apr_uint32_t in_flight; /**< given to a worker: from before connect()
                             *   to the end */
    apr_uint32_t waiting;   /**< at the gate */
    apr_uint64_t done;      /**< a worker began to answer */
    apr_uint32_t aborted;   /**< the client went before the answer's end */
    apr_uint32_t lost;      /**< row 0: were in flight when a child died */
} pm_scoreboard_cell_t;

/** The manager, for whoever asks while it is not there. */
typedef struct pm_scoreboard_header {
    apr_uint32_t pid;      /**< of the manager that lives or lived last */
    apr_uint32_t restarts; /**< managers that died and were replaced;
                            *   written by the httpd parent */
    apr_uint32_t reloads;  /**< HUPs carried out, by all of them */
    apr_uint32_t scripts;  /**< pools made of scripts, by all of them */
    apr_uint32_t adopted;  /**< sets of pools put in force, by all of
                            *   them; waited on, see pm_futex.h */
    apr_int64_t started;   /**< pm_time_now() */
} pm_scoreboard_header_t;

typedef struct pm_scoreboard pm_scoreboard_t;

/**
 * Make the board, zeroed, in memory that children inherit.
 * @param rows how many httpd children can live at once; two more are made,
 *             row 0 and one that late children share
 * @param p    the process's pool; the memory lives as long
 */
apr_status_t pm_scoreboard_create(pm_scoreboard_t **board, int rows,
                                  apr_pool_t *p, pm_reason_t *why);

/** How many bytes such a board has; a build that says another number for the
 *  same rows cannot read it. */
apr_size_t pm_scoreboard_size(int rows);

pm_scoreboard_header_t *pm_scoreboard_header(pm_scoreboard_t *board);

/** @param slot 0 to PM_SCOREBOARD_SLOTS - 1 */
pm_scoreboard_slot_t *pm_scoreboard_slot(pm_scoreboard_t *board, int slot);

/** Where requests wait until a worker can have them.  Never cleared: what
 *  was counted up is counted down, whatever became of the pool. */
pm_admission_t *pm_scoreboard_admission(pm_scoreboard_t *board, int slot);

/** How many lines of the pool's workers are logged: the manager and the
 *  children count there. */
pm_log_ratelimit_t *pm_scoreboard_log_ratelimit(pm_scoreboard_t *board,
                                                int slot);

/** A child takes a row for itself (child_init).
 *  @param config httpd's number of the configuration it has
 *                (AP_SQ_CONFIG_GEN)
 *  @return the row's number, to be given to pm_scoreboard_cell() */
int pm_scoreboard_row_claim(pm_scoreboard_t *board, apr_uint32_t pid,
                            int config);

/** Does a child live that has a configuration older than @a config?  It may
 *  still know pools that are no more.  Walks the rows. */
int pm_scoreboard_has_older(pm_scoreboard_t *board, int config);

/** Is the row one child's own?  What is counted in the shared one cannot be
 *  given back when a child dies: it must not take what others wait for. */
int pm_scoreboard_row_is_own(const pm_scoreboard_t *board, int row);

/** The parent has reaped the child @a pid: what it had done is added to row
 *  0, what it had under way is forgotten and goes back to the gates, the row
 *  is free.  Harmless for a pid that has none. */
void pm_scoreboard_row_release(pm_scoreboard_t *board, apr_uint32_t pid);

/** A child's cell for a pool; it alone writes there, its threads with the
 *  functions below. */
pm_scoreboard_cell_t *pm_scoreboard_cell(pm_scoreboard_t *board, int row,
                                         int slot);

/** Where a child counts the pool's times. */
pm_request_stats_t *pm_scoreboard_stats(pm_scoreboard_t *board, int row,
                                        int slot);

/** The manager gives the slot to a pool: what is counted there belongs to
 *  others. */
void pm_scoreboard_stats_begin(pm_scoreboard_t *board, int slot);

/** What was counted of the slot's pool. */
pm_request_stats_t pm_scoreboard_stats_sum(const pm_scoreboard_t *board,
                                           int slot);

static inline void pm_scoreboard_begin(pm_scoreboard_cell_t *cell)
{
    __atomic_add_fetch(&cell->in_flight, 1, __ATOMIC_RELAXED);
}

/** Once per request: its worker has begun to answer. */
static inline void pm_scoreboard_count_answered(pm_scoreboard_cell_t *cell)
{
    __atomic_add_fetch(&cell->done, 1, __ATOMIC_RELAXED);
}

static inline void pm_scoreboard_end(pm_scoreboard_cell_t *cell)
{
    __atomic_sub_fetch(&cell->in_flight, 1, __ATOMIC_RELAXED);
}

static inline void pm_scoreboard_add_waiting(pm_scoreboard_cell_t *cell, int n)
{
    __atomic_add_fetch(&cell->waiting, (apr_uint32_t)n, __ATOMIC_RELAXED);
}

/** Once per request: its client has gone. */
static inline void pm_scoreboard_count_aborted(pm_scoreboard_cell_t *cell)
{
    __atomic_add_fetch(&cell->aborted, 1, __ATOMIC_RELAXED);
}

/** A slot's avail, for the pool of @a generation: NONE when a later one lives
 *  there, STARTING when the manager has not come to this one yet.  A script's
 *  pool is there before anybody hears of it: when it is not, it has gone. */
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

/** A pool's requests over all rows.  Walks the rows: not for the request
 *  path. */
typedef struct pm_scoreboard_totals {
    apr_uint32_t in_flight;
    apr_uint32_t waiting;
    apr_uint32_t aborted; /**< including pools before this one */
    apr_uint32_t lost;    /**< likewise; see the cell */
    apr_uint64_t done;    /**< likewise */
} pm_scoreboard_totals_t;

pm_scoreboard_totals_t pm_scoreboard_sum(pm_scoreboard_t *board, int slot);

#endif /* PM_SCOREBOARD_H */
