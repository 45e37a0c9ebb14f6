/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_scale.h
 * @brief How many workers a pool is to have.
 *
 * What is counted is requests; a worker is enough for FcgiPMRequestsPerWorker
 * of them.  A pool has as many workers as its requests needed at any time
 * within FcgiPMIdleTimeout, and FcgiPMSpareProcesses more, within the bounds of
 * FcgiPMProcesses.  So it grows at once, by as many as are missing, and shrinks
 * by those that were not needed for the whole time.  How long one worker was
 * idle says nothing: a shared socket wakes all workers in turn, and each is
 * idle for a moment only.
 */
#ifndef PM_SCALE_H
#define PM_SCALE_H

#include "pm_core/config/pm_conf.h"

/** The idle timeout is divided into so many parts; a worker that is not needed
 *  is stopped after the timeout and one part at the latest. */
#define PM_SCALE_PARTS 4

/** The need within the idle timeout.  All zero: there was none. */
typedef struct pm_scale_window {
    apr_time_t since;             /**< of the present part */
    int most[PM_SCALE_PARTS + 1]; /**< requests at once in the present part
                                   *   [0] and in those before it */
} pm_scale_window_t;

/** @return when the present part ends; PM_TIME_NEVER with an idle timeout of 0
 */
apr_time_t pm_scale_part_end(const pm_scale_window_t *window,
                             apr_time_t idle_timeout);

/**
 * Note how many requests there are.  The manager does before each plan.
 * @param peak requests at once at some time since the last call
 * @param need requests now
 */
void pm_scale_note(pm_scale_window_t *window, apr_time_t idle_timeout, int peak,
                   int need, apr_time_t now);

/** @return the most requests at once within the window */
int pm_scale_most(const pm_scale_window_t *window);

/** What is known of the pool. */
typedef struct pm_scale_facts {
    int alive;             /**< workers that were not told to stop */
    int closing;           /**< 1: the pool is to have none */
    apr_time_t last_start; /**< of a worker in this pool; 0: none yet */
    apr_time_t crash_next; /**< pm_restart_policy_next_start() */
    int trial;             /**< 1: only one may be started at a time, and
                            *   only if it is needed now */
    int need;              /**< requests now */
    int most;              /**< pm_scale_most() */
    int room;              /**< workers that FcgiPMMaxProcesses leaves */
    int extra;             /**< workers to replace due ones, see
                            *   pm_recycle.h; no more than it is to have */
} pm_scale_facts_t;

typedef struct pm_scale_plan {
    int start;       /**< workers to start now */
    int stop;        /**< workers to stop, busy ones last */
    int busy;        /**< how many of them may be busy */
    apr_time_t next; /**< when to plan again; PM_TIME_NEVER */
    int open;        /**< 1: if more were needed, more workers could
                      *   be started at once */
    int want_room;   /**< 1: only FcgiPMMaxProcesses keeps it from
                      *   more workers */
    int want;        /**< workers it is to have, the extra ones apart */
} pm_scale_plan_t;

/** @return for how many requests at once this many workers are enough, and
 *  FcgiPMSpareProcesses of them are left over */
apr_uint32_t pm_scale_enough(const pm_conf_t *conf, int workers);

/** Plan for a pool.
 *  @param end pm_scale_part_end()
 *  @param now pm_time_now() */
pm_scale_plan_t pm_scale_plan(const pm_conf_t *conf,
                              const pm_scale_facts_t *facts, apr_time_t end,
                              apr_time_t now);

#endif /* PM_SCALE_H */
