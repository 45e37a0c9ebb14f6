/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_spawn.h
 * @brief Fork and exec of a worker.
 *
 * The spawner makes the child (pm_spawner.h), or the manager forks it.  It
 * climbs a ladder of steps (pm_ladder.h), which ends in exec or in an errno. Of
 * both, and before them of its pid, the manager hears over a close-on-exec
 * pipe: it never waits for any of them.
 */
#ifndef PM_SPAWN_H
#define PM_SPAWN_H

#include "pm_core/spawn/pm_spawner.h"

/** A process that is born. */
typedef struct pm_spawned {
    pid_t pid;   /**< 0: the spawner was asked for it, pm_spawn_born() tells */
    int exec_fd; /**< read end, for pm_spawn_born() and pm_spawn_verdict() */
    int output_fd; /**< read end of the worker's stdout and stderr */
} pm_spawned_t;

/** The descriptor of the pool's shared memory in a guarded worker; the guard
 *  closes it. */
#define PM_SPAWN_WORKER_SHM_FD 3

/** A variable of a worker's environment, the manager's pid.  A program that
 *  can manage itself (libfcgipm, fcgipm.h) sees by it that it is managed.  The
 *  guard removes it at the first wait for a request. */
#define PM_SPAWN_MANAGER "FCGIPM_MANAGER"

/** Another one: the prefixes of the clients that may connect, with commas
 *  between them.  The guard judges by it and removes it likewise. */
#define PM_SPAWN_CLIENTS "FCGIPM_CLIENTS"

/**
 * Have a worker made.  The manager calls this.
 * @param out   its descriptors are the caller's to close
 * @param by    NULL: the manager forks
 * @param birth all but @c parent, @c output_fd and @c verdict_fd, which this
 *              sets
 * @return an error (fork or pipe failed) with reason, or APR_INCOMPLETE: the
 *         spawner has orders enough; nothing is left open
 */
apr_status_t pm_spawn(pm_spawned_t *out, pm_spawner_t *by, pm_birth_t *birth,
                      pm_reason_t *why);

/**
 * Is it born?  To be called when exec_fd is readable.
 * @param error out: why not
 * @return its pid; 0: not known yet; -1: it is not, and will not be: @a error
 *         is an errno of fork(2), or 0: the spawner has gone before
 */
pid_t pm_spawn_born(int exec_fd, int *error);

/** The pipe that becomes a worker's stdout and stderr: [0] is the manager's
 *  end, which does not block.  Both are close-on-exec.
 *  @return 0, or an errno */
int pm_spawn_output(int output[2]);

/**
 * Does the program run?  To be called when exec_fd is readable.
 * @param guarded set to 0 when the worker could not read the guard
 * @return APR_SUCCESS: it was executed; APR_INCOMPLETE: not known yet; else the
 *         errno of the failed step (EAGAIN is one: setuid(2), execve(2)), with
 *         a reason that names step and program
 */
apr_status_t pm_spawn_verdict(int exec_fd, const pm_launch_spec_t *spec,
                              int *guarded, pm_reason_t *why);

#endif /* PM_SPAWN_H */
