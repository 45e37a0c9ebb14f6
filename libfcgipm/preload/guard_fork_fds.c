/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See guard.h.  A fork server's descriptors, which its newborns share.  Each
 * is of the first kind in the table that it fits: some can be shared, some are
 * made anew in a newborn, and with one of the rest it is no fork server.
 *
 * A newborn has what a worker that was executed would have: its own output
 * pipe, and its own position in files (so those are opened again, but for ones
 * that are only written to).  Copies of a descriptor stay copies.
 */
#include "libfcgipm/preload/guard.h"
#include "pm_core/ipc/pm_fork_order.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kcmp.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

/* Descriptors of a program at its first wait. */
#define FDS 256

typedef struct fork_fd {
    int fd;
    const struct fd_kind *kind;
    struct stat st;
    char name[160]; /* what it leads to */
    int flags;      /* F_GETFL */
    int fd_flags;   /* F_GETFD */
    off_t at;
    ino_t peer; /* a socket's other end, if that has no name; else 0 */
    const struct fork_fd *copy_of; /* an earlier one: the same open file */
} fork_fd_t;

typedef struct fd_kind {
    int (*is)(const fork_fd_t *f);
    int (*may)(const fork_fd_t *f, char *why); /* NULL: yes */
    int (*anew)(const fork_fd_t *f);           /* a descriptor; NULL: shared */
} fd_kind_t;

static fork_fd_t fds[FDS];
static int fds_known;
static int output_pipe; /* of the newborn */

static int fdinfo(const fork_fd_t *f, int (*line)(const char *, void *),
                  void *data)
{
    char path[48];

    snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", f->fd);
    return guard_fork_lines(path, line, data);
}

/* --- the guard's own ------------------------------------------------------ */

static int own_is(const fork_fd_t *f)
{
    return guard_is_same_file(&f->st, &guard.listener)
           || guard_is_same_file(&f->st, &guard.fork_socket);
}

static int output_is(const fork_fd_t *f)
{
    return S_ISFIFO(f->st.st_mode) && guard_is_same_file(&f->st, &guard.bell);
}

static int output_anew(const fork_fd_t *f)
{
    (void)f;
    return dup(output_pipe);
}

/* --- sockets -------------------------------------------------------------- */

typedef union address {
    struct sockaddr any;
    struct sockaddr_un un;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
} address_t;

static int socket_is(const fork_fd_t *f)
{
    return S_ISSOCK(f->st.st_mode);
}

static void socket_text(const address_t *a, char *text, size_t n)
{
    char host[INET6_ADDRSTRLEN] = "?";

    switch (a->any.sa_family) {
    case AF_INET:
        inet_ntop(AF_INET, &a->in.sin_addr, host, sizeof(host));
        snprintf(text, n, "%s:%d", host, ntohs(a->in.sin_port));
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &a->in6.sin6_addr, host, sizeof(host));
        snprintf(text, n, "[%s]:%d", host, ntohs(a->in6.sin6_port));
        break;
    case AF_UNIX:
        snprintf(text, n, "%.*s", (int)sizeof(a->un.sun_path),
                 a->un.sun_path[0] ? a->un.sun_path : "another process");
        break;
    default:
        snprintf(text, n, "address family %d", a->any.sa_family);
    }
}

static int socket_option(const fork_fd_t *f, int name)
{
    int value = 0;
    socklen_t len = sizeof(value);

    return getsockopt(f->fd, SOL_SOCKET, name, &value, &len) ? -1 : value;
}

/* syslog(3): each message is one datagram. */
static int socket_may(const fork_fd_t *f, char *why)
{
    char text[sizeof(struct sockaddr_un)];
    address_t peer;
    socklen_t len = sizeof(peer);

    memset(&peer, 0, sizeof(peer));
    if (getpeername(f->fd, &peer.any, &len)) {
        return guard_fork_refuse(
            why, "descriptor %d is a socket%s", f->fd,
            socket_option(f, SO_ACCEPTCONN) == 1 ? " that listens" : "");
    }
    if (peer.any.sa_family == AF_UNIX && peer.un.sun_path[0]
        && socket_option(f, SO_TYPE) == SOCK_DGRAM) {
        return 1;
    }
    socket_text(&peer, text, sizeof(text));
    return guard_fork_refuse(
        why, "descriptor %d is a socket connected to %.100s: a database?",
        f->fd, text);
}

