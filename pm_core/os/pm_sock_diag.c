/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_sock_diag.h"

#ifdef __linux__

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <linux/tcp.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pm_core/os/pm_fds.h"

/* States of a socket, tcp_states.h of the kernel. */
#define ESTABLISHED 1
#define CLOSE_WAIT  8

#define BOTH_WAYS 3 /* SHUTDOWN_MASK there */

/* A question about one socket, by its inode. */
typedef struct question {
    struct nlmsghdr head;
    struct unix_diag_req req;
} question_t;

/* The kernel answers before send(2) returns, so recv(2) need not wait.
 * @return 0: there is no netlink, or it is refused */
static int diag_send(pm_sock_diag_t *diag, const void *question, size_t size)
{
    if (diag->netlink < 0) {
        diag->netlink =
            socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    }
    return diag->netlink >= 0
           && send(diag->netlink, question, size, MSG_DONTWAIT) >= 0;
}

static ssize_t diag_ask(pm_sock_diag_t *diag, apr_uint64_t inode, unsigned show,
                        void *answer, size_t size)
{
    question_t q;

    memset(&q, 0, sizeof(q));
    q.head.nlmsg_len = sizeof(q);
    q.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    q.head.nlmsg_flags = NLM_F_REQUEST;
    q.req.sdiag_family = AF_UNIX;
    q.req.udiag_states = ~0U;
    q.req.udiag_ino = (__u32)inode;
    q.req.udiag_show = show;
    q.req.udiag_cookie[0] = q.req.udiag_cookie[1] = ~0U;
    return diag_send(diag, &q, sizeof(q))
               ? recv(diag->netlink, answer, size, MSG_DONTWAIT)
               : -1;
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

/* An answer about one unix socket. */
typedef union answer {
    struct nlmsghdr head;
    char bytes[1024];
} answer_t;

#define UNIX_FIXED NLMSG_LENGTH(NLMSG_ALIGN(sizeof(struct unix_diag_msg)))

static int diag_is_answer(const answer_t *answer, ssize_t n)
{
    return n >= (ssize_t)UNIX_FIXED
           && answer->head.nlmsg_type == SOCK_DIAG_BY_FAMILY;
}

/* Reads one attribute.  @param show its flag in the question
 * @return 0: the kernel does not say */
static int diag_read(pm_sock_diag_t *diag, apr_uint64_t inode, unsigned show,
                     int type, void *value, size_t size)
{
    answer_t answer;
    ssize_t n = diag_ask(diag, inode, show, &answer, sizeof(answer));

    return diag_is_answer(&answer, n)
           && diag_find(answer.bytes + UNIX_FIXED, (size_t)n - UNIX_FIXED, type,
                        value, size);
}

/* Of a connection the kernel says in the same place what it has not read. */
int pm_sock_diag_waiting(pm_sock_diag_t *diag, apr_uint64_t inode)
{
    struct unix_diag_rqlen wait;

    return diag_read(diag, inode, UDIAG_SHOW_RQLEN, UNIX_DIAG_RQLEN, &wait,
                     sizeof(wait))
               ? (int)wait.udiag_rqueue
               : -1;
}

int pm_sock_diag_file(pm_sock_diag_t *diag, apr_uint64_t inode,
                      apr_uint32_t *file)
{
    struct unix_diag_vfs vfs;

    if (!diag_read(diag, inode, UDIAG_SHOW_VFS, UNIX_DIAG_VFS, &vfs,
                   sizeof(vfs))) {
        return 0;
    }
    *file = vfs.udiag_vfs_ino;
    return 1;
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

int pm_sock_diag_unread(int fd)
{
    pm_sock_diag_t diag = {-1};
    apr_uint64_t peer;
    struct stat st;
    int n = -1;

    if (fstat(fd, &st) == 0 && pm_sock_diag_peer(&diag, st.st_ino, &peer)
        && peer) {
        n = pm_sock_diag_waiting(&diag, peer);
    }
    pm_fds_close(&diag.netlink);
    return n;
}

int pm_sock_diag_tells_unread(void)
{
    int fd[2];
    int tells;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd)) {
        return 0;
    }
    tells = send(fd[0], "?", 1, MSG_DONTWAIT) == 1
            && pm_sock_diag_unread(fd[0]) == 1;
    (void)close(fd[0]);
    (void)close(fd[1]);
    return tells;
}

/* --- accepted connections ------------------------------------------------- */

/* An accepted connection has the file of the socket it was accepted at.  The
 * kernel shows how it is shut down without being asked; both ways it is when
 * the other end was closed. */
