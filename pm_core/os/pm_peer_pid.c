/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_peer_pid.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#if defined(SO_PASSCRED) && defined(SCM_CREDENTIALS) && defined(__linux__)

int pm_peer_pid_enable(int fd)
{
    int on = 1;

    /* connect() then gives the socket a name of its own (unix(7), autobind),
     * which is cheaper than to keep the other end waiting afterwards. */
    return setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) == 0;
}

ssize_t pm_peer_pid_recv(int fd, void *buf, apr_size_t size, pid_t *pid)
{
    /* There is no room for descriptors: the kernel closes those that are sent
     * along. */
    union {
        char bytes[CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {buf, size};
    struct msghdr msg = {0};
    struct cmsghdr *c;
    struct ucred cred;
    ssize_t n;

    msg.msg_iov = &iov;
    msg.msg_iovlen = 1;
    msg.msg_control = control.bytes;
    msg.msg_controllen = sizeof(control.bytes);
    n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
    c = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
    if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS
        && c->cmsg_len == CMSG_LEN(sizeof(cred))) {
        memcpy(&cred, CMSG_DATA(c), sizeof(cred));
        /* 0: the writer's pid namespace is not visible here */
        *pid = cred.pid > 0 ? cred.pid : *pid;
    }
    return n;
}

#else

int pm_peer_pid_enable(int fd)
{
    (void)fd;
    return 0;
}

ssize_t pm_peer_pid_recv(int fd, void *buf, apr_size_t size, pid_t *pid)
{
    (void)pid;
    return recv(fd, buf, size, 0);
}

#endif
