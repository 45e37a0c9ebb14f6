/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_wakeup.h
 * @brief How httpd's children call the manager: a pool needs more workers.
 *
 * A pipe that carries slot numbers, four bytes each.  Neither end ever blocks:
 * until the manager has looked, a slot is called for once
 * (pm_admission_need_manager()), so all calls there can be fit into the pipe.
 * The parent makes it and keeps both ends: calls to a manager that dies go to
 * its successor.
 */
#ifndef PM_WAKEUP_H
#define PM_WAKEUP_H

#include "pm_core/base/pm_base.h"

/** Slots that pm_wakeup_receive() returns at the most. */
#define PM_WAKEUP_MAX 1024

/** pm_wakeup_receive(): all children's ends are closed. */
#define PM_WAKEUP_CLOSED (-1)

/** Make the pipe.
 *  @param fd [0] the manager's end, [1] the children's; both close-on-exec */
apr_status_t pm_wakeup_create(int fd[2], pm_reason_t *why);

/** Call the manager for a slot.  Any thread of a child.
 *  @param fd the children's end; -1: there is none
 *  @return 0: the call was not sent */
int pm_wakeup_send(int fd, int slot);

/**
 * Receive calls.  Manager only.
 * @param slots filled; the numbers are not checked
 * @return how many; 0: none at the moment; or PM_WAKEUP_CLOSED
 */
int pm_wakeup_receive(int fd, int slots[PM_WAKEUP_MAX]);

#endif /* PM_WAKEUP_H */