/* --- pairs of sockets ----------------------------------------------------- */

typedef struct pair_question {
    struct nlmsghdr head;
    struct unix_diag_req ask;
} pair_question_t;

/* The inode in an answer of n bytes; 0: there is none. */
static ino_t pair_read(const struct nlmsghdr *head, size_t n)
{
    int left = (int)n - (int)NLMSG_LENGTH(sizeof(struct unix_diag_msg));
    const struct rtattr *at;

    if (left < 0 || head->nlmsg_len > n
        || head->nlmsg_type != SOCK_DIAG_BY_FAMILY) {
        return 0;
    }
    at = (const struct rtattr *)((const struct unix_diag_msg *)NLMSG_DATA(head)
                                 + 1);
    for (; RTA_OK(at, left); at = RTA_NEXT(at, left)) {
        if (at->rta_type == UNIX_DIAG_PEER) {
            return *(const uint32_t *)RTA_DATA(at);
        }
    }
    return 0;
}

/* sock_diag(7).  @return 0: it has none, or the kernel does not tell */
static ino_t pair_ask(ino_t inode)
{
    pair_question_t q = {{sizeof(q), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 1, 0},
                         {.sdiag_family = AF_UNIX,
                          .udiag_states = ~0U,
                          .udiag_ino = (uint32_t)inode,
                          .udiag_show = UDIAG_SHOW_PEER,
                          .udiag_cookie = {~0U, ~0U}}};
    union {
        struct nlmsghdr head;
        char bytes[512];
    } answer;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    ssize_t n = -1;

    if (fd < 0) {
        return 0;
    }
    if (guard_libc()->send(fd, &q, sizeof(q), 0) == (ssize_t)sizeof(q)) {
        n = guard_libc()->recv(fd, &answer, sizeof(answer), MSG_DONTWAIT);
    }
    close(fd);
    return n > 0 ? pair_read(&answer.head, (size_t)n) : 0;
}

/* Of sockets of socketpair(2), which have no names. */
static ino_t pair_peer(const fork_fd_t *f)
{
    address_t name;
    socklen_t len = sizeof(name);

    memset(&name, 0, sizeof(name));
    return S_ISSOCK(f->st.st_mode) && getsockname(f->fd, &name.any, &len) == 0
                   && name.any.sa_family == AF_UNIX
                   && len == sizeof(name.any.sa_family)
               ? pair_ask(f->st.st_ino)
               : 0;
}

static int pair_is(const fork_fd_t *f)
{
    return f->peer != 0;
}

static const fork_fd_t *pair_end(const fork_fd_t *f)
{
    int i;

    for (i = 0; i < fds_known; i++) {
        if (S_ISSOCK(fds[i].st.st_mode) && fds[i].st.st_ino == f->peer) {
            return &fds[i];
        }
    }
    return NULL;
}

