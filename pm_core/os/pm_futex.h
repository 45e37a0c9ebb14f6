/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_futex.h
 * @brief Wait for a word in shared memory to change (futex(2)).
 *
 * Linux only.  Elsewhere PM_FUTEX_WORKS is 0 and pm_futex_wait() returns at
 * once: callers do not wait then.  Any process that shares the memory may call
 * it.
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
 * Sleep until pm_futex_wake() is called on @a word, unless the word is not
 * @a seen any more.  The thread that has slept longest is woken first.  It also
 * returns when the time is up, for a signal, or for no reason: the caller looks
 * again at what it waits for.
 * @param timeout microseconds, more than 0
 */
void pm_futex_wait(const apr_uint32_t *word, apr_uint32_t seen,
                   apr_interval_time_t timeout);

/** Wake up to @a n threads of any process that sleep on @a word. */
void pm_futex_wake(apr_uint32_t *word, int n);

#endif /* PM_FUTEX_H */
