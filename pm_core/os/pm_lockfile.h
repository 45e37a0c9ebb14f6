/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_lockfile.h
 * @brief A file that one process at a time holds (fcntl(2)).
 *
 * The kernel lets go of it when that process ends, however it ends, and not
 * when those do that it has forked.  The process must not open the file
 * otherwise: closing any descriptor of it lets go, too.
 */
#ifndef PM_LOCKFILE_H
#define PM_LOCKFILE_H

#include <sys/types.h>

#include "pm_core/base/pm_base.h"

/**
 * Make the file, if it is not there, and take hold of it.  Never waits.
 * @param fd      out: close-on-exec; unchanged on failure
 * @param uid,gid of those who may write its directory: see pm_safe_dir.h
 * @return EBUSY with a reason that names the process which holds it, EPERM or
 *         another errno
 */
apr_status_t pm_lockfile_take(int *fd, const char *path, uid_t uid, gid_t gid,
                              pm_reason_t *why);

/** Remove the file that is held.  Closing the descriptor lets go of it. */
void pm_lockfile_remove(int fd, const char *path, uid_t uid, gid_t gid);

#endif /* PM_LOCKFILE_H */
