/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_inode.h
 * @brief What stat(2) says of a script's file and of the directories on its
 *        path.
 *
 * Data only: pm_path.h fills it, pm_script_rules.h judges it.
 */
#ifndef PM_INODE_H
#define PM_INODE_H

#include "pm_core/base/pm_base.h"

/** A file or directory. */
typedef struct pm_inode {
    apr_uint64_t dev, ino;
    apr_uint32_t mode; /**< st_mode */
    apr_uint32_t uid, gid;
    apr_int64_t size;
    apr_int64_t mtime, ctime; /**< nanoseconds */
} pm_inode_t;

#define PM_WALK_DIRS 64 /**< directories on a path at the most */

/** What lies on a path, as pm_path_walk() found it. */
typedef struct pm_walk {
    int ndirs; /**< at least 1; the last one holds the file */
    pm_inode_t dirs[PM_WALK_DIRS];
    pm_inode_t file;
} pm_walk_t;

/** Is it the same file, not written to and not given away since? */
static inline int pm_inode_same(const pm_inode_t *a, const pm_inode_t *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->mode == b->mode
           && a->uid == b->uid && a->gid == b->gid && a->size == b->size
           && a->mtime == b->mtime && a->ctime == b->ctime;
}

#endif /* PM_INODE_H */
