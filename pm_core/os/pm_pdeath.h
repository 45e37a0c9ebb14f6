/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_pdeath.h
 * @brief Get a signal when the parent process dies.
 */
#ifndef PM_PDEATH_H
#define PM_PDEATH_H

#include <sys/types.h>

/**
 * Ask for @a sig when the parent of this process dies (Linux: PR_SET_PDEATHSIG,
 * prctl(2); elsewhere nothing).  A change of user clears it, so call it after
 * that.  A worker does before exec, the manager after fork.  Async-signal-safe.
 * @param parent the parent's pid, taken before fork()
 * @return 0: the parent has died already, no signal will come
 */
int pm_pdeath_set(int sig, pid_t parent);

#endif /* PM_PDEATH_H */
