/* SPDX-License-Identifier: Apache-2.0 */
/* See guard.h. */
#include "libfcgipm/preload/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

/* --- epoll sets ----------------------------------------------------------- */

static void set_add(int epfd, int fd, uint64_t data)
{
    int i;

    for (i = 0; i < GUARD_SETS; i++) {
        int state = GUARD_SET_FREE;

        if (__atomic_compare_exchange_n(&guard.set[i].state, &state,
                                        GUARD_SET_CLAIMED, 0,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
            STORE(guard.set[i].epfd, epfd);
            STORE(guard.set[i].fd, fd);
            STORE(guard.set[i].data, data);
            STORE(guard.set[i].state, GUARD_SET_IN);
            return;
        }
    }
}

/* Those with this epoll descriptor or listening socket; -1: any. */
static void set_remove(int epfd, int fd)
{
    int i;

    for (i = 0; i < GUARD_SETS; i++) {
        if (LOAD(guard.set[i].state) == GUARD_SET_IN
            && (epfd < 0 || LOAD(guard.set[i].epfd) == epfd)
            && (fd < 0 || LOAD(guard.set[i].fd) == fd)) {
            STORE(guard.set[i].state, GUARD_SET_FREE);
        }
    }
}

/* In a handler.  The kernel goes by what a descriptor led to when it was added:
 * others have that open as well, so it would be there for ever (epoll(7)). */
static void sets_leave(int fd)
{
    int i;

    for (i = 0; i < GUARD_SETS; i++) {
        if (LOAD(guard.set[i].state) == GUARD_SET_IN && LOAD(guard.set[i].fd) == fd
            && guard_libc()->epoll_ctl(LOAD(guard.set[i].epfd), EPOLL_CTL_DEL, fd,
                                       NULL)) {
            STORE(guard.set[i].state, GUARD_SET_FREE);   /* it is another set by now */
        }
    }
}

static void sets_enter(int fd)
{
    int i;

    for (i = 0; i < GUARD_SETS; i++) {
        if (LOAD(guard.set[i].state) == GUARD_SET_IN && LOAD(guard.set[i].fd) == fd) {
            struct epoll_event ev = {.events = EPOLLIN};

            ev.data.u64 = LOAD(guard.set[i].data);
            guard_libc()->epoll_ctl(LOAD(guard.set[i].epfd), EPOLL_CTL_ADD, fd,
                                    &ev);
        }
    }
}

void guard_epoll_hide(int epfd)
{
    int i;

    for (i = 0; i < GUARD_SETS; i++) {
        if (LOAD(guard.set[i].state) == GUARD_SET_IN && LOAD(guard.set[i].epfd) == epfd) {
            guard_libc()->epoll_ctl(epfd, EPOLL_CTL_DEL, LOAD(guard.set[i].fd),
                                    NULL);
            STORE(guard.set[i].state, GUARD_SET_FREE);
        }
    }
}

int guard_epoll_is_listener(int epfd, uint64_t data)
{
    int i;

    for (i = 0; i < GUARD_SETS; i++) {
        if (LOAD(guard.set[i].state) == GUARD_SET_IN
            && LOAD(guard.set[i].epfd) == epfd
            && LOAD(guard.set[i].data) == data) {
            return 1;
        }
    }
    return 0;
}

/* A program that has been told need not know that its socket is another. */
PUBLIC int epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
    int listens = guard.active && guard_kind(fd) == GUARD_LISTENER;
    int rc;

    if (listens && guard_told() && op != EPOLL_CTL_DEL) {
        return 0;
    }
    rc = guard_libc()->epoll_ctl(epfd, op, fd, ev);
    if (!listens) {
        if (rc == 0 && guard.active && guard_kind(fd) == GUARD_EPOLL) {
            guard_set_kind(epfd, GUARD_EPOLL);   /* one in another */
        }
        return rc;
    }
    if (rc == 0) {
        set_remove(epfd, fd);
        if (op != EPOLL_CTL_DEL) {
            set_add(epfd, fd, ev->data.u64);
            guard_set_kind(epfd, GUARD_EPOLL);
        }
    }
    return guard_told() ? 0 : rc;
}

/* --- kinds ---------------------------------------------------------------- */

void guard_set_kind(int fd, enum guard_kind kind)
{
    int top = LOAD(guard.top);

    if (fd < 0 || fd >= GUARD_FDS) {
        return;
    }
    while (fd > top
           && !__atomic_compare_exchange_n(&guard.top, &top, fd, 0,
                                           __ATOMIC_SEQ_CST,
                                           __ATOMIC_SEQ_CST)) {
        ;
    }
    STORE(guard.kind[fd], (unsigned char)kind);
}

