/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See guard.h.  Where a program waits for a request: in accept(), or in poll()
 * and its like with the listening socket among others.  And where it waits for
 * other things: what SA_RESTART does not go on with (signal(7)) goes on here.
 */
#include "libfcgipm/preload/guard.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- accept --------------------------------------------------------------- */

/* Has the program's handler had the first word?  Who gives it counts before,
 * so that nobody takes it for the end. */
static int give_word(void)
{
    if (!LOAD(guard.asked) || LOAD(guard.passed_on)) {
        return 0;
    }
    guard_count();
    if (SWAP(guard.passed_on, 1)) {
        guard_uncount();
        return 0;
    }
    errno = EINTR;
    return 1;
}

/* Its connections may be waiting for this very thread. */
static int told_loop(void)
{
    if (give_word()) {
        return -1;
    }
    if (!LOAD(guard.asked)) {
        guard_uncount();
        if (LOAD(guard.left) == 0) {
            guard_leave();
        }
    }
    errno = LOAD(guard.nonblock) ? EAGAIN : ECONNABORTED;
    return -1;
}

/* accept() by a program that has been told.  One with a single thread that
 * waits there is at nothing else. */
static int told_accept(void)
{
    int alone = __libc_single_threaded != 0;

    if (guard_self.loops || LOAD(guard.nonblock)) {
        return told_loop();
    }
    guard_wait_begin();
    guard_conn_check(GUARD_FDS);
    for (;;) {
        guard_uncount();
        if (!alone) {
            guard_wait_alone();
        }
        if (give_word()) {
            guard_wait_end();
            return -1;
        }
        if (alone || LOAD(guard.left) == 0) {
            guard_leave();
        }
    }
}

static int real_accept(int fd, struct sockaddr *addr, socklen_t *len,
                       const int *flags)
{
    return flags ? guard_libc()->accept4(fd, addr, len, *flags)
                 : guard_libc()->accept(fd, addr, len);
}

static int guarded_accept(int fd, struct sockaddr *addr, socklen_t *len,
                          const int *flags)
{
    int conn, err;

    if (!guard_is_listener(fd)) {
        return real_accept(fd, addr, len, flags);
    }
    if (__libc_single_threaded) {
        guard_conn_check(2);   /* each request adds one at the most */
    }
    guard_count();
    guard_wait_begin();
    guard_sleep_begin();
    guard_accept_begin();
    conn = guard_told() ? -1 : real_accept(fd, addr, len, flags);
    err = errno;
    guard_sleep_end();
    if (conn >= 0) {
        guard_conn_open(conn);   /* before it counts as waiting no more */
    }
    guard_accept_end();
    guard_wait_end();
    if (conn < 0 && guard_told()) {
        return told_accept();
    }
    errno = err;
    return conn;
}

PUBLIC int accept(int fd, struct sockaddr *addr, socklen_t *len)
{
    return guarded_accept(fd, addr, len, NULL);
}

PUBLIC int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    return guarded_accept(fd, addr, len, &flags);
}

/* --- poll and its like ---------------------------------------------------- */

/* A call of one of them: what it was given. */
typedef struct pause {
    const struct pause_kind *kind;
    struct pollfd *fds;
    nfds_t n;
    int top;                     /* select's */
    fd_set *set[3];
    fd_set given[3];             /* what they were */
    int epfd;
    struct epoll_event *ev;
    int max;
    int ms;                      /* -1 and no time: without end */
    struct timeval *tv;
    const struct timespec *ts;
    const sigset_t *mask;        /* NULL: as it is */
    uint64_t until;              /* microseconds; 0: without end */
    unsigned terms;              /* SIGTERMs before it */
} pause_t;

typedef struct pause_kind {
    int (*first)(pause_t *p);    /* as it was called */
    int (*again)(pause_t *p, const struct timespec *ts, const sigset_t *mask);
    int (*listens)(const pause_t *p);   /* is it for a request, too?  2: for
                                         * nothing else */
    void (*hide)(pause_t *p);    /* leave out the listening socket ... */
    void (*show)(pause_t *p);    /* ... and put it back */
    int (*rest)(pause_t *p, int rc);    /* what came of others than that */
} pause_kind_t;

