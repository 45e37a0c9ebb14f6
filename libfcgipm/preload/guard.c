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
 *   interrupted (signal(7)): either way it fails at once.  poll(), select()
 *   and epoll_wait() find that socket ready at once (POLLHUP).  A connection
 *   that accept() has taken is not touched by any of this, and is served.
 *   So a request costs getpid() more than without the guard, see close().
 *
 * THE END
 *   guard.left counts what is under way: connections that are open, and
 *   threads that have accepted and have not yet come back to be told.  A thread
 *   that comes back when told takes itself off and waits; when nothing is left
 *   the process ends.  A program with a handler of its own, which is kept and
 *   called too, once, gets the first word then: EINTR.  If it comes back to
 *   accept() after that, it exits there.
 *
 * It acts in the process that FCGIPM_GUARD=PID:SLOT:FD:LAYOUT names, so not in
 * programs which a worker starts.  FD is the pool's page; it is closed when
 * the process first waits for a request: a wrapper that execs the worker
 * proper hands it on.  What is told there, and how the manager hears of it:
 * pm_worker_status.h.
 */
#include "libfcgipm/preload/guard.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

guard_t guard;
__thread guard_thread_t guard_self
    __attribute__((tls_model("initial-exec")));

int guard_is_worker(void)
{
    return guard.active && getpid() == guard.pid;
}

/* --- what it tells the manager -------------------------------------------- */

uint64_t guard_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

void guard_ring(void)
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

static void on_exit_told(void);

/* It is ready, and what came along for the guard is not to be seen by the
 * program or its children. */
static void first_wait(void)
{
    remove_variable("FCGIPM_GUARD");
    remove_variable("LD_PRELOAD");
    remove_variable("FCGIPM_MANAGER");   /* pm_spawn.h */
    if (guard.page_fd >= 0) {
        guard_libc()->close(guard.page_fd);
        guard.page_fd = -1;
    }
    guard_install();
    atexit(on_exit_told);
    if (!guard.child) {
        __atomic_store_n(&guard.slot->pid, (uint32_t)guard.pid,
                         __ATOMIC_RELEASE);
        guard_ring();
    }
}

/* Has it done as many as the manager wants to know of? */
static void ring_if_done(void)
{
    uint64_t at = __atomic_load_n(&guard.slot->notify_at, __ATOMIC_ACQUIRE);

    if (at && __atomic_load_n(&guard.slot->requests, __ATOMIC_ACQUIRE) >= at
        && SWAP(guard.slot->notify_at, 0)) {
        guard_ring();
    }
}

static void know_thread(void)
{
    if (!guard_self.known) {
        guard_self.known = 1;
        pthread_setspecific(guard.thread_key, &guard);
    }
}

void guard_wait_begin(void)
{
    if (!LOAD(guard.has_waited) && !SWAP(guard.has_waited, 1)) {
        first_wait();
    }
    ring_if_done();
    know_thread();
    guard_self.waits++;
    ADD(guard.slot->waiting, 1);
}

void guard_wait_end(void)
{
    guard_self.waits--;
    ADD(guard.slot->waiting, -1);
}

/* --- threads that sleep --------------------------------------------------- */

