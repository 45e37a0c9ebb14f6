/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_futex.h"

#if PM_FUTEX_WORKS

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* 32-bit systems have two calls, each with a timespec of its own, and the
 * compiler's flags decide which of them time_t is. */
#ifdef SYS_futex_time64
#define FUTEX_CALL                                                             \
    (sizeof(time_t) > sizeof(long) ? SYS_futex_time64 : SYS_futex)
#else
#define FUTEX_CALL SYS_futex
#endif

void pm_futex_wait(const apr_uint32_t *word, apr_uint32_t seen,
                   apr_interval_time_t timeout)
{
    struct timespec ts;

    ts.tv_sec = (time_t)apr_time_sec(timeout);
    ts.tv_nsec = (long)apr_time_usec(timeout) * 1000;
    (void)syscall(FUTEX_CALL, word, FUTEX_WAIT, seen, &ts, NULL, 0);
}

void pm_futex_wake(apr_uint32_t *word, int n)
{
    (void)syscall(FUTEX_CALL, word, FUTEX_WAKE, n, NULL, NULL, 0);
}

#else

void pm_futex_wait(const apr_uint32_t *word, apr_uint32_t seen,
                   apr_interval_time_t timeout)
{
    (void)word;
    (void)seen;
    (void)timeout;
}

void pm_futex_wake(apr_uint32_t *word, int n)
{
    (void)word;
    (void)n;
}

#endif
