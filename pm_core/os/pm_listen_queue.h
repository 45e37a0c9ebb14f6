/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_listen_queue.h
 * @brief How many connections are queued at a listening socket.
 *
 * Linux: sock_diag(7) for unix sockets, TCP_INFO for TCP; elsewhere only
 * "none" and "at least one" can be distinguished.  Manager only.
 */
#ifndef PM_LISTEN_QUEUE_H
#define PM_LISTEN_QUEUE_H

#include "pm_core/os/pm_sock_diag.h"

/** @return connections that no worker has accepted yet.  Never waits. */
int pm_listen_queue_length(pm_sock_diag_t *diag, int fd);

#endif /* PM_LISTEN_QUEUE_H */
