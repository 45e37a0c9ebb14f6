/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/spawn/pm_spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_strings.h"
#include "pm_core/shm/pm_worker_status.h"
#include "pm_core/os/pm_fds.h"
#include "pm_core/os/pm_pdeath.h"
#include "pm_core/os/pm_privs.h"
#include "pm_core/os/pm_signals.h"

/* What the child works with.  Between fork() and exec() only what needs no
 * lock is called: the manager has one thread, but its allocator need not
 * know. */
typedef struct child {
    const pm_launch_spec_t *birth;
    pid_t parent;
    int listen_fd;
    int output_fd; /* becomes 1 and 2 */
    int page_fd;   /* -1: none */
    int place;
    int verdict_fd; /* close-on-exec */
} child_t;

/* What goes through the pipe. */
typedef struct verdict {
    unsigned step; /* that failed; or UNGUARDED, which is no failure */
    int error;
} verdict_t;

#define UNGUARDED 999

static int report(const child_t *c, unsigned step, int error)
{
    verdict_t v = {step, error};

    return write(c->verdict_fd, &v, sizeof(v)) < 0 ? errno : 0;
}

/* --- the ladder: each step 0, or an errno --------------------------------- */

static int step_group(const child_t *c)
{
    (void)c;
    return setpgid(0, 0) ? errno : 0;
}

/* All signals are blocked since before fork(): one that came meanwhile
 * waits and now does what it does to a program without handlers. */
static int step_signals(const child_t *c)
{
    sigset_t none;

    (void)c;
    pm_signals_reset();
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL) ? errno : 0;
}

/* 0, 1 and 2 are open in the manager, so none of these can be one of them
 * and dup2() never meets its own argument. */
static int step_descriptors(const child_t *c)
{
    if (dup2(c->listen_fd, 0) < 0 || dup2(c->output_fd, 1) < 0
        || dup2(c->output_fd, 2) < 0) {
        return errno;
    }
    pm_fds_close_all_but(c->verdict_fd, c->page_fd);
    return 0;
}

/* Before the change of user and of root: the file is the administrator's. */
static int step_cgroup(const child_t *c)
{
    int fd, err;

    if (!c->birth->cgroup) {
        return 0;
    }
    fd = open(c->birth->cgroup, O_WRONLY | O_CLOEXEC);
    err = fd < 0 || write(fd, "0", 1) != 1 ? errno : 0; /* 0: who writes */
    if (fd >= 0) {
        close(fd);
    }
    return err;
}

static int step_limits(const child_t *c)
{
    int i;

    if (c->birth->files.rlim_max
        && setrlimit(RLIMIT_NOFILE, &c->birth->files)) {
        return errno;
    }
    for (i = 0; i < c->birth->nlimits; i++) {
        if (setrlimit(c->birth->limits[i].resource,
                      &c->birth->limits[i].limit)) {
            return errno;
        }
    }
    return 0;
}

static int step_nice(const child_t *c)
{
    errno = 0;
    if (c->birth->nice && nice(c->birth->nice) == -1 && errno) {
        return errno;
    }
    umask(c->birth->umask);
    return 0;
}

static int step_chroot(const child_t *c)
{
    return c->birth->chroot && (chdir(c->birth->chroot) || chroot(".")) ? errno
                                                                        : 0;
}

static int step_directory(const child_t *c)
{
    return chdir(c->birth->directory) ? errno : 0;
}

static int step_groups(const child_t *c)
{
    const pm_ident_t *id = &c->birth->ident;

    return id->change
                   && (setgroups((size_t)id->ngroups, id->groups)
                       || setgid(id->gid))
               ? errno
               : 0;
}

static int step_user(const child_t *c)
{
    const pm_ident_t *id = &c->birth->ident;

    return id->change && setuid(id->uid) ? errno : 0;
}

static int step_privs(const child_t *c)
{
    return c->birth->no_new_privs ? pm_privs_set_no_new() : 0;
}

static int step_parent(const child_t *c)
{
    return pm_pdeath_set(SIGTERM, c->parent) ? 0 : ECHILD;
}

/* As the user: whoever could put another file there after this look is that
 * user or root, see pm_script_rules_judge(). */
static int step_script(const child_t *c)
{
    const pm_launch_file_t *file = c->birth->file;

    return file ? pm_path_check(file->path, file->fixed, &file->inode) : 0;
}

/* A library that the worker's user cannot read (another root, a private
 * directory) would only make the loader complain: then there is no guard. */
static int step_guard(const child_t *c)
{
    static char orders[64]; /* in the child's own copy of all memory */
    char **envp = c->birth->envp;
    int with_page = c->place >= 0 && c->page_fd >= 0;

    if (!c->birth->guard) {
        return 0;
    }
    if (access(strchr(c->birth->guard, '=') + 1, R_OK)) {
        return report(c, UNGUARDED, 0);
    }
    if (with_page && dup2(c->page_fd, PM_SPAWN_WORKER_SHM_FD) < 0) {
        return errno;
    }
    apr_snprintf(orders, sizeof(orders), "FCGIPM_GUARD=%d:%d:%d:%d",
                 (int)getpid(), with_page ? c->place : 0,
                 with_page ? PM_SPAWN_WORKER_SHM_FD : -1,
                 PM_WORKER_STATUS_LAYOUT);
    envp[0] = (char *)(apr_uintptr_t)c->birth->guard;
    envp[1] = orders;
    return 0;
}

