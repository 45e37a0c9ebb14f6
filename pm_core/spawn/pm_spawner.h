/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_spawner.h
 * @brief The spawner: a process that forks workers for the manager.
 *
 * fork(2) copies the memory and the descriptors of the process that calls it,
 * so a manager of thousands of workers would be busy with each birth for
 * milliseconds.  The spawner has next to nothing to copy: the manager forks it
 * when it begins.  An order brings the descriptors of a worker and its launch
 * specification; the spawner makes a child of the *manager* (CLONE_PARENT,
 * clone(2)), which climbs the ladder (pm_ladder.h).  What becomes of the order
 * comes over the pipe of the birth, as for a child that the manager forks
 * itself (pm_spawn.h).
 *
 * The manager never waits for the spawner.  When the spawner dies, the kernel
 * closes the pipes of the orders that it has not obeyed.  Linux; elsewhere the
 * manager forks.  A pool's fork server (pm_fork_server.h) is another thing: a
 * program that has been loaded, and becomes worker after worker.
 */
#ifndef PM_SPAWNER_H
#define PM_SPAWNER_H

#include "pm_core/spawn/pm_ladder.h"

/** What `ps` shows. */
#define PM_SPAWNER_TITLE "fcgipm-spawner"

/** Bytes of a packed specification at the most; the manager forks a worker
 *  that has more (environment, arguments). */
#define PM_SPAWNER_MOST ((apr_size_t)64 << 10)

typedef struct pm_spawner {
    const pm_log_t *log;
    struct pm_spawner_order *order; /**< room for one */
    pid_t pid; /**< 0: there is none; also the process group of its children
                *   until they have said that they are born */
    int fd;    /**< the manager's end of the pair; -1: none */
    apr_time_t born;  /**< when the last one was started */
    apr_time_t pause; /**< none is started within that; PM_TIME_NEVER: the
                       *   kernel refuses what it does */
} pm_spawner_t;

typedef enum pm_spawner_answer {
    PM_SPAWNER_ORDERED,
    PM_SPAWNER_FULL, /**< it has as many orders as the socket holds */
    PM_SPAWNER_NOT   /**< the manager has to fork */
} pm_spawner_answer_t;

/** Start it.  Call it while the manager is small.
 *  @param p lives as long as the manager */
void pm_spawner_start(pm_spawner_t *s, const pm_log_t *log, apr_pool_t *p);

/** Order a child.  Its descriptors stay the caller's.  Where there is no
 *  spawner another one is started, after a pause that doubles with each one
 *  that dies young. */
pm_spawner_answer_t pm_spawner_order(pm_spawner_t *s, const pm_birth_t *birth);

/** It could not fork, for this errno.  @return 1: nor will it ever, and it was
 *  ended: such a system call is not allowed here */
int pm_spawner_refused(pm_spawner_t *s, int error);

/** A child was reaped.  @return 1: it was the spawner */
int pm_spawner_reaped(pm_spawner_t *s, pid_t pid);

/** Kill it; another one can be started when it was reaped.
 *  @param why for the log: "does ..."; NULL: no line */
void pm_spawner_kill(pm_spawner_t *s, const char *why);

/** The manager ends, and the spawner before it. */
void pm_spawner_end(pm_spawner_t *s);

#endif /* PM_SPAWNER_H */
