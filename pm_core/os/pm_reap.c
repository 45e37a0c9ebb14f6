/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_reap.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "apr_strings.h"

void pm_reap_adopt_orphans(void)
{
#ifdef __linux__
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
#endif
}

/* WNOWAIT first, then reap: in between the kernel gives the pid, and that of
 * its group, to no other process. */
int pm_reap_next(pm_reaped_t *reaped)
{
    siginfo_t info;

    info.si_pid = 0;
    if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) || !info.si_pid) {
        return 0;
    }
    reaped->pid = info.si_pid;
    reaped->group = getpgid(info.si_pid);
    return waitpid(info.si_pid, &reaped->status, 0) == info.si_pid;
}

int pm_reap_group(pid_t group, int sig)
{
    if (getsid(group) >= 0 && getsid(group) != getsid(0)) {
        return 0;
    }
    return kill(-group, sig) == 0 || errno != ESRCH;
}

void pm_reap_kill(pid_t leader)
{
    kill(leader, SIGKILL);
    kill(-leader, SIGKILL);
}

int pm_reap_is_child(pid_t pid)
{
    siginfo_t info;

    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

int pm_reap_leads_group(pid_t pid)
{
    pid_t group = getpgid(pid);

    return group < 0 || (group == pid && getsid(pid) == getsid(0));
}

const char *pm_reap_text(int status, char *buf, apr_size_t size)
{
    if (WIFSIGNALED(status)) {
        int sig = WTERMSIG(status);

        apr_snprintf(buf, size, "signal %d (%s)", sig, strsignal(sig));
    }
    else {
        apr_snprintf(buf, size, "exit status %d", WEXITSTATUS(status));
    }
    return buf;
}
