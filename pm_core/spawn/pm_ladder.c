/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/spawn/pm_ladder.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_strings.h"
#include "pm_core/ipc/pm_fork_order.h"
#include "pm_core/os/pm_fds.h"
#include "pm_core/os/pm_pdeath.h"
#include "pm_core/os/pm_privs.h"
#include "pm_core/os/pm_signals.h"
#include "pm_core/shm/pm_worker_status.h"
#include "pm_core/spawn/pm_spawn.h"

int pm_ladder_report(const pm_birth_t *c, unsigned step, int error)
{
    pm_verdict_t v = {step, error};

    return write(c->verdict_fd, &v, sizeof(v)) < 0 ? errno : 0;
}

/* --- the ladder: each step 0, or an errno --------------------------------- */

static int step_group(const pm_birth_t *c)
{
    (void)c;
    return setpgid(0, 0) ? errno : 0;
}

/* One that has come since the fork is delivered here, with its default
 * action. */
static int step_signals(const pm_birth_t *c)
{
    sigset_t none;

    (void)c;
    pm_signals_reset();
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL) ? errno : 0;
}

/* The manager and the spawner have 0, 1 and 2 open, so these descriptors are
 * others and dup2() clears their close-on-exec flag. */
static int step_descriptors(const pm_birth_t *c)
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
static int step_cgroup(const pm_birth_t *c)
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

static int step_limits(const pm_birth_t *c)
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

static int step_nice(const pm_birth_t *c)
{
    errno = 0;
    if (c->spec->nice && nice(c->spec->nice) == -1 && errno) {
        return errno;
    }
    umask(c->spec->umask);
    return 0;
}

static int step_chroot(const pm_birth_t *c)
{
    return c->spec->chroot && (chdir(c->spec->chroot) || chroot(".")) ? errno
                                                                      : 0;
}

static int step_directory(const pm_birth_t *c)
{
    return chdir(c->spec->directory) ? errno : 0;
}

static int step_groups(const pm_birth_t *c)
{
    const pm_ident_t *id = &c->spec->ident;

    return id->change
                   && (setgroups((size_t)id->ngroups, id->groups)
                       || setgid(id->gid))
               ? errno
               : 0;
}

static int step_user(const pm_birth_t *c)
{
    const pm_ident_t *id = &c->spec->ident;

    return id->change && setuid(id->uid) ? errno : 0;
}

static int step_privs(const pm_birth_t *c)
{
    return c->spec->no_new_privs ? pm_privs_set_no_new() : 0;
}

static int step_parent(const pm_birth_t *c)
{
    return pm_pdeath_set(SIGTERM, c->parent) ? 0 : ECHILD;
}

/* As the worker's user.  Only that user or root can replace the file after
 * this check, see pm_script_rules_judge(). */
static int step_script(const pm_birth_t *c)
{
    const pm_launch_file_t *file = c->spec->file;

    return file ? pm_path_check(file->path, file->fixed, &file->inode) : 0;
}

/* The loader only complains about a library that the worker's user cannot
 * read (another root, a private directory); the worker then goes without. */
static int step_guard(const pm_birth_t *c)
{
    static char guard_env[64]; /* this process is the child */
    static char fork_env[] = PM_FORK_VARIABLE "=" APR_STRINGIFY(PM_FORK_FD);
    char **own = c->spec->env_own;
    int with_shm = c->shm_index >= 0 && c->shm_fd >= 0;

    if (!c->spec->guard) {
        return 0;
    }
    if (access(strchr(c->spec->guard, '=') + 1, R_OK)) {
        return c->spec->judges ? errno
                               : pm_ladder_report(c, PM_LADDER_UNGUARDED, 0);
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

static int step_exec(const pm_birth_t *c)
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
    int (*run)(const pm_birth_t *c);
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

void pm_ladder_climb(const pm_birth_t *c)
{
    unsigned step = 0;
    int error = pm_ladder_report(c, PM_LADDER_BORN, getpid());

    if (error) {
        _exit(127); /* the manager has gone, or has given it up */
    }
    while ((error = ladder[step].run(c)) == 0) {
        step++; /* the last one never returns 0 */
    }
    pm_ladder_report(c, step, error);
    _exit(127);
}

const char *pm_ladder_step(unsigned step)
{
    return step < STEPS ? ladder[step].name : NULL;
}
