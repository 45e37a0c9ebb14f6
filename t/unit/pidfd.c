/* SPDX-License-Identifier: Apache-2.0 */
/* pm_pidfd: a signal for one process, and for none that has got its pid. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pm_core/os/pm_pidfd.h"
#include "pm_core/os/pm_procinfo.h"
#include "tap.h"

static pid_t start_child(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        for (;;) {
            pause();
        }
    }
    return pid;
}

static void test_signal(void)
{
    pm_process_t child = {start_child(), 0};
    pm_process_t former;
    struct pollfd pfd = {pm_pidfd_open(child.pid), POLLIN, 0};
    apr_uint64_t started;
    int status = 0;

    is_int(pm_procinfo_parent(child.pid, &started), getpid(), "its parent");
    child.started = pm_procinfo_started(child.pid);
    ok(started == child.started && started, "when it was started");
    former = child;
    former.started--;
    ok(!pm_pidfd_signal(&former, SIGKILL),
       "one that had the pid before gets no signal");
    is_int(waitpid(child.pid, &status, WNOHANG), 0, "nor does this one");
    ok(pm_pidfd_signal(&child, SIGTERM), "this one gets its signal");
    ok(pfd.fd < 0 || poll(&pfd, 1, 20000) == 1, "it ends");
    waitpid(child.pid, &status, 0);
    ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM, "of that");
    ok(!pm_pidfd_signal(&child, SIGKILL), "then there is none");
    ok(pfd.fd < 0 || (pm_pidfd_open(child.pid) < 0 && errno == ESRCH),
       "and no descriptor");
    close(pfd.fd);
}

static void test_unknown(void)
{
    pm_process_t child = {start_child(), 0};
    int status;

    ok(pm_pidfd_signal(&child, SIGKILL), "its start is not known: by its pid");
    waitpid(child.pid, &status, 0);
    ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "it gets it");
}

int main(void)
{
    test_signal();
    test_unknown();
    return done_testing();
}
