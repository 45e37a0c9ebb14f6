/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_fd_pass.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "pm_core/os/pm_fds.h"

/* Room and alignment for the descriptors of one message (cmsg(3)). */
typedef union control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * PM_FD_PASS_MAX)];
} control_t;

static void pass_put(struct msghdr *hdr, control_t *control, const int *fds,
                     size_t size)
{
    struct cmsghdr *cmsg;

    memset(control, 0, sizeof(*control));
    hdr->msg_control = control->bytes;
    hdr->msg_controllen = CMSG_SPACE(size);
    cmsg = CMSG_FIRSTHDR(hdr);
    PM_ASSERT(cmsg);
    cmsg->cmsg_level = SOL_SOCKET;
    cmsg->cmsg_type = SCM_RIGHTS;
    cmsg->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(cmsg), fds, size);
}

ssize_t pm_fd_pass_send(int socket, const void *data, apr_size_t size,
                        const int *fds, int nfds)
{
    struct iovec iov = {(void *)(apr_uintptr_t)data, size};
    struct msghdr hdr = {.msg_iov = &iov, .msg_iovlen = 1};
    control_t control;
    ssize_t n;

    if (nfds) {
        pass_put(&hdr, &control, fds, sizeof(int) * (size_t)nfds);
    }
    do {
        n = sendmsg(socket, &hdr, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    return n;
}

static int pass_take(struct msghdr *hdr, int *fds)
{
    struct cmsghdr *cmsg;
    size_t n = 0;

    for (cmsg = CMSG_FIRSTHDR(hdr); cmsg; cmsg = CMSG_NXTHDR(hdr, cmsg)) {
        if (cmsg->cmsg_level == SOL_SOCKET && cmsg->cmsg_type == SCM_RIGHTS) {
            n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            n = n > PM_FD_PASS_MAX ? PM_FD_PASS_MAX : n;
            memcpy(fds, CMSG_DATA(cmsg), n * sizeof(int));
        }
    }
    return (int)n;
}

ssize_t pm_fd_pass_recv(int socket, void *data, apr_size_t size, int *fds,
                        int *nfds, int flags)
{
    struct iovec iov = {data, size};
    control_t control;
    struct msghdr hdr = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control.bytes,
                         .msg_controllen = sizeof(control.bytes)};
    ssize_t n;

    *nfds = 0;
    do {
        n = recvmsg(socket, &hdr, MSG_CMSG_CLOEXEC | flags);
    } while (n < 0 && errno == EINTR);
    if (n <= 0) {
        return n;
    }
    *nfds = pass_take(&hdr, fds);
    if (hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        while (*nfds) {
            pm_fds_close(&fds[--*nfds]);
        }
        errno = hdr.msg_flags & MSG_TRUNC ? EMSGSIZE : EMFILE;
        return -1;
    }
    return n;
}
