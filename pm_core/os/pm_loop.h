/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_loop.h
 * @brief Layer 2: waiting for descriptors and deadlines.
 *
 * On apr_pollset and apr_skiplist.  Without timers the wait has no timeout,
 * so an idle process makes no system call; the work for an event does not
 * depend on how many descriptors or timers there are.
 */
#ifndef PM_LOOP_H
#define PM_LOOP_H

#include "apr_poll.h"
#include "pm_core/base/pm_base.h"

typedef struct pm_loop pm_loop_t;

/** A descriptor that is watched.  Lives in the owner's structure, which must
 *  not move while it is watched. */
typedef struct pm_watch {
    /** @param events APR_POLLIN, APR_POLLOUT, APR_POLLHUP, APR_POLLERR */
    void (*ready)(void *ctx, int events);
    void *ctx;
    apr_pollfd_t pfd; /**< the loop's; reqevents 0: not watched */
} pm_watch_t;

/** A deadline.  Lives in the owner's structure, zeroed at first. */
typedef struct pm_timer {
    void (*due)(void *ctx, apr_time_t now);
    void *ctx;
    apr_time_t when; /**< the loop's; 0: not set */
} pm_timer_t;

apr_status_t pm_loop_create(pm_loop_t **loop, apr_pool_t *p, pm_reason_t *why);

/**
 * Watch a descriptor, level-triggered.
 * @param fd     stays the caller's; must be open until pm_loop_unwatch()
 * @param events APR_POLLIN and APR_POLLOUT
 * @param p      a pool that lives as long as the watch
 */
apr_status_t pm_loop_watch(pm_loop_t *loop, pm_watch_t *watch, int fd,
                           int events, apr_pool_t *p, pm_reason_t *why);

/** Harmless when it is not watched.  To be called before the descriptor is
 *  closed.  An event that was found already is not delivered any more. */
void pm_loop_unwatch(pm_loop_t *loop, pm_watch_t *watch);

/** Set (or move) a deadline; PM_TIME_NEVER takes it back. */
void pm_loop_at(pm_loop_t *loop, pm_timer_t *timer, apr_time_t when);

/** Wait for the next events or deadline, and call who is concerned: first
 *  descriptors, then deadlines.  Returns early on a signal. */
void pm_loop_turn(pm_loop_t *loop);

#endif /* PM_LOOP_H */
