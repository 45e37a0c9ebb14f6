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

#endif /* PM_PROCINFO_H */
