/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_pidfile.h
 * @brief The pid file (FcgiPMPidFile).  Manager only.
 */
#ifndef PM_PIDFILE_H
#define PM_PIDFILE_H

#include "pm_core/base/pm_base.h"

/** A pid file that this process has written; {NULL, -1}: none. */
typedef struct pm_pidfile {
    const char *path;
    int fd; /**< holds a lock (fcntl(2)) as long as this process lives */
} pm_pidfile_t;

/** Is it that of a manager that runs?
 *  @return EBUSY with a reason, if so */
apr_status_t pm_pidfile_check_free(const char *path, pm_reason_t *why);

/** Write "PID\n" to another name and rename that, so that no reader sees half
 * of it, and a link of that name is replaced, not followed.  The mode is 0644.
 * @param path has to live as long as @a file
 * @return EPERM with a reason: its directory is not safe (pm_safe_dir.h);
 *         EBUSY: see above */
apr_status_t pm_pidfile_write(pm_pidfile_t *file, const char *path,
                              apr_pool_t *p, pm_reason_t *why);

/** Remove the file if it is still the one that was written. */
void pm_pidfile_remove(pm_pidfile_t *file);

#endif /* PM_PIDFILE_H */
