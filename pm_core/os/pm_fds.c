/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_fds.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* close_range(2) is Linux 5.9 and FreeBSD; by number, as libc may be older
 * than the kernel. */
static int close_range_kernel(unsigned first, unsigned last)
{
#ifdef SYS_close_range
    return (int)syscall(SYS_close_range, first, last, 0);
#else
    (void)first;
    (void)last;
    return -1;
#endif
}

static unsigned fds_highest(void)
{
    long max = sysconf(_SC_OPEN_MAX);

    return max > 0 && max < 1048576 ? (unsigned)max : 1048576;
}

static void close_between(unsigned first, unsigned last)
{
    unsigned fd;

    if (first > last || close_range_kernel(first, last) == 0) {
        return;
    }
    for (fd = first; fd <= last && fd <= fds_highest(); fd++) {
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

void pm_fds_close_all_but(int one, int other)
{
    unsigned a = (unsigned)one; /* -1 becomes the highest number */
    unsigned b = (unsigned)other;
    unsigned low = a < b ? a : b;
    unsigned high = a < b ? b : a;

    if (low < 3) {
        low = 2;
    }
    else {
        close_between(3, low - 1);
    }
    if (low < high) {
        close_between(low + 1, high - 1);
    }
    if (high != ~0U) {
        close_between(high + 1, ~0U);
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
