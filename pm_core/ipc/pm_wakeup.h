/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_wakeup.h
 * @brief Layer 2: how httpd's children call the manager.
 *
 * A pipe through which slot numbers go, four bytes each.  Nobody waits at
 * either end: a slot is called for at most once until the manager has looked
 * (pm_gate_short()), so what is under way always fits.  Made by httpd's
 * parent, who keeps both ends: a manager that dies leaves its calls to the
 * next.
 */
#ifndef PM_BELL_H
#define PM_BELL_H

#include "pm_core/base/pm_base.h"

/** How many pm_bell_hear() gives at the most. */
#define PM_BELL_CALLS 1024

/** @param fd the manager's end, and the one to ring; both close-on-exec */
apr_status_t pm_bell_create(int fd[2], pm_reason_t *why);

/** Call for a slot.  Harmless for fd -1.
 *  @return 0: nobody will hear it */
int pm_bell_ring(int fd, int slot);

/**
 * The slots that were called for, as they stand in the pipe: to be checked.
 * @return how many; 0: none (any more); -1: nobody can ring, ever
 */
int pm_bell_hear(int fd, int slots[PM_BELL_CALLS]);

#endif /* PM_BELL_H */
