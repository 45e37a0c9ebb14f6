/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_keep_policy.h
 * @brief For how long is a connection to a worker kept, and by which pools?
 *
 * A kept connection holds its worker.  So it is kept for moments: while
 * requests follow each other, and never so long that a connection which no
 * child knows of (of nginx at the same socket) would wait for it.  None is
 * kept of a worker that has not said that it reads on at once (pm_reads_on.h).
 * Programs that do not say so for many requests, or close connections all the
 * same, are not asked to keep any for a while, nor are those of pools whose
 * workers other children need.
 *
 * Pure: no system call, clock or allocation.
 */
#ifndef HPM_KEEP_POLICY_H
#define HPM_KEEP_POLICY_H

#include "pm_core/base/pm_base.h"

/** For how long. */
typedef struct hpm_keep_limits {
    apr_interval_time_t idle; /**< without a request it is closed then */
    apr_interval_time_t age;  /**< an older one is not kept any more */
} hpm_keep_limits_t;

extern const hpm_keep_limits_t hpm_keep_limits;

/** What has become of a kept connection. */
typedef enum hpm_keep_event {
    HPM_KEEP_WORKED,   /**< a further request was answered on it */
    HPM_KEEP_CLOSED,   /**< the worker closed it after its first request */
    HPM_KEEP_IGNORED,  /**< the worker did not read on, as it had said */
    HPM_KEEP_UNSIGNED, /**< the worker did not say that it reads on */
    HPM_KEEP_RECALLED, /**< its worker was needed for another child's request */
    HPM_KEEP_EVENTS
} hpm_keep_event_t;

/** What was learned of a pool; all zero at first. */
typedef struct hpm_keep_lesson {
    int count[HPM_KEEP_EVENTS]; /**< since a connection has worked */
    apr_time_t off_until;       /**< no connection is kept before */
} hpm_keep_lesson_t;

void hpm_keep_learn(hpm_keep_lesson_t *lesson, hpm_keep_event_t event,
                    apr_time_t now);

/** May a worker be asked to keep the connection? */
static inline int hpm_keep_may_ask(const hpm_keep_lesson_t *lesson,
                                   apr_time_t now)
{
    return now >= lesson->off_until;
}

/** @param opened when the connection was made
 *  @param now    when its last request ended
 *  @return until when it is kept; in the past: it is not */
static inline apr_time_t hpm_keep_until(const hpm_keep_limits_t *limits,
                                        apr_time_t opened, apr_time_t now)
{
    return pm_time_min(opened + limits->age, now + limits->idle);
}

#endif /* HPM_KEEP_POLICY_H */
