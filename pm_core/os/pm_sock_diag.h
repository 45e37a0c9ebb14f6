/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_sock_diag.h
 * @brief Layer 2: what the kernel says about a unix socket (sock_diag(7)).
 *
 * Linux; elsewhere, and where there are no netlink sockets (a sandbox), it says
 * nothing.
 */
#ifndef PM_SOCK_DIAG_H
#define PM_SOCK_DIAG_H

#include "pm_core/base/pm_base.h"

/** What is needed to ask; {-1} at first.  Opened when it is needed, kept. */
typedef struct pm_sock_diag {
    int netlink;
} pm_sock_diag_t;

/** Connections that wait at the listening socket with this inode; -1: not
 *  known. */
int pm_sock_diag_waiting(pm_sock_diag_t *diag, apr_uint64_t inode);

/** The inode of the other end of the connected socket with this inode.
 *  @param peer 0: nobody has accepted it yet
 *  @return 0: not known */
int pm_sock_diag_peer(pm_sock_diag_t *diag, apr_uint64_t inode,
                      apr_uint64_t *peer);

#endif /* PM_SOCK_DIAG_H */
