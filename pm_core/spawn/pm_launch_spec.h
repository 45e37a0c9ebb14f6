/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_launch_spec.h
 * @brief What fork and exec need, worked out before them.
 *
 * The manager makes one for each definition of a pool, when it is defined.
 * What can be found to be wrong is found here: later, in the child, there is
 * only an errno.
 */
#ifndef PM_LAUNCH_SPEC_H
#define PM_LAUNCH_SPEC_H

#include <sys/resource.h>
#include <sys/types.h>

#include "pm_core/config/pm_conf.h"
#include "pm_core/os/pm_names.h"
#include "pm_core/os/pm_path.h"

/** What setrlimit(2) takes for a resource. */
#ifdef __GLIBC__
typedef __rlimit_resource_t pm_launch_resource_t;
#else
typedef int pm_launch_resource_t;
#endif

/** Variables of a worker that the manager adds for itself. */
#define PM_LAUNCH_ENV_OWN 4

/** A script as the manager has seen it. */
typedef struct pm_launch_file {
    const char *path;
    apr_size_t fixed; /**< see pm_path.h */
    pm_inode_t inode;
} pm_launch_file_t;

/** How a process of a pool is started.  Its texts live in the pool given to
 *  pm_launch_spec_prepare(), or in the definition. */
typedef struct pm_launch_spec {
    const char *program;
    char *const *argv;
    char **envp;
    char **env_own;    /**< the end of @c envp: room for PM_SPAWN_MANAGER and
                        *   what the guard needs */
    const char *guard; /**< "LD_PRELOAD=..."; NULL: no guard */
    int judges;        /**< 1: the guard judges which clients may connect, so
                        *   no worker is to be without it */
    const char *directory;
    const char *chroot;
    const char *cgroup; /**< path of its file cgroup.procs; NULL: none */
    int no_new_privs;
    mode_t umask;
    int nice;
    struct rlimit files; /**< descriptors (pm_fds_raise()); 0: as this
                          *   process has them */
    int nlimits;
    struct {
        pm_launch_resource_t resource;
        struct rlimit limit;
    } limits[8];
    pm_ident_t ident;
    const pm_launch_file_t *file; /**< the child executes the program only
                                   *   while this file is unchanged; NULL: at
                                   *   once */
} pm_launch_spec_t;

/**
 * Work a definition out: names to ids, limits to numbers, the environment
 * (PATH, TZ, LANG of this process, FcgiPMPassEnv, FcgiPMSetEnv), the program
 * along PATH when it has no slash.
 * @param spec  set on success; allocated from @a p
 * @param conf  must live as long as @a spec
 * @param names that are known, or NULL
 * @return an error with a reason that names the setting: no such program,
 *         not executable, no such user, no guard for FcgiPMListenClients...
 */
apr_status_t pm_launch_spec_prepare(pm_launch_spec_t **spec,
                                    const pm_conf_t *conf, pm_names_t *names,
                                    apr_pool_t *p, pm_reason_t *why);

/** A copy for pm_launch_spec_check_start(), which outlives the definition: no
 *  process can be started from it. */
pm_launch_spec_t *pm_launch_spec_keep(const pm_launch_spec_t *spec,
                                      apr_pool_t *p);

/**
 * What a start would find, without one: directories that the user may not
 * search, an interpreter that is not there, lines that end as on Windows.  Of
 * a chroot nothing is known.  It reads the program's first line: parent, and
 * manager when a start has failed.
 * @return an errno with a reason that begins with the setting
 */
apr_status_t pm_launch_spec_check_start(const pm_launch_spec_t *spec,
                                        pm_reason_t *why);

/**
 * The same for the command of FcgiPMSlowLog: started as a worker would be,
 * but for the program, and without the guard.
 * @param spec set to NULL when the definition has no such command
 */
apr_status_t pm_launch_spec_prepare_slow_log(pm_launch_spec_t **spec,
                                             const pm_conf_t *conf,
                                             pm_names_t *names, apr_pool_t *p,
                                             pm_reason_t *why);

#endif /* PM_LAUNCH_SPEC_H */
