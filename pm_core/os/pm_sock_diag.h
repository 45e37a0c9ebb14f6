/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_sock_diag.h
 * @brief What the kernel says about a unix socket (sock_diag(7)).
 *
 * Linux.  Elsewhere, and where netlink sockets are not allowed (a sandbox),
 * each function returns "not known".  Manager only.
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

#endif /* PM_SOCK_DIAG_H */
