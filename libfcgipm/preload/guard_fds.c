/* SPDX-License-Identifier: Apache-2.0 */
/* See guard.h. */
#include "libfcgipm/preload/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* --- kinds --------------------------------------------------------------- */

static int swap_state(int fd, unsigned *state, enum guard_kind kind)
{
    unsigned next = ((*state & ~7U) + 8) | kind;

    return __atomic_compare_exchange_n(&guard.fd[fd].state, state, next, 0,
                                       __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

int guard_turn(int fd, unsigned state, enum guard_kind kind)
{
    int top = LOAD(guard.top);

    if (fd < 0 || fd >= GUARD_FDS) {
        return 0;
    }
    while (fd > top
           && !__atomic_compare_exchange_n(
               &guard.top, &top, fd, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        ;
    }
    return swap_state(fd, &state, kind);
}

/* Whatever it was. */
static void set_kind(int fd, enum guard_kind kind)
{
    while (!guard_turn(fd, guard_state(fd), kind) && fd >= 0
           && fd < GUARD_FDS) {
        ;
    }
}

/* --- the pool's socket --------------------------------------------------- */

static int leads_to(int fd, const struct stat *st)
{
    struct stat now;

    return fstat(fd, &now) == 0 && guard_is_same_file(&now, st);
}

int guard_is_listener(int fd)
{
    int err = errno;

    if (!(guard.active || guard.child) || fd < 0) {
        return 0;
    }
    if (guard_is_same() && guard_kind(fd) == GUARD_LISTENER) {
        return 1;
    }
    if (!leads_to(fd, &guard.listener)) {
        errno = err;
        return 0;
    }
    if (!guard_is_same()) {
        guard_adopt();
    }
    set_kind(fd, GUARD_LISTENER);
    return 1;
}

/* A copy of the socket is found before the process has waited for the first
 * time, or when it is accepted on; so other descriptors cost nothing. */
int guard_is_waited_on(int fd)
{
    switch (guard_kind(fd)) {
    case GUARD_LISTENER:
        return guard_is_listener(fd);
    case GUARD_EPOLL:
        if (!guard_is_same()) {
            guard_adopt();
        }
        return 1;
    case GUARD_OTHER:
        return guard_is_same() && !LOAD(guard.has_waited)
               && guard_is_listener(fd);
    default:
        return 0;
    }
}

int guard_is_gone(int fd)
{
    struct stat st;
    int err = errno;
    int gone = guard_kind(fd) == GUARD_LISTENER
               && (!LOAD(guard.closed) || fstat(fd, &st)
                   || guard_is_same_file(&st, &guard.listener)
                   || leads_to(STDERR_FILENO, &st));

    errno = err;
    return gone;
}

/* A number that was free would become that of the next file the program
 * opens, and descriptor 0 is its children's standard input: it is made a copy
 * of standard error.  Not while a thread is about to wait on it: a closed one
 * makes accept(), poll() and select() return at once, this one does not. */
void guard_fill_listeners(void)
{
    int err = errno;
    int top = LOAD(guard.top);
    int fd, got;

    for (fd = 0; fd <= top; fd++) {
        if (guard_kind(fd) == GUARD_LISTENER && fcntl(fd, F_GETFD) < 0) {
            got = fcntl(STDERR_FILENO, F_DUPFD, fd);
            if (got >= 0 && got != fd) {
                close(got);
            }
        }
    }
    errno = err;
}

/* --- epoll sets ---------------------------------------------------------- */

/* Something that is ready to be written to: not a descriptor of the guard's
 * own, as the program can have a seccomp filter without socket(2). */
static void stand_in(int epfd, guard_fd_t *set)
{
    struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT};
    int fd;

    ev.data.u64 = LOAD(set->set.data);
    for (fd = STDERR_FILENO; fd >= STDOUT_FILENO; fd--) {
        if (guard_libc()->epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev) == 0) {
            STORE(set->set.stands_in, fd);
            return;
        }
    }
}

/* In a handler.  The kernel goes by what a descriptor led to when it was
 * added: others have that open as well, so closing it does not remove it
 * (epoll(7)).  Where it is not in the set, this is another set by now, or the
 * program is about to add it, which will fail. */
static void leave_sets(int listener)
{
    int top = LOAD(guard.top);
    int fd;

    for (fd = 0; fd <= top; fd++) {
        guard_fd_t *set = &guard.fd[fd];

        if (guard_kind(fd) == GUARD_EPOLL && LOAD(set->set.listener) == listener
            && guard_libc()->epoll_ctl(fd, EPOLL_CTL_DEL, listener, NULL)
                   == 0) {
            stand_in(fd, set);
        }
    }
}

void guard_epoll_hide(int epfd)
{
    int fd = guard_kind(epfd) == GUARD_EPOLL
                 ? SWAP(guard.fd[epfd].set.stands_in, -1)
                 : -1;

    if (fd >= 0) {
        guard_libc()->epoll_ctl(epfd, EPOLL_CTL_DEL, fd, NULL);
    }
}

int guard_epoll_is_listener(int epfd, uint64_t data)
{
    return guard_kind(epfd) == GUARD_EPOLL
           && LOAD(guard.fd[epfd].set.data) == data;
}

/* Before it is in the set: told in between, leave_sets() finds it. */
static void note_set(int epfd, int fd, const struct epoll_event *ev)
{
    if (epfd < 0 || epfd >= GUARD_FDS) {
        return;
    }
    STORE(guard.fd[epfd].set.listener,
          guard_kind(fd) == GUARD_LISTENER ? fd : -1);
    STORE(guard.fd[epfd].set.stands_in, -1);
    STORE(guard.fd[epfd].set.data, ev->data.u64);
    set_kind(epfd, GUARD_EPOLL);
}

/* A program that has been told need not know that its socket is closed. */
PUBLIC int epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
    int listens = guard_is_waited_on(fd);
    int rc;

    if (listens && op != EPOLL_CTL_DEL) {
        note_set(epfd, fd, ev);
    }
    rc = guard_libc()->epoll_ctl(epfd, op, fd, ev);
    if (listens && op == EPOLL_CTL_DEL && !guard_told()) {
        set_kind(epfd, GUARD_OTHER);
    }
    return listens && guard_told() ? 0 : rc;
}

/* --- all of them --------------------------------------------------------- */

/* In a handler. */
static void close_listener(int fd)
{
    int flags;

    if (!leads_to(fd, &guard.listener)) {
        set_kind(fd, GUARD_OTHER);
        return;
    }
    flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && (flags & O_NONBLOCK)) {
        STORE(guard.nonblock, 1);
    }
    leave_sets(fd);
    close(fd);
}

void guard_close_listeners(void)
{
    int top = LOAD(guard.top);
    int fd;

    for (fd = 0; fd <= top; fd++) {
        if (guard_kind(fd) == GUARD_LISTENER) {
            close_listener(fd);
        }
    }
    STORE(guard.closed, 1);
}

/* An epoll set from before is the worker's, too: nothing is taken out. */
void guard_forget_fds(void)
{
    int fd;

    for (fd = 0; fd <= guard.top; fd++) {
        if (guard_kind(fd) == GUARD_EPOLL) {
            guard.fd[fd].set.listener = -1;
        }
        else if (guard_kind(fd) != GUARD_LISTENER) {
            guard.fd[fd].state = GUARD_OTHER;
        }
    }
}
