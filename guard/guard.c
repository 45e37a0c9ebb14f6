/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard: preloaded into a worker (ld.so(8), LD_PRELOAD), it gives any
 * dynamically linked program the worker's signal policy:
 *
 *   SIGTERM while it waits for a request: it exits at once, status 0;
 *   SIGTERM during a request: the request is finished and answered first.
 *
 * THE WINDOW
 *   Between "was I told?" and accept() a signal gets lost, and a program that
 *   looks only once more waits for ever, or takes a connection it will not
 *   serve.  Here the handler puts a socket that nobody can accept on in the
 *   place of the listening one (dup2(2)).  accept() looks its descriptor up
 *   when it begins and, as the handler has SA_RESTART, again when it was
 *   interrupted (signal(7)): either way it fails at once.  A connection that
 *   accept() has taken is not touched by any of this, and is served.
 *   So there is no system call more for a request than without the guard.
 *
 * A program's own handler for SIGTERM is kept and called too, once.  When it
 * has one it is told by accept(), EINTR, and leaves as it sees fit; if it
 * comes back to accept() instead, it exits there.
 *
 * It acts in the process that FCGIPM_GUARD=PID:SLOT:FD:LAYOUT names, so not in
 * programs which a worker starts.  FD is the pool's page; it is closed when
 * the process first waits for a request: a wrapper that execs the worker
 * proper hands it on.  What is told there, and how the manager hears of it:
 * pm_claim.h.
 */
#include <errno.h>
#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/single_threaded.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "pm_claim.h"

#define PUBLIC __attribute__((visibility("default")))

#define THREADS   1024    /* that wait in accept() at once */
#define LISTENERS 8       /* descriptors of the listening socket */
#define CONNS     65536   /* descriptors that can be connections */

/* The process's one state; zero, and `active` 0, where there is no guard. */
static struct guard {
    int active;
    pid_t pid;
    dev_t dev;                     /* the listening socket, to know it again */
    ino_t ino;
    int page_fd;
    struct stat bell;              /* standard error, as it was given */
    pm_claim_t *slot;            /* never NULL while active */
    pm_claim_t no_page;          /* stands in for one */
    struct sigaction own;          /* the program's own disposition */
    int has_waited;
    int told;
    unsigned terms;                /* SIGTERMs that came */
    int passed_on;                 /* accept() has said EINTR once */
    int busy;
    int left;                      /* busy, and threads in accept(): one that
                                    * has taken a connection is not counted
                                    * as busy at once */
    int listener[LISTENERS];       /* descriptor + 1; 0: free */
    pid_t waiting[THREADS];
    unsigned char conn[CONNS];
} guard;

/* --- libc's own ----------------------------------------------------------- */

static struct real {
    int (*accept)(int, struct sockaddr *, socklen_t *);
    int (*accept4)(int, struct sockaddr *, socklen_t *, int);
    int (*close)(int);
    int (*sigaction)(int, const struct sigaction *, struct sigaction *);
    int (*poll)(struct pollfd *, nfds_t, int);
    int (*select)(int, fd_set *, fd_set *, fd_set *, struct timeval *);
    int (*epoll_wait)(int, struct epoll_event *, int, int);
    int (*epoll_pwait)(int, struct epoll_event *, int, int,
                       const sigset_t *);
} real;

static void find_real(void)
{
    /* POSIX wants this way round (dlsym(3), on function pointers). */
    *(void **)&real.accept = dlsym(RTLD_NEXT, "accept");
    *(void **)&real.accept4 = dlsym(RTLD_NEXT, "accept4");
    *(void **)&real.close = dlsym(RTLD_NEXT, "close");
    *(void **)&real.sigaction = dlsym(RTLD_NEXT, "sigaction");
    *(void **)&real.poll = dlsym(RTLD_NEXT, "poll");
    *(void **)&real.select = dlsym(RTLD_NEXT, "select");
    *(void **)&real.epoll_wait = dlsym(RTLD_NEXT, "epoll_wait");
    *(void **)&real.epoll_pwait = dlsym(RTLD_NEXT, "epoll_pwait");
}

