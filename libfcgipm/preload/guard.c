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
 *   serve.  Here the handler closes the listening descriptor.  accept() looks
 *   it up when it begins and, as the handler has SA_RESTART, again when it was
 *   interrupted (signal(7)): either way it fails at once.  poll() and select()
 *   do so, too, and an epoll set gets something else that is ready.  A
 *   connection that accept() has taken is not touched by any of this, and is
 *   served.  So a request costs no system call more than without the guard.
 *
 * THE END
 *   A program that has been told ends when nothing is under way: no thread is
 *   in a call that can bring a request (guard.inside), and no connection has
 *   one (guard.busy).  Threads that have answered get GUARD_GRACE to come back,
 *   for what they do after that (guard.left); a program that keeps them in a
 *   lock of its own around accept() would wait for ever else.  A thread that
 *   waits looks again by itself, as what ends can end unseen.
 *
 *   A program with a handler of its own gets its turn then and not before, so
 *   it can exit, raise the signal again or jump out, and nothing is lost; then
 *   the call in which it waits fails with EINTR.  If it comes back to accept()
 *   after that, it exits there.
 *
 * It acts in the process that FCGIPM_GUARD=PID:SLOT:FD:LAYOUT names, so not in
 * programs which a worker starts.  FD is the pool's page; it is closed when
 * the process first waits for a request: a wrapper that execs the worker
 * proper hands it on.  What is told there, and how the manager hears of it:
 * pm_worker_status.h.
 */
#include "libfcgipm/preload/guard.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

/* Of this library, as pthread_atfork(3) tells libc. */
extern void *__dso_handle __attribute__((visibility("hidden")));

/** Microseconds for what is done after an answer. */
#define GUARD_GRACE 1000000

guard_t guard;
__thread guard_thread_t guard_self __attribute__((tls_model("initial-exec")));

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

void guard_say(const char *line, size_t n)
{
    int err = errno;
    struct stat st;
    int fd;

    for (fd = STDERR_FILENO; fd >= STDOUT_FILENO; fd--) {
        if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode)
            && st.st_ino == guard.bell.st_ino
            && st.st_dev == guard.bell.st_dev) {
            (void)!guard_libc()->write(fd, line, n);
            break;
        }
    }
    errno = err;
}

void guard_ring(void)
{
    guard_say("", 1);
}

static void on_exit_told(void);

/* It is ready, and will not execute the program that is to be the worker. */
static void first_wait(void)
{
    if (!LOAD(guard.warmed)) {
        guard_env_remove("FCGIPM_MANAGER"); /* pm_spawn.h */
    }
    if (guard.page_fd >= 0) {
        close(guard.page_fd);
        guard.page_fd = -1;
    }
    guard_install();
    atexit(on_exit_told);
    if (guard.instead) {
        __atomic_store_n(&guard.instead->forked, PM_WORKER_FORKED_SERVES,
                         __ATOMIC_RELEASE);
        guard_ring();
    }
    else if (!guard.child) {
        __atomic_store_n(&guard.slot->pid, (uint32_t)guard.pid,
                         __ATOMIC_RELEASE);
        guard_ring();
    }
}

/* Is it time for a wish of the manager's? */
static int comes_true(uint64_t *wish, uint64_t requests)
{
    uint64_t at = __atomic_load_n(wish, __ATOMIC_ACQUIRE);

    return at && requests >= at && SWAP(*wish, 0);
}

static void tell(void);

