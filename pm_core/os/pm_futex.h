/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_futex.h
 * @brief Layer 2: waiting for a word in shared memory to change.
 *
 * Linux: futex(2).  Where there is nothing like it, PM_FUTEX_WORKS is 0 and
 * nobody may wait: who would, does without.
 */
#ifndef PM_FUTEX_H
#define PM_FUTEX_H

#include "pm_core/base/pm_base.h"

#ifdef __linux__
#define PM_FUTEX_WORKS 1
#else
#define PM_FUTEX_WORKS 0
#endif

/**
 * Sleep until pm_futex_wake() is called on @a word, unless it is not @a seen
 * any more.  Who sleeps longest is woken first.
 * @param timeout > 0
 * @return to be followed by another look at the world: woken, time is up, a
 *         signal came, or for no reason at all
 */
void pm_futex_wait(const apr_uint32_t *word, apr_uint32_t seen,
                   apr_interval_time_t timeout);

/** Wake up to @a n that sleep on @a word, in whatever process. */
void pm_futex_wake(apr_uint32_t *word, int n);

#endif /* PM_FUTEX_H */
