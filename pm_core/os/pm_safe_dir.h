/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_safe_dir.h
 * @brief Directories in which root makes sockets, pid files and logs.
 *
 * A user who can write a directory on the way to a file decides what its name
 * leads to: with a link, root changes another file.  So the directory is
 * opened step by step, every step is judged, and the caller does everything
 * else relative to the descriptor (openat(2)).
 */
#ifndef PM_SAFE_DIR_H
#define PM_SAFE_DIR_H

#include <sys/types.h>

#include "pm_core/base/pm_base.h"

/**
 * Open the directory that @a path is in.  For root, each directory and symbolic
 * link on the way has to belong to root, to the user of this process or to
 * @a uid.  A directory that everybody, or a group of users (gid 1000 or more,
 * not @a gid), may write needs the sticky bit.  A process that is not root
 * takes every directory: it can harm no other user.
 * @param fd   out: for use with openat(2) and its like only (O_PATH),
 *             close-on-exec; unchanged on failure
 * @param name out: the last part of @a path
 * @param uid,gid the owner that the file is to have; -1: none but root
 * @return EPERM with a reason: it is not safe; ENOENT or another errno
 */
apr_status_t pm_safe_dir_open(int *fd, const char **name, const char *path,
                              uid_t uid, gid_t gid, pm_reason_t *why);

#endif /* PM_SAFE_DIR_H */