static const struct timespec *time_left(const pause_t *p, struct timespec *ts)
{
    uint64_t now, left;

    if (!p->until) {
        return NULL;
    }
    now = guard_now();
    left = now < p->until ? p->until - now : 0;
    ts->tv_sec = (time_t)(left / 1000000);
    ts->tv_nsec = (long)(left % 1000000) * 1000;
    return ts;
}

static int again(pause_t *p, const sigset_t *mask)
{
    struct timespec ts;

    return p->kind->again(p, time_left(p, &ts), mask);
}

/* Was it SIGTERM that has cut it short? */
static int cut(pause_t *p, int rc)
{
    unsigned terms = LOAD(guard.terms);
    int by_term = rc < 0 && errno == EINTR && terms != p->terms;

    p->terms = terms;
    return by_term;
}

/* For something else than a request: it goes on.  A program with a handler of
 * its own may want to know, but not in a request: libfcgi drops a connection
 * whose first bytes it was waiting for. */
static int other_pause(pause_t *p)
{
    int rc = p->kind->first(p);

    while (cut(p, rc) && (!LOAD(guard.asked) || LOAD(guard.busy))) {
        rc = again(p, p->mask);
    }
    return rc;
}

/* Told, and something is under way: without the listening socket, and without
 * a moment in which to miss that nothing is any more. */
static int last_pause(pause_t *p)
{
    sigset_t term, mask, before;
    int rc, end, err;

    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    do {
        pthread_sigmask(SIG_BLOCK, &term, &before);
        mask = p->mask ? *p->mask : before;
        sigdelset(&mask, SIGTERM);
        guard_sleep_begin();
        end = !LOAD(guard.asked) && LOAD(guard.left) == 0;
        p->kind->hide(p);
        rc = end ? -1 : again(p, &mask);
        err = errno;
        p->kind->show(p);
        guard_sleep_end();
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (end) {
            guard_leave();
        }
        errno = err;
    } while (cut(p, rc) && !LOAD(guard.asked));
    return rc;
}

/* @param rc of a pause before that, -2: none */
static int told_pause(pause_t *p, int rc)
{
    if (LOAD(guard.asked) && !LOAD(guard.passed_on)) {
        rc = rc == -2 ? p->kind->first(p) : rc;
        if (rc < 0 && errno == EINTR) {
            STORE(guard.passed_on, 1);
        }
        return rc;
    }
    if (!LOAD(guard.asked)) {
        guard_conn_check(GUARD_FDS);
        guard_uncount();
    }
    if (rc >= 0) {
        rc = p->kind->rest(p, rc);
    }
    return rc > 0 ? rc : last_pause(p);
}

static int request_pause(pause_t *p)
{
    int rc = -2;
    int err;

    guard_self.loops = 1;
    guard_wait_begin();
    guard_sleep_begin();
    if (!guard_told()) {
        rc = p->kind->first(p);
    }
    err = errno;
    guard_sleep_end();
    errno = err;
    if (guard_told()) {
        rc = told_pause(p, rc);
    }
    err = errno;
    guard_wait_end();
    errno = err;
    return rc;
}

static int guarded_pause(pause_t *p)
{
    int listens = p->kind->listens(p);

    p->terms = LOAD(guard.terms);
    if (listens == 2 && __libc_single_threaded) {
        guard_conn_check(2);
    }
    return listens ? request_pause(p) : other_pause(p);
}

static uint64_t after(uint64_t us)
{
    return guard_now() + us;
}

static uint64_t after_ms(int ms)
{
    return ms < 0 ? 0 : after((uint64_t)ms * 1000);
}

static uint64_t after_ts(const struct timespec *ts)
{
    return ts ? after((uint64_t)ts->tv_sec * 1000000
                      + (uint64_t)ts->tv_nsec / 1000) : 0;
}

static int is_waited_on(int fd)
{
    int kind = guard_kind(fd);

    return kind == GUARD_LISTENER || kind == GUARD_EPOLL;
}

/* --- poll, ppoll ---------------------------------------------------------- */

static int poll_first(pause_t *p)
{
    return guard_libc()->poll(p->fds, p->n, p->ms);
}

static int ppoll_first(pause_t *p)
{
    return guard_libc()->ppoll(p->fds, p->n, p->ts, p->mask);
}

