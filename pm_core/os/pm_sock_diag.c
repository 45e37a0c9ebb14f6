/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_sock_diag.h"

#ifdef __linux__

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <string.h>
#include <sys/socket.h>

/* A question about one socket, by its inode. */
typedef struct question {
    struct nlmsghdr head;
    struct unix_diag_req req;
} question_t;

/* The kernel answers before send(2) returns, so recv(2) need not wait. */
static ssize_t diag_ask(pm_sock_diag_t *diag, apr_uint64_t inode, unsigned show,
                        void *answer, size_t size)
{
    question_t q;

    if (diag->netlink < 0) {
        diag->netlink =
            socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    }
    if (diag->netlink < 0) {
        return -1;
    }
    memset(&q, 0, sizeof(q));
    q.head.nlmsg_len = sizeof(q);
    q.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    q.head.nlmsg_flags = NLM_F_REQUEST;
    q.req.sdiag_family = AF_UNIX;
    q.req.udiag_states = ~0U;
    q.req.udiag_ino = (__u32)inode;
    q.req.udiag_show = show;
    q.req.udiag_cookie[0] = q.req.udiag_cookie[1] = ~0U;
    if (send(diag->netlink, &q, sizeof(q), MSG_DONTWAIT) < 0) {
        return -1;
    }
    return recv(diag->netlink, answer, size, MSG_DONTWAIT);
}

/* Finds an attribute behind the fixed part of the answer.  @return 0: it is not
 * there */
static int diag_find(const char *attrs, size_t len, int type, void *value,
                     size_t size)
{
    struct nlattr attr;
    size_t step;

    for (; len >= sizeof(attr); attrs += step, len -= step) {
        memcpy(&attr, attrs, sizeof(attr));
        step = (size_t)NLA_ALIGN(attr.nla_len);
        if (attr.nla_len < sizeof(attr) || step > len) {
            break;
        }
        if (attr.nla_type == type && attr.nla_len >= sizeof(attr) + size) {
            memcpy(value, attrs + sizeof(attr), size);
            return 1;
        }
    }
    return 0;
}

/* Reads one attribute.  @param show its flag in the question
 * @return 0: the kernel does not say */
static int diag_read(pm_sock_diag_t *diag, apr_uint64_t inode, unsigned show,
                     int type, void *value, size_t size)
{
    union {
        struct nlmsghdr head;
        char bytes[1024];
    } answer;
    size_t fixed = NLMSG_LENGTH(NLMSG_ALIGN(sizeof(struct unix_diag_msg)));
    ssize_t n = diag_ask(diag, inode, show, &answer, sizeof(answer));

    return n >= (ssize_t)fixed && answer.head.nlmsg_type == SOCK_DIAG_BY_FAMILY
           && diag_find(answer.bytes + fixed, (size_t)n - fixed, type, value,
                        size);
}

int pm_sock_diag_waiting(pm_sock_diag_t *diag, apr_uint64_t inode)
{
    struct unix_diag_rqlen wait;

    return diag_read(diag, inode, UDIAG_SHOW_RQLEN, UNIX_DIAG_RQLEN, &wait,
                     sizeof(wait))
               ? (int)wait.udiag_rqueue
               : -1;
}

int pm_sock_diag_peer(pm_sock_diag_t *diag, apr_uint64_t inode,
                      apr_uint64_t *peer)
{
    __u32 value;

    if (!diag_read(diag, inode, UDIAG_SHOW_PEER, UNIX_DIAG_PEER, &value,
                   sizeof(value))) {
        return 0;
    }
    *peer = value;
    return 1;
}

#else

int pm_sock_diag_waiting(pm_sock_diag_t *diag, apr_uint64_t inode)
{
    (void)diag;
    (void)inode;
    return -1;
}

int pm_sock_diag_peer(pm_sock_diag_t *diag, apr_uint64_t inode,
                      apr_uint64_t *peer)
{
    (void)diag;
    (void)inode;
    (void)peer;
    return 0;
}

#endif
