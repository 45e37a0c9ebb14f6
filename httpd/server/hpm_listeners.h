/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_listeners.h
 * @brief The listening sockets of the pools, and their slots on the
 *        scoreboard, from one configuration to the next.  Parent only.
 */
#ifndef HPM_LISTENERS_H
#define HPM_LISTENERS_H

#include "apr_file_io.h"
#include "apr_tables.h"

#include "pm_core/os/pm_listen.h"

struct hpm_parent;

/** What a pool keeps over a restart.  All of it lives in the retained
 *  pool. */
typedef struct hpm_listener {
    const char *name; /**< of the pool */
    int slot;
    apr_uint32_t generation;
    pm_listener_t socket; /**< text is set always; fd -1: it has failed */
    apr_file_t *file;     /**< owns the socket's fd; NULL: closed, or taken by
                           *   another listener */
    const char *settings; /**< the last definition that could be run, as
                           *   pm_conf_write() writes it; NULL: none */
} hpm_listener_t;

/**
 * Give every pool of this configuration a listener: the one it had, if its
 * socket can still be reached, else a new one.  A pool that cannot have one
 * gets its reason in @c failed.  A pool whose new definition cannot be run,
 * but that has a listener, goes on with its last good definition and gets
 * the reason in @c rejected.
 * @return the listeners of the configuration before, with the files that no
 *         pool has taken over
 */
apr_array_header_t *hpm_listeners_renew(struct hpm_parent *me,
                                        apr_pool_t *ptemp);

/** @return a listener of an array that another build may have made, which may
 *  have more members, or fewer: only those up to @c settings may be used */
hpm_listener_t *hpm_listeners_at(const apr_array_header_t *listeners, int i);

/** Close the sockets of @a former.
 *  @param unlink_too remove the files of unix sockets as well, because there
 *                    is no manager that does it after it has drained the
 *                    pool */
void hpm_listeners_close(apr_array_header_t *former, int unlink_too);

#endif /* HPM_LISTENERS_H */