static int poll_again(pause_t *p, const struct timespec *ts,
                      const sigset_t *mask)
{
    return guard_libc()->ppoll(p->fds, p->n, ts, mask);
}

static int poll_listens(const pause_t *p)
{
    nfds_t i;

    for (i = 0; i < p->n; i++) {
        if (is_waited_on(p->fds[i].fd)) {
            return p->n == 1 ? 2 : 1;
        }
    }
    return 0;
}

/* A negative one is left out; ~ is undone by another. */
static void poll_hide(pause_t *p)
{
    nfds_t i;

    for (i = 0; i < p->n; i++) {
        if (guard_kind(p->fds[i].fd) == GUARD_LISTENER) {
            p->fds[i].fd = ~p->fds[i].fd;
        }
    }
}

static void poll_show(pause_t *p)
{
    nfds_t i;

    for (i = 0; i < p->n; i++) {
        if (p->fds[i].fd < 0
            && guard_kind(~p->fds[i].fd) == GUARD_LISTENER) {
            p->fds[i].fd = ~p->fds[i].fd;
        }
    }
}

static int rest_comes_again(pause_t *p, int rc)
{
    (void)p;
    (void)rc;
    return 0;
}

static const pause_kind_t poll_kind = {poll_first, poll_again, poll_listens,
                                       poll_hide, poll_show,
                                       rest_comes_again};
static const pause_kind_t ppoll_kind = {ppoll_first, poll_again, poll_listens,
                                        poll_hide, poll_show,
                                        rest_comes_again};

PUBLIC int poll(struct pollfd *fds, nfds_t n, int ms)
{
    pause_t p = {.kind = &poll_kind};

    if (!guard.active) {
        return guard_libc()->poll(fds, n, ms);
    }
    p.fds = fds;
    p.n = n;
    p.ms = ms;
    p.until = after_ms(ms);
    return guarded_pause(&p);
}

PUBLIC int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *ts,
                 const sigset_t *mask)
{
    pause_t p = {.kind = &ppoll_kind};

    if (!guard.active) {
        return guard_libc()->ppoll(fds, n, ts, mask);
    }
    p.fds = fds;
    p.n = n;
    p.ts = ts;
    p.mask = mask;
    p.until = after_ts(ts);
    return guarded_pause(&p);
}

/* What <bits/poll2.h> makes of them, and declares when it does. */
int __poll_chk(struct pollfd *fds, nfds_t n, int ms, size_t size);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *ts,
                const sigset_t *mask, size_t size);

PUBLIC int __poll_chk(struct pollfd *fds, nfds_t n, int ms, size_t size)
{
    if (size / sizeof(*fds) < n) {
        abort();
    }
    return poll(fds, n, ms);
}

PUBLIC int __ppoll_chk(struct pollfd *fds, nfds_t n,
                       const struct timespec *ts, const sigset_t *mask,
                       size_t size)
{
    if (size / sizeof(*fds) < n) {
        abort();
    }
    return ppoll(fds, n, ts, mask);
}

/* --- select, pselect ------------------------------------------------------ */

static int select_first(pause_t *p)
{
    return guard_libc()->select(p->top, p->set[0], p->set[1], p->set[2],
                                p->tv);
}

static int pselect_first(pause_t *p)
{
    return guard_libc()->pselect(p->top, p->set[0], p->set[1], p->set[2],
                                 p->ts, p->mask);
}

/* Linux tells what is left of the time. */
static int select_again(pause_t *p, const struct timespec *ts,
                        const sigset_t *mask)
{
    int rc = guard_libc()->pselect(p->top, p->set[0], p->set[1], p->set[2],
                                   ts, mask);
    struct timespec left;
    int err = errno;

    if (p->tv && time_left(p, &left)) {
        p->tv->tv_sec = left.tv_sec;
        p->tv->tv_usec = left.tv_nsec / 1000;
    }
    errno = err;
    return rc;
}

/* Larger sets than libc's are left alone. */
static int select_listens(const pause_t *p)
{
    int fd, listens = 0, others = 0;

    for (fd = 0; p->set[0] && fd < p->top && p->top <= FD_SETSIZE; fd++) {
        if (FD_ISSET(fd, p->set[0])) {
            *(is_waited_on(fd) ? &listens : &others) = 1;
        }
    }
    return listens && !others ? 2 : listens;
}

