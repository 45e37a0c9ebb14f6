/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_procinfo.h
 * @brief What /proc says about a process (proc(5)).
 *
 * Linux; elsewhere each function returns "not known".  The manager asks about
 * its workers.  A pid can have ended meanwhile: then nothing is known either.
 * Nor is it of a process with thousands of descriptors, or so many mappings
 * that looking at them would hold the manager up.
 */
#ifndef PM_PROCINFO_H
#define PM_PROCINFO_H

#include <sys/types.h>

#include "pm_core/base/pm_base.h"

/** @return resident memory in bytes (/proc/PID/statm); 0: not known */
apr_int64_t pm_procinfo_rss(pid_t pid);

/** @return resident, shared and proportional memory (/proc/PID/smaps_rollup);
 *          all 0: not known */
pm_memory_t pm_procinfo_memory(pid_t pid);

/** Has the process mapped this library (/proc/PID/maps)?
 *  @return -1: not known */
int pm_procinfo_has_library(pid_t pid, const char *name);

/** Has the process a child that was started at least @a age microseconds ago
 *  (/proc/PID/task/TID/children, stat)?  @return 0 also when it is not known */
int pm_procinfo_has_child_of(pid_t pid, apr_time_t age);

/** Has the process a descriptor whose link in /proc/PID/fd reads @a what?
 *  @return -1: not known */
int pm_procinfo_has_fd(pid_t pid, const char *what);

/** Has the process a descriptor of the socket with this inode (/proc/PID/fd)?
 *  @return -1: not known */
int pm_procinfo_has_socket(pid_t pid, apr_uint64_t inode);

/** List the inodes of the sockets that a process has (/proc/PID/fd).
 *  @return how many; -1: not known, or there are more than @a most */
int pm_procinfo_sockets(pid_t pid, apr_uint64_t *inodes, int most);

/** Call @a see for each child of a process, until it returns 0
 *  (/proc/PID/task/TID/children).  @return 0: not known */
int pm_procinfo_each_child(pid_t pid, int (*see)(void *ctx, pid_t child),
                           void *ctx);

/** List the children of a process.
 *  @return how many were put into @a pids, @a most at the most */
int pm_procinfo_children(pid_t pid, pid_t *pids, int most);

/** Call @a see for each process of a process group, until it returns 0: a walk
 *  through all processes.  @return 0: not known */
int pm_procinfo_each_of_group(pid_t group, int (*see)(void *ctx, pid_t pid),
                              void *ctx);

/** When the process was started (/proc/PID/stat): two processes that had the
 *  same pid differ by that.  @return ticks since the system's start; 0: not
 *  known */
apr_uint64_t pm_procinfo_started(pid_t pid);

/** @return the parent of the process; 0: not known
 *  @param started out: pm_procinfo_started() of the same look */
pid_t pm_procinfo_parent(pid_t pid, apr_uint64_t *started);

/** The name that the process has, and its program: "job (/usr/bin/perl)"
 *  (/proc/PID/comm, exe), cut to size.  Its arguments (cmdline) lie in its own
 *  memory, which it can map so that reading it takes for ever.
 *  @param buf of @a size bytes, at least 2, returned; never empty */
const char *pm_procinfo_program(pid_t pid, char *buf, apr_size_t size);

/**
 * What does the process do right now (/proc/PID/stat, wchan, syscall)?  "it
 * sleeps in read(5 /srv/app/lock), wchan pipe_read", as far as it is known.
 * @param buf of @a size bytes, returned; never empty
 */
const char *pm_procinfo_doing(pid_t pid, char *buf, apr_size_t size);

#endif /* PM_PROCINFO_H */
