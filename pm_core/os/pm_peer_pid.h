/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_peer_pid.h
 * @brief Which process has written the data read from a unix socket.
 *
 * The workers of a pool share a listening socket, so SO_PEERCRED gives the
 * process that called listen(2).  With SO_PASSCRED the kernel attaches to all
 * data the pid of the process that wrote it (SCM_CREDENTIALS, unix(7)).  The
 * writer need not know of that and cannot pretend another pid; a child of a
 * worker is named rightly as well.  It costs one system call per connection.
 *
 * Linux, unix sockets; otherwise the pid is not known.  httpd's children use
 * it.
 */
#ifndef PM_PEER_PID_H
#define PM_PEER_PID_H

#include <sys/types.h>

#include "pm_core/base/pm_base.h"

/** Ask for pids on the socket @a fd, before it is connected.
 *  @return 0: there will be none, read with recv(2) */
int pm_peer_pid_enable(int fd);

/** recv(2) without flags.
 *  @param pid out: the writer's, in the caller's pid namespace; unchanged when
 * it is not known */
ssize_t pm_peer_pid_recv(int fd, void *buf, apr_size_t size, pid_t *pid);

#endif /* PM_PEER_PID_H */
