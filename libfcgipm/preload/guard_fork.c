/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See guard.h.  The program as a fork server (pm_fork_order.h): everything is
 * loaded and nothing accepted when it waits for its first request, so that is
 * where it stays, and where newborn workers go on.  It never reports itself,
 * waits on the pool's socket or takes a connection.
 *
 * A newborn is a copy made by clone(2) and not by fork(3), as it is to be the
 * manager's child (CLONE_PARENT).  What libc's fork() does besides is done
 * here, and in guard_fork_hooks.c.  The process has one thread, which is in
 * accept() or the like: no lock of libc's is held.
 */
#include "libfcgipm/preload/guard.h"
#include "pm_core/ipc/pm_fork_order.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What comes with an order; and room for more, to be closed. */
enum { ORDER_OUTPUT, ORDER_BORN, ORDER_FDS, ORDER_ROOM = 8 };

typedef struct fork_order {
    pm_fork_order_t order;
    int fd[ORDER_ROOM];
    int fds;
    int error; /* it is not one */
} fork_order_t;

/* --- its socket ----------------------------------------------------------- */

static int is_fork_socket(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode)
           && guard_is_same_file(&st, &guard.fork_socket);
}

void guard_fork_take(void)
{
    const char *text = getenv(PM_FORK_VARIABLE);
    int fd = text ? atoi(text) : 0;

    if (fd <= STDERR_FILENO || fstat(fd, &guard.fork_socket)
        || !is_fork_socket(fd) || fcntl(fd, F_SETFD, FD_CLOEXEC)) {
        return;
    }
    guard.fork_fd = fd;
    guard.fork_filters = guard_fork_filters();
    guard.fork_parent = getppid();
}

void guard_fork_hand_on(int yes)
{
    int fd = LOAD(guard.fork_fd);

    if (fd > 0 && is_fork_socket(fd)) {
        fcntl(fd, F_SETFD, yes ? 0 : FD_CLOEXEC);
    }
}

void guard_fork_forget(void)
{
    int fd = guard.fork_fd;

    guard.fork_fd = 0;
    if (fd > 0 && is_fork_socket(fd)) {
        close(fd);
    }
}

