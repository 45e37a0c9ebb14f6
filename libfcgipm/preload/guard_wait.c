/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See guard.h.  Where a program waits for a request: in accept(), or in poll()
 * and its like with the listening socket among others.  And where it waits for
 * other things: what SA_RESTART does not go on with (signal(7)) goes on here.
 */
#include "libfcgipm/preload/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- accept --------------------------------------------------------------- */

/* Its connections may be waiting for this very thread, so it is not kept.  A
 * loop that has a handler and does not block ends as it likes.  One that would
 * come back at once, as libfcgi does after this error, does so slowly. */
static int told_loop(void)
{
    int ms = GUARD_NAP / 10;
    enum guard_end end = guard_end();

    if (end == GUARD_TURN) {
        return -1;
    }
    if (end == GUARD_OVER && (!LOAD(guard.passed) || !LOAD(guard.nonblock))) {
        guard_leave();
    }
    if (LOAD(guard.nonblock)) {
        errno = EAGAIN;
        return -1;
    }
    guard_nap(&ms);
    errno = ECONNABORTED;
    return -1;
}

/* accept() by a program that has been told. */
static int told_accept(void)
{
    enum guard_end end;
    int ms = 0;

    guard_uncount();
    if (guard_self.loops || LOAD(guard.nonblock)) {
        return told_loop();
    }
    guard_wait_begin();
    while ((end = guard_end()) == GUARD_NOT_YET) {
        guard_nap(&ms);
    }
    guard_wait_end();
    if (end == GUARD_TURN) {
        return -1;
    }
    guard_leave();
}

static int real_accept(int fd, struct sockaddr *addr, socklen_t *len,
                       const int *flags)
{
    return flags ? guard_libc()->accept4(fd, addr, len, *flags)
                 : guard_libc()->accept(fd, addr, len);
}

/* As accept(2) hands it out. */
static void give_address(const struct sockaddr_storage *from, socklen_t n,
                         struct sockaddr *addr, socklen_t *len)
{
    if (addr && len) {
        memcpy(addr, from, *len < n ? *len : n);
        *len = n;
    }
}

/* The next connection of a client that may connect. */
static int judged_accept(int fd, struct sockaddr *addr, socklen_t *len,
                         const int *flags)
{
    struct sockaddr_storage peer;
    socklen_t n;
    int conn;

    if (!guard_clients_are_judged()) {
        return real_accept(fd, addr, len, flags);
    }
    do {
        n = sizeof(peer);
        conn = guard_told()
                   ? -1
                   : real_accept(fd, (struct sockaddr *)&peer, &n, flags);
    } while (conn >= 0 && guard_clients_refuse(conn, &peer));
    if (conn >= 0) {
        give_address(&peer, n, addr, len);
    }
    return conn;
}

/* FcgiPMWarmup: as if a client had come. */
static int warm_accept(struct sockaddr *addr, socklen_t *len, const int *flags)
{
    struct sockaddr_storage from = {.ss_family = AF_UNIX};
    int conn = guard_fork_warmup();

    if (conn < 0) {
        return -1;
    }
    if (!flags || !(*flags & SOCK_CLOEXEC)) {
        fcntl(conn, F_SETFD, 0);
    }
    if (flags && (*flags & SOCK_NONBLOCK)) {
        fcntl(conn, F_SETFL, O_NONBLOCK);
    }
    give_address(&from, sizeof(from.ss_family), addr, len);
    return conn;
}