pm_sock_diag_unix_t pm_sock_diag_unix_accepted(pm_sock_diag_t *diag,
                                               apr_uint64_t inode)
{
    answer_t answer;
    struct unix_diag_vfs file;
    struct unix_diag_msg msg;
    unsigned char shut = 0;
    ssize_t n = diag_ask(diag, inode, UDIAG_SHOW_VFS, &answer, sizeof(answer));
    const char *attrs = answer.bytes + UNIX_FIXED;

    if (!diag_is_answer(&answer, n)) {
        return PM_SOCK_DIAG_OTHER;
    }
    memcpy(&msg, NLMSG_DATA(&answer.head), sizeof(msg));
    if (msg.udiag_type != SOCK_STREAM || msg.udiag_state != ESTABLISHED
        || !diag_find(attrs, (size_t)n - UNIX_FIXED, UNIX_DIAG_VFS, &file,
                      sizeof(file))) {
        return PM_SOCK_DIAG_OTHER;
    }
    diag_find(attrs, (size_t)n - UNIX_FIXED, UNIX_DIAG_SHUTDOWN, &shut,
              sizeof(shut));
    return shut == BOTH_WAYS ? PM_SOCK_DIAG_LEFT : PM_SOCK_DIAG_OPEN;
}

/* Has a byte come in?  A kernel that does not count them: yes. */
static int diag_has_received(const char *attrs, size_t len)
{
    struct tcp_info info;
    size_t need = offsetof(struct tcp_info, tcpi_bytes_received)
                  + sizeof(info.tcpi_bytes_received);

    return !diag_find(attrs, len, INET_DIAG_INFO, &info, need)
           || info.tcpi_bytes_received;
}

/* @return 1: more is to come, 0: that was the last, -1: an error */
static int diag_take_part(const char *bytes, size_t n, pm_sock_diag_see_t see,
                          void *ctx)
{
    const size_t fixed =
        NLMSG_LENGTH(NLMSG_ALIGN(sizeof(struct inet_diag_msg)));
    struct nlmsghdr head;
    struct inet_diag_msg msg;

    for (; n >= sizeof(head); bytes += NLMSG_ALIGN(head.nlmsg_len),
                              n -= NLMSG_ALIGN(head.nlmsg_len)) {
        memcpy(&head, bytes, sizeof(head));
        if (head.nlmsg_type == NLMSG_DONE) {
            return 0;
        }
        if (head.nlmsg_type != SOCK_DIAG_BY_FAMILY || head.nlmsg_len < fixed
            || NLMSG_ALIGN(head.nlmsg_len) > n) {
            return -1;
        }
        memcpy(&msg, bytes + NLMSG_HDRLEN, sizeof(msg));
        see(ctx, msg.idiag_inode,
            diag_has_received(bytes + fixed, head.nlmsg_len - fixed));
    }
    return 1;
}

int pm_sock_diag_tcp_accepted(pm_sock_diag_t *diag, int family, int port,
                              pm_sock_diag_see_t see, void *ctx)
{
    struct {
        struct nlmsghdr head;
        struct inet_diag_req_v2 req;
    } q;
    char bytes[16384];
    ssize_t n;
    int more = 1;

    memset(&q, 0, sizeof(q));
    q.head.nlmsg_len = sizeof(q);
    q.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
    q.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
    q.req.sdiag_family = (__u8)family;
    q.req.sdiag_protocol = IPPROTO_TCP;
    q.req.idiag_ext = 1 << (INET_DIAG_INFO - 1);
    q.req.idiag_states = 1 << ESTABLISHED | 1 << CLOSE_WAIT;
    q.req.id.idiag_sport = (__be16)port;
    if (!diag_send(diag, &q, sizeof(q))) {
        return 0;
    }
    while (more > 0) {
        n = recv(diag->netlink, bytes, sizeof(bytes), MSG_DONTWAIT);
        more = n > 0 ? diag_take_part(bytes, (size_t)n, see, ctx) : -1;
    }
    if (more < 0) {
        pm_fds_close(&diag->netlink); /* what may be left of the answer */
    }
    return more == 0;
}

#else

int pm_sock_diag_waiting(pm_sock_diag_t *diag, apr_uint64_t inode)
{
    (void)diag;
    (void)inode;
    return -1;
}

int pm_sock_diag_file(pm_sock_diag_t *diag, apr_uint64_t inode,
                      apr_uint32_t *file)
{
    (void)diag;
    (void)inode;
    (void)file;
    return 0;
}

int pm_sock_diag_peer(pm_sock_diag_t *diag, apr_uint64_t inode,
                      apr_uint64_t *peer)
{
    (void)diag;
    (void)inode;
    (void)peer;
    return 0;
}

int pm_sock_diag_unread(int fd)
{
    (void)fd;
    return -1;
}

int pm_sock_diag_tells_unread(void)
{
    return 0;
}

pm_sock_diag_unix_t pm_sock_diag_unix_accepted(pm_sock_diag_t *diag,
                                               apr_uint64_t inode)
{
    (void)diag;
    (void)inode;
    return PM_SOCK_DIAG_OTHER;
}

int pm_sock_diag_tcp_accepted(pm_sock_diag_t *diag, int family, int port,
                              pm_sock_diag_see_t see, void *ctx)
{
    (void)diag;
    (void)family;
    (void)port;
    (void)see;
    (void)ctx;
    return 0;
}

#endif
