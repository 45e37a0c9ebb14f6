/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/spawn/pm_spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pm_core/os/pm_fd_pass.h"
#include "pm_core/os/pm_fds.h"
#include "pm_core/os/pm_pdeath.h"
#include "pm_core/os/pm_signals.h"
#include "pm_core/os/pm_title.h"
#include "pm_core/spawn/pm_launch_pack.h"

/* One that dies younger is not replaced before. */
#define YOUNG      apr_time_from_sec(1)
#define PAUSE_MOST apr_time_from_sec(60)

/* The descriptors of an order.  The spawner has 0, 1 and 2, so it receives the
 * third of them above PM_FORK_FD, as pm_birth_t wants it. */
enum { LISTEN, OUTPUT, VERDICT, OTHERS };

typedef struct pm_spawner_order {
    int shm_index;
    int has_shm, has_fork; /* another descriptor each */
    apr_uint64_t spec[PM_SPAWNER_MOST / sizeof(apr_uint64_t)];
} pm_spawner_order_t;

#define SPEC offsetof(pm_spawner_order_t, spec)

#if defined(__linux__) && defined(SYS_clone) && !defined(__sparc__)

/* --- the spawner ---------------------------------------------------------- */

/* As fork(), but the child is the manager's, which gets the signal that it gets
 * for the spawner itself: SIGCHLD (clone(2), CLONE_PARENT).  What
 * the C library remembers of its thread (number, robust mutexes) is not
 * renewed: from here to exec the child uses none of that. */
static pid_t spawner_clone(void)
{
    const unsigned long flags = CLONE_PARENT | SIGCHLD;

#ifdef __s390__
    return (pid_t)syscall(SYS_clone, 0UL, flags, 0UL, 0UL, 0UL);
#else
    return (pid_t)syscall(SYS_clone, flags, 0UL, 0UL, 0UL, 0UL);
#endif
}

static void spawner_obey(pm_spawner_order_t *order, int fd, int *fds, int nfds,
                         pid_t manager)
{
    pm_birth_t birth = {.parent = manager,
                        .listen_fd = fds[LISTEN],
                        .output_fd = fds[OUTPUT],
                        .verdict_fd = fds[VERDICT],
                        .shm_fd = order->has_shm ? fds[OTHERS] : -1,
                        .shm_index = order->shm_index,
                        .fork_fd = order->has_fork ? fds[nfds - 1] : -1};
    pid_t pid = spawner_clone();

    if (pid == 0) {
        close(fd); /* when the spawner dies nobody else holds its orders */
        birth.spec = pm_launch_unpack(order->spec);
        pm_ladder_climb(&birth);
    }
    if (pid < 0) {
        pm_ladder_report(&birth, PM_LADDER_FORK, errno);
    }
    while (nfds) {
        pm_fds_close(&fds[--nfds]);
    }
}

/* Keeps no log open: that of httpd can be a program, which ends when nobody
 * writes to it any more. */
static int spawner_detach(int fd, pid_t manager)
{
    int keep[1] = {fd};
    int null, i;

    setpgid(0, 0); /* what ends the manager's process group is not for it */
    pm_fds_close_others(keep, 1);
    null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (i = 0; null >= 0 && i <= 2; i++) {
        dup2(null, i);
    }
    if (null > 2) {
        close(null);
    }
    pm_title_set(PM_SPAWNER_TITLE);
    return null >= 0 && pm_pdeath_set(SIGKILL, manager);
}

/* All signals are blocked.  It ends when the manager closes its end. */
__attribute__((noreturn)) static void spawner_main(pm_spawner_order_t *order,
                                                   int fd, pid_t manager)
{
    int fds[PM_FD_PASS_MAX];
    int nfds;

    if (spawner_detach(fd, manager)) {
        while (pm_fd_pass_recv(fd, order, sizeof(*order), fds, &nfds, 0)
                   > (ssize_t)SPEC
               && nfds == OTHERS + order->has_shm + order->has_fork) {
            spawner_obey(order, fd, fds, nfds, manager);
        }
    }
    _exit(0);
}

/* --- in the manager ------------------------------------------------------- */

static void spawner_launch(pm_spawner_t *s)
{
    pid_t manager = getpid();
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)) {
        return;
    }
    s->pid = pm_signals_fork();
    if (s->pid == 0) {
        spawner_main(s->order, pair[1], manager);
    }
    close(pair[1]);
    s->fd = pair[0];
    s->born = pm_time_now();
    if (s->pid < 0) {
        s->pid = 0;
        pm_fds_close(&s->fd);
    }
}