static int pair_may(const fork_fd_t *f, char *why)
{
    char byte;

    if (!pair_end(f)) {
        return socket_may(f, why);
    }
    return (guard_libc()->recv(f->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0
            && errno == EAGAIN)
           || guard_fork_refuse(why,
                                "descriptor %d is a socket of a pair with "
                                "something in it",
                                f->fd);
}

/* As pipe_anew(). */
static int pair_anew(const fork_fd_t *f)
{
    static int end[FDS];
    const fork_fd_t *other = pair_end(f);
    int new[2];

    if (!other) {
        return -1;
    }
    if (f > other) {
        return end[other - fds];
    }
    if (socketpair(AF_UNIX, socket_option(f, SO_TYPE) | SOCK_CLOEXEC, 0, new)) {
        return -1;
    }
    end[f - fds] = new[1];
    return new[0];
}

/* --- pipes ---------------------------------------------------------------- */

static int pipe_is(const fork_fd_t *f)
{
    return S_ISFIFO(f->st.st_mode);
}

static int pipe_reads(const fork_fd_t *f)
{
    return (f->flags & O_ACCMODE) == O_RDONLY;
}

/* @return the first descriptor of an end */
static const fork_fd_t *pipe_end(const fork_fd_t *f, int reads)
{
    int i;

    for (i = 0; i < fds_known; i++) {
        if (pipe_is(&fds[i]) && guard_is_same_file(&fds[i].st, &f->st)
            && pipe_reads(&fds[i]) == reads) {
            return &fds[i];
        }
    }
    return NULL;
}

static int pipe_may(const fork_fd_t *f, char *why)
{
    int bytes = 0;

    if (f->name[0] == '/' || (f->flags & O_ACCMODE) == O_RDWR || !pipe_end(f, 0)
        || !pipe_end(f, 1)) {
        return guard_fork_refuse(
            why, "descriptor %d is a pipe, and its other end is not here",
            f->fd);
    }
    return (ioctl(f->fd, FIONREAD, &bytes) == 0 && bytes == 0)
           || guard_fork_refuse(why,
                                "descriptor %d is a pipe with something "
                                "in it",
                                f->fd);
}

/* The first end makes the pipe, and keeps the other end for that. */
static int pipe_anew(const fork_fd_t *f)
{
    static int end[FDS]; /* by the place of the pipe's first descriptor */
    const fork_fd_t *first = pipe_end(f, pipe_reads(f));
    const fork_fd_t *other = pipe_end(f, !pipe_reads(f));
    int new[2];

    if (!first || !other) { /* see pipe_may() */
        return -1;
    }
    if (f != first) {
        return dup(first->fd);
    }
    if (first > other) {
        return end[other - fds];
    }
    if (pipe2(new, O_CLOEXEC)) {
        return -1;
    }
    end[first - fds] = new[pipe_reads(f)];
    return new[!pipe_reads(f)];
}

/* --- files ---------------------------------------------------------------- */

/* It is only written to, where others have written before. */
static int written_is(const fork_fd_t *f)
{
    return (S_ISREG(f->st.st_mode) || S_ISDIR(f->st.st_mode))
           && ((f->flags & O_PATH) || (f->flags & O_ACCMODE) == O_WRONLY);
}

static int lock_line(const char *text, void *data)
{
    (void)data;
    return strncmp(text, "lock:", 5) != 0;
}

static int written_may(const fork_fd_t *f, char *why)
{
    return fdinfo(f, lock_line, NULL)
           || guard_fork_refuse(why, "descriptor %d has a lock on %s", f->fd,
                                f->name);
}

static int file_is(const fork_fd_t *f)
{
    return S_ISREG(f->st.st_mode) || S_ISDIR(f->st.st_mode);
}

/* By the link that leads to it: it may have been removed. */
static int file_anew(const fork_fd_t *f)
{
    char path[40];
    int fd;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", f->fd);
    fd = open(path, O_CLOEXEC
                        | (f->flags
                           & (O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC
                              | O_DIRECT | O_DIRECTORY)));
    if (fd >= 0 && f->at > 0 && lseek(fd, f->at, SEEK_SET) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* SQLite forbids to take a connection through a fork. */
static int is_sqlite(const fork_fd_t *f)
{
    static const char magic[] = "SQLite format 3";
    char head[sizeof(magic)];

    return pread(f->fd, head, sizeof(head), 0) == sizeof(head)
           && !memcmp(head, magic, sizeof(magic));
}

static int file_may(const fork_fd_t *f, char *why)
{
    int fd;

    if (!written_may(f, why)) {
        return 0;
    }
    if (is_sqlite(f)) {
        return guard_fork_refuse(why,
                                 "descriptor %d is an SQLite database: "
                                 "%s",
                                 f->fd, f->name);
    }
    fd = file_anew(f);
    if (fd < 0) {
        return guard_fork_refuse(why,
                                 "descriptor %d cannot be opened again "
                                 "(%s): %s",
                                 f->fd, strerror(errno), f->name);
    }
    close(fd);
    return 1;
}

/* --- devices -------------------------------------------------------------- */

static int device_is(const fork_fd_t *f)
{
    return S_ISCHR(f->st.st_mode) || S_ISBLK(f->st.st_mode);
}

/* null, zero, full, random, urandom; terminals of /dev/pts (devices.txt of
 * Linux). */
static int device_may(const fork_fd_t *f, char *why)
{
    unsigned major = major(f->st.st_rdev), minor = minor(f->st.st_rdev);

    return (S_ISCHR(f->st.st_mode)
            && ((major == 1 && (minor == 3 || minor == 5 || minor >= 7)
                 && minor <= 9)
                || (major >= 136 && major <= 143)))
           || guard_fork_refuse(why, "descriptor %d is the device %s", f->fd,
                                f->name);
}

/* --- eventfd, epoll ------------------------------------------------------- */

typedef struct event {
    unsigned long long count;
    int semaphore;
} event_t;

static int event_is(const fork_fd_t *f)
{
    return strstr(f->name, "[eventfd") != NULL;
}

static int event_line(const char *text, void *data)
{
    event_t *e = data;

    sscanf(text, "eventfd-count: %llx", &e->count);
    sscanf(text, "eventfd-semaphore: %d", &e->semaphore);
    return 1;
}

static int event_may(const fork_fd_t *f, char *why)
{
    event_t e = {1, 0};

    fdinfo(f, event_line, &e);
    return e.count == 0
           || guard_fork_refuse(why,
                                "descriptor %d is an eventfd that has "
                                "been written to",
                                f->fd);
}

static int event_anew(const fork_fd_t *f)
{
    event_t e = {1, 0};

    fdinfo(f, event_line, &e);
    return eventfd(0, EFD_CLOEXEC | (e.semaphore ? EFD_SEMAPHORE : 0));
}

static int epoll_is(const fork_fd_t *f)
{
    return strstr(f->name, "[eventpoll]") != NULL;
}

static int epoll_line(const char *text, void *data)
{
    return sscanf(text, "tfd: %d", (int *)data) != 1;
}

static int epoll_may(const fork_fd_t *f, char *why)
{
    int member = -1;

    return fdinfo(f, epoll_line, &member)
           || guard_fork_refuse(why,
                                "descriptor %d is an epoll set that has "
                                "%s (descriptor %d) in it",
                                f->fd,
                                guard_kind(member) == GUARD_LISTENER
                                    ? "the pool's socket"
                                    : "something",
                                member);
}

static int epoll_anew(const fork_fd_t *f)
{
    (void)f;
    return epoll_create1(EPOLL_CLOEXEC);
}

/* --- others --------------------------------------------------------------- */

static int other_is(const fork_fd_t *f)
{
    (void)f;
    return 1;
}

static int other_may(const fork_fd_t *f, char *why)
{
    static const char *const made_by[][2] = {
        {"timerfd", "a timer (timerfd_create)"},
        {"signalfd", "for signals (signalfd)"},
        {"inotify", "for changes of files (inotify_init)"},
        {"io_uring", "for input and output (io_uring_setup)"}};
    const char *what = f->name;
    unsigned i;

    for (i = 0; i < sizeof(made_by) / sizeof(made_by[0]); i++) {
        if (strstr(f->name, made_by[i][0])) {
            what = made_by[i][1];
        }
    }
    return guard_fork_refuse(why, "descriptor %d is %s", f->fd, what);
}

/* --- all ------------------------------------------------------------------ */

static const fd_kind_t kinds[] = {{own_is, NULL, NULL},
                                  {output_is, NULL, output_anew},
                                  {pair_is, pair_may, pair_anew},
                                  {socket_is, socket_may, NULL},
                                  {pipe_is, pipe_may, pipe_anew},
                                  {written_is, written_may, NULL},
                                  {file_is, file_may, file_anew},
                                  {device_is, device_may, NULL},
                                  {event_is, event_may, event_anew},
                                  {epoll_is, epoll_may, epoll_anew},
                                  {other_is, other_may, NULL}};

static void note(fork_fd_t *f, int fd)
{
    const fd_kind_t *kind = kinds;
    char path[40];
    ssize_t n;

    memset(f, 0, sizeof(*f));
    f->fd = fd;
    fstat(fd, &f->st);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    n = readlink(path, f->name, sizeof(f->name) - 1);
    f->name[n > 0 ? n : 0] = '\0';
    f->flags = fcntl(fd, F_GETFL);
    f->fd_flags = fcntl(fd, F_GETFD);
    f->at = lseek(fd, 0, SEEK_CUR);
    f->peer = pair_peer(f);
    while (!kind->is(f)) {
        kind++;
    }
    f->kind = kind;
}

/* @return 0: there are too many, or it is not known which */
static int note_all(void)
{
    DIR *dir = opendir("/proc/self/fd");
    struct dirent *e;

    fds_known = 0;
    while (dir && (e = readdir(dir)) && fds_known < FDS) {
        if (e->d_name[0] != '.' && atoi(e->d_name) != dirfd(dir)) {
            note(&fds[fds_known++], atoi(e->d_name));
        }
    }
    if (dir) {
        closedir(dir);
    }
    return dir && fds_known < FDS;
}

/* @return 0: not known */
static int find_copies(fork_fd_t *f)
{
    const fork_fd_t *a;
    pid_t pid = getpid();

    for (a = fds; a < f && !f->copy_of; a++) {
        if (a->kind == f->kind && guard_is_same_file(&a->st, &f->st)
            && a->kind->anew && a->kind != &kinds[1]) {
            long differs = syscall(SYS_kcmp, pid, pid, KCMP_FILE, a->fd, f->fd);

            if (differs < 0) {
                return 0;
            }
            f->copy_of = differs ? NULL : a;
        }
    }
    return 1;
}

/* A copy of another is made anew with that one. */
static int may(fork_fd_t *f, char *why)
{
    struct rlimit most;

    if (f->kind->may && !f->kind->may(f, why)) {
        return 0;
    }
    if (!f->kind->anew) {
        return 1;
    }
    if (getrlimit(RLIMIT_NOFILE, &most) || (rlim_t)f->fd >= most.rlim_cur) {
        return guard_fork_refuse(why,
                                 "descriptor %d is above the limit of "
                                 "descriptors",
                                 f->fd);
    }
    return find_copies(f)
           || guard_fork_refuse(why,
                                "descriptor %d may be the copy of "
                                "another: kcmp(2) is not permitted",
                                f->fd);
}

int guard_fork_fds_judge(char *why)
{
    int i;

    if (!note_all()) {
        return guard_fork_refuse(why,
                                 "it has more than %d descriptors, or "
                                 "/proc/self/fd cannot be read",
                                 FDS - 1);
    }
    for (i = 0; i < fds_known; i++) {
        if (!may(&fds[i], why)) {
            return 0;
        }
    }
    return 1;
}

/* Takes the place of the shared one. */
static int put(int new, const fork_fd_t *f)
{
    int err;

    if (new < 0) {
        return errno;
    }
    if (f->kind->anew != output_anew && !f->copy_of) {
        fcntl(new, F_SETFL, f->flags);
    }
    err = dup3(new, f->fd, f->fd_flags & FD_CLOEXEC ? O_CLOEXEC : 0) < 0 ? errno
                                                                         : 0;
    close(new);
    return err;
}

int guard_fork_fds_renew(int output)
{
    int i, err = 0;

    output_pipe = output;
    for (i = 0; i < fds_known && !err; i++) {
        const fork_fd_t *f = &fds[i];

        if (f->kind->anew) {
            err = put(f->copy_of ? dup(f->copy_of->fd) : f->kind->anew(f), f);
        }
    }
    return err;
}
