/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_fds.h
 * @brief File descriptors: close those that were inherited, raise the limit.
 */
#ifndef PM_FDS_H
#define PM_FDS_H

#include <sys/resource.h>

#include "pm_core/base/pm_base.h"

/**
 * Close every descriptor above 2 but those in @a keep: the manager right after
 * fork(), as httpd's listening sockets must not stay open in it, and a worker
 * between fork() and exec().  With close_range(2) where there is one.
 * Async-signal-safe.
 * @param keep @a n descriptors, sorted by this function; -1 means none
 */
void pm_fds_close_others(int *keep, int n);

/** Close @a *fd if it is not -1, and set it to -1. */
void pm_fds_close(int *fd);

/**
 * Raise the soft limit of open descriptors to the hard one.  The manager has
 * one or two for each worker and each pool, and may need more than the soft
 * limit.
 * @param before out: the limits as they were, which workers get back: some
 *               use select(2); all 0: nothing was changed
 */
void pm_fds_raise(struct rlimit *before);

#endif /* PM_FDS_H */
