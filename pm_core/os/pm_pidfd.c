/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_pidfd.h"

#include <errno.h>
#include <signal.h>
#ifdef __linux__
#include <sys/syscall.h>
#endif
#include <unistd.h>

#include "pm_core/os/pm_fds.h"
#include "pm_core/os/pm_procinfo.h"

int pm_pidfd_open(pid_t pid)
{
#ifdef SYS_pidfd_open
    return (int)syscall(SYS_pidfd_open, pid, 0);
#else
    (void)pid;
    errno = ENOSYS;
    return -1;
#endif
}

static int send_signal(int fd, pid_t pid, int sig)
{
#ifdef SYS_pidfd_send_signal
    if (fd >= 0) {
        return syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0) == 0;
    }
#endif
    return kill(pid, sig) == 0;
}

int pm_pidfd_signal(const pm_process_t *process, int sig)
{
    int fd = pm_pidfd_open(process->pid);
    int done = (fd >= 0 || errno != ESRCH)
               && (!process->started
                   || pm_procinfo_started(process->pid) == process->started)
               && send_signal(fd, process->pid, sig);

    pm_fds_close(&fd);
    return done;
}
