/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_fd_store.h
 * @brief Descriptors that outlive the manager.
 *
 * A process that does nothing else, the keeper, has copies of what the manager
 * has put there.  The parent makes a pair of sockets (pm_channel_pair()) and
 * forks the keeper with one end; it gives the other one to each manager, and
 * never reads or writes there.  The keeper ends when that end is closed
 * everywhere.
 *
 * A queue of the kernel could keep descriptors without a process.  But as long
 * as there is a socket in one, the kernel looks for garbage each time that any
 * unix socket is closed (unix_gc()), which each request does.
 *
 * Messages of the manager: `put NUMBER TEXT` with a descriptor; `drop NUMBER`;
 * `all PID`.  The keeper answers the last one with `PID NUMBER TEXT` and a
 * descriptor for each, and with `PID`.
 */
#ifndef PM_FD_STORE_H
#define PM_FD_STORE_H

#include "pm_core/ipc/pm_channel.h"

/** Be the keeper, until the other end is closed.
 *  @param fd blocks or not */
void pm_fd_store_keep(int fd, apr_pool_t *p);

/** Store a copy of @a fd, in place of what has that number.  Manager only, as
 *  the functions below.
 *  @return APR_EAGAIN: the keeper has too much to read */
apr_status_t pm_fd_store_put(int store, apr_uint32_t number, const char *text,
                             int fd, apr_pool_t *p, pm_reason_t *why);

/** Let go of what has that number. */
void pm_fd_store_drop(int store, apr_uint32_t number, apr_pool_t *p);

/**
 * Look at everything that is stored; the keeper answers within the deadline, or
 * what is left is not looked at.
 * @param keep is called for each one: @return 0: drop it.  The descriptor is a
 *             copy that is closed, unless @a keep takes it and sets it to -1
 */
void pm_fd_store_each(int store, apr_time_t deadline,
                      int (*keep)(void *ctx, const char *text, int *fd),
                      void *ctx, apr_pool_t *p);

#endif /* PM_FD_STORE_H */
