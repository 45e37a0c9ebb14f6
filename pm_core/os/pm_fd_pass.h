/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_fd_pass.h
 * @brief Messages with descriptors over a unix socket (SCM_RIGHTS, unix(7)).
 */
#ifndef PM_FD_PASS_H
#define PM_FD_PASS_H

#include <sys/types.h>

#include "pm_core/base/pm_base.h"

#define PM_FD_PASS_MAX 5 /**< descriptors in one message */

/**
 * Send a message whole or not at all; never waits, no SIGPIPE.
 * @param fds @a nfds descriptors, at most PM_FD_PASS_MAX; they stay open
 * @return -1 with errno
 */
ssize_t pm_fd_pass_send(int socket, const void *data, apr_size_t size,
                        const int *fds, int nfds);

/**
 * Receive a message.  Its descriptors are close-on-exec, and the caller's.
 * @param fds   room for PM_FD_PASS_MAX
 * @param nfds  out
 * @param flags of recvmsg(2), MSG_DONTWAIT perhaps
 * @return bytes; 0: the other end is closed; -1 with errno, and no descriptor.
 *         EMSGSIZE: the message was too long; EMFILE: there was no room for its
 *         descriptors; @a data is set then
 */
ssize_t pm_fd_pass_recv(int socket, void *data, apr_size_t size, int *fds,
                        int *nfds, int flags);

#endif /* PM_FD_PASS_H */