static int step_exec(const child_t *c)
{
    static char manager[40];
    char **envp = c->birth->envp;

    apr_snprintf(manager, sizeof(manager), PM_SPAWN_MANAGER "=%d",
                 (int)c->parent);
    envp[2] = manager;
    execve(c->birth->program, c->birth->argv, envp[0] ? envp : envp + 2);
    return errno;
}

static const struct step {
    const char *name;
    int (*run)(const child_t *c);
} ladder[] = {{"process group", step_group},
              {"signals", step_signals},
              {"descriptors", step_descriptors},
              {"FcgiPMCgroup", step_cgroup},
              {"FcgiPMRLimit", step_limits},
              {"FcgiPMNice", step_nice},
              {"FcgiPMChroot", step_chroot},
              {"FcgiPMGroup", step_groups},
              {"FcgiPMUser", step_user},
              {"FcgiPMNoNewPrivs", step_privs},
              {"FcgiPMDirectory", step_directory},
              {"parent", step_parent},
              {"the script that was looked at", step_script},
              {"FcgiPMGuard", step_guard},
              {"FcgiPMCommand", step_exec}};

#define STEPS (sizeof(ladder) / sizeof(ladder[0]))

__attribute__((noreturn)) static void climb(const child_t *c)
{
    unsigned step = 0;
    int error;

    while ((error = ladder[step].run(c)) == 0) {
        step++; /* the last one never returns 0 */
    }
    report(c, step, error);
    _exit(127);
}

/* --- the manager's side --------------------------------------------------- */

/* The worker's end is opened for reading as well where that is possible
 * (Linux, fifo(7)): so a worker that outlives its manager and says something
 * is not killed by SIGPIPE in the middle of its last request. */
static int keep_reader(int write_fd)
{
    char name[40];
    int fd;

    apr_snprintf(name, sizeof(name), "/proc/self/fd/%d", write_fd);
    fd = open(name, O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        return write_fd;
    }
    close(write_fd);
    return fd;
}

static int open_pipes(int verdict[2], int output[2])
{
    if (pipe2(verdict, O_CLOEXEC)) {
        return errno;
    }
    if (pipe2(output, O_CLOEXEC)) {
        int err = errno;

        close(verdict[0]);
        close(verdict[1]);
        return err;
    }
    output[1] = keep_reader(output[1]);
    fcntl(verdict[0], F_SETFL, O_NONBLOCK);
    fcntl(output[0], F_SETFL, O_NONBLOCK);
    return 0;
}

/* One worker can make the shared socket non-blocking for all of them. */
static void make_blocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0 && (flags & O_NONBLOCK)) {
        fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
    }
}

apr_status_t pm_spawn(pm_spawned_t *born, const pm_launch_spec_t *birth,
                      int listen_fd, int page_fd, int place, pm_reason_t *why)
{
    child_t c = {birth, getpid(), listen_fd, -1, page_fd, place, -1};
    int verdict[2] = {-1, -1}, output[2] = {-1, -1};
    int err = open_pipes(verdict, output);
    sigset_t all, before;

    if (err) {
        return pm_fail_os(why, err, "cannot make a pipe");
    }
    make_blocking(listen_fd);
    c.output_fd = output[1];
    c.verdict_fd = verdict[1];
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    born->pid = fork();
    if (born->pid == 0) {
        climb(&c);
    }
    err = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(verdict[1]);
    close(output[1]);
    if (born->pid < 0) {
        close(verdict[0]);
        close(output[0]);
        return pm_fail_os(why, err, "cannot fork");
    }
    setpgid(born->pid, born->pid); /* who comes first: both do it */
    born->birth_fd = verdict[0];
    born->stderr_fd = output[0];
    return APR_SUCCESS;
}

apr_status_t pm_spawn_verdict(int birth_fd, const pm_launch_spec_t *birth,
                              int *guarded, pm_reason_t *why)
{
    verdict_t v;
    ssize_t n;

    while ((n = read(birth_fd, &v, sizeof(v))) == (ssize_t)sizeof(v)
           && v.step == UNGUARDED) {
        *guarded = 0;
    }
    if (n == 0) {
        return APR_SUCCESS;
    }
    if (n < 0) {
        return pm_fail_os(why, errno == EINTR ? EAGAIN : errno,
                          "how the worker's birth went is not known");
    }
    if (n != sizeof(v) || v.step >= STEPS) {
        return pm_fail(why, APR_EGENERAL, "the worker's birth broke off");
    }
    return pm_fail_os(why, v.error, "cannot start %s as %s: %s", birth->program,
                      birth->ident.user, ladder[v.step].name);
}