/* A library loaded before us can call in before our constructor ran. */
static struct real *libc(void)
{
    if (!real.epoll_pwait) {
        find_real();
    }
    return &real;
}

/* --- what it tells the manager -------------------------------------------- */

static uint64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* See pm_claim.h. */
static void ring(void)
{
    int err = errno;
    struct stat st;
    int fd;

    for (fd = STDERR_FILENO; fd >= STDOUT_FILENO; fd--) {
        if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode)
            && st.st_ino == guard.bell.st_ino
            && st.st_dev == guard.bell.st_dev) {
            (void)!write(fd, "", 1);
            break;
        }
    }
    errno = err;
}

/* Futex, as a thread that may not go on has no other way to sleep till the
 * others have done. */
static void wait_alone(void)
{
    int left;

    while ((left = __atomic_load_n(&guard.left, __ATOMIC_SEQ_CST)) > 0) {
        syscall(SYS_futex, &guard.left, 0 /* FUTEX_WAIT */, left, NULL);
    }
}

static void add_left(int n)
{
    if (__atomic_add_fetch(&guard.left, n, __ATOMIC_SEQ_CST) == 0
        && __atomic_load_n(&guard.told, __ATOMIC_SEQ_CST)) {
        syscall(SYS_futex, &guard.left, 1 /* FUTEX_WAKE */, THREADS);
    }
}

static int add_busy(int n)
{
    int busy = __atomic_add_fetch(&guard.busy, n, __ATOMIC_SEQ_CST);

    __atomic_store_n(&guard.slot->busy, (uint32_t)busy, __ATOMIC_RELEASE);
    add_left(n);
    return busy;
}

static void add_waiting(int n)
{
    __atomic_add_fetch(&guard.slot->waiting, (uint32_t)n, __ATOMIC_RELEASE);
    add_left(n);
}

/* --- descriptors ---------------------------------------------------------- */

static int find_listener(int fd)
{
    int i;

    for (i = 0; i < LISTENERS; i++) {
        if (__atomic_load_n(&guard.listener[i], __ATOMIC_ACQUIRE) == fd + 1) {
            return i;
        }
    }
    return -1;
}

