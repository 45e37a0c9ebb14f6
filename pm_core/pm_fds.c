/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_fds.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* close_range(2) is Linux 5.9 and FreeBSD; by number, as libc may be older
 * than the kernel. */
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

static int close_range_kernel(unsigned first, unsigned last, unsigned flags)
{
#ifdef SYS_close_range
    return (int)syscall(SYS_close_range, first, last, flags);
#else
    (void)first;
    (void)last;
    (void)flags;
    return -1;
#endif
}

static unsigned highest(void)
{
    long max = sysconf(_SC_OPEN_MAX);

    return max > 0 && max < 1048576 ? (unsigned)max : 1048576;
}

static void close_between(unsigned first, unsigned last)
{
    unsigned fd;

    if (first > last || close_range_kernel(first, last, 0) == 0) {
        return;
    }
    for (fd = first; fd <= last && fd <= highest(); fd++) {
        close((int)fd);
    }
}

static int by_number(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

void pm_fds_close_others(int *keep, int n)
{
    unsigned next = 3;
    int i;

    qsort(keep, (size_t)n, sizeof(*keep), by_number);
    for (i = 0; i < n; i++) {
        if (keep[i] >= (int)next) {
            close_between(next, (unsigned)keep[i] - 1);
            next = (unsigned)keep[i] + 1;
        }
    }
    close_between(next, ~0U);
}

void pm_fds_cloexec_others(void)
{
    unsigned fd;

    if (close_range_kernel(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0) {
        return;
    }
    for (fd = 3; fd <= highest(); fd++) {
        fcntl((int)fd, F_SETFD, FD_CLOEXEC);
    }
}

void pm_fds_raise(struct rlimit *before)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, before) == 0
        && before->rlim_cur < before->rlim_max) {
        limit = *before;
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) == 0) {
            return;
        }
    }
    before->rlim_cur = before->rlim_max = 0;
}

void pm_fds_close(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}
