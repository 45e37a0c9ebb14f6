/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file run_listeners.h
 * @brief The sockets of fcgipm-run's pools, over every reading of its
 *        configuration.
 *
 * A pool of the same name and address keeps its socket, its slot and its
 * generation; one of another name that takes an address takes its socket, so
 * that a path at which a pool serves never leads to a socket that may be closed
 * again.  Until the whole set is good nothing changes that clients of a pool
 * can notice.  A pool whose socket was passed (pm_activation.h) has that one:
 * it is the service manager's, which made its file and removes it.
 */
#ifndef RUN_LISTENERS_H
#define RUN_LISTENERS_H

#include "pm_core/ipc/pm_pool_set.h"
#include "pm_core/os/pm_activation.h"
#include "pm_core/os/pm_names.h"

/** A pool's socket. */
typedef struct run_listener {
    const char *name;
    pm_listener_t socket;    /**< an own descriptor of it */
    int slot;                /**< in the scoreboard */
    apr_uint32_t generation; /**< the same as long as the socket is */
    pm_listen_opts_t opts;   /**< what the set says of it */
    int is_new;              /**< its file was made now */
} run_listener_t;

typedef struct run_listeners {
    apr_array_header_t *now; /**< of run_listener_t, those of the last set; not
                              *   NULL */
    apr_array_header_t *former; /**< those before, until run_listeners_end() */
    apr_uint32_t generations;   /**< given so far */
    int next_slot;              /**< the first to be tried */
} run_listeners_t;

/** Begin a new set of them, in @a p. */
void run_listeners_begin(run_listeners_t *all, apr_pool_t *p);

/** The socket of a pool, which was passed, was there, or is opened.
 *  @param wait see pm_listen_opts_t
 *  @return an error with a reason that begins with the directive */
apr_status_t run_listeners_get(run_listeners_t *all, const pm_conf_t *conf,
                               const pm_activation_t *activation,
                               pm_names_t *names, apr_time_t wait,
                               pm_member_t *member, pm_reason_t *why);

/** Set queue length, mode and owner of the socket @a i as the set says, if it
 *  was there before; the set is good.
 *  @return an error with a reason */
apr_status_t run_listeners_adjust(const run_listeners_t *all, int i,
                                  pm_reason_t *why);

/** The new ones count.
 *  @param keep 0: the former ones count, and what was opened is closed */
void run_listeners_end(run_listeners_t *all, int keep);

#endif /* RUN_LISTENERS_H */
