/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_spawn.h
 * @brief Layer 2: the birth of a worker.
 *
 * fork(), then one ladder of steps in the child: own process group, no
 * signal blocked or ignored, no descriptor but 0, 1, 2, cgroup, limits, nice,
 * umask, root, groups, user, no new privileges, directory, parent-death signal,
 * script, guard, exec.  The first step
 * that fails reports its errno over a close-on-exec pipe, so the manager
 * knows at once, without waiting, whether the program runs: end of file on
 * the pipe means that exec has happened.
 */
#ifndef PM_SPAWN_H
#define PM_SPAWN_H

#include <sys/resource.h>
#include <sys/types.h>

#include "pm_core/config/pm_conf.h"
#include "pm_core/os/pm_ident.h"
#include "pm_core/os/pm_path.h"

/** A script that was looked at. */
typedef struct pm_launch_file {
    const char *path;
    apr_size_t fixed; /**< see pm_path.h */
    pm_inode_t inode;
} pm_launch_file_t;

/** All a birth needs, worked out once per configuration. */
typedef struct pm_launch_spec {
    const char *program;
    char *const *argv;
    char **envp;       /**< its first two are kept for the guard, the
                        *   third for PM_SPAWN_MANAGER */
    const char *guard; /**< "LD_PRELOAD=..."; NULL: there is none */
    const char *directory;
    const char *chroot;
    const char *cgroup; /**< its file cgroup.procs; NULL: none */
    int no_new_privs;
    mode_t umask;
    int nice;
    struct rlimit files; /**< descriptors (pm_fds_raise()); 0: as this
                          *   process has them */
    int nlimits;
    struct {
        int resource;
        struct rlimit limit;
    } limits[8];
    pm_ident_t ident;
    const pm_launch_file_t *file; /**< what is executed has to be this one;
                                   *   NULL: any */
} pm_launch_spec_t;

/**
 * Work a definition out: names to ids, limits to numbers, the environment
 * (PATH, TZ, LANG of this process, FcgiPMPassEnv, FcgiPMSetEnv), the program
 * along PATH when it has no slash.
 * @return an error with a reason that names the setting: no such program,
 *         not executable, no such user...
 */
apr_status_t pm_launch_spec_prepare(pm_launch_spec_t **birth,
                                    const pm_conf_t *conf, apr_pool_t *p,
                                    pm_reason_t *why);

/** A process that has been born. */
typedef struct pm_spawned {
    pid_t pid;
    int birth_fd;  /**< read end: pm_spawn_verdict() when readable */
    int stderr_fd; /**< read end of the worker's stdout and stderr */
} pm_spawned_t;

/** The descriptor of the pool's page in a guarded worker; the guard closes
 *  it. */
#define PM_SPAWN_WORKER_SHM_FD 3

/** A worker's environment has this, with the manager's pid: by it a program
 *  that can manage itself (libfcgipm, fcgipm.h) knows that it is not to.  The
 *  guard removes it at the first wait for a request. */
#define PM_SPAWN_MANAGER "FCGIPM_MANAGER"

/**
 * Fork a worker.
 * @param page_fd   of the pool's page (pm_worker_shm.h), -1: none
 * @param place     the worker's on that page, -1: none
 * @param listen_fd becomes its descriptor 0 (FCGI_LISTENSOCK_FILENO,
 *                  FastCGI 1.0 section 2.2); O_NONBLOCK, which a worker can
 *                  have set for all, is cleared here
 * @return an error (fork or pipe failed) with reason; nothing is left open
 */
apr_status_t pm_spawn(pm_spawned_t *born, const pm_launch_spec_t *birth,
                      int listen_fd, int page_fd, int place, pm_reason_t *why);

/**
 * How did the birth go?  To be called when birth_fd is readable.
 * @param guarded set to 0 when the guard could not be read by the worker
 * @return APR_SUCCESS: the program runs; APR_EAGAIN: not known yet; else the
 *         errno of the failed step, with a reason that names step and program
 */
apr_status_t pm_spawn_verdict(int birth_fd, const pm_launch_spec_t *birth,
                              int *guarded, pm_reason_t *why);

#endif /* PM_SPAWN_H */
