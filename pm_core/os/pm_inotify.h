/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_inotify.h
 * @brief Report files that have changed (inotify(7)).
 *
 * It watches the directory of a file, so that the file can come, go, and be
 * replaced by rename(2), and all directories above, so that a directory, or a
 * symbolic link to one, can be replaced as well.  Other files that change in
 * these directories wake the process for a moment.
 *
 * Linux only; elsewhere APR_ENOTIMPL.  The manager's thread alone uses it.
 */
#ifndef PM_INOTIFY_H
#define PM_INOTIFY_H

#include "pm_core/os/pm_loop.h"

typedef struct pm_inotify pm_inotify_t;

/** Called from the loop for each change; one action can make several.
 *  @param ctx as given to pm_inotify_add() */
typedef void pm_inotify_changed_t(void *ctx, const char *path);

/** Create an empty watch list; pm_inotify_destroy() ends it. */
apr_status_t pm_inotify_create(pm_inotify_t **notify, pm_loop_t *loop,
                               pm_inotify_changed_t *changed, apr_pool_t *p,
                               pm_reason_t *why);

/**
 * Watch a file: changes are that it is written to and closed, touched, made, or
 * moved there.
 * @param path absolute; need not exist; copied
 * @return an error when its directory cannot be watched now; it will be as
 *         soon as it is made, unless no directory above can be watched either
 */
apr_status_t pm_inotify_add(pm_inotify_t *notify, const char *path, void *ctx,
                            pm_reason_t *why);

/** Watch no file any more.  Harmless for NULL. */
void pm_inotify_destroy(pm_inotify_t *notify);

#endif /* PM_INOTIFY_H */
