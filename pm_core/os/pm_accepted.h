/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_accepted.h
 * @brief Has a worker a request?  What the kernel says, whatever the worker
 *        says.
 *
 * Linux: /proc/PID/fd (proc(5)) and sock_diag(7).  Elsewhere, in a sandbox
 * without netlink, and where the manager may not look at the worker
 * (CAP_SYS_PTRACE), it is not known.  Manager only.
 */
#ifndef PM_ACCEPTED_H
#define PM_ACCEPTED_H

#include <sys/types.h>

#include "pm_core/os/pm_sock_diag.h"

typedef enum pm_accepted {
    PM_ACCEPTED_UNKNOWN,
    PM_ACCEPTED_NONE, /**< no connection, or only such on which the client has
                       *   sent nothing (TCP; the kernel does not count the
                       *   bytes of unix sockets) */
    PM_ACCEPTED_LEFT, /**< some, but each client has closed its end (unix; one
                       *   of TCP may only have shut down its side) */
    PM_ACCEPTED_SOME
} pm_accepted_t;

/** A listening socket, to know its connections by; also when it is not open in
 *  this process any more. */
typedef struct pm_accepted_at {
    apr_uint64_t inode;
    int family; /**< 0: not known */
    int port;   /**< of TCP, network order */
} pm_accepted_at_t;

pm_accepted_at_t pm_accepted_at(int listen_fd);

/**
 * Look for accepted connections among the descriptors of a worker, of its
 * descendants, and of processes of its group whose parent has ended (this
 * process has adopted them).  It takes some system calls for each descriptor.
 * @param at the socket at which the worker accepts
 */
pm_accepted_t pm_accepted_look(pm_sock_diag_t *diag, pid_t worker,
                               const pm_accepted_at_t *at);

#endif /* PM_ACCEPTED_H */
