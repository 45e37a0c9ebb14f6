/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_pdeath.h
 * @brief Layer 2: a signal when the parent dies.
 */
#ifndef PM_PDEATH_H
#define PM_PDEATH_H

#include <sys/types.h>

/**
 * Ask for @a sig when this process's parent dies (Linux: PR_SET_PDEATHSIG;
 * elsewhere nothing).  A change of user clears it, so it comes after that.
 * Async-signal-safe.
 * @param parent the parent's pid, taken before fork()
 * @return 0 when the parent has died already, so that no signal will come
 */
int pm_pdeath_set(int sig, pid_t parent);

#endif /* PM_PDEATH_H */