static void fork_say(int fd, const pm_fork_message_t *m)
{
    ssize_t n;

    do {
        n = guard_libc()->send(fd, m, sizeof(*m), MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
}

/* --- orders --------------------------------------------------------------- */

static void order_close(const fork_order_t *o)
{
    int i;

    for (i = 0; i < o->fds; i++) {
        close(o->fd[i]);
    }
}

static void order_collect(fork_order_t *o, struct msghdr *m)
{
    struct cmsghdr *c;

    for (c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        size_t n = c->cmsg_len - CMSG_LEN(0);

        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS
            && n <= (size_t)(ORDER_ROOM - o->fds) * sizeof(int)) {
            memcpy(o->fd + o->fds, CMSG_DATA(c), n);
            o->fds += (int)(n / sizeof(int));
        }
    }
}

static int order_judge(const fork_order_t *o, ssize_t n, int flags)
{
    if (n != sizeof(o->order) || (flags & (MSG_TRUNC | MSG_CTRUNC))
        || o->fds != ORDER_FDS) {
        return EBADMSG;
    }
    return o->order.shm_index < -1 || o->order.shm_index >= guard.records
               ? ERANGE
               : 0;
}

/* @return what recvmsg(2) gives */
static ssize_t order_receive(int fd, fork_order_t *o, int *flags)
{
    union {
        char room[CMSG_SPACE(sizeof(int) * ORDER_ROOM)];
        struct cmsghdr align;
    } control;
    struct iovec io = {&o->order, sizeof(o->order)};
    struct msghdr m;
    ssize_t n;

    memset(o, 0, sizeof(*o));
    do {
        memset(&m, 0, sizeof(m));
        m.msg_iov = &io;
        m.msg_iovlen = 1;
        m.msg_control = control.room;
        m.msg_controllen = sizeof(control.room);
        n = guard_libc()->recvmsg(fd, &m, MSG_CMSG_CLOEXEC | *flags);
    } while (n < 0 && errno == EINTR);
    if (n > 0) {
        order_collect(o, &m);
    }
    *flags = m.msg_flags;
    return n;
}

/* @return 0: there will be no more */
static int order_take(int fd, fork_order_t *o)
{
    int flags = 0;
    ssize_t n = order_receive(fd, o, &flags);

    if (n <= 0) {
        return 0;
    }
    o->error = order_judge(o, n, flags);
    if (n != sizeof(o->order)) {
        o->order.serial = 0; /* a part of one */
    }
    return 1;
}

/* --- FcgiPMWarmup --------------------------------------------------------- */

int guard_fork_warms(void)
{
    int fd = LOAD(guard.fork_fd);
    int err = errno;
    pm_fork_order_t o;
    int warms =
        fd > 0 && !guard_told() && is_fork_socket(fd)
        && guard_libc()->recv(fd, &o, sizeof(o), MSG_PEEK | MSG_DONTWAIT) > 0;

    errno = err;
    return warms;
}

/* What it forks from now on are no children that serve in its place.  And its
 * environment can be that of the request, which is freed when it comes back
 * (fcgi_stdio). */
int guard_fork_warmup(void)
{
    int flags = MSG_DONTWAIT;
    int err = errno;
    fork_order_t o;

    if (!guard_fork_warms()
        || order_receive(guard.fork_fd, &o, &flags) != sizeof(o.order)
        || o.fds != 1) {
        errno = err;
        return -1;
    }
    if (!SWAP(guard.warmed, 1)) {
        guard_env_remove("FCGIPM_MANAGER");
    }
    errno = err;
    return o.fd[0];
}

/* --- birth ---------------------------------------------------------------- */

/* As fork() of libc has it: the kernel puts the newborn's thread id where libc
 * looks for it, and forgets the list of robust mutexes.  The address stands
 * where both orders of clone's arguments have it (clone(2), C library/kernel
 * differences). */
static pid_t birth_clone(void)
{
    unsigned long flags =
        CLONE_PARENT | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD;
    void *tid = NULL, *robust = NULL;
    size_t len = 0;
    pid_t pid;

    if (prctl(PR_GET_TID_ADDRESS, &tid, 0, 0, 0)) {
        return -1;
    }
    syscall(SYS_get_robust_list, 0, &robust, &len);
#if defined(__s390__) || defined(__CRIS__)
    pid = (pid_t)syscall(SYS_clone, NULL, flags, NULL, tid, tid);
#else
    pid = (pid_t)syscall(SYS_clone, flags, NULL, NULL, tid, tid);
#endif
    if (pid == 0 && robust) {
        syscall(SYS_set_robust_list, robust, len);
    }
    return pid;
}

/* In the newborn, in a worker's process as pm_spawn.c makes one. */
static void birth_process(void)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM, 0, 0, 0);
    if (getppid() != guard.fork_parent) {
        _exit(0); /* the manager has died meanwhile */
    }
}

/* The manager sends the same back, or ends the socket if it does not want this
 * worker (any more). */
static void birth_tell(const fork_order_t *o)
{
    pm_fork_born_t born = {o->order.serial}, welcome;
    int fd = o->fd[ORDER_BORN];
    ssize_t n;

    (void)!guard_libc()->send(fd, &born, sizeof(born), MSG_NOSIGNAL);
    do {
        n = guard_libc()->recv(fd, &welcome, sizeof(welcome), 0);
    } while (n < 0 && errno == EINTR);
    if (n != sizeof(welcome) || welcome.serial != born.serial) {
        _exit(0);
    }
    close(fd);
}

/* In the newborn. */
static void birth_set_up(const fork_order_t *o)
{
    int err;

    birth_process();
    err = guard_fork_fds_renew(o->fd[ORDER_OUTPUT]);
    if (err || fstat(o->fd[ORDER_OUTPUT], &guard.bell)) {
        dprintf(o->fd[ORDER_OUTPUT],
                "A copy of the fork server has no descriptors of its own: "
                "%s\n",
                strerror(err ? err : errno));
        _exit(1);
    }
    close(o->fd[ORDER_OUTPUT]);
    guard_be_worker(o->order.shm_index);
    guard_fork_hooks_child();
    birth_tell(o);
}

