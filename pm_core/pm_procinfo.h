/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_procinfo.h
 * @brief Layer 2: what the kernel says about a process.
 */
#ifndef PM_PROCINFO_H
#define PM_PROCINFO_H

#include <sys/types.h>

#include "pm_base.h"

/** Bytes of memory that are resident (Linux: /proc/PID/statm); 0 when that
 *  is not known. */
apr_int64_t pm_procinfo_rss(pid_t pid);

/** Bytes that are resident, and those of them that are shared with others
 *  (Linux: /proc/PID/smaps_rollup).  All 0 when that is not known. */
pm_memory_t pm_procinfo_memory(pid_t pid);

/** Has the process this library mapped?  (Linux: /proc/PID/maps.)
 *  @return 0 also when that cannot be found out */
int pm_procinfo_has_library(pid_t pid, const char *name);

/** Has it children?  (Linux: /proc/PID/task/PID/children.)
 *  @return 0 also when that cannot be found out */
int pm_procinfo_has_children(pid_t pid);

#endif /* PM_PROCINFO_H */
