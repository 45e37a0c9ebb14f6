/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_pidfile.h
 * @brief The pid file (FcgiPMPidFile).  Manager only.
 */
#ifndef PM_PIDFILE_H
#define PM_PIDFILE_H

#include "pm_core/base/pm_base.h"

/** Write "PID\n" to another name and rename that, so that no reader sees half
 * of it, and a link of that name is replaced, not followed.  The mode is 0644.
 * @return EPERM with a reason: its directory is not safe (pm_safe_dir.h) */
apr_status_t pm_pidfile_write(const char *path, apr_pool_t *p,
                              pm_reason_t *why);

/** Remove the file if it still holds the pid of this process. */
void pm_pidfile_remove(const char *path);

#endif /* PM_PIDFILE_H */
