/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct pm_signals {
    int pipe[2];
    const int *taken;
    apr_uint64_t noted;
};

/* For the handler: there is one per process. */
static pm_signals_t *here;

static void signals_note(int sig)
{
    int err = errno;
    ssize_t n;

    __atomic_or_fetch(&here->noted, APR_UINT64_C(1) << sig, __ATOMIC_SEQ_CST);
    n = write(here->pipe[1], "", 1);
    (void)
        n; /* if the pipe is full, it is readable, which is all that matters */
    errno = err;
}

static void set_handler(int sig, void (*handler)(int))
{
    struct sigaction sa;

    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = handler;
    sigfillset(&sa.sa_mask);
    sigaction(sig, &sa, NULL);
}

/* The signals libc reserves (32 and 33 on Linux) can be inherited as ignored
 * from a parent that used posix_spawn(3), and sigaction(3) refuses them: hence
 * the system call.  Zeros are SIG_DFL, no flags, an empty mask. */
void pm_signals_reset(void)
{
    int sig;
#if defined(__linux__) && defined(SYS_rt_sigaction)
    const unsigned long deflt[20] = {0};

    for (sig = 1; sig < NSIG; sig++) {
        syscall(SYS_rt_sigaction, sig, deflt, NULL, (size_t)(NSIG - 1) / 8);
    }
#else
    for (sig = 1; sig < NSIG; sig++) {
        set_handler(sig, SIG_DFL);
    }
#endif
}

pid_t pm_signals_fork(void)
{
    sigset_t all, before;
    pid_t pid;
    int err;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid = fork();
    err = errno;
    if (pid) {
        sigprocmask(SIG_SETMASK, &before, NULL);
    }
    errno = err;
    return pid;
}

/* The memory of the handler is freed. */
static apr_status_t signals_close(void *data)
{
    const int *sig;

    for (sig = ((pm_signals_t *)data)->taken; *sig; sig++) {
        set_handler(*sig, SIG_IGN);
    }
    here = NULL;
    return APR_SUCCESS;
}

apr_status_t pm_signals_open(pm_signals_t **out, const int *taken,
                             const int *ignored, apr_pool_t *p,
                             pm_reason_t *why)
{
    pm_signals_t *signals = apr_pcalloc(p, sizeof(*signals));
    sigset_t all;

    if (pipe2(signals->pipe, O_CLOEXEC | O_NONBLOCK)) {
        return pm_fail_os(why, errno, "cannot make a pipe");
    }
    here = signals;
    signals->taken = taken;
    apr_pool_cleanup_register(p, signals, signals_close, apr_pool_cleanup_null);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    pm_signals_reset();
    for (; *taken; taken++) {
        set_handler(*taken, signals_note);
    }
    for (; *ignored; ignored++) {
        set_handler(*ignored, SIG_IGN);
    }
    sigemptyset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    *out = signals;
    return APR_SUCCESS;
}

int pm_signals_fd(const pm_signals_t *signals)
{
    return signals->pipe[0];
}

void pm_signals_drain(pm_signals_t *signals)
{
    char bytes[64];

    while (read(signals->pipe[0], bytes, sizeof(bytes)) == sizeof(bytes)) {
        /* until it is empty */
    }
}

apr_uint64_t pm_signals_take(pm_signals_t *signals)
{
    return __atomic_exchange_n(&signals->noted, 0, __ATOMIC_SEQ_CST);
}