static void select_hide(pause_t *p)
{
    int i, fd;

    for (i = 0; i < 3; i++) {
        for (fd = 0; p->set[i] && fd < p->top; fd++) {
            if (FD_ISSET(fd, &p->given[i])
                && guard_kind(fd) != GUARD_LISTENER) {
                FD_SET(fd, p->set[i]);
            }
            else {
                FD_CLR(fd, p->set[i]);
            }
        }
    }
}

/* Of no matter: they are the answer now. */
static void select_show(pause_t *p)
{
    (void)p;
}

static const pause_kind_t select_kind = {select_first, select_again,
                                         select_listens, select_hide,
                                         select_show, rest_comes_again};
static const pause_kind_t pselect_kind = {pselect_first, select_again,
                                          select_listens, select_hide,
                                          select_show, rest_comes_again};

static int guarded_select(pause_t *p, int top, fd_set *r, fd_set *w,
                          fd_set *e)
{
    int i;

    p->top = top;
    p->set[0] = r;
    p->set[1] = w;
    p->set[2] = e;
    for (i = 0; i < 3; i++) {
        if (p->set[i] && top <= FD_SETSIZE) {
            /* no more than the program has */
            memcpy(&p->given[i], p->set[i],
                   (size_t)(top + NFDBITS - 1) / NFDBITS * sizeof(fd_mask));
        }
    }
    return guarded_pause(p);
}

PUBLIC int select(int top, fd_set *r, fd_set *w, fd_set *e,
                  struct timeval *tv)
{
    pause_t p = {.kind = &select_kind};

    if (!guard.active || top < 0) {
        return guard_libc()->select(top, r, w, e, tv);
    }
    p.tv = tv;
    p.until = tv ? after((uint64_t)tv->tv_sec * 1000000
                         + (uint64_t)tv->tv_usec) : 0;
    return guarded_select(&p, top, r, w, e);
}

PUBLIC int pselect(int top, fd_set *r, fd_set *w, fd_set *e,
                   const struct timespec *ts, const sigset_t *mask)
{
    pause_t p = {.kind = &pselect_kind};

    if (!guard.active || top < 0) {
        return guard_libc()->pselect(top, r, w, e, ts, mask);
    }
    p.ts = ts;
    p.mask = mask;
    p.until = after_ts(ts);
    return guarded_select(&p, top, r, w, e);
}

/* --- epoll ---------------------------------------------------------------- */

static int epoll_first(pause_t *p)
{
    return guard_libc()->epoll_wait(p->epfd, p->ev, p->max, p->ms);
}

static int epoll_pwait_first(pause_t *p)
{
    return guard_libc()->epoll_pwait(p->epfd, p->ev, p->max, p->ms, p->mask);
}

static int epoll_pwait2_first(pause_t *p)
{
    return guard_libc()->epoll_pwait2(p->epfd, p->ev, p->max, p->ts, p->mask);
}

static int epoll_again(pause_t *p, const struct timespec *ts,
                       const sigset_t *mask)
{
    int ms = -1;

    if (ts) {
        ms = ts->tv_sec > 1000000 ? 1000000000
                                  : (int)(ts->tv_sec * 1000
                                          + (ts->tv_nsec + 999999) / 1000000);
    }
    return guard_libc()->epoll_pwait(p->epfd, p->ev, p->max, ms, mask);
}

static int epoll_listens(const pause_t *p)
{
    return guard_kind(p->epfd) == GUARD_EPOLL;
}

static void epoll_hide(pause_t *p)
{
    int err = errno;

    guard_epoll_hide(p->epfd);
    errno = err;
}

static void epoll_show(pause_t *p)
{
    (void)p;
}

/* An event can come once only (EPOLLET), so those of others are kept. */
static int epoll_rest(pause_t *p, int rc)
{
    int n = 0;
    int i;

    for (i = 0; i < rc; i++) {
        if (!guard_epoll_is_listener(p->epfd, p->ev[i].data.u64)) {
            p->ev[n++] = p->ev[i];
        }
    }
    return n;
}

static const pause_kind_t epoll_kind = {epoll_first, epoll_again,
                                        epoll_listens, epoll_hide, epoll_show,
                                        epoll_rest};
