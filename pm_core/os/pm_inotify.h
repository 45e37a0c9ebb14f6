/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_inotify.h
 * @brief Layer 2: files that have been changed (inotify(7)).
 *
 * Not the file is watched but the directory it is in, so that it can come,
 * go, and be replaced by rename(2); and the directories above, so that a
 * directory, or a symbolic link to one, can be replaced as well.  What else
 * is made there, or happens in the file's own directory, wakes the process
 * for a moment.
 *
 * Elsewhere than on Linux there is none (APR_ENOTIMPL).
 */
#ifndef PM_INOTIFY_H
#define PM_INOTIFY_H

#include "pm_core/os/pm_loop.h"

typedef struct pm_inotify pm_inotify_t;

/** Called once for each change; several can belong together.
 *  @param who as given to pm_inotify_add() */
typedef void pm_inotify_changed_t(void *who, const char *path);

apr_status_t pm_inotify_create(pm_inotify_t **notify, pm_loop_t *loop,
                               pm_inotify_changed_t *changed, apr_pool_t *p,
                               pm_reason_t *why);

/**
 * A file to be watched: written and closed, touched, made, moved there.
 * @param path absolute; need not exist; copied
 * @return an error when its directory cannot be watched now; it will be as
 *         soon as it is made, unless none above it can be watched either
 */
apr_status_t pm_inotify_add(pm_inotify_t *notify, const char *path, void *who,
                            pm_reason_t *why);

/** Harmless for NULL. */
void pm_inotify_destroy(pm_inotify_t *notify);

#endif /* PM_INOTIFY_H */
