/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_path.h
 * @brief Layer 2: a way through the file system on which nobody can be led
 *        astray.
 *
 * A path is gone part by part, each from the directory before it, and no
 * symbolic link is followed.  But in the first part of it, which the
 * administrator has written down, links mean what they say.
 */
#ifndef PM_PATH_H
#define PM_PATH_H

#include "pm_core/base/pm_inode.h"

/**
 * Go there and look at all on the way: the directory @a path begins with,
 * those below it, the file.  Opens nothing that could wait or be changed by
 * being opened (O_PATH).
 * @param fixed so many bytes of @a path are the administrator's
 * @return ENOENT or ENOTDIR: it is not there; ELOOP: a symbolic link;
 *         EACCES or another errno; with a reason
 */
apr_status_t pm_path_walk(pm_walk_t *walk, const char *path, apr_size_t fixed,
                          pm_reason_t *why);

/**
 * Does the path still lead to that file, with that owner and mode?
 * Async-signal-safe: for a process about to execute it.
 * @return 0; ESTALE: another one; or an errno
 */
int pm_path_check(const char *path, apr_size_t fixed, const pm_inode_t *inode);

#endif /* PM_PATH_H */
