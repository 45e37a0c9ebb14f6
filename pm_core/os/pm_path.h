/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_path.h
 * @brief Walk a path without following symbolic links.
 *
 * Each part is opened from the directory before it (openat(2), O_NOFOLLOW), so
 * that no user can exchange a directory between two looks.  In the beginning of
 * the path, which the administrator has written down, links are followed.
 */
#ifndef PM_PATH_H
#define PM_PATH_H

#include "pm_core/base/pm_inode.h"

/**
 * Look at all that lies on a path: the directory it begins with, those below,
 * the file.  With O_PATH (open(2)), so that opening neither waits nor changes
 * anything.  Manager and children.
 * @param fixed so many bytes of @a path the administrator has written down
 * @return ENOENT or ENOTDIR: it is not there; ELOOP: a symbolic link;
 *         EACCES or another errno; with a reason
 */
apr_status_t pm_path_walk(pm_walk_t *walk, const char *path, apr_size_t fixed,
                          pm_reason_t *why);

/**
 * Does the path still lead to this file, with this owner and mode?
 * Async-signal-safe: a worker asks just before it executes the file.
 * @return 0: yes; ESTALE: another file; or an errno
 */
int pm_path_check(const char *path, apr_size_t fixed, const pm_inode_t *inode);

#endif /* PM_PATH_H */