int guard_is_listener(int fd)
{
    struct stat st;

    if (!(guard.active || guard.child) || fd < 0) {
        return 0;
    }
    if (guard.active && guard_kind(fd) == GUARD_LISTENER) {
        return 1;
    }
    if (fstat(fd, &st) || st.st_ino != guard.listener.st_ino
        || st.st_dev != guard.listener.st_dev) {
        return 0;
    }
    if (!guard.active) {
        guard_adopt();
    }
    guard_set_kind(fd, GUARD_LISTENER);
    return 1;
}

void guard_forget_fds(void)
{
    memset(guard.kind, GUARD_OTHER, (size_t)guard.top + 1);
    memset(guard.set, 0, sizeof(guard.set));
    guard.top = 0;
}

/* In a handler.  Without a socket for it, it is closed. */
static void replace(int fd, int dead)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0 && (flags & O_NONBLOCK)) {
        STORE(guard.nonblock, 1);
    }
    sets_leave(fd);
    if (dead < 0 || guard_libc()->dup2(dead, fd) < 0) {
        guard_libc()->close(fd);
    }
    sets_enter(fd);
}

void guard_close_listeners(void)
{
    int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int top = LOAD(guard.top);
    int fd;

    for (fd = 0; fd <= top; fd++) {
        if (fd != dead && guard_kind(fd) == GUARD_LISTENER) {
            replace(fd, dead);
        }
    }
    if (dead >= 0) {
        guard_libc()->close(dead);
    }
}

/* --- connections ---------------------------------------------------------- */

static void add_busy(int n)
{
    ADD(guard.busy, n);
    ADD(guard.slot->busy, n);
    guard_add_open(n);
    guard_add_left(n);
}

static void busy_now(void)
{
    __atomic_store_n(&guard.slot->busy_since, guard_now(), __ATOMIC_RELEASE);
}

static void conn_end(void)
{
    if (LOAD(guard.busy) > 1) {
        busy_now();
    }
    add_busy(-1);
}

/* The time first: the manager is not to read one of an earlier request.  A
 * number that comes again was closed without being seen. */
static void conn_begin(int fd)
{
    int first;

    if (fd >= GUARD_FDS) {
        return;
    }
    if (guard_kind(fd) == GUARD_CONN
        && SWAP(guard.kind[fd], GUARD_OTHER) == GUARD_CONN) {
        conn_end();
    }
    first = !LOAD(guard.busy);
    if (first) {
        busy_now();
    }
    guard_set_kind(fd, GUARD_CONN);
    add_busy(1);
    if (!first && LOAD(guard.busy) == 1) {
        busy_now();
    }
}

void guard_conn_open(int fd)
{
    pm_worker_status_t *slot = guard.slot;

    conn_begin(fd);
    ADD(slot->requests, 1);
    if (LOAD(slot->notify_busy) && SWAP(slot->notify_busy, 0)) {
        guard_ring();
    }
}

/* One that came by the listening socket has its address, or its port. */
static int is_conn(int fd)
{
    struct sockaddr_storage name;
    socklen_t len = sizeof(name);

    memset(&name, 0, sizeof(name));
    if (getsockname(fd, (struct sockaddr *)&name, &len)
        || name.ss_family != guard.name.ss_family) {
        return 0;
    }
    switch (name.ss_family) {
    case AF_INET:
        return ((struct sockaddr_in *)&name)->sin_port
               == ((struct sockaddr_in *)&guard.name)->sin_port;
    case AF_INET6:
        return ((struct sockaddr_in6 *)&name)->sin6_port
               == ((struct sockaddr_in6 *)&guard.name)->sin6_port;
    default:
        return len == guard.name_len && !memcmp(&name, &guard.name, len);
    }
}

void guard_conn_check(int most)
{
    int todo = most;
    int err = errno;
    int fd;

    for (fd = guard.top; todo && fd >= 0 && LOAD(guard.busy); fd--) {
        if (guard_kind(fd) == GUARD_CONN) {
            todo--;
            if (!is_conn(fd)
                && SWAP(guard.kind[fd], GUARD_OTHER) == GUARD_CONN) {
                conn_end();
            }
        }
    }
    errno = err;
}

/* --- descriptors that go or are copied ------------------------------------ */

