/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_fork_client.h
 * @brief The manager's end of what pm_fork_order.h describes.
 *
 * Manager only.  Nothing here waits, and nothing is believed: a fork server is
 * a process of the pool's user.
 */
#ifndef PM_FORK_CLIENT_H
#define PM_FORK_CLIENT_H

#include <sys/types.h>

#include "pm_core/ipc/pm_fork_order.h"

/** A fork server's pair of sockets: fd[0] is the manager's and does not block,
 *  fd[1] becomes PM_FORK_FD and is above that.  Both are close-on-exec.
 *  @return 0, or an errno */
int pm_fork_client_pair(int fd[2]);

/** The same for a newborn; what comes from it has its pid. */
int pm_fork_client_newborn(int fd[2]);

/** Give an order.
 *  @param output  the newborn's output; a copy goes along
 *  @param newborn fd[1] of pm_fork_client_newborn(); likewise
 *  @return 0, or an errno: EAGAIN: it has too many already */
int pm_fork_client_order(int fd, const pm_fork_order_t *order, int output,
                         int newborn);

/** Before the process is started: a connection that its program gets before
 *  any other (FcgiPMWarmup).  @return 0, or an errno */
int pm_fork_client_warmup(int fd, int conn);

/** Is a message there?
 *  @return 1: it is in @a message, whose text ends with a NUL and has nothing
 *          that cannot be printed; 0: not now; -1: nothing more will come, or
 *          it was none */
int pm_fork_client_hear(int fd, pm_fork_message_t *message);

/** Has the newborn said that it is set up?
 *  @return its pid, from the kernel; 0: not yet; -1: it will not */
pid_t pm_fork_client_born(int fd, uint32_t serial);

/** It is a worker from now on. */
void pm_fork_client_welcome(int fd, uint32_t serial);

#endif /* PM_FORK_CLIENT_H */
