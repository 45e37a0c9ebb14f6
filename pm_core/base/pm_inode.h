/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_inode.h
 * @brief Layer 0: what the kernel says of a script's file, and of the
 *        directories on the way to it.
 */
#ifndef PM_INODE_H
#define PM_INODE_H

#include "pm_core/base/pm_base.h"

typedef struct pm_inode {
    apr_uint64_t dev, ino;
    apr_uint32_t mode; /**< st_mode */
    apr_uint32_t uid, gid;
    apr_int64_t size;
    apr_int64_t mtime, ctime; /**< nanoseconds */
} pm_inode_t;

#define PM_WALK_DIRS 64 /**< directories on a way at the most */

/** A way through the file system, as pm_path_walk() went it. */
typedef struct pm_walk {
    int ndirs; /**< at least 1; the last one holds the file */
    pm_inode_t dirs[PM_WALK_DIRS];
    pm_inode_t file;
} pm_walk_t;

/** Is that the same file, and nobody has written to it? */
static inline int pm_inode_same(const pm_inode_t *a, const pm_inode_t *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->mode == b->mode
           && a->uid == b->uid && a->gid == b->gid && a->size == b->size
           && a->mtime == b->mtime && a->ctime == b->ctime;
}

#endif /* PM_INODE_H */
