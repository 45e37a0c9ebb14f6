/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_recycle.h
 * @brief Layer 1: when a worker that is well is to be replaced, when one that
 *        is not is to be ended, and how many at a time.
 *
 * A worker that has served enough, lived long enough or grown too much is
 * DUE.  It serves on until another one is ready in its place: pools get some
 * workers more than they need for that (pm_recycle_extra()), and as many due
 * ones are told as there are ready ones too many.  So at no time are there
 * fewer, and a program that does not start any more replaces nobody.
 */
#ifndef PM_RECYCLE_H
#define PM_RECYCLE_H

#include "pm_core/config/pm_conf.h"

/** What one worker is given, of the pool's definition; jitter keeps workers
 *  that were started together from being due together. */
typedef struct pm_recycle_terms {
    apr_uint64_t requests;   /**< it is due after so many; 0: never */
    apr_time_t lifetime;     /**< since its birth; 0: for ever */
    apr_uint64_t size_check; /**< its memory is looked at each so many
                              *   requests; 0: never */
} pm_recycle_terms_t;

/** @param chance of 0 to 0xffff: takes up to the jitter away */
pm_recycle_terms_t pm_recycle_terms(const pm_conf_t *conf, unsigned chance);

/** @return why it has outgrown the pool's limits, or NULL */
const char *pm_recycle_size(const pm_conf_t *conf, const pm_memory_t *memory);

/** The count of requests at which the worker is to ring next; 0: never.
 *  @param done by it so far */
apr_uint64_t pm_recycle_notify_at(const pm_recycle_terms_t *terms,
                                  apr_uint64_t done);

typedef enum pm_recycle_verdict {
    PM_RECYCLE_WELL,
    PM_RECYCLE_DUE,    /**< it is to be replaced */
    PM_RECYCLE_LATE,   /**< it is not ready after FcgiPMStartTimeout */
    PM_RECYCLE_OVERDUE /**< busy beyond FcgiPMRequestTimeout */
} pm_recycle_verdict_t;

typedef struct pm_recycle_facts {
    apr_time_t born_at;
    int ready; /**< it has waited for a request, or that will
                *   never be known */
    apr_uint64_t requests;
    apr_time_t busy_since; /**< 0: it is not, or not known to be */
} pm_recycle_facts_t;

typedef struct pm_recycle_plan {
    pm_recycle_verdict_t verdict;
    const char *reason; /**< of DUE */
    apr_time_t next;    /**< when to plan again; PM_TIME_NEVER */
} pm_recycle_plan_t;

/** A worker that has not been told to go. */
pm_recycle_plan_t pm_recycle_plan(const pm_conf_t *conf,
                                  const pm_recycle_terms_t *terms,
                                  const pm_recycle_facts_t *facts,
                                  apr_time_t now);

/** Workers beyond its need that a pool may have for the sake of its due
 *  ones: a quarter of what it has, at least one.
 *  @param one_by_one no more than one */
int pm_recycle_extra(int due, int alive, int one_by_one);

#endif /* PM_RECYCLE_H */
