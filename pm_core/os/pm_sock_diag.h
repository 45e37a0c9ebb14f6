/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_sock_diag.h
 * @brief What the kernel says about sockets (sock_diag(7)).
 *
 * Linux.  Elsewhere, and where netlink sockets are not allowed (a sandbox),
 * each function returns "not known".  Manager; httpd's children ask
 * pm_sock_diag_unread() and pm_sock_diag_tells_unread().
 */
#ifndef PM_SOCK_DIAG_H
#define PM_SOCK_DIAG_H

#include "pm_core/base/pm_base.h"

/** The netlink socket; {-1} at first.  The first question opens it, the owner
 *  closes it. */
typedef struct pm_sock_diag {
    int netlink;
} pm_sock_diag_t;

/** @return connections queued at the listening socket with this inode; -1: not
 *  known */
int pm_sock_diag_waiting(pm_sock_diag_t *diag, apr_uint64_t inode);

/** Find the other end of the connected socket with this inode.
 *  @param peer out: its inode; 0: no process has accepted it yet
 *  @return 0: not known */
int pm_sock_diag_peer(pm_sock_diag_t *diag, apr_uint64_t inode,
                      apr_uint64_t *peer);

/** @return bytes that were sent on this connected unix socket, and that the
 *  other end has not read; -1: not known.  Any process. */
int pm_sock_diag_unread(int fd);

/** @return 1: here pm_sock_diag_unread() knows.  Any process; it makes two
 *  sockets to try that. */
int pm_sock_diag_tells_unread(void);

typedef enum pm_sock_diag_unix {
    PM_SOCK_DIAG_OTHER, /**< something else; also when it is not known */
    PM_SOCK_DIAG_LEFT,  /**< such a connection, which the client has closed */
    PM_SOCK_DIAG_OPEN
} pm_sock_diag_unix_t;

/** Is the socket with this inode a connection that was accepted at a unix
 *  socket with a path? */
pm_sock_diag_unix_t pm_sock_diag_unix_accepted(pm_sock_diag_t *diag,
                                               apr_uint64_t inode);

/** Sees a connection: its inode (0: no process has accepted it yet), and
 *  whether the client has sent anything. */
typedef void (*pm_sock_diag_see_t)(void *ctx, apr_uint64_t inode, int asked);

/** Call @a see for each TCP connection to a local port.
 *  @param family AF_INET or AF_INET6, as that of the listening socket
 *  @param port   in network order
 *  @return 0: not known, or not all of them */
int pm_sock_diag_tcp_accepted(pm_sock_diag_t *diag, int family, int port,
                              pm_sock_diag_see_t see, void *ctx);

/** The inode, its lower 32 bits, of the file that the unix socket with this
 *  inode is bound to.
 *  @return 0: not known */
int pm_sock_diag_file(pm_sock_diag_t *diag, apr_uint64_t inode,
                      apr_uint32_t *file);

#endif /* PM_SOCK_DIAG_H */