static const pause_kind_t epoll_pwait_kind = {epoll_pwait_first, epoll_again,
                                              epoll_listens, epoll_hide,
                                              epoll_show, epoll_rest};
static const pause_kind_t epoll_pwait2_kind = {epoll_pwait2_first, epoll_again,
                                               epoll_listens, epoll_hide,
                                               epoll_show, epoll_rest};

static int guarded_epoll(pause_t *p, int epfd, struct epoll_event *ev, int max)
{
    p->epfd = epfd;
    p->ev = ev;
    p->max = max;
    return guarded_pause(p);
}

PUBLIC int epoll_wait(int epfd, struct epoll_event *ev, int max, int ms)
{
    pause_t p = {.kind = &epoll_kind};

    if (!guard.active) {
        return guard_libc()->epoll_wait(epfd, ev, max, ms);
    }
    p.ms = ms;
    p.until = after_ms(ms);
    return guarded_epoll(&p, epfd, ev, max);
}

PUBLIC int epoll_pwait(int epfd, struct epoll_event *ev, int max, int ms,
                       const sigset_t *mask)
{
    pause_t p = {.kind = &epoll_pwait_kind};

    if (!guard.active) {
        return guard_libc()->epoll_pwait(epfd, ev, max, ms, mask);
    }
    p.ms = ms;
    p.mask = mask;
    p.until = after_ms(ms);
    return guarded_epoll(&p, epfd, ev, max);
}

PUBLIC int epoll_pwait2(int epfd, struct epoll_event *ev, int max,
                        const struct timespec *ts, const sigset_t *mask)
{
    pause_t p = {.kind = &epoll_pwait2_kind};

    if (!guard_libc()->epoll_pwait2) {
        errno = ENOSYS;
        return -1;
    }
    if (!guard.active) {
        return guard_libc()->epoll_pwait2(epfd, ev, max, ts, mask);
    }
    p.ts = ts;
    p.mask = mask;
    p.until = after_ts(ts);
    return guarded_epoll(&p, epfd, ev, max);
}

/* --- sleep ---------------------------------------------------------------- */

/* A program without a handler has never been woken by a signal: it need not
 * know how to go on. */
static int slept_on(unsigned *terms)
{
    unsigned now = LOAD(guard.terms);
    int by_term = guard.active && now != *terms && !LOAD(guard.asked);

    *terms = now;
    return by_term;
}

PUBLIC int nanosleep(const struct timespec *ts, struct timespec *rest)
{
    unsigned terms = LOAD(guard.terms);
    struct timespec left;
    int rc = guard_libc()->nanosleep(ts, &left);

    while (rc < 0 && errno == EINTR && slept_on(&terms)) {
        struct timespec more = left;

        rc = guard_libc()->nanosleep(&more, &left);
    }
    if (rc < 0 && errno == EINTR && rest) {
        *rest = left;
    }
    return rc;
}

PUBLIC int clock_nanosleep(clockid_t clock, int flags,
                           const struct timespec *ts, struct timespec *rest)
{
    unsigned terms = LOAD(guard.terms);
    int until = flags & TIMER_ABSTIME;
    struct timespec left;
    int rc = guard_libc()->clock_nanosleep(clock, flags, ts, &left);

    while (rc == EINTR && slept_on(&terms)) {
        struct timespec more = left;

        rc = guard_libc()->clock_nanosleep(clock, flags, until ? ts : &more,
                                           &left);
    }
    if (rc == EINTR && !until && rest) {
        *rest = left;
    }
    return rc;
}

PUBLIC int usleep(useconds_t us)
{
    struct timespec ts = {us / 1000000, (long)(us % 1000000) * 1000};

    return nanosleep(&ts, NULL);
}

PUBLIC unsigned sleep(unsigned s)
{
    struct timespec ts = {(time_t)s, 0};
    struct timespec left = {0, 0};

    return nanosleep(&ts, &left) == 0
               ? 0 : (unsigned)left.tv_sec + (left.tv_nsec >= 500000000);
}

/* The main thread of a program whose other threads serve. */
PUBLIC int pause(void)
{
    unsigned terms = LOAD(guard.terms);
    int rc;

    do {
        rc = guard_libc()->pause();
    } while (slept_on(&terms));
    return rc;
}
