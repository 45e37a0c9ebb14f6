/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_procinfo.h
 * @brief Layer 2: what the kernel says about a process.
 */
#ifndef PM_PROCINFO_H
#define PM_PROCINFO_H

#include <sys/types.h>

#include "pm_core/base/pm_base.h"

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

/** Has it a descriptor that leads to this?  (Linux: /proc/PID/fd.)
 *  @return 0 also when that cannot be found out */
int pm_procinfo_has_fd(pid_t pid, const char *what);

/** Has it a descriptor of the socket with this inode?  (Linux:
 *  /proc/PID/fd.)  @return 0 also when that cannot be found out */
int pm_procinfo_has_socket(pid_t pid, apr_uint64_t inode);

/** Its children, or those of its first thread.  @return how many were put into
 *  @a pids, @a most at the most */
int pm_procinfo_children(pid_t pid, pid_t *pids, int most);

/**
 * What does it do right now?  (Linux: /proc/PID/stat, wchan, syscall.)  "it
 * sleeps in read(5 /srv/app/lock), wchan pipe_read", as much of it as is known.
 * @param buf of @a size bytes, returned; never empty
 */
const char *pm_procinfo_doing(pid_t pid, char *buf, apr_size_t size);

#endif /* PM_PROCINFO_H */
