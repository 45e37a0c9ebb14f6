/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_fork_order.h
 * @brief What the manager and a pool's fork server say to each other
 *        (FcgiPMPreload), and how a worker gets its first requests
 *        (FcgiPMWarmup).
 *
 * A fork server is a worker's program, started as a worker is, with one more
 * descriptor: PM_FORK_FD, one end of a pair of SOCK_SEQPACKET sockets, named
 * by the variable PM_FORK_VARIABLE.
 *
 * FcgiPMWarmup: before it starts the process, the manager sends a connection
 * with each request: a pm_fork_order_t whose serial is 0, with one descriptor.
 * The guard gives them to the program as accept(2) would, before it waits for
 * any other.  Where no fork server is wanted the manager has closed its end by
 * then, and after the last of them the process is a worker.
 *
 * When the program waits for its first request after that, the guard in it
 * decides whether the process can be a fork server, and says so:
 *
 *   PM_FORK_REFUSED  It cannot, and @c text has the reason.  The guard closes
 *                    the socket, and the process goes on as a worker.
 *   PM_FORK_SERVES   It can.  From now on it serves orders, not requests.
 *
 * An order is a pm_fork_order_t with two descriptors (SCM_RIGHTS): the write
 * end of the newborn's output pipe, and the newborn's end of a second pair of
 * SOCK_SEQPACKET sockets.  The fork server makes a child of the *manager*
 * (CLONE_PARENT).  When the newborn is set up it sends a pm_fork_born_t over
 * its socket.  The kernel adds its credentials, which the manager goes by
 * (SO_PASSCRED, unix(7)).  The manager sends the same back: the newborn closes
 * the socket and waits for requests as a worker.  Where the socket ends before,
 * nobody wants the newborn any more: _exit(0).
 * Where there is no newborn, the fork server answers with PM_FORK_FAILED.
 *
 * The end of file on its socket, or SIGTERM, ends a fork server: _exit(0).
 *
 * All of this is said by a process of the pool's user, which can lie or say
 * nothing: each order has a deadline in the manager.
 */
#ifndef PM_FORK_ORDER_H
#define PM_FORK_ORDER_H

#include <stdint.h>

/** Where a fork server has its socket; PM_SPAWN_WORKER_SHM_FD is the one
 *  before.  The guard makes it close-on-exec. */
#define PM_FORK_FD 4

/** The variable: the descriptor's number.  The guard removes it. */
#define PM_FORK_VARIABLE "FCGIPM_FORK"

enum pm_fork_kind { PM_FORK_SERVES = 1, PM_FORK_REFUSED, PM_FORK_FAILED };

/** Bytes of a reason, with its NUL. */
#define PM_FORK_TEXT 200

/** What a fork server says. */
typedef struct pm_fork_message {
    uint32_t kind;           /**< enum pm_fork_kind */
    uint32_t serial;         /**< PM_FORK_FAILED: of the order */
    int32_t error;           /**< PM_FORK_FAILED: errno */
    char text[PM_FORK_TEXT]; /**< PM_FORK_REFUSED: one line */
} pm_fork_message_t;

/** Make a worker. */
typedef struct pm_fork_order {
    uint32_t serial;   /**< 0: no order, see FcgiPMWarmup above */
    int32_t shm_index; /**< its record in the pool's pm_worker_status_t's; -1:
                        *   none */
} pm_fork_order_t;

/** A newborn is set up; from the manager: it is a worker. */
typedef struct pm_fork_born {
    uint32_t serial;
} pm_fork_born_t;

#endif /* PM_FORK_ORDER_H */