/* Of a descriptor that is about to be closed: its number can be another's as
 * soon as it is.  @return whether gone() is to follow */
static int going(int fd)
{
    switch (guard_kind(fd)) {
    case GUARD_CONN:
        return guard_is_worker()
               && SWAP(guard.kind[fd], GUARD_OTHER) == GUARD_CONN;
    case GUARD_LISTENER:
    case GUARD_EPOLL:
        if (guard_is_worker()) {
            set_remove(guard_kind(fd) == GUARD_EPOLL ? fd : -1,
                       guard_kind(fd) == GUARD_LISTENER ? fd : -1);
            STORE(guard.kind[fd], GUARD_OTHER);
        }
        return 0;
    default:
        return 0;
    }
}

/* A copy counts as another connection: it is over when all are closed. */
static int copied(int fd, int copy)
{
    int kind = guard_kind(fd);

    if (copy >= 0 && kind != GUARD_OTHER && guard_is_worker()) {
        if (kind == GUARD_CONN) {
            conn_begin(copy);
        }
        else if (kind == GUARD_LISTENER) {
            guard_set_kind(copy, GUARD_LISTENER);
        }
    }
    return copy;
}

PUBLIC int close(int fd)
{
    int was_conn = guard.active && going(fd);
    int rc = guard_libc()->close(fd);

    if (was_conn) {
        int err = errno;

        conn_end();
        errno = err;
    }
    return rc;
}

/* libc closes its descriptor by itself. */
PUBLIC int fclose(FILE *f)
{
    int was_conn = guard.active && f && going(fileno(f));
    int rc = guard_libc()->fclose(f);

    if (was_conn) {
        int err = errno;

        conn_end();
        errno = err;
    }
    return rc;
}

/* After they have been closed. */
static void gone(unsigned first, unsigned last)
{
    unsigned top = (unsigned)LOAD(guard.top);
    unsigned fd;

    for (fd = first; fd <= last && fd <= top; fd++) {
        if (guard_kind((int)fd) != GUARD_OTHER && going((int)fd)) {
            conn_end();
        }
    }
}

PUBLIC int close_range(unsigned first, unsigned last, int flags)
{
    int rc;

    if (!guard_libc()->close_range) {
        errno = ENOSYS;
        return -1;
    }
    rc = guard_libc()->close_range(first, last, flags);
    if (rc == 0 && !(flags & 4 /* CLOSE_RANGE_CLOEXEC */)
        && guard_is_worker()) {
        gone(first, last);
    }
    return rc;
}

PUBLIC void closefrom(int fd)
{
    guard_libc()->closefrom(fd);
    if (guard_is_worker()) {
        gone(fd < 0 ? 0 : (unsigned)fd, ~0U);
    }
}

PUBLIC int dup(int fd)
{
    return copied(fd, guard_libc()->dup(fd));
}

/* What was there before is closed by it. */
static int copied_over(int fd, int to, int rc, int was_conn)
{
    int err = errno;

    if (was_conn && rc < 0) {
        guard_set_kind(to, GUARD_CONN);
    }
    else if (was_conn) {
        conn_end();
    }
    if (rc >= 0) {
        copied(fd, to);
    }
    errno = err;
    return rc;
}

PUBLIC int dup2(int fd, int to)
{
    int was_conn = guard.active && fd != to && going(to);

    return copied_over(fd, to, guard_libc()->dup2(fd, to), was_conn);
}

PUBLIC int dup3(int fd, int to, int flags)
{
    int was_conn = guard.active && fd != to && going(to);

    return copied_over(fd, to, guard_libc()->dup3(fd, to, flags), was_conn);
}

static int is_dup(int cmd)
{
    return cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC;
}

/* Whatever the argument is, a long has room for it: libc does the same. */
#define FORWARD_FCNTL(function, fd, cmd)                  \
    va_list ap;                                           \
    void *arg;                                            \
    int rc;                                               \
                                                          \
    va_start(ap, cmd);                                    \
    arg = va_arg(ap, void *);                             \
    va_end(ap);                                           \
    rc = guard_libc()->function(fd, cmd, arg);            \
    return is_dup(cmd) ? copied(fd, rc) : rc

PUBLIC int fcntl(int fd, int cmd, ...)
{
    FORWARD_FCNTL(fcntl, fd, cmd);
}

PUBLIC int fcntl64(int fd, int cmd, ...)
{
    FORWARD_FCNTL(fcntl64, fd, cmd);
}