/* @return 0: this is the newborn */
static pid_t birth(int fd, fork_order_t *o)
{
    pid_t pid;

    guard_fork_hooks_before();
    pid = birth_clone();
    if (pid == 0) {
        close(fd);
        birth_set_up(o);
        return 0;
    }
    o->error = pid < 0 ? errno : 0;
    guard_fork_hooks_parent();
    return pid;
}

/* --- serving -------------------------------------------------------------- */

static void serve_on_term(int sig)
{
    (void)sig;
    _exit(0); /* what is registered by atexit() is for workers */
}

/* Signals are for workers: here each but SIGTERM is blocked, and that ends the
 * process, also where the program ignores it. */
static void serve_signals(sigset_t *all, sigset_t *waiting)
{
    struct sigaction act;

    memset(&act, 0, sizeof(act));
    act.sa_handler = serve_on_term;
    guard_libc()->sigaction(SIGTERM, &act, NULL);
    sigfillset(all);
    *waiting = *all;
    sigdelset(waiting, SIGTERM);
}

/* The manager listens no more.  Where it has never ordered a worker it has
 * taken this process for one before it could decide, as it had children. */
static void serve_no_more(int fd, int ordered)
{
    if (ordered || getppid() != guard.fork_parent) {
        _exit(0);
    }
    close(fd);
    guard.flags = 0;
    guard_install();
}

/* Returns in newborns, and in a worker that is none, with all signals
 * blocked. */
static void serve(int fd)
{
    pm_fork_message_t m = {.kind = PM_FORK_SERVES};
    sigset_t all, waiting;
    fork_order_t o;
    int more, ordered = 0;

    guard_fork_hooks_find();
    serve_signals(&all, &waiting);
    fcntl(fd, F_SETFL, 0);
    fork_say(fd, &m);
    for (;; order_close(&o), ordered = 1) {
        pthread_sigmask(SIG_SETMASK, &waiting, NULL);
        more = order_take(fd, &o);
        pthread_sigmask(SIG_SETMASK, &all, NULL);
        if (!more) {
            serve_no_more(fd, ordered);
            return;
        }
        if (!o.error && birth(fd, &o) == 0) {
            return;
        }
        if (o.error) {
            m = (pm_fork_message_t){.kind = PM_FORK_FAILED,
                                    .serial = o.order.serial,
                                    .error = o.error};
            fork_say(fd, &m);
        }
    }
}

static void decide(int fd)
{
    pm_fork_message_t m = {.kind = PM_FORK_REFUSED};

    char more;

    if (!is_fork_socket(fd)) {
        return; /* a program before this one has closed it */
    }
    if (guard_libc()->recv(fd, &more, 1, MSG_PEEK | MSG_DONTWAIT) == 0) {
        close(fd); /* no fork server is wanted */
        return;
    }
    if (guard_told() || !guard_fork_may(m.text)) {
        fork_say(fd, &m);
        close(fd);
        return;
    }
    serve(fd);
}

/* It will not execute another program: the page's descriptor is not needed. */
static void first_wait(int fd)
{
    sigset_t all, own;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &own);
    if (guard.page_fd >= 0) {
        close(guard.page_fd);
        guard.page_fd = -1;
    }
    decide(fd);
    pthread_sigmask(SIG_SETMASK, &own, NULL);
}

/* A thread that comes while another one decides waits for that: the manager is
 * to hear first why the process is a worker, and then that it waits. */
void guard_fork_first_wait(void)
{
    int fd = LOAD(guard.fork_fd);
    int err = errno;
    int ms = 0;

    if (fd > 0
        && __atomic_compare_exchange_n(&guard.fork_fd, &fd, -1, 0,
                                       __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
        first_wait(fd);
        STORE(guard.fork_fd, 0);
    }
    while (LOAD(guard.fork_fd) < 0) {
        guard_nap(&ms);
    }
    errno = err;
}
