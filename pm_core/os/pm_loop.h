/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_loop.h
 * @brief The event loop: wait for descriptors and deadlines.
 *
 * On apr_pollset and apr_skiplist.  Without timers the wait has no timeout, so
 * an idle process makes no system call; an event costs the same however many
 * descriptors and timers there are.  One thread owns the loop: the manager's.
 */
#ifndef PM_LOOP_H
#define PM_LOOP_H

#include "apr_poll.h"
#include "pm_core/base/pm_base.h"

typedef struct pm_loop pm_loop_t;

/** A watched descriptor.  It is a member of its owner's structure, which must
 * not move while it is watched. */
typedef struct pm_watch {
    /** @param events APR_POLLIN, APR_POLLOUT, APR_POLLHUP, APR_POLLERR */
    void (*ready)(void *ctx, int events);
    void *ctx;
    apr_pollfd_t pfd; /**< for the loop; reqevents 0: not watched */
} pm_watch_t;

/** A deadline.  It is a member of its owner's structure, zeroed at first. */
typedef struct pm_timer {
    void (*due)(void *ctx, apr_time_t now);
    void *ctx;
    apr_time_t when; /**< for the loop; 0: not set */
} pm_timer_t;

/** Create a loop without watches; it ends with @a p. */
apr_status_t pm_loop_create(pm_loop_t **loop, apr_pool_t *p, pm_reason_t *why);

/**
 * Watch a descriptor, level-triggered.
 * @param fd     belongs to the caller; must be open until pm_loop_unwatch()
 * @param events APR_POLLIN and APR_POLLOUT
 * @param p      a pool that lives at least as long as the watch; each watch
 * takes some of its memory
 */
apr_status_t pm_loop_watch(pm_loop_t *loop, pm_watch_t *watch, int fd,
                           int events, apr_pool_t *p, pm_reason_t *why);

/** Stop watching, before the descriptor is closed.  An event that was found
 *  already is not delivered.  Harmless for one that is not watched. */
void pm_loop_unwatch(pm_loop_t *loop, pm_watch_t *watch);

/** Watch for these events, if it was for others or for none.
 *  @param p of this watch alone; what it held is freed */
void pm_loop_change(pm_loop_t *loop, pm_watch_t *watch, int fd, int events,
                    apr_pool_t *p);

/** Set or move a deadline, a time of pm_time_now(); PM_TIME_NEVER removes it.
 */
void pm_loop_at(pm_loop_t *loop, pm_timer_t *timer, apr_time_t when);

/** Wait for the next events or deadline, then call back for descriptors.
 *  Returns early on a signal. */
void pm_loop_turn(pm_loop_t *loop);

/** Call back for the deadlines that have passed, the earliest first, until
 *  @a end; for one in any case.  Others are called back for next time. */
void pm_loop_run_timers(pm_loop_t *loop, apr_time_t end);

/** @return when the last wait ended, which tells one turn from another; 0:
 *  there was none */
apr_time_t pm_loop_woken(const pm_loop_t *loop);

/** @return the longest time between two waits so far: nobody is heard in it */
apr_interval_time_t pm_loop_longest(const pm_loop_t *loop);

#endif /* PM_LOOP_H */
