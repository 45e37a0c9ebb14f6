/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_pidfd.h
 * @brief Signals to processes whose pid may have become another's
 *        (pidfd_open(2)).
 *
 * A child's pid is its own until it is reaped; that of any other process is
 * another's as soon as its parent has reaped it.
 */
#ifndef PM_PIDFD_H
#define PM_PIDFD_H

#include <sys/types.h>

#include "pm_core/base/pm_base.h"

/** A process, and not another one that had the pid before or gets it later. */
typedef struct pm_process {
    pid_t pid;
    apr_uint64_t started; /**< pm_procinfo_started(); 0: not known, then any
                           *   process with the pid is meant */
} pm_process_t;

/** @return a descriptor that can be read from when the process has ended; -1:
 *  errno says why, ESRCH: it has ended */
int pm_pidfd_open(pid_t pid);

/** Signal this process.  Where there are no such descriptors the pid can become
 *  another's between the look and the signal.  @return 0: it was not signalled
 */
int pm_pidfd_signal(const pm_process_t *process, int sig);

#endif /* PM_PIDFD_H */
