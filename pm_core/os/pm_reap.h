/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_reap.h
 * @brief Layer 2: children that have ended, and process groups.
 */
#ifndef PM_REAP_H
#define PM_REAP_H

#include <sys/types.h>

#include "pm_core/base/pm_base.h"

typedef struct pm_reaped {
    pid_t pid;
    pid_t group; /**< the process group it was in */
    int status;  /**< as waitpid(2) gives it */
} pm_reaped_t;

/** Orphans of our workers become our children, so that their end is an event
 *  (Linux: PR_SET_CHILD_SUBREAPER; elsewhere nothing). */
void pm_reap_adopt_orphans(void);

/** Reap one child.  @return 0 when none has ended */
int pm_reap_next(pm_reaped_t *reaped);

/**
 * Signal a process group that a child of ours had led.
 * @param sig 0 only asks
 * @return 0 when there is nobody in it.  A group that got the number anew
 *         (its leader lives and is no child of ours) is left alone
 */
int pm_reap_group(pid_t group, int sig);

/** "exit status 3", "signal 11 (Segmentation fault)".
 *  @param buf of @a size bytes, returned */
const char *pm_reap_text(int status, char *buf, apr_size_t size);

#endif /* PM_REAP_H */