/* Is this the pool's socket, or a copy of it?  Programs dup() it. */
static int is_listener(int fd)
{
    struct stat st;
    int i;

    if (!guard.active || fd < 0) {
        return 0;
    }
    if (find_listener(fd) >= 0) {
        return 1;
    }
    if (fstat(fd, &st) || st.st_ino != guard.ino || st.st_dev != guard.dev) {
        return 0;
    }
    for (i = 0; i < LISTENERS; i++) {
        int none = 0;

        if (__atomic_compare_exchange_n(&guard.listener[i], &none, fd + 1, 0,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
            return 1;
        }
    }
    return 0;
}

static void conn_open(int fd)
{
    if (fd < CONNS) {
        guard.conn[fd] = 1;
    }
    if (add_busy(1) == 1) {
        __atomic_store_n(&guard.slot->busy_since, now_us(), __ATOMIC_RELEASE);
    }
    __atomic_add_fetch(&guard.slot->requests, 1, __ATOMIC_RELEASE);
    if (__atomic_load_n(&guard.slot->ring_busy, __ATOMIC_ACQUIRE)
        && __atomic_exchange_n(&guard.slot->ring_busy, 0, __ATOMIC_SEQ_CST)) {
        ring();
    }
}

static void conn_close(void)
{
    if (add_busy(-1) > 0) {
        __atomic_store_n(&guard.slot->busy_since, now_us(), __ATOMIC_RELEASE);
    }
}

/* Waiting for another request: has it done as many as the manager wants to
 * know of? */
static void ring_if_done(void)
{
    uint64_t at = __atomic_load_n(&guard.slot->ring_at, __ATOMIC_ACQUIRE);

    if (at && __atomic_load_n(&guard.slot->requests, __ATOMIC_ACQUIRE) >= at
        && __atomic_exchange_n(&guard.slot->ring_at, 0, __ATOMIC_SEQ_CST)) {
        ring();
    }
}

/* A program with one thread that accepts again has done with what it
 * accepted before, however it was closed. */
static void conn_forget_all(void)
{
    if (guard.busy) {
        memset(guard.conn, 0, sizeof(guard.conn));
        add_busy(-guard.busy);
    }
}

/* --- being told ----------------------------------------------------------- */

/* In a handler: a socket that was never bound, in the place of each listening
 * one. */
static void close_listeners(void)
{
    int dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int i;

    for (i = 0; i < LISTENERS; i++) {
        int fd = __atomic_load_n(&guard.listener[i], __ATOMIC_ACQUIRE) - 1;

        if (fd >= 0 && fd != dead) {
            dup2(dead, fd);
        }
    }
    if (dead >= 0) {
        libc()->close(dead);
    }
}

/* In a handler: threads that sleep in accept() look again. */
static void wake_accepting(void)
{
    pid_t self = (pid_t)syscall(SYS_gettid);
    int i;

    for (i = 0; i < THREADS; i++) {
        pid_t tid = __atomic_load_n(&guard.waiting[i], __ATOMIC_ACQUIRE);

        if (tid && tid != self) {
            syscall(SYS_tgkill, guard.pid, tid, SIGTERM);
        }
    }
}

static void call_own(int sig, siginfo_t *info, void *context)
{
    if (guard.own.sa_flags & SA_SIGINFO) {
        guard.own.sa_sigaction(sig, info, context);
    }
    else if (guard.own.sa_handler != SIG_DFL
             && guard.own.sa_handler != SIG_IGN) {
        guard.own.sa_handler(sig);
    }
}

static int has_own(void)
{
    return (guard.own.sa_flags & SA_SIGINFO)
           || (guard.own.sa_handler != SIG_DFL
               && guard.own.sa_handler != SIG_IGN);
}

/* A program that ignores SIGTERM means it. */
static int ignores(void)
{
    return !(guard.own.sa_flags & SA_SIGINFO)
           && guard.own.sa_handler == SIG_IGN;
}

static void on_term(int sig, siginfo_t *info, void *context)
{
    int err = errno;
    int first;

    __atomic_add_fetch(&guard.terms, 1, __ATOMIC_SEQ_CST);
    if (ignores()) {
        return;
    }
    first = !__atomic_exchange_n(&guard.told, 1, __ATOMIC_SEQ_CST);
    if (first && !guard.has_waited && !has_own()) {
        _exit(0);   /* it has not begun to serve: nothing to be finished */
    }
    if (first) {
        close_listeners();
        wake_accepting();
        call_own(sig, info, context);
    }
    errno = err;
}

/* At a place where the program would wait for a request, having been told.
 * Nothing is under way: it ends here. */
static void leave(void)
{
    if (!__libc_single_threaded) {
        wait_alone();
    }
    exit(0);
}

static int is_told(void)
{
    return guard.active && __atomic_load_n(&guard.told, __ATOMIC_SEQ_CST);
}

/* --- waiting for a request ------------------------------------------------ */

/* Also from where execve(2) put it, which proc(5) shows. */
static void remove_variable(const char *name)
{
    char *value = getenv(name);

    if (value) {
        unsetenv(name);
        memset(value - strlen(name) - 1, 0,
               strlen(name) + 1 + strlen(value));
    }
}

/* The first time: it is ready, and what came along for the guard is not to
 * be seen by the program or its children. */
static void first_wait(void)
{
    guard.has_waited = 1;
    remove_variable("FCGIPM_GUARD");
    remove_variable("LD_PRELOAD");
    if (guard.page_fd >= 0) {
        libc()->close(guard.page_fd);
        guard.page_fd = -1;
    }
    __atomic_store_n(&guard.slot->pid, (uint32_t)guard.pid, __ATOMIC_RELEASE);
    ring();
}

static int enter_wait(void)
{
    static __thread pid_t tid;
    int i;

    tid = tid ? tid : (pid_t)syscall(SYS_gettid);
    if (!guard.has_waited) {
        first_wait();
    }
    if (__libc_single_threaded) {
        conn_forget_all();
    }
    ring_if_done();
    add_waiting(1);
    for (i = 0; i < THREADS; i++) {
        pid_t none = 0;

        if (__atomic_compare_exchange_n(&guard.waiting[i], &none, tid, 0,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
            return i;
        }
    }
    return -1;
}

static void leave_wait(int i)
{
    if (i >= 0) {
        __atomic_store_n(&guard.waiting[i], 0, __ATOMIC_SEQ_CST);
    }
    add_waiting(-1);
}

/* A program with a handler of its own has the first word. */
static int told_result(void)
{
    if (has_own() && !__atomic_exchange_n(&guard.passed_on, 1,
                                          __ATOMIC_SEQ_CST)) {
        errno = EINTR;
        return -1;
    }
    leave();
    return -1;
}

static int guarded_accept(int fd, struct sockaddr *addr, socklen_t *len,
                          int flags, int four)
{
    int i, conn, err;

    if (!is_listener(fd)) {
        return four ? libc()->accept4(fd, addr, len, flags)
                    : libc()->accept(fd, addr, len);
    }
    i = enter_wait();
    conn = is_told() ? -1
           : four    ? libc()->accept4(fd, addr, len, flags)
                     : libc()->accept(fd, addr, len);
    err = errno;
    if (conn >= 0) {
        conn_open(conn);   /* before it counts as waiting no more */
    }
    leave_wait(i);
    if (conn < 0 && is_told()) {
        return told_result();
    }
    errno = err;
    return conn;
}

PUBLIC int accept(int fd, struct sockaddr *addr, socklen_t *len)
{
    return guarded_accept(fd, addr, len, 0, 0);
}

PUBLIC int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    return guarded_accept(fd, addr, len, flags, 1);
}

PUBLIC int close(int fd)
{
    if (guard.active && fd >= 0 && fd < CONNS && guard.conn[fd]) {
        int rc;

        guard.conn[fd] = 0;
        rc = libc()->close(fd);
        conn_close();
        return rc;
    }
    if (guard.active) {
        int i = find_listener(fd);

        if (i >= 0) {
            __atomic_store_n(&guard.listener[i], 0, __ATOMIC_RELEASE);
        }
    }
    return libc()->close(fd);
}

/* --- waiting for other things --------------------------------------------- */

/* A wait that SA_RESTART does not go on with (signal(7)). */
typedef struct pause {
    unsigned terms;     /* SIGTERMs before it */
    uint64_t until;     /* microseconds */
    int endless;
} pause_t;

static pause_t pause_begin(int ms)
{
    pause_t p = {__atomic_load_n(&guard.terms, __ATOMIC_SEQ_CST), 0, ms < 0};

    if (guard.active && ms > 0) {
        p.until = now_us() + (uint64_t)ms * 1000;
    }
    return p;
}

/* Has SIGTERM cut it short?  During a request the wait goes on: libfcgi
 * drops a connection whose first bytes it was waiting for.  Otherwise the
 * program waits for a connection there, and ends, if it has no handler that
 * sees to it. */
static int pause_goes_on(pause_t *p, int rc)
{
    unsigned terms;

    if (rc >= 0 || errno != EINTR || !guard.active) {
        return 0;
    }
    terms = __atomic_load_n(&guard.terms, __ATOMIC_SEQ_CST);
    if (terms == p->terms) {
        return 0;
    }
    p->terms = terms;
    if (__atomic_load_n(&guard.busy, __ATOMIC_SEQ_CST)) {
        return 1;
    }
    if (is_told() && !has_own() && guard.has_waited) {
        exit(0);
    }
    return 0;
}

static int pause_left(const pause_t *p)
{
    uint64_t now = p->endless ? 0 : now_us();

    return p->endless ? -1 : now < p->until ? (int)((p->until - now) / 1000)
                                            : 0;
}

PUBLIC int poll(struct pollfd *fds, nfds_t n, int timeout)
{
    pause_t p = pause_begin(timeout);
    int rc = libc()->poll(fds, n, timeout);

    while (pause_goes_on(&p, rc)) {
        rc = libc()->poll(fds, n, pause_left(&p));
    }
    return rc;
}

/* The sets are as they were after EINTR, and Linux keeps the time that is
 * left in *t. */
PUBLIC int select(int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *t)
{
    pause_t p = pause_begin(0);
    int rc;

    do {
        rc = libc()->select(n, r, w, e, t);
    } while (pause_goes_on(&p, rc));
    return rc;
}

PUBLIC int epoll_wait(int fd, struct epoll_event *ev, int max, int timeout)
{
    pause_t p = pause_begin(timeout);
    int rc = libc()->epoll_wait(fd, ev, max, timeout);

    while (pause_goes_on(&p, rc)) {
        rc = libc()->epoll_wait(fd, ev, max, pause_left(&p));
    }
    return rc;
}

PUBLIC int epoll_pwait(int fd, struct epoll_event *ev, int max, int timeout,
                       const sigset_t *mask)
{
    pause_t p = pause_begin(timeout);
    int rc = libc()->epoll_pwait(fd, ev, max, timeout, mask);

    while (pause_goes_on(&p, rc)) {
        rc = libc()->epoll_pwait(fd, ev, max, pause_left(&p), mask);
    }
    return rc;
}

/* --- the program's own handler -------------------------------------------- */

PUBLIC int sigaction(int sig, const struct sigaction *act,
                     struct sigaction *old)
{
    if (!guard.active || sig != SIGTERM) {
        return libc()->sigaction(sig, act, old);
    }
    if (old) {
        *old = guard.own;
    }
    if (act) {
        guard.own = *act;
    }
    return 0;
}

PUBLIC sighandler_t signal(int sig, sighandler_t handler)
{
    struct sigaction act, old;

    memset(&act, 0, sizeof(act));
    act.sa_handler = handler;
    act.sa_flags = SA_RESTART;
    return sigaction(sig, &act, &old) ? SIG_ERR : old.sa_handler;
}

/* --- the beginning -------------------------------------------------------- */

/* "PID:SLOT:FD:LAYOUT", FD -1 when there is no page. */
static int read_orders(int *slot, int *layout)
{
    const char *text = getenv("FCGIPM_GUARD");
    int pid;

    return text
           && sscanf(text, "%d:%d:%d:%d", &pid, slot, &guard.page_fd,
                     layout) == 4
           && pid == (int)getpid() && *slot >= 0;
}

static void map_page(int slot, int layout)
{
    struct stat st;
    void *page;

    guard.slot = &guard.no_page;
    if (guard.page_fd < 0 || layout != PM_CLAIM_LAYOUT || fstat(guard.page_fd, &st)
        || st.st_size < (off_t)((size_t)(slot + 1) * sizeof(pm_claim_t))) {
        return;
    }
    page = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                guard.page_fd, 0);
    if (page != MAP_FAILED) {
        guard.slot = (pm_claim_t *)page + slot;
    }
}

