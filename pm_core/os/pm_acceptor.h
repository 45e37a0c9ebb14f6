/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_acceptor.h
 * @brief A listening socket in the loop: accept(2) its clients.
 *
 * When all descriptors are in use a client is accepted with one that is kept
 * for that, and closed, or the loop would come back at once, for ever.
 *
 * Only the loop's thread calls these functions.
 */
#ifndef PM_ACCEPTOR_H
#define PM_ACCEPTOR_H

#include "pm_core/os/pm_loop.h"

/** It is a member of its owner's structure, which must not move. */
typedef struct pm_acceptor {
    /** A client has come.
     *  @param fd belongs to the function; close-on-exec, not blocking */
    void (*accepted)(void *ctx, int fd);
    void *ctx;
    int most; /**< clients in one turn of the loop */

    pm_loop_t *loop; /* the rest is the acceptor's */
    int fd;
    int spare;
    pm_watch_t watch;
} pm_acceptor_t;

/** Accept from now on.
 *  @param a  accepted, ctx and most are set
 *  @param fd stays the caller's; listens, not blocking
 *  @param p  lives as long as the acceptor */
apr_status_t pm_acceptor_begin(pm_acceptor_t *a, pm_loop_t *loop, int fd,
                               apr_pool_t *p, pm_reason_t *why);

/** Accept no more. */
void pm_acceptor_end(pm_acceptor_t *a);

#endif /* PM_ACCEPTOR_H */