void guard_request_ended(void)
{
    pm_worker_status_t *slot = guard.slot;
    uint64_t requests = __atomic_load_n(&slot->requests, __ATOMIC_ACQUIRE);
    int leaves = comes_true(&slot->leave_at, requests);

    if (leaves && !SWAP(guard.told, 1)) {
        tell();
    }
    if (comes_true(&slot->notify_at, requests) || leaves) {
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
    if (!LOAD(guard.has_waited)) {
        guard_fork_first_wait();
        if (!SWAP(guard.has_waited, 1)) {
            first_wait();
        }
    }
    if (LOAD(guard.suspects)) {
        guard_conn_check(0);
    }
    if (LOAD(guard.busy)) {
        guard_conn_check_oldest();
    }
    guard_request_ended();
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

/* glibc notes the owner of a mutex: gettid(2) is not in every seccomp
 * filter. */
static pid_t own_tid(void)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pid_t tid;

    pthread_mutex_lock(&mutex);
    tid = mutex.__data.__owner;
    pthread_mutex_unlock(&mutex);
    return tid;
}

static int take_place(pid_t *place)
{
    pid_t none = 0;

    if (LOAD(*place)
        || !__atomic_compare_exchange_n(place, &none, guard_self.tid, 0,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        return 0;
    }
    guard_self.place = place;
    return 1;
}

/* Its last place is free as a rule. */
static void find_place(void)
{
    int i;

    if (!guard_self.tid) {
        guard_self.tid = own_tid();
    }
    if (guard_self.place && take_place(guard_self.place)) {
        return;
    }
    guard_self.place = NULL;
    for (i = 0; i < GUARD_THREADS && !take_place(&guard.sleeper[i]); i++) {
        ;
    }
}

/* The last one does what the handler could not do. */
static void leave_inside(void)
{
    enum guard_inside was = guard_self.inside;

    if (was == GUARD_OUT) {
        return;
    }
    guard_self.inside = GUARD_OUT;
    if (was == GUARD_ACCEPTS && ADD(guard.accepting, -1) == 0
        && LOAD(guard.told)) {
        guard_conn_stop_kept();
    }
    if (ADD(guard.inside, -1) == 0 && LOAD(guard.told)) {
        guard_fill_listeners();
    }
}

/* A single thread gets the signal anyway. */
void guard_sleep_begin(enum guard_inside inside)
{
    know_thread();
    if (__libc_single_threaded) {
        guard_self.place = NULL;
    }
    else {
        find_place();
    }
    leave_inside(); /* a handler can have jumped out of one */
    guard_self.inside = inside;
    ADD(guard.inside, 1);
    if (inside == GUARD_ACCEPTS) {
        ADD(guard.accepting, 1);
    }
}

void guard_sleep_end(void)
{
    if (guard_self.place) {
        STORE(*guard_self.place, 0);
    }
    leave_inside();
}

/* In a handler. */
static void wake_sleepers(void)
{
    int i;

    for (i = 0; i < GUARD_THREADS; i++) {
        pid_t tid = LOAD(guard.sleeper[i]);

        if (tid && tid != guard_self.tid) {
            syscall(SYS_tgkill, guard.pid, tid, SIGTERM);
        }
    }
}

/* --- what is under way ---------------------------------------------------- */

void guard_count(void)
{
    if (!guard_self.counted) {
        know_thread();
        guard_self.counted = 1;
        ADD(guard.left, 1);
    }
}

void guard_uncount(void)
{
    if (guard_self.counted) {
        guard_self.counted = 0;
        ADD(guard.left, -1);
    }
}

/* It may have been cancelled where it waited.  If not, its last place can be
 * another thread's by now. */
static void thread_ends(void *unused)
{
    (void)unused;
    if (!guard.active) {
        return;
    }
    if (guard_self.inside != GUARD_OUT) {
        guard_sleep_end();
    }
    while (guard_self.waits > 0) {
        guard_wait_end();
    }
    guard_uncount();
}

/* Threads first: one that has come out of accept() has noted its connection
 * before. */
static int is_under_way(void)
{
    guard_conn_check(1);
    return LOAD(guard.inside) || LOAD(guard.busy);
}

static int is_in_grace(void)
{
    return guard_now() - LOAD(guard.ended_at) <= GUARD_GRACE;
}

static int may_end(void)
{
    return !is_under_way()
           && ((!LOAD(guard.left) && !LOAD(guard.conns)) || !is_in_grace());
}

int guard_longer(int ms)
{
    return !ms ? 1 : ms < GUARD_NAP / 2 ? ms * 2 : GUARD_NAP;
}

void guard_nap(int *ms)
{
    *ms = guard_longer(*ms);
    guard_libc()->poll(NULL, 0, *ms);
}

/* At exit: a thread of several that leaves on its own, having been told, does
 * not cut the requests of others.  One that exits in its handler, or in a
 * request, does not want to wait. */
static void on_exit_told(void)
{
    int ms = 0;

    if (!guard_is_same() || SWAP(guard.leaving, 1)) {
        return;
    }
    while (LOAD(guard.told) && !__libc_single_threaded && !guard_self.in_own
           && !guard_conn_is_mine() && is_under_way()) {
        guard_nap(&ms);
    }
}

/* exit() is for one thread only.  A handler that has set the default has
 * raised the signal, as a rule: the program ends by that. */
void guard_leave(void)
{
    int ms = 0;

    while (LOAD(guard.called) && guard_is_default(guard_own())
           && is_in_grace()) {
        guard_nap(&ms);
    }
    if (!SWAP(guard.leaving, 1)) {
        exit(0);
    }
    for (;;) {
        guard_libc()->poll(NULL, 0, -1);
    }
}

/* --- being told ----------------------------------------------------------- */

/* By a signal to the process where there are several threads: the one that
 * waits for it may be another.  If that one blocks it, here. */
static void call_own(void)
{
    static ucontext_t context;
    siginfo_t info = {.si_signo = SIGTERM};
    unsigned calls = LOAD(guard.calls);
    int ms = 0;

    if (!__libc_single_threaded) {
        STORE(guard.due, 1);
        kill(guard.pid, SIGTERM);
        while (LOAD(guard.due) && ms < GUARD_NAP) {
            guard_nap(&ms);
        }
        if (!SWAP(guard.due, 0)) {
            while (LOAD(guard.calls) == calls && is_in_grace()) {
                guard_nap(&ms);
            }
            return;
        }
    }
    guard_call_own(SIGTERM, &info, &context);
}

/* A thread that gives the turn counts before, so that no other takes it for
 * the end; and its program has time then to end in its own way. */
static int give_turn(void)
{
    if (LOAD(guard.passed)
        || !(LOAD(guard.called) || guard_has_own(guard_own()))) {
        return 0;
    }
    guard_count();
    STORE(guard.ended_at, guard_now());
    if (SWAP(guard.passed, 1)) {
        guard_uncount();
        return 0;
    }
    if (!SWAP(guard.called, 1)) {
        call_own();
    }
    errno = EINTR;
    return 1;
}

/* Another thread can have given the turn while this one looked: it looks
 * again. */
enum guard_end guard_end(void)
{
    if (!may_end()) {
        return GUARD_NOT_YET;
    }
    if (give_turn()) {
        return GUARD_TURN;
    }
    return may_end() ? GUARD_OVER : GUARD_NOT_YET;
}

/* In a handler, in a process that has only the worker's memory. */
static void on_stranger(int sig, siginfo_t *info, void *context)
{
    if (guard_has_own(guard_own())) {
        guard_call_own(sig, info, context);
    }
    else {
        guard_die(sig);
    }
}

/* In a handler. */
static void tell(void)
{
    if (!LOAD(guard.has_waited) && !guard_has_own(guard_own())) {
        _exit(0); /* it has not begun to serve: nothing to be finished */
    }
    guard_close_listeners();
    if (LOAD(guard.accepting) == 0) {
        guard_conn_stop_kept();
    }
    if (LOAD(guard.inside) == 0) {
        guard_fill_listeners();
    }
    wake_sleepers();
}

/* In a handler: is it the turn of the program's own?  A thread that waits
 * for a request gives it by itself.  A program that has not begun to serve gets
 * each signal: it can be one that manages those that serve, and has lost the
 * first while it began. */
static int is_turn(void)
{
    if (LOAD(guard.due)) {
        return SWAP(guard.due, 0);
    }
    if (guard_self.waits || !guard_has_own(guard_own())
        || (LOAD(guard.has_waited) && (is_under_way() || LOAD(guard.conns)))) {
        return 0;
    }
    return !SWAP(guard.called, 1) || !LOAD(guard.has_waited);
}

/* A program that has had its turn and has set the default wants to be ended by
 * the next signal, which it may have raised itself. */
void guard_on_term(int sig, siginfo_t *info, void *context)
{
    int err = errno;

    if (!guard_is_same()) {
        on_stranger(sig, info, context);
        errno = err;
        return;
    }
    ADD(guard.terms, 1);
    if (!SWAP(guard.told, 1)) {
        tell();
    }
    if (is_turn()) {
        guard_call_own(sig, info, context);
    }
    else if (LOAD(guard.called) && guard_is_default(guard_own())) {
        guard_die(sig);
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
           && sscanf(text, "%d:%d:%d:%d", &pid, slot, &guard.page_fd, layout)
                  == 4
           && pid == (int)getpid() && *slot >= 0;
}

static void map_page(int slot, int layout)
{
    struct stat st;
    void *page;

    guard.slot = &guard.no_page;
    if (guard.page_fd < 0 || layout != PM_WORKER_STATUS_LAYOUT
        || fstat(guard.page_fd, &st)
        || st.st_size
               < (off_t)((size_t)(slot + 1) * sizeof(pm_worker_status_t))) {
        return;
    }
    page = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                guard.page_fd, 0);
    if (page != MAP_FAILED) {
        guard.table = page;
        guard.records = (int)((size_t)st.st_size / sizeof(*guard.table));
        guard.slot = guard.table + slot;
    }
}

/* In the worker, which perhaps is none: see pm_worker_status.h. */
static void has_forked(void)
{
    ADD(guard.doubts, 1); /* a connection that came between forks() and this */
    if (guard.active && !guard.child && !LOAD(guard.has_waited)
        && !LOAD(guard.warmed) && !guard.slot->forked) {
        __atomic_store_n(&guard.slot->forked, PM_WORKER_FORKED_ANY,
                         __ATOMIC_RELEASE);
        guard_ring();
    }
}

/* Before the child has them: a thread that sends meanwhile sees it. */
static void forks(void)
{
    ADD(guard.doubts, 1);
}

/* A child of the worker is not the worker; unless it accepts, see
 * guard_adopt(). */
static void forked(void)
{
    if (guard.active) {
        guard.active = 0;
        guard.child = 1;
        guard_fork_forget();
        guard_libc()->sigaction(SIGTERM, guard_own(), NULL);
    }
}

/* A program that forks those who serve: they have the worker's policy too,
 * but no place on the page. */
void guard_adopt(void)
{
    struct sigaction act;

    guard.instead =
        !LOAD(guard.has_waited) && !LOAD(guard.warmed) && getppid() == guard.pid
            ? guard.slot
            : NULL;
    guard.pid = getpid();
    memset(&guard_self, 0, sizeof(guard_self));
    memset(&guard.no_page, 0, sizeof(guard.no_page));
    guard.slot = &guard.no_page;
    guard.has_waited = guard.told = guard.closed = guard.called = guard.passed =
        0;
    guard.due = guard.leaving = guard.left = 0;
    guard.calls = 0;
    guard.inside = guard.accepting = 0;
    guard.reads_beside = guard.reads_on = 0;
    guard.busy = guard.conns = guard.suspects = 0;
    guard.flags = 0;
    memset(guard.sleeper, 0, sizeof(guard.sleeper));
    guard_forget_fds();
    guard_fork_forget();
    guard_libc()->sigaction(SIGTERM, NULL, &act);
    guard_set_own(&act);
    *guard.same = 1;
    guard.active = 1;
    guard_install();
}

/* Nothing has been told yet, and nothing was under way.  The program's own
 * disposition is what it was; the kernel's was the fork server's. */
void guard_be_worker(int record)
{
    guard.pid = getpid();
    guard_self.tid = 0;
    guard.slot = record < 0 ? &guard.no_page : guard.table + record;
    *guard.same = 1;
    guard.flags = 0;
    guard_install();
}

/* Copies by _Fork(3) and clone(2), too, not only those by fork(2). */
static int *map_same(void)
{
    static int always = 1;
    int *same = mmap(NULL, sizeof(*same), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (same == MAP_FAILED || madvise(same, sizeof(*same), MADV_WIPEONFORK)) {
        same = &always;
    }
    *same = 1;
    return same;
}

int fcgipm_guard_told(void)
{
    return guard_told();
}

__attribute__((constructor)) static void begin(void)
{
    struct sigaction act;
    int slot, layout;

    if (!read_orders(&slot, &layout) || fstat(0, &guard.listener)
        || !S_ISSOCK(guard.listener.st_mode)
        || pthread_key_create(&guard.thread_key, thread_ends)) {
        return;
    }
    guard.pid = getpid();
    guard.same = map_same();
    guard.name_len = sizeof(guard.name);
    if (getsockname(0, (struct sockaddr *)&guard.name, &guard.name_len)) {
        guard.name_len = 0;
    }
    guard_turn(0, 0, GUARD_LISTENER);
    guard_clients_read();
    map_page(slot, layout);
    if (fstat(STDERR_FILENO, &guard.bell)) {
        memset(&guard.bell, 0, sizeof(guard.bell));
    }
    guard_libc()->sigaction(SIGTERM, NULL, &act);
    guard_set_own(&act);
    guard.active = 1;
    guard_fork_take();
    guard_env_take();
    guard_install();
    /* not by way of guard_fork_hooks.c: a newborn is no such child */
    guard_libc()->register_atfork(forks, has_forked, forked, &__dso_handle);
}