/* In the worker, which perhaps is none: see pm_claim.h. */
static void has_forked(void)
{
    if (guard.active && !guard.has_waited && !guard.slot->forked) {
        __atomic_store_n(&guard.slot->forked, 1, __ATOMIC_RELEASE);
        ring();
    }
}

/* A child of the worker is not the worker. */
static void forked(void)
{
    guard.active = 0;
    libc()->sigaction(SIGTERM, &guard.own, NULL);
}

__attribute__((constructor))
static void begin(void)
{
    struct sigaction act;
    struct stat st;
    int slot, layout;

    if (!read_orders(&slot, &layout) || fstat(0, &st) || !S_ISSOCK(st.st_mode)) {
        return;
    }
    find_real();
    guard.pid = getpid();
    guard.dev = st.st_dev;
    guard.ino = st.st_ino;
    guard.listener[0] = 0 + 1;
    map_page(slot, layout);
    if (fstat(STDERR_FILENO, &guard.bell)) {
        memset(&guard.bell, 0, sizeof(guard.bell));
    }
    memset(&act, 0, sizeof(act));
    act.sa_sigaction = on_term;
    act.sa_flags = SA_RESTART | SA_SIGINFO;
    guard.own.sa_handler = SIG_DFL;
    libc()->sigaction(SIGTERM, &act, NULL);
    guard.active = 1;
    pthread_atfork(NULL, has_forked, forked);
}
