/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_spawn.h
 * @brief Fork and exec of a worker.
 *
 * The child climbs a ladder of steps (pm_ladder.h), which ends in exec or in an
 * errno that comes back over a pipe: the manager knows at once, without
 * waiting, whether the program runs.
 */
#ifndef PM_SPAWN_H
#define PM_SPAWN_H

#include "pm_core/spawn/pm_launch_spec.h"

/** A process that has been forked. */
typedef struct pm_spawned {
    pid_t pid;
    int exec_fd;   /**< read end: pm_spawn_verdict() when it is readable */
    int stderr_fd; /**< read end of the worker's stdout and stderr */
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
 * Fork a worker.  The manager calls this.
 * @param out       what was forked; its descriptors are the caller's to close
 * @param listen_fd becomes the worker's descriptor 0 (FCGI_LISTENSOCK_FILENO,
 *                  FastCGI 1.0 section 2.2)
 * @param shm_fd    of the pool's workers (pm_worker_shm.h), -1: none
 * @param shm_index the worker's entry there, -1: none
 * @param fork_fd   what becomes PM_FORK_FD (pm_fork_order.h), above that; -1:
 *                  none
 * @return an error (fork or pipe failed) with reason; nothing is left open
 */
apr_status_t pm_spawn(pm_spawned_t *out, const pm_launch_spec_t *spec,
                      int listen_fd, int shm_fd, int shm_index, int fork_fd,
                      pm_reason_t *why);

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
