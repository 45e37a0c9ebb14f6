/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_recycle.h
 * @brief When a worker is to be replaced, and when one that hangs is to be
 *        ended.
 *
 * A worker that has served enough, lived long enough or grown too much is DUE.
 * It serves on until another one is ready in its place: a pool gets some
 * workers more than it needs for that (pm_recycle_extra()), and as many due
 * ones are stopped as there are ready ones in excess.  So there are never fewer
 * than needed, and when new workers fail to start the old ones stay.
 *
 * FcgiPMMaxRequests is met in time: a worker is due so many requests before its
 * last one as workers of its pool serve while another is started
 * (pm_recycle_learn_lead()).  When that is ready it is not stopped, it leaves
 * by itself after its last request (pm_worker_status.h).
 */
#ifndef PM_RECYCLE_H
#define PM_RECYCLE_H

#include "pm_core/config/pm_conf.h"

/** The limits of one worker, from the pool's definition; jitter keeps workers
 *  that were started together from being due together. */
typedef struct pm_recycle_terms {
    apr_uint64_t requests;   /**< it leaves after so many; 0: never */
    apr_time_t lifetime;     /**< since its start; 0: no limit */
    apr_uint64_t size_check; /**< its memory is looked at each so many
                              *   requests; 0: never */
    apr_uint64_t soon;       /**< it is due after so many */
} pm_recycle_terms_t;

/** @return the limits of a worker
 *  @param chance a random number from 0 to 0xffff: the higher, the more of the
 *                jitter is subtracted
 *  @param lead   of its pool, pm_recycle_learn_lead() */
pm_recycle_terms_t pm_recycle_terms(const pm_conf_t *conf, unsigned chance,
                                    apr_uint64_t lead);

/** Learn how many requests before its last one a worker is due.
 *  @param lead what was known; 0: nothing yet
 *  @param used requests that a worker has served from when it was due until
 *              another was ready
 *  @param most no more than these; a worker's count is its own claim
 *  @return half as many more, and one; or, if less than @a lead, something in
 *          between: it rises at once and falls slowly */
apr_uint64_t pm_recycle_learn_lead(apr_uint64_t lead, apr_uint64_t used,
                                   apr_uint64_t most);

/** @param forked by a fork server: FcgiPMMaxProcessSize then bounds what no
 *                other process has, as what it shares was there at birth
 *  @return why a worker has outgrown the pool's limits, or NULL */
const char *pm_recycle_size(const pm_conf_t *conf, const pm_memory_t *memory,
                            int forked);

/** @return after how many requests the worker has to notify the manager next;
 *  0: never
 *  @param done requests it has served so far */
apr_uint64_t pm_recycle_notify_at(const pm_recycle_terms_t *terms,
                                  apr_uint64_t done);

typedef enum pm_recycle_verdict {
    PM_RECYCLE_WELL,  /**< it stays */
    PM_RECYCLE_DUE,   /**< it is to be replaced */
    PM_RECYCLE_LEAVE, /**< another is ready, and it has served its last request,
                       *   or has had the time for that: end it */
    PM_RECYCLE_LATE,  /**< not ready after FcgiPMStartTimeout: end it */
    PM_RECYCLE_OVERDUE /**< busy beyond FcgiPMRequestTimeout: end it */
} pm_recycle_verdict_t;

/** What is known of the worker. */
typedef struct pm_recycle_facts {
    apr_time_t born_at;
    int ready; /**< it has waited for a request, or it will
                *   never be known whether it has */
    apr_uint64_t requests;
    apr_time_t busy_since; /**< 0: it is not, or not known to be */
    apr_time_t leave_by;   /**< pm_recycle_leave_by(); 0: no other is ready */
} pm_recycle_facts_t;

/** What a worker is to be replaced for, and when it goes. */
typedef enum pm_due {
    PM_DUE_NOT,      /**< it stays */
    PM_DUE_RECYCLE,  /**< for its age or size: it goes when another is ready */
    PM_DUE_REQUESTS, /**< for FcgiPMMaxRequests: likewise, after its last
                      *   request */
    PM_DUE_LEAVE,    /**< the same, and another is ready */
    PM_DUE_ROLL,   /**< by a rolling reload: it goes when another is ready, one
                    *   by one */
    PM_DUE_RELOAD, /**< by a reload that came before it was ready, or when no
                    *   other could be started: likewise, all at once */
    PM_DUE_START   /**< by a reload: it goes when another was started */
} pm_due_t;

typedef struct pm_recycle_plan {
    pm_recycle_verdict_t verdict;
    pm_due_t due;       /**< of DUE: RECYCLE or REQUESTS */
    const char *reason; /**< of DUE, for the log */
    apr_time_t next;    /**< when to plan again; PM_TIME_NEVER */
} pm_recycle_plan_t;

/** Plan for a worker that was not told to stop.  @param now pm_time_now() */
pm_recycle_plan_t pm_recycle_plan(const pm_conf_t *conf,
                                  const pm_recycle_terms_t *terms,
                                  const pm_recycle_facts_t *facts,
                                  apr_time_t now);

/** When a worker goes that another one replaces, if its last request has not
 *  come: it is given twice the time that the other took, and a second.
 *  @param due_at when it became due */
apr_time_t pm_recycle_leave_by(apr_time_t due_at, apr_time_t now);

/**
 * @param due   the pool's workers, by pm_due_t
 * @param alive its workers that were not told to stop
 * @return how many workers more than it needs a pool may have to replace due
 *         ones: one in a rolling reload; else all that a reload replaces or
 *         that near their last request, and for others a quarter of those it
 *         has, at least one
 */
int pm_recycle_extra(const int due[PM_DUE_START + 1], int alive);

#endif /* PM_RECYCLE_H */
