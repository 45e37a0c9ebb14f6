/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_fds.h
 * @brief Layer 2: descriptors a process has inherited.
 */
#ifndef PM_FDS_H
#define PM_FDS_H

#include <sys/resource.h>

#include "pm_core/base/pm_base.h"

/**
 * Close every descriptor above 2 but those in @a keep.  For the manager,
 * right after fork(): httpd's listening sockets must not live on in it.
 * @param keep @a n descriptors, sorted here; -1 is allowed and means nothing
 */
void pm_fds_close_others(int *keep, int n);

/** Close every descriptor above 2 but these two; -1 is allowed.
 *  Async-signal-safe: for the child between fork() and exec(). */
void pm_fds_close_all_but(int one, int other);

/** Close @a *fd if it is open, and remember that it is closed (-1). */
void pm_fds_close(int *fd);

/**
 * The manager has a descriptor or two for each worker and each pool, and may
 * need more than the soft limit allows: it is set to the hard one.
 * @param before the limits as they were, for workers, some of which use
 *               select(2); all 0: nothing was changed
 */
void pm_fds_raise(struct rlimit *before);

#endif /* PM_FDS_H */