static int take_place(pid_t *place)
{
    pid_t none = 0;

    if (!__atomic_compare_exchange_n(place, &none, guard_self.tid, 0,
                                     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        return 0;
    }
    guard_self.place = place;
    return 1;
}

/* Behind the last ones.  @return NULL: no memory */
static guard_sleepers_t *more_places(guard_sleepers_t *last)
{
    guard_sleepers_t *none = NULL;
    guard_sleepers_t *more = mmap(NULL, sizeof(*more), PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (more == MAP_FAILED) {
        return NULL;
    }
    if (!__atomic_compare_exchange_n(&last->next, &none, more, 0,
                                     __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        munmap(more, sizeof(*more));
        return none;
    }
    return more;
}

/* Its last place is free as a rule. */
void guard_sleep_begin(void)
{
    guard_sleepers_t *s = &guard.sleepers;
    guard_sleepers_t *next;
    int i;

    if (__libc_single_threaded) {
        guard_self.place = NULL;   /* the signal comes here */
        return;
    }
    if (!guard_self.tid) {
        guard_self.tid = (pid_t)syscall(SYS_gettid);
    }
    if (guard_self.place && take_place(guard_self.place)) {
        return;
    }
    for (guard_self.place = NULL; s; s = next) {
        for (i = 0; i < GUARD_THREADS; i++) {
            if (take_place(&s->tid[i])) {
                return;
            }
        }
        next = LOAD(s->next);
        next = next ? next : more_places(s);
    }
}

void guard_sleep_end(void)
{
    if (guard_self.place) {
        STORE(*guard_self.place, 0);
    }
}

/* In a handler, or when the last one has done: who sleeps looks again. */
static void wake_sleepers(void)
{
    pid_t self = (pid_t)syscall(SYS_gettid);
    guard_sleepers_t *s;
    int i;

    for (s = &guard.sleepers; s; s = LOAD(s->next)) {
        for (i = 0; i < GUARD_THREADS; i++) {
            pid_t tid = LOAD(s->tid[i]);

            if (tid && tid != self) {
                syscall(SYS_tgkill, guard.pid, tid, SIGTERM);
            }
        }
    }
}

/* --- what is under way ---------------------------------------------------- */

static void sleep_while(int *counter)
{
    int n;

    while ((n = LOAD(*counter)) > 0) {
        syscall(SYS_futex, counter, FUTEX_WAIT, n, NULL);
    }
}

/* @return 1: it was the last one, and somebody may wait for that */
static int add(int *counter, int n)
{
    int err = errno;

    if (ADD(*counter, n) != 0 || !LOAD(guard.told)) {
        return 0;
    }
    syscall(SYS_futex, counter, FUTEX_WAKE, 0x7fffffff);
    errno = err;
    return 1;
}

void guard_add_left(int n)
{
    if (add(&guard.left, n)) {
        int err = errno;

        wake_sleepers();
        errno = err;
    }
}

void guard_add_open(int n)
{
    add(&guard.open, n);
}

void guard_count(void)
{
    if (!guard_self.counted) {
        know_thread();
        guard_self.counted = 1;
        guard_add_left(1);
    }
}

void guard_uncount(void)
{
    if (guard_self.counted) {
        guard_self.counted = 0;
        guard_add_left(-1);
    }
}

void guard_accept_begin(void)
{
    guard_self.accepts = 1;
    guard_add_open(1);
}

void guard_accept_end(void)
{
    if (guard_self.accepts) {
        guard_self.accepts = 0;
        guard_add_open(-1);
    }
}

/* It may have been cancelled where it waited. */
static void thread_ends(void *unused)
{
    (void)unused;
    if (!guard.active) {
        return;
    }
    guard_sleep_end();
    while (guard_self.waits > 0) {
        guard_wait_end();
    }
    guard_accept_end();
    guard_uncount();
}

/* Futex, as a thread that may not go on has no other way to sleep till the
 * others have done. */
void guard_wait_alone(void)
{
    sleep_while(&guard.left);
}

/* At exit: a thread of several that leaves on its own, having been told, does
 * not cut the requests of others.  One that exits in its handler does not
 * want to wait. */
static void on_exit_told(void)
{
    if (guard_told() && !__libc_single_threaded && !guard_self.in_own
        && !LOAD(guard.leaving) && guard_is_worker()) {
        guard_conn_check(GUARD_FDS);
        sleep_while(&guard.open);
    }
}

/* exit() is for one thread only. */
void guard_leave(void)
{
    if (!SWAP(guard.leaving, 1)) {
        exit(0);
    }
    for (;;) {
        guard_libc()->poll(NULL, 0, -1);
    }
}

/* --- being told ----------------------------------------------------------- */

/* In a handler, in a process that has only the worker's memory. */
static void on_stranger(int sig, siginfo_t *info, void *context)
{
    struct sigaction act;

    if (guard_has_own(guard_own())) {
        guard_call_own(sig, info, context);
        return;
    }
    memset(&act, 0, sizeof(act));
    act.sa_handler = SIG_DFL;
    guard_libc()->sigaction(sig, &act, NULL);
    kill(getpid(), sig);
}

void guard_on_term(int sig, siginfo_t *info, void *context)
{
    int err = errno;
    int has_own = guard_has_own(guard_own());

    if (getpid() != guard.pid) {
        on_stranger(sig, info, context);
        errno = err;
        return;
    }
    ADD(guard.terms, 1);
    if (has_own && !LOAD(guard.told)) {
        STORE(guard.asked, 1);
    }
    if (!SWAP(guard.told, 1)) {
        if (!LOAD(guard.has_waited) && !has_own) {
            _exit(0);   /* it has not begun to serve: nothing to be finished */
        }
        guard_close_listeners();
        wake_sleepers();
        guard_call_own(sig, info, context);
    }
    errno = err;
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
    if (guard.page_fd < 0 || layout != PM_WORKER_STATUS_LAYOUT
        || fstat(guard.page_fd, &st)
        || st.st_size < (off_t)((size_t)(slot + 1) * sizeof(pm_worker_status_t))) {
        return;
    }
    page = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                guard.page_fd, 0);
    if (page != MAP_FAILED) {
        guard.slot = (pm_worker_status_t *)page + slot;
    }
}

/* In the worker, which perhaps is none: see pm_worker_status.h. */
static void has_forked(void)
{
    if (guard.active && !guard.child && !LOAD(guard.has_waited)
        && !guard.slot->forked) {
        __atomic_store_n(&guard.slot->forked, 1, __ATOMIC_RELEASE);
        guard_ring();
    }
}

/* A child of the worker is not the worker; unless it accepts, see
 * guard_adopt(). */
static void forked(void)
{
    if (guard.active) {
        guard.active = 0;
        guard.child = 1;
        memset(&guard_self, 0, sizeof(guard_self));
        guard_libc()->sigaction(SIGTERM, guard_own(), NULL);
    }
}

/* A program that forks those who serve: they have the worker's policy too,
 * but no place on the page. */
void guard_adopt(void)
{
    struct sigaction act;

    guard.pid = getpid();
    memset(&guard.no_page, 0, sizeof(guard.no_page));
    guard.slot = &guard.no_page;
    guard.has_waited = guard.told = guard.asked = guard.passed_on = 0;
    guard.leaving = guard.busy = guard.left = guard.open = 0;
    guard.flags = 0;
    memset(&guard.sleepers, 0, sizeof(guard.sleepers));
    guard_forget_fds();
    guard_libc()->sigaction(SIGTERM, NULL, &act);
    guard_set_own(&act);
    guard.active = 1;
    guard_install();
}

__attribute__((constructor))
static void begin(void)
{
    struct sigaction act;
    int slot, layout;

    if (!read_orders(&slot, &layout) || fstat(0, &guard.listener)
        || !S_ISSOCK(guard.listener.st_mode)
        || pthread_key_create(&guard.thread_key, thread_ends)) {
        return;
    }
    guard.pid = getpid();
    guard.name_len = sizeof(guard.name);
    if (getsockname(0, (struct sockaddr *)&guard.name, &guard.name_len)) {
        guard.name_len = 0;
    }
    guard_set_kind(0, GUARD_LISTENER);
    map_page(slot, layout);
    if (fstat(STDERR_FILENO, &guard.bell)) {
        memset(&guard.bell, 0, sizeof(guard.bell));
    }
    guard_libc()->sigaction(SIGTERM, NULL, &act);
    guard_set_own(&act);
    guard.active = 1;
    guard_install();
    pthread_atfork(NULL, has_forked, forked);
}