static int guarded_accept(int fd, struct sockaddr *addr, socklen_t *len,
                          const int *flags)
{
    unsigned doubts = LOAD(guard.doubts);
    int conn, err;

    if (!guard_is_listener(fd)) {
        return real_accept(fd, addr, len, flags);
    }
    if (!LOAD(guard.has_waited)
        && (conn = warm_accept(addr, len, flags)) >= 0) {
        return conn;
    }
    if (__libc_single_threaded && !guard_self.loops) {
        guard_conn_forget();
    }
    guard_count();
    guard_wait_begin();
    guard_sleep_begin(GUARD_ACCEPTS);
    conn = guard_told() ? -1 : judged_accept(fd, addr, len, flags);
    err = errno;
    if (conn >= 0) {
        guard_conn_open(conn, doubts); /* before it is inside no more */
    }
    guard_sleep_end();
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

/* --- what SIGTERM does to a wait ----------------------------------------- */

/* SIGTERMs, and calls of the program's handler. */
typedef struct count {
    unsigned terms;
    unsigned calls;
} count_t;

static count_t count(void)
{
    count_t c = {LOAD(guard.terms), LOAD(guard.calls)};

    return c;
}

/* A wait has failed with EINTR.  Was it by SIGTERM, and is that nothing to the
 * program?  Only when its handler has been called it wants to know: libfcgi
 * drops a connection whose first bytes it was waiting for. */
static int goes_on(count_t *before)
{
    count_t now = count();
    int by_term = guard.active && now.terms != before->terms
                  && now.calls == before->calls;

    *before = now;
    return by_term;
}

/* --- poll and its like ---------------------------------------------------- */

/* A call of one of them: what it was given. */
typedef struct pause {
    const struct pause_kind *kind;
    struct pollfd *fds;
    nfds_t n;
    int top; /* select's */
    fd_set *set[3];
    fd_set given[3]; /* what they were */
    int epfd;
    struct epoll_event *ev;
    int max;
    int ms; /* -1 and no time: without end */
    struct timeval *tv;
    const struct timespec *ts;
    const sigset_t *mask; /* NULL: as it is */
    uint64_t until;       /* microseconds; 0: without end */
    count_t before;
} pause_t;

typedef struct pause_kind {
    int (*first)(pause_t *p); /* as it was called */
    int (*again)(pause_t *p, const struct timespec *ts, const sigset_t *mask);
    int (*listens)(const pause_t *p); /* is it for a request, too?  2: for
                                       * nothing else */
    void (*hide)(pause_t *p);         /* leave out the listening socket ... */
    void (*show)(pause_t *p);         /* ... and put it back */
    int (*rest)(pause_t *p, int rc);  /* what came of others than that */
    int (*come)(pause_t *p);          /* the result: that is ready, alone */
} pause_kind_t;

/* @param most milliseconds, -1: as long as it wants */
static const struct timespec *time_left(const pause_t *p, int most,
                                        struct timespec *ts)
{
    uint64_t now = guard_now();
    uint64_t until = most < 0 ? UINT64_MAX : now + (uint64_t)most * 1000;
    uint64_t left;

    if (p->until && p->until < until) {
        until = p->until;
    }
    if (until == UINT64_MAX) {
        return NULL;
    }
    left = now < until ? until - now : 0;
    ts->tv_sec = (time_t)(left / 1000000);
    ts->tv_nsec = (long)(left % 1000000) * 1000;
    return ts;
}

static int again(pause_t *p, int most)
{
    struct timespec ts;

    return p->kind->again(p, time_left(p, most, &ts), p->mask);
}

static int cut(pause_t *p, int rc)
{
    return rc < 0 && errno == EINTR && goes_on(&p->before);
}

/* For something else than a request: it goes on. */
static int other_pause(pause_t *p)
{
    int rc = p->kind->first(p);

    while (cut(p, rc)) {
        rc = again(p, -1);
    }
    return rc;
}

/* Told, and something is under way, which can end unseen: for a while and
 * without the listening socket.
 * @return -1 after SIGTERM: 0, as if the while was over */
static int short_pause(pause_t *p, int ms)
{
    int rc, err;

    p->kind->hide(p);
    rc = again(p, ms);
    err = errno;
    p->kind->show(p);
    errno = err;
    return cut(p, rc) ? 0 : rc;
}

/* @return -1: EINTR is due.  A program that has had its turn ends as it likes:
 * it may wait for something else than requests. */
static int last_pause(const pause_t *p)
{
    enum guard_end end = guard_end();

    if (end == GUARD_OVER
        && (!LOAD(guard.passed) || p->kind->listens(p) == 2)) {
        guard_leave();
    }
    return end == GUARD_TURN ? -1 : 0;
}

/* @param rc of a pause before that, -1: none */
static int told_pause(pause_t *p, int rc)
{
    int ms = 0;

    guard_uncount();
    rc = rc > 0 ? p->kind->rest(p, rc) : 0;
    while (rc == 0) {
        if (last_pause(p)) {
            return -1;
        }
        ms = guard_longer(ms);
        rc = short_pause(p, ms);
        if (rc == 0 && p->until && guard_now() >= p->until) {
            break;
        }
    }
    return rc;
}

static int request_pause(pause_t *p)
{
    int rc = -1;
    int err;

    guard_self.loops = 1;
    guard_wait_begin();
    guard_sleep_begin(GUARD_INSIDE);
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

    if (!guard.active) {
        return p->kind->first(p);
    }
    p->before = count();
    if (listens && !LOAD(guard.has_waited) && guard_fork_warms()) {
        return p->kind->come(p);
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
                      + (uint64_t)ts->tv_nsec / 1000)
              : 0;
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
    int listens = 0;
    nfds_t i;

    for (i = 0; i < p->n; i++) {
        listens |= guard_is_waited_on(p->fds[i].fd);
    }
    return listens && p->n == 1 ? 2 : listens;
}

/* A negative one is left out (poll(2)).  Not ~fd, as a program leaves out some
 * by -1. */
static void poll_hide(pause_t *p)
{
    nfds_t i;

    for (i = 0; i < p->n; i++) {
        if (guard_is_gone(p->fds[i].fd)) {
            p->fds[i].fd += INT_MIN;
        }
    }
}

static void poll_show(pause_t *p)
{
    nfds_t i;

    for (i = 0; i < p->n; i++) {
        if (p->fds[i].fd < INT_MIN + GUARD_FDS) {
            p->fds[i].fd -= INT_MIN;
        }
    }
}

static int rest_comes_again(pause_t *p, int rc)
{
    (void)p;
    (void)rc;
    return 0;
}

static int poll_come(pause_t *p)
{
    int n = 0;
    nfds_t i;

    for (i = 0; i < p->n; i++) {
        p->fds[i].revents =
            (short)(guard_is_waited_on(p->fds[i].fd)
                        ? p->fds[i].events & (POLLIN | POLLRDNORM)
                        : 0);
        n += p->fds[i].revents != 0;
    }
    return n;
}

static const pause_kind_t poll_kind = {poll_first, poll_again, poll_listens,
                                       poll_hide,  poll_show,  rest_comes_again,
                                       poll_come};
static const pause_kind_t ppoll_kind = {
    ppoll_first, poll_again,       poll_listens, poll_hide,
    poll_show,   rest_comes_again, poll_come};

PUBLIC int poll(struct pollfd *fds, nfds_t n, int ms)
{
    pause_t p = {.kind = &poll_kind};

    if (!guard_is_here()) {
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

    if (!guard_is_here()) {
        return guard_libc()->ppoll(fds, n, ts, mask);
    }
    p.fds = fds;
    p.n = n;
    p.ts = ts;
    p.mask = mask;
    p.until = after_ts(ts);
    return guarded_pause(&p);
}

/* What <bits/poll2.h> makes of them. */
#if GUARD_TIME64
#define __ppoll_chk __ppoll64_chk
#endif
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

PUBLIC int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *ts,
                       const sigset_t *mask, size_t size)
{
    if (size / sizeof(*fds) < n) {
        abort();
    }
    return ppoll(fds, n, ts, mask);
}

/* --- select, pselect ------------------------------------------------------ */

static int select_first(pause_t *p)
{
    return guard_libc()->select(p->top, p->set[0], p->set[1], p->set[2], p->tv);
}

static int pselect_first(pause_t *p)
{
    return guard_libc()->pselect(p->top, p->set[0], p->set[1], p->set[2], p->ts,
                                 p->mask);
}

/* Linux tells what is left of the time. */
static int select_again(pause_t *p, const struct timespec *ts,
                        const sigset_t *mask)
{
    int rc = guard_libc()->pselect(p->top, p->set[0], p->set[1], p->set[2], ts,
                                   mask);
    struct timespec left;
    int err = errno;

    if (p->tv && time_left(p, -1, &left)) {
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
            *(guard_is_waited_on(fd) ? &listens : &others) = 1;
        }
    }
    return listens && !others ? 2 : listens;
}

