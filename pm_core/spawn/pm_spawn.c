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
#include "pm_core/ipc/pm_fork_order.h"
#include "pm_core/shm/pm_worker_status.h"
#include "pm_core/os/pm_fds.h"
#include "pm_core/os/pm_pdeath.h"
#include "pm_core/os/pm_privs.h"
#include "pm_core/os/pm_signals.h"

/* What the child works with.  Between fork() and exec() it calls nothing that
 * takes a lock: signal-safety(7). */
typedef struct child {
    const pm_launch_spec_t *spec;
    pid_t parent;
    int listen_fd;
    int output_fd; /* becomes 1 and 2 */
    int shm_fd;    /* -1: none */
    int shm_index;
    int fork_fd;    /* above PM_FORK_FD; -1: none */
    int verdict_fd; /* close-on-exec */
} child_t;

/* What the child writes to the pipe. */
typedef struct verdict {
    unsigned step; /* the one that failed, or UNGUARDED */
    int error;
} verdict_t;

/* No failure: the worker runs without the guard. */
#define UNGUARDED 999

static int spawn_report(const child_t *c, unsigned step, int error)
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

/* The manager has blocked all signals before fork().  One that has come since
 * is delivered here, with its default action. */
static int step_signals(const child_t *c)
{
    sigset_t none;

    (void)c;
    pm_signals_reset();
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL) ? errno : 0;
}

/* The manager has 0, 1 and 2 open, so these descriptors are others and dup2()
 * clears their close-on-exec flag. */
static int step_descriptors(const child_t *c)
{
    int keep[] = {c->verdict_fd, c->shm_fd, c->fork_fd};

    if (dup2(c->listen_fd, 0) < 0 || dup2(c->output_fd, 1) < 0
        || dup2(c->output_fd, 2) < 0) {
        return errno;
    }
    pm_fds_close_others(keep, 3);
    return 0;
}

/* Before the change of user and root: only the administrator may write there.
 * "0" is the writing process, cgroups(7). */
static int step_cgroup(const child_t *c)
{
    int fd, err;

    if (!c->spec->cgroup) {
        return 0;
    }
    fd = open(c->spec->cgroup, O_WRONLY | O_CLOEXEC);
    err = fd < 0 || write(fd, "0", 1) != 1 ? errno : 0;
    if (fd >= 0) {
        close(fd);
    }
    return err;
}

static int step_limits(const child_t *c)
{
    int i;

    if (c->spec->files.rlim_max && setrlimit(RLIMIT_NOFILE, &c->spec->files)) {
        return errno;
    }
    for (i = 0; i < c->spec->nlimits; i++) {
        if (setrlimit(c->spec->limits[i].resource, &c->spec->limits[i].limit)) {
            return errno;
        }
    }
    return 0;
}

static int step_nice(const child_t *c)
{
    errno = 0;
    if (c->spec->nice && nice(c->spec->nice) == -1 && errno) {
        return errno;
    }
    umask(c->spec->umask);
    return 0;
}

static int step_chroot(const child_t *c)
{
    return c->spec->chroot && (chdir(c->spec->chroot) || chroot(".")) ? errno
                                                                      : 0;
}

static int step_directory(const child_t *c)
{
    return chdir(c->spec->directory) ? errno : 0;
}

static int step_groups(const child_t *c)
{
    const pm_ident_t *id = &c->spec->ident;

    return id->change
                   && (setgroups((size_t)id->ngroups, id->groups)
                       || setgid(id->gid))
               ? errno
               : 0;
}

static int step_user(const child_t *c)
{
    const pm_ident_t *id = &c->spec->ident;

    return id->change && setuid(id->uid) ? errno : 0;
}

static int step_privs(const child_t *c)
{
    return c->spec->no_new_privs ? pm_privs_set_no_new() : 0;
}

static int step_parent(const child_t *c)
{
    return pm_pdeath_set(SIGTERM, c->parent) ? 0 : ECHILD;
}

/* As the worker's user.  Only that user or root can replace the file after
 * this check, see pm_script_rules_judge(). */
static int step_script(const child_t *c)
{
    const pm_launch_file_t *file = c->spec->file;

    return file ? pm_path_check(file->path, file->fixed, &file->inode) : 0;
}

/* The loader only complains about a library that the worker's user cannot
 * read (another root, a private directory); the worker then goes without. */
