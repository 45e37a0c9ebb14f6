/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_listen_state.h
 * @brief What a worker has done to the listening socket that it shares.
 *
 * All workers of a pool, the manager and httpd's parent have the same open file
 * description (open(2)).  What one worker sets holds for all.
 */
#ifndef PM_LISTEN_STATE_H
#define PM_LISTEN_STATE_H

#include "pm_core/os/pm_listen.h"
#include "pm_core/os/pm_sock_diag.h"

typedef enum pm_listen_state {
    PM_LISTEN_INTACT,
    PM_LISTEN_RESET, /**< something was changed, and is as it was again */
    PM_LISTEN_LOST,  /**< the file of a unix socket was removed or replaced */
    PM_LISTEN_SHUT   /**< shutdown(2): no connection comes any more */
} pm_listen_state_t;

/**
 * Set back what can be set back: O_ASYNC, timeouts, SO_LINGER, SO_RCVLOWAT,
 * filters, the length of the queue, and a TCP socket that was shut down, which
 * listens again.  Only another socket helps where the state is LOST or SHUT.
 * @param what out: for the log, what was found
 */
pm_listen_state_t pm_listen_state_repair(const pm_listener_t *l, int backlog,
                                         const char **what);

/** Does accept() fail with EAGAIN when there is no connection?  Set by one
 *  worker (O_NONBLOCK) it holds for all. */
int pm_listen_state_is_nonblocking(const pm_listener_t *l);
void pm_listen_state_set_blocking(const pm_listener_t *l);

/**
 * Make a descriptor that becomes readable when the socket is shut down, for
 * reading alone, too, and that no connection wakes: a connection to the socket
 * wakes whatever waits for POLLIN or POLLPRI there.
 * @return a close-on-exec descriptor, the caller's to close; -1: errno
 */
int pm_listen_state_open_watch(const pm_listener_t *l);

/** Is the file at its path another socket's?  Linux, with netlink sockets; not
 *  on an overlay file system, whose inodes have two numbers. */
int pm_listen_state_is_former(const pm_listener_t *l, pm_sock_diag_t *diag);

#endif /* PM_LISTEN_STATE_H */