static void select_hide(pause_t *p)
{
    int i, fd;

    for (i = 0; i < 3; i++) {
        for (fd = 0; p->set[i] && fd < p->top; fd++) {
            if (FD_ISSET(fd, &p->given[i]) && !guard_is_gone(fd)) {
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

static int select_come(pause_t *p)
{
    int i, fd, n = 0;

    for (i = 0; i < 3; i++) {
        for (fd = 0; p->set[i] && fd < p->top; fd++) {
            if (i || !FD_ISSET(fd, p->set[i]) || !guard_is_waited_on(fd)) {
                FD_CLR(fd, p->set[i]);
            }
            else {
                n++;
            }
        }
    }
    return n;
}

static const pause_kind_t select_kind = {
    select_first, select_again,     select_listens, select_hide,
    select_show,  rest_comes_again, select_come};
static const pause_kind_t pselect_kind = {
    pselect_first, select_again,     select_listens, select_hide,
    select_show,   rest_comes_again, select_come};

static int guarded_select(pause_t *p, int top, fd_set *r, fd_set *w, fd_set *e)
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

PUBLIC int select(int top, fd_set *r, fd_set *w, fd_set *e, struct timeval *tv)
{
    pause_t p = {.kind = &select_kind};

    if (!guard_is_here() || top < 0) {
        return guard_libc()->select(top, r, w, e, tv);
    }
    p.tv = tv;
    p.until =
        tv ? after((uint64_t)tv->tv_sec * 1000000 + (uint64_t)tv->tv_usec) : 0;
    return guarded_select(&p, top, r, w, e);
}

PUBLIC int pselect(int top, fd_set *r, fd_set *w, fd_set *e,
                   const struct timespec *ts, const sigset_t *mask)
{
    pause_t p = {.kind = &pselect_kind};

    if (!guard_is_here() || top < 0) {
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
        ms = ts->tv_sec > 1000000
                 ? 1000000000
                 : (int)(ts->tv_sec * 1000 + (ts->tv_nsec + 999999) / 1000000);
    }
    return guard_libc()->epoll_pwait(p->epfd, p->ev, p->max, ms, mask);
}

static int epoll_listens(const pause_t *p)
{
    return guard_is_waited_on(p->epfd) && guard_kind(p->epfd) == GUARD_EPOLL;
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

static int epoll_come(pause_t *p)
{
    if (p->max < 1) {
        return p->kind->first(p);
    }
    p->ev[0].events = EPOLLIN;
    p->ev[0].data.u64 = LOAD(guard.fd[p->epfd].set.data);
    return 1;
}

static const pause_kind_t epoll_kind = {epoll_first, epoll_again, epoll_listens,
                                        epoll_hide,  epoll_show,  epoll_rest,
                                        epoll_come};
static const pause_kind_t epoll_pwait_kind = {
    epoll_pwait_first, epoll_again, epoll_listens, epoll_hide,
    epoll_show,        epoll_rest,  epoll_come};
static const pause_kind_t epoll_pwait2_kind = {
    epoll_pwait2_first, epoll_again, epoll_listens, epoll_hide,
    epoll_show,         epoll_rest,  epoll_come};

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

    if (!guard_is_here()) {
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

    if (!guard_is_here()) {
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
    if (!guard_is_here()) {
        return guard_libc()->epoll_pwait2(epfd, ev, max, ts, mask);
    }
    p.ts = ts;
    p.mask = mask;
    p.until = after_ts(ts);
    return guarded_epoll(&p, epfd, ev, max);
}

/* --- sleep ---------------------------------------------------------------- */

PUBLIC int nanosleep(const struct timespec *ts, struct timespec *rest)
{
    count_t before = count();
    struct timespec left;
    int rc = guard_libc()->nanosleep(ts, &left);

    while (rc < 0 && errno == EINTR && goes_on(&before)) {
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
    count_t before = count();
    int until = flags & TIMER_ABSTIME;
    struct timespec left;
    int rc = guard_libc()->clock_nanosleep(clock, flags, ts, &left);

    while (rc == EINTR && goes_on(&before)) {
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
               ? 0
               : (unsigned)left.tv_sec + (left.tv_nsec >= 500000000);
}

/* The main thread of a program whose other threads serve.  It can have been
 * told before it gets here: it hears of its handler's call in any case. */
PUBLIC int pause(void)
{
    count_t before = count();
    int ms = 0;

    if (!guard.active) {
        return guard_libc()->pause();
    }
    while (LOAD(guard.calls) == guard_self.calls) {
        ms = guard_longer(ms);
        if ((guard_told() ? guard_libc()->poll(NULL, 0, ms)
                          : guard_libc()->pause())
                < 0
            && !goes_on(&before)) {
            break;
        }
    }
    guard_self.calls = LOAD(guard.calls);
    errno = EINTR;
    return -1;
}
