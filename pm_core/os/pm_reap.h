/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_reap.h
 * @brief Reap children that have ended; signal process groups.  Manager only.
 */
#ifndef PM_REAP_H
#define PM_REAP_H

#include <sys/types.h>

#include "pm_core/base/pm_base.h"

/** A child that has ended. */
typedef struct pm_reaped {
    pid_t pid;
    pid_t group; /**< the process group it was in */
    int status;  /**< as waitpid(2) gives it */
} pm_reaped_t;

/** Adopt the orphans of workers as children, so that their end is a SIGCHLD
 *  (Linux: PR_SET_CHILD_SUBREAPER, prctl(2); elsewhere nothing). */
void pm_reap_adopt_orphans(void);

/** Reap one child (waitid(2)).  @return 0: none has ended */
int pm_reap_next(pm_reaped_t *reaped);

/**
 * Signal the process group that a child of this process had led.
 * @param sig 0: only ask
 * @return 0: no process is in it.  A group of another session, to which the
 *         kernel has given the same number, is left alone and counts as none
 */
int pm_reap_group(pid_t group, int sig);

/** SIGKILL to a child that was not reaped yet, and to the process group that it
 *  was given at birth, wherever it is now.  That group has its number, which
 * the kernel gives to no other while the child was not reaped. */
void pm_reap_kill(pid_t leader);

/** Is it a child of this process that was not reaped yet?  Not a thread. */
int pm_reap_is_child(pid_t pid);

/** Does a child lead the process group, in the session, that it was given at
 *  birth?  @return 1 also when it has ended */
int pm_reap_leads_group(pid_t pid);

/** @return "exit status 3" or "signal 11 (Segmentation fault)", for people
 *  @param status of waitpid(2)
 *  @param buf    of @a size bytes, returned */
const char *pm_reap_text(int status, char *buf, apr_size_t size);

#endif /* PM_REAP_H */
