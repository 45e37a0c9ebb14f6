/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_backlog.h"

#include "pm_listen.h"

#ifdef __linux__

#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* A question about one socket, by its inode. */
typedef struct question {
    struct nlmsghdr head;
    struct unix_diag_req req;
} question_t;

/* The kernel answers before send() returns: it is there, or never comes. */
static ssize_t ask(pm_backlog_t *b, int fd, void *answer, size_t size)
{
    question_t q;
    struct stat st;

    if (b->netlink < 0) {
        b->netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
                            NETLINK_SOCK_DIAG);
    }
    if (b->netlink < 0 || fstat(fd, &st)) {
        return -1;
    }
    memset(&q, 0, sizeof(q));
    q.head.nlmsg_len = sizeof(q);
    q.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    q.head.nlmsg_flags = NLM_F_REQUEST;
    q.req.sdiag_family = AF_UNIX;
    q.req.udiag_states = ~0U;
    q.req.udiag_ino = (__u32)st.st_ino;
    q.req.udiag_show = UDIAG_SHOW_RQLEN;
    q.req.udiag_cookie[0] = q.req.udiag_cookie[1] = ~0U;
    if (send(b->netlink, &q, sizeof(q), MSG_DONTWAIT) < 0) {
        return -1;
    }
    return recv(b->netlink, answer, size, MSG_DONTWAIT);
}

/* The attributes that follow the answer's fixed part.
 *  @return how many wait; -1: it does not say */
static int find(const char *attrs, size_t len)
{
    struct unix_diag_rqlen wait;
    struct nlattr attr;
    size_t step;

    for (; len >= sizeof(attr); attrs += step, len -= step) {
        memcpy(&attr, attrs, sizeof(attr));
        step = (size_t)NLA_ALIGN(attr.nla_len);
        if (attr.nla_len < sizeof(attr) || step > len) {
            break;
        }
        if (attr.nla_type == UNIX_DIAG_RQLEN
            && attr.nla_len >= sizeof(attr) + sizeof(wait)) {
            memcpy(&wait, attrs + sizeof(attr), sizeof(wait));
            return (int)wait.udiag_rqueue;
        }
    }
    return -1;
}

static int read_unix(pm_backlog_t *b, int fd)
{
    union {
        struct nlmsghdr head;
        char bytes[1024];
    } answer;
    size_t fixed = NLMSG_LENGTH(NLMSG_ALIGN(sizeof(struct unix_diag_msg)));
    ssize_t n = ask(b, fd, &answer, sizeof(answer));

    return n >= (ssize_t)fixed
                   && answer.head.nlmsg_type == SOCK_DIAG_BY_FAMILY
               ? find(answer.bytes + fixed, (size_t)n - fixed) : -1;
}

/* Of a socket that listens it is the length of its queue. */
static int read_tcp(int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);

    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len)
               ? -1 : (int)info.tcpi_unacked;
}

static int count(pm_backlog_t *b, int fd)
{
    int family = 0;
    socklen_t len = sizeof(family);

    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len)) {
        return -1;
    }
    return family == AF_UNIX ? read_unix(b, fd) : read_tcp(fd);
}

#else

static int count(pm_backlog_t *b, int fd)
{
    (void)b;
    (void)fd;
    return -1;
}

#endif

int pm_backlog_read(pm_backlog_t *b, int fd)
{
    int n = count(b, fd);

    return n >= 0 ? n : pm_listen_pending(fd);
}
