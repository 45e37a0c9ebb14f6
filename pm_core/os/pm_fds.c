/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_fds.h"

#include <fcntl.h>
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

static void fds_sort(int *fd, int n)
{
    int i, k, one;

    for (i = 1; i < n; i++) {
        one = fd[i];
        for (k = i; k > 0 && fd[k - 1] > one; k--) {
            fd[k] = fd[k - 1];
        }
        fd[k] = one;
    }
}

void pm_fds_close_others(int *keep, int n)
{
    unsigned next = 3;
    int i;

    fds_sort(keep, n);
    for (i = 0; i < n; i++) {
        if (keep[i] >= (int)next) {
            close_between(next, (unsigned)keep[i] - 1);
            next = (unsigned)keep[i] + 1;
        }
    }
    close_between(next, ~0U);
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