void pm_spawner_start(pm_spawner_t *s, const pm_log_t *log, apr_pool_t *p)
{
    *s = (pm_spawner_t){.log = log, .fd = -1, .pause = YOUNG};
    s->order = apr_pcalloc(p, sizeof(*s->order));
    spawner_launch(s);
}

pm_spawner_answer_t pm_spawner_order(pm_spawner_t *s, const pm_birth_t *birth)
{
    pm_spawner_order_t *order = s->order;
    int fds[PM_FD_PASS_MAX] = {birth->listen_fd, birth->output_fd,
                               birth->verdict_fd};
    int nfds = OTHERS;
    apr_size_t size;

    if (!s->pid && s->pause != PM_TIME_NEVER
        && pm_time_now() - s->born >= s->pause) {
        spawner_launch(s);
    }
    if (s->fd < 0) {
        return PM_SPAWNER_NOT;
    }
    size = pm_launch_pack(birth->spec, order->spec, sizeof(order->spec));
    if (!size) {
        return PM_SPAWNER_NOT;
    }
    order->shm_index = birth->shm_index;
    order->has_shm = birth->shm_fd >= 0;
    order->has_fork = birth->fork_fd >= 0;
    if (order->has_shm) {
        fds[nfds++] = birth->shm_fd;
    }
    if (order->has_fork) {
        fds[nfds++] = birth->fork_fd;
    }
    if (pm_fd_pass_send(s->fd, order, SPEC + size, fds, nfds) >= 0) {
        return PM_SPAWNER_ORDERED;
    }
    return errno == EAGAIN ? PM_SPAWNER_FULL : PM_SPAWNER_NOT;
}

int pm_spawner_refused(pm_spawner_t *s, int error)
{
    if (error != EINVAL && error != EPERM && error != ENOSYS) {
        return 0;
    }
    if (s->pause != PM_TIME_NEVER) {
        pm_log(s->log, PM_INFO,
               "manager (pid %d): it forks workers itself, as the kernel lets "
               "no other process do it: %s",
               (int)getpid(), strerror(error));
        s->pause = PM_TIME_NEVER;
        pm_spawner_kill(s, NULL);
    }
    return 1;
}

static void spawner_complain(const pm_spawner_t *s, const char *what)
{
    pm_log(s->log, PM_WARNING,
           "manager (pid %d): the spawner (pid %d) %s; the manager forks "
           "workers itself until there is another",
           (int)getpid(), (int)s->pid, what);
}

int pm_spawner_reaped(pm_spawner_t *s, pid_t pid)
{
    if (!pid || pid != s->pid) {
        return 0;
    }
    if (s->fd >= 0) {
        spawner_complain(s, "has ended");
        pm_fds_close(&s->fd);
    }
    s->pid = 0;
    if (s->pause != PM_TIME_NEVER) {
        s->pause = pm_time_now() - s->born >= YOUNG
                       ? YOUNG
                       : pm_time_min(2 * s->pause, PAUSE_MOST);
    }
    return 1;
}

void pm_spawner_kill(pm_spawner_t *s, const char *why)
{
    if (s->fd < 0) {
        return;
    }
    if (why) {
        spawner_complain(s, why);
    }
    kill(s->pid, SIGKILL); /* it is not reaped yet */
    pm_fds_close(&s->fd);
}

void pm_spawner_end(pm_spawner_t *s)
{
    pm_spawner_kill(s, NULL);
    if (s->pid) {
        waitpid(s->pid, NULL, 0);
        s->pid = 0;
    }
}

#else

void pm_spawner_start(pm_spawner_t *s, const pm_log_t *log, apr_pool_t *p)
{
    (void)p;
    *s = (pm_spawner_t){.log = log, .fd = -1};
}

pm_spawner_answer_t pm_spawner_order(pm_spawner_t *s, const pm_birth_t *birth)
{
    (void)s;
    (void)birth;
    return PM_SPAWNER_NOT;
}

int pm_spawner_refused(pm_spawner_t *s, int error)
{
    (void)s;
    (void)error;
    return 0;
}

int pm_spawner_reaped(pm_spawner_t *s, pid_t pid)
{
    (void)s;
    (void)pid;
    return 0;
}

void pm_spawner_kill(pm_spawner_t *s, const char *why)
{
    (void)s;
    (void)why;
}

void pm_spawner_end(pm_spawner_t *s)
{
    (void)s;
}

#endif
