/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/ipc/pm_wakeup.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

apr_status_t pm_wakeup_create(int fd[2], pm_reason_t *why)
{
    int i;

    if (pipe(fd)) {
        return pm_fail_os(why, errno, "cannot make a pipe");
    }
    for (i = 0; i < 2; i++) {
        fcntl(fd[i], F_SETFD, FD_CLOEXEC);
        fcntl(fd[i], F_SETFL, O_NONBLOCK);
    }
    return APR_SUCCESS;
}

/* Up to PIPE_BUF bytes are written whole or not at all (pipe(7)). */
int pm_wakeup_send(int fd, int slot)
{
    ssize_t n;

    if (fd < 0) {
        return 0;
    }
    do {
        n = write(fd, &slot, sizeof(slot));
    } while (n < 0 && errno == EINTR);
    return n == sizeof(slot);
}

int pm_wakeup_receive(int fd, int slots[PM_WAKEUP_MAX])
{
    ssize_t n;

    do {
        n = read(fd, slots, PM_WAKEUP_MAX * sizeof(slots[0]));
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        return (int)((size_t)n / sizeof(slots[0]));
    }
    return n == 0 || errno != EAGAIN ? PM_WAKEUP_CLOSED : 0;
}
