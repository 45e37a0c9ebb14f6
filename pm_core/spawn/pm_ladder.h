/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_ladder.h
 * @brief What a child does between fork and exec.
 *
 * The child says that it is there.  Then it climbs one ladder of steps: process
 * group, signals, descriptors 0, 1 and 2 and no others, cgroup, limits, nice,
 * umask, root, groups, user, no new privileges, directory, parent-death signal,
 * script, guard, exec.  The first step that fails reports its errno over a
 * close-on-exec pipe; end of file on that pipe means that exec has happened. No
 * step takes a lock (signal-safety(7)) or uses what the C library remembers of
 * the process that has forked.
 */
#ifndef PM_LADDER_H
#define PM_LADDER_H

#include "pm_core/spawn/pm_launch_spec.h"

/** What the child works with. */
typedef struct pm_birth {
    const pm_launch_spec_t *spec;
    pid_t parent;  /**< the manager */
    int listen_fd; /**< becomes 0 */
    int output_fd; /**< becomes 1 and 2 */
    int shm_fd;    /**< -1: none */
    int shm_index;
    int fork_fd;    /**< becomes PM_FORK_FD, above that; -1: none */
    int verdict_fd; /**< close-on-exec, above PM_FORK_FD; pm_verdict_t's are
                     *   written to it */
} pm_birth_t;

/** What the child writes. */
typedef struct pm_verdict {
    unsigned step; /**< the one that failed, or one of these */
    int error;
} pm_verdict_t;

enum {
    PM_LADDER_BORN = 997, /**< no failure, and first of all: the child is there;
                           *   @c error is its pid */
    PM_LADDER_FORK,       /**< there is no child: fork(2) has failed */
    PM_LADDER_UNGUARDED   /**< no failure: the worker has no guard */
};

/** Climb; ends in exec or _exit(2).  In the child, with all signals blocked. */
__attribute__((noreturn)) void pm_ladder_climb(const pm_birth_t *c);

/** Write a pm_verdict_t.  @return 0, or an errno */
int pm_ladder_report(const pm_birth_t *c, unsigned step, int error);

/** @return its name, for people; NULL: no child reports such a step */
const char *pm_ladder_step(unsigned step);

#endif /* PM_LADDER_H */
