/* SPDX-License-Identifier: Apache-2.0 */
/* See guard.h. */
#include "libfcgipm/preload/guard.h"

#include <dlfcn.h>

static guard_libc_t libc;

/* POSIX wants it this way round (dlsym(3), on function pointers). */
#define FIND(member, name) (*(void **)&libc.member = dlsym(RTLD_NEXT, name))

#define FIND_TIMED(name, name64) FIND(name, GUARD_TIME64 ? (name64) : #name)

static void find(void)
{
    FIND(accept, "accept");
    FIND(accept4, "accept4");
    FIND(shutdown, "shutdown");
    FIND(read, "read");
    FIND(readv, "readv");
    FIND(recv, "recv");
    FIND(recvfrom, "recvfrom");
    FIND_TIMED(recvmsg, "__recvmsg64");
    FIND(writev, "writev");
    FIND(send, "send");
    FIND(sendto, "sendto");
    FIND_TIMED(sendmsg, "__sendmsg64");
    FIND(sigaction, "sigaction");
    FIND(signal, "signal");
    FIND(sysv_signal, "__sysv_signal");
    FIND(sigset, "sigset");
    FIND(poll, "poll");
    FIND_TIMED(ppoll, "__ppoll64");
    FIND_TIMED(select, "__select64");
    FIND_TIMED(pselect, "__pselect64");
    FIND(epoll_ctl, "epoll_ctl");
    FIND(epoll_wait, "epoll_wait");
    FIND(epoll_pwait, "epoll_pwait");
    FIND_TIMED(epoll_pwait2, "__epoll_pwait2_time64");
    FIND_TIMED(nanosleep, "__nanosleep64");
    FIND_TIMED(clock_nanosleep, "__clock_nanosleep_time64");
    FIND(pause, "pause");
    FIND(execve, "execve");
    FIND(execvpe, "execvpe");
    FIND(register_atfork, "__register_atfork");
    FIND(cxa_finalize, "__cxa_finalize");
    FIND(write, "write");
}

const guard_libc_t *guard_libc(void)
{
    if (!libc.write) {
        find();
    }
    return &libc;
}
