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
    FIND(shutdown, "shutdown");
    FIND(read, "read");
    FIND(readv, "readv");
    FIND(recv, "recv");
    FIND(recvfrom, "recvfrom");
    FIND(recvmsg, "recvmsg");
    FIND(writev, "writev");
    FIND(send, "send");
    FIND(sendto, "sendto");
    FIND(sendmsg, "sendmsg");
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
    FIND(write, "write");
}

const guard_libc_t *guard_libc(void)
{
    if (!libc.write) {
        find();
    }
    return &libc;
}