static int step_guard(const child_t *c)
{
    static char guard_env[64]; /* this process is the child */
    static char fork_env[] = PM_FORK_VARIABLE "=" APR_STRINGIFY(PM_FORK_FD);
    char **own = c->spec->env_own;
    int with_shm = c->shm_index >= 0 && c->shm_fd >= 0;

    if (!c->spec->guard) {
        return 0;
    }
    if (access(strchr(c->spec->guard, '=') + 1, R_OK)) {
        return c->spec->judges ? errno : spawn_report(c, UNGUARDED, 0);
    }
    if (with_shm && dup2(c->shm_fd, PM_SPAWN_WORKER_SHM_FD) < 0) {
        return errno;
    }
    apr_snprintf(guard_env, sizeof(guard_env), "FCGIPM_GUARD=%d:%d:%d:%d",
                 (int)getpid(), with_shm ? c->shm_index : 0,
                 with_shm ? PM_SPAWN_WORKER_SHM_FD : -1,
                 PM_WORKER_STATUS_LAYOUT);
    if (c->fork_fd >= 0) {
        if (dup2(c->fork_fd, PM_FORK_FD) < 0) {
            return errno;
        }
        own[3] = fork_env;
    }
    own[1] = (char *)(apr_uintptr_t)c->spec->guard;
    own[2] = guard_env;
    return 0;
}

static int step_exec(const child_t *c)
{
    static char manager[40];

    apr_snprintf(manager, sizeof(manager), PM_SPAWN_MANAGER "=%d",
                 (int)c->parent);
    c->spec->env_own[0] = manager;
    execve(c->spec->program, c->spec->argv, c->spec->envp);
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
              {"FcgiPMCommand, or what its #! names", step_exec}};

#define STEPS (sizeof(ladder) / sizeof(ladder[0]))

__attribute__((noreturn)) static void spawn_climb(const child_t *c)
{
    unsigned step = 0;
    int error;

    while ((error = ladder[step].run(c)) == 0) {
        step++; /* the last one never returns 0 */
    }
    spawn_report(c, step, error);
    _exit(127);
}

/* --- the manager's side --------------------------------------------------- */

static int spawn_keep_reader(int write_fd)
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

/* A worker can outlive its manager and write in the middle of its last
 * request.  So that SIGPIPE does not kill it then, its own end of the pipe is
 * also open for reading, where that is possible (Linux, fifo(7)). */
int pm_spawn_output(int output[2])
{
    if (pipe2(output, O_CLOEXEC)) {
        return errno;
    }
    output[1] = spawn_keep_reader(output[1]);
    fcntl(output[0], F_SETFL, O_NONBLOCK);
    return 0;
}

static int spawn_open_pipes(int verdict[2], int output[2])
{
    int err;

    if (pipe2(verdict, O_CLOEXEC)) {
        return errno;
    }
    err = pm_spawn_output(output);
    if (err) {
        close(verdict[0]);
        close(verdict[1]);
        return err;
    }
    fcntl(verdict[0], F_SETFL, O_NONBLOCK);
    return 0;
}

apr_status_t pm_spawn(pm_spawned_t *out, const pm_launch_spec_t *spec,
                      int listen_fd, int shm_fd, int shm_index, int fork_fd,
                      pm_reason_t *why)
{
    child_t c = {spec, getpid(), listen_fd, -1, shm_fd, shm_index, fork_fd, -1};
    int verdict[2] = {-1, -1}, output[2] = {-1, -1};
    int err = spawn_open_pipes(verdict, output);

    if (err) {
        return pm_fail_os(why, err, "cannot make a pipe");
    }
    c.output_fd = output[1];
    c.verdict_fd = verdict[1];
    out->pid = pm_signals_fork();
    if (out->pid == 0) {
        spawn_climb(&c);
    }
    err = errno;
    close(verdict[1]);
    close(output[1]);
    if (out->pid < 0) {
        close(verdict[0]);
        close(output[0]);
        return pm_fail_os(why, err, "cannot fork");
    }
    setpgid(out->pid, out->pid); /* as the child does: whichever is first */
    out->exec_fd = verdict[0];
    out->stderr_fd = output[0];
    return APR_SUCCESS;
}

apr_status_t pm_spawn_verdict(int exec_fd, const pm_launch_spec_t *spec,
                              int *guarded, pm_reason_t *why)
{
    verdict_t v;
    ssize_t n;

    while ((n = read(exec_fd, &v, sizeof(v))) == (ssize_t)sizeof(v)
           && v.step == UNGUARDED) {
        *guarded = 0;
    }
    if (n == 0) {
        return APR_SUCCESS;
    }
    if (n < 0) {
        int err = errno;

        return err == EAGAIN || err == EINTR
                   ? APR_INCOMPLETE
                   : pm_fail_os(why, err,
                                "how the worker's birth went is not known");
    }
    if (n != sizeof(v) || v.step >= STEPS) {
        return pm_fail(why, APR_EGENERAL, "the worker's birth broke off");
    }
    return pm_fail_os(why, v.error, "cannot start %s as %s: %s", spec->program,
                      spec->ident.user, ladder[v.step].name);
}
