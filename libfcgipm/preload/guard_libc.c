/* SPDX-License-Identifier: Apache-2.0 */
/* See guard.h. */
#include "libfcgipm/preload/guard.h"

#include <dlfcn.h>

static guard_libc_t libc;

/* POSIX wants it this way round (dlsym(3), on function pointers). */
#define FIND(member, name) (*(void **)&libc.member = dlsym(RTLD_NEXT, name))

static void find(void)
{
    FIND(accept, "accept");
    FIND(accept4, "accept4");
    FIND(close_range, "close_range");
    FIND(closefrom, "closefrom");
    FIND(fclose, "fclose");
    FIND(dup, "dup");
    FIND(dup2, "dup2");
    FIND(dup3, "dup3");
    FIND(fcntl, "fcntl");
    FIND(fcntl64, "fcntl64");
    FIND(sigaction, "sigaction");
    FIND(signal, "signal");
    FIND(sysv_signal, "__sysv_signal");
    FIND(sigset, "sigset");
    FIND(poll, "poll");
    FIND(ppoll, "ppoll");
    FIND(select, "select");
    FIND(pselect, "pselect");
    FIND(epoll_ctl, "epoll_ctl");
    FIND(epoll_wait, "epoll_wait");
    FIND(epoll_pwait, "epoll_pwait");
    FIND(epoll_pwait2, "epoll_pwait2");
    FIND(nanosleep, "nanosleep");
    FIND(clock_nanosleep, "clock_nanosleep");
    FIND(pause, "pause");
    FIND(execve, "execve");
    FIND(execv, "execv");
    FIND(execvp, "execvp");
    FIND(execvpe, "execvpe");
    FIND(close, "close");
}

const guard_libc_t *guard_libc(void)
{
    if (!libc.close) {
        find();
    }
    return &libc;
}
