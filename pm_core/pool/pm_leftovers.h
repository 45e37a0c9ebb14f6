/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_leftovers.h
 * @brief What a worker leaves behind when it has ended: processes it has
 *        started.
 *
 * The manager has adopted them (pm_reap_adopt_orphans()).  A holder has the
 * pool's listening socket: it serves in the worker's place, or it has inherited
 * the socket and keeps it open; it is ended.  The others of the worker's
 * process group are jobs in the background; they are left alone.  A holder that
 * has left the group is a stray: a daemon.
 *
 * What is known comes from /proc.  Where it does not tell which children the
 * manager has, or which files a process has (pm_procinfo.h), all of the group
 * are holders and those outside are none.
 */
#ifndef PM_LEFTOVERS_H
#define PM_LEFTOVERS_H

#include "pm_core/pool/pm_worker.h"

typedef struct pm_leftovers {
    int holders;
    int jobs;
    pid_t holder; /**< one of the holders */
} pm_leftovers_t;

/** Look for what a worker that has ended has left, and signal the holders.
 *  @param sig 0: none */
pm_leftovers_t pm_leftovers_look(const pm_worker_t *w, int sig);

/** Has none of the holders a request, as the kernel sees it (pm_accepted.h)?
 *  @return 0 also when that is not known */
int pm_leftovers_are_idle(pm_worker_t *w);

/** Log the jobs that go on, and read on what they write: a pipe that nobody
 *  reads would stop them when it is full. */
void pm_leftovers_let_go(pm_worker_t *w);

/** SIGKILL to a worker, its process group, and its descendants in others. */
void pm_leftovers_kill_all(pid_t worker);

/** SIGKILL to the strays that have the pool's socket: it ends.  While the
 *  manager ends this stops looking at context->end_by. */
void pm_leftovers_kill_strays(const pm_pool_t *pool);

#endif /* PM_LEFTOVERS_H */
