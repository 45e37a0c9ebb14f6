/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_wakeup.h
 * @brief Layer 2: how httpd's children call the manager.
 *
 * A pipe through which slot numbers go, four bytes each.  Nobody waits at
 * either end: a slot is called for at most once until the manager has looked
 * (pm_admission_need_manager()), so what is under way always fits.  Made by
 * httpd's parent, who keeps both ends: a manager that dies leaves its calls to
 * the next.
 */
#ifndef PM_WAKEUP_H
#define PM_WAKEUP_H

#include "pm_core/base/pm_base.h"

/** How many pm_wakeup_receive() gives at the most. */
#define PM_WAKEUP_MAX 1024

/** @param fd the manager's end, and the one to ring; both close-on-exec */
apr_status_t pm_wakeup_create(int fd[2], pm_reason_t *why);

/** Call for a slot.  Harmless for fd -1.
 *  @return 0: nobody will hear it */
int pm_wakeup_send(int fd, int slot);

/**
 * The slots that were called for, as they stand in the pipe: to be checked.
 * @return how many; 0: none (any more); -1: nobody can ring, ever
 */
int pm_wakeup_receive(int fd, int slots[PM_WAKEUP_MAX]);

#endif /* PM_WAKEUP_H */
