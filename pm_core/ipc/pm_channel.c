/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/ipc/pm_channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pm_core/os/pm_fds.h"

/* Room and alignment for the descriptors of one message (cmsg(3)). */
typedef union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * PM_CHANNEL_FDS)];
} control_t;

apr_status_t pm_channel_pair(int fd[2], pm_reason_t *why)
{
    int size = PM_CHANNEL_MAX * 2;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd)) {
        return pm_fail_os(why, errno, "cannot make a socket pair");
    }
    setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    fcntl(fd[1], F_SETFL, O_NONBLOCK);
    return APR_SUCCESS;
}

apr_status_t pm_channel_send(int fd, const pm_message_t *msg, pm_reason_t *why)
{
    struct iovec iov = {msg->text, strlen(msg->text)};
    struct msghdr hdr = {0};
    control_t control;
    struct cmsghdr *cmsg;
    ssize_t n;

    hdr.msg_iov = &iov;
    hdr.msg_iovlen = 1;
    if (msg->nfds) {
        memset(&control, 0, sizeof(control));
        hdr.msg_control = control.bytes;
        hdr.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)msg->nfds);
        cmsg = CMSG_FIRSTHDR(&hdr);
        PM_ASSERT(cmsg);
        cmsg->cmsg_level = SOL_SOCKET;
        cmsg->cmsg_type = SCM_RIGHTS;
        cmsg->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)msg->nfds);
        memcpy(CMSG_DATA(cmsg), msg->fds, sizeof(int) * (size_t)msg->nfds);
    }
    do {
        n = sendmsg(fd, &hdr, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return pm_fail_os(why, errno, "cannot send to the manager");
    }
    return APR_SUCCESS;
}

/* Takes the descriptors of a received message. */
static void take_fds(pm_message_t *msg, struct msghdr *hdr)
{
    struct cmsghdr *cmsg;

    for (cmsg = CMSG_FIRSTHDR(hdr); cmsg; cmsg = CMSG_NXTHDR(hdr, cmsg)) {
        if (cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS) {
            size_t n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);

            n = n > PM_CHANNEL_FDS ? PM_CHANNEL_FDS : n;
            memcpy(msg->fds, CMSG_DATA(cmsg), n * sizeof(int));
            msg->nfds = (int)n;
        }
    }
}

apr_status_t pm_channel_recv(int fd, pm_message_t *msg, apr_pool_t *p,
                             pm_reason_t *why)
{
    char *text = apr_palloc(p, PM_CHANNEL_MAX + 1);
    struct iovec iov = {text, PM_CHANNEL_MAX};
    struct msghdr hdr = {0};
    control_t control;
    ssize_t n;

    msg->text = text;
    msg->nfds = 0;
    hdr.msg_iov = &iov;
    hdr.msg_iovlen = 1;
    hdr.msg_control = control.bytes;
    hdr.msg_controllen = sizeof(control.bytes);
    do {
        n = recvmsg(fd, &hdr, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0) {
        return pm_fail_os(why, errno, "cannot receive");
    }
    if (n == 0) {
        return pm_fail(why, APR_EOF, "the other end is gone");
    }
    text[n] = '\0';
    take_fds(msg, &hdr);
    if (hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        while (msg->nfds) {
            pm_fds_close(&msg->fds[--msg->nfds]);
        }
        return pm_fail(why, APR_EGENERAL,
                       hdr.msg_flags & MSG_TRUNC
                           ? "a message was too long"
                           : "there is no descriptor free for what came");
    }
    return APR_SUCCESS;
}

/* Wait until fd can be read or written. */
static apr_status_t wait_for(int fd, short events, apr_time_t deadline,
                             pm_reason_t *why)
{
    struct pollfd pfd = {fd, events, 0};

    for (;;) {
        apr_time_t left = deadline - pm_time_now();
        int n = left > 0 ? poll(&pfd, 1, (int)(left / 1000 + 1)) : 0;

        if (n > 0) {
            return APR_SUCCESS;
        }
        if (n == 0) {
            return pm_fail(why, APR_TIMEUP, "the manager does not answer");
        }
        if (errno != EINTR) {
            return pm_fail_os(why, errno, "cannot wait for the manager");
        }
    }
}

static apr_status_t channel_call(int fd, const pm_message_t *msg,
                                 apr_time_t deadline, apr_pool_t *p,
                                 pm_reason_t *why)
{
    pm_message_t answer = {0};
    apr_status_t rv;

    do {
        rv = wait_for(fd, POLLOUT, deadline, why);
        if (rv == APR_SUCCESS) {
            rv = pm_channel_send(fd, msg, why);
        }
    } while (APR_STATUS_IS_EAGAIN(rv));
    if (rv == APR_SUCCESS) {
        rv = wait_for(fd, POLLIN, deadline, why);
    }
    if (rv == APR_SUCCESS) {
        rv = pm_channel_recv(fd, &answer, p, why);
    }
    if (rv != APR_SUCCESS || !strcmp(answer.text, "ok")) {
        return rv;
    }
    return pm_fail(why, APR_EGENERAL, "the manager says: %.300s", answer.text);
}

apr_status_t pm_channel_call(int fd, const pm_message_t *msg,
                             apr_time_t deadline, apr_pool_t *p,
                             pm_reason_t *why)
{
    apr_pool_t *ptemp;
    apr_status_t rv = apr_pool_create(&ptemp, p);

    if (rv == APR_SUCCESS) {
        rv = channel_call(fd, msg, deadline, ptemp, why);
        apr_pool_destroy(ptemp);
    }
    return rv;
}
