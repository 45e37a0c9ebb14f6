/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_peer_pid.h
 * @brief Layer 2: which process has written what comes through a unix
 *        socket.
 *
 * The workers of a pool share a listening socket, and SO_PEERCRED names who
 * called listen().  But with SO_PASSCRED the kernel attaches to each piece of
 * data the process that wrote it (unix(7)), whether it knows of that or not,
 * and nobody can pretend to be another: so a child of a worker is named
 * rightly as well.  It costs one more system call for a connection.
 *
 * Elsewhere than on Linux, and for TCP, it is not known.
 */
#ifndef PM_PEER_PID_H
#define PM_PEER_PID_H

#include <sys/types.h>

#include "pm_core/base/pm_base.h"

/** It is to be known who writes to the socket @a fd, which is about to be
 *  connected.
 *  @return 0: it will not be; the data are to be read with recv(2) */
int pm_peer_pid_enable(int fd);

/** recv(2) without flags.
 *  @param pid who has written, in our pid namespace; unchanged when it is not
 *             known */
ssize_t pm_peer_pid_recv(int fd, void *buf, apr_size_t size, pid_t *pid);

#endif /* PM_PEER_PID_H */
