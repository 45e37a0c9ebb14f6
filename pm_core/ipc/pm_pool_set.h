/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_pool_set.h
 * @brief Layer 3: the whole set of pools, as one configuration says it, and
 *        its way from httpd's parent to the manager.
 *
 * On the private channel a set is
 *
 *     set CONFIG LOGLEVEL     + settings of pm_global_t, descriptor: error
 *                               log, if there is one
 *     pool NAME SLOT GEN      + settings of pm_conf_t, descriptors: listener,
 *                               and its own log, if it has one
 *     failed NAME SLOT GEN    + settings; a line "reason ..." first
 *     hosts                   + a line for each: NAME, or NAME UID GID; can
 *                               come more than once
 *     scripts WHERE SUEXEC NAMED
 *                             + settings of pm_rules_t, an empty line,
 *                               settings of pm_conf_t; descriptor: the
 *                               pools' log, if there is one
 *     commit
 *
 * each message answered by "ok" or "error REASON" before the next is sent.
 * After "commit" the set is staged: a manager that has none adopts it at
 * once, another one when SIGHUP comes.
 *
 * The channel's end is the end of the manager: httpd has gone, or has read a
 * configuration without this module.
 */
#ifndef PM_POOL_SET_H
#define PM_POOL_SET_H

#include "apr_tables.h"
#include "pm_core/ipc/pm_channel.h"
#include "pm_core/config/pm_conf.h"
#include "pm_core/os/pm_listen.h"
#include "pm_core/policy/pm_script_rules.h"

/** A pool and where it lives. */
typedef struct pm_member {
    const pm_conf_t *conf;   /**< complete: defaults merged, user, listen
                              *   and listen_owner filled in */
    int slot;                /**< on the board */
    apr_uint32_t generation; /**< the same for as long as name and listen
                              *   address are the same */
    int fd;                  /**< the listening socket; -1 when failed */
    int log_fd;              /**< its own log; -1: there is none */
    const char *failed;      /**< why it cannot run, or NULL */
} pm_member_t;

typedef struct pm_pool_set {
    const pm_global_t *global;     /**< complete: socket path filled in */
    apr_array_header_t *members;   /**< of pm_member_t */
    apr_array_header_t *templates; /**< of pm_script_template_t */
    apr_array_header_t *hosts;     /**< of pm_host_t; all whose scripts the
                                    *   templates may run */
    int config;                    /**< httpd's number of this configuration */
    pm_level_t log_level;
    int log_fd; /**< the error log; -1: keep the present */
} pm_pool_set_t;

/** An empty set in @a p, with no descriptors. */
pm_pool_set_t *pm_pool_set_create(apr_pool_t *p);

/**
 * The parent's side: hand the whole set over.
 * @param deadline pm_time_now() by which the last answer must be here
 * @return an error when the manager did not take it; it then still has its
 *         former set
 */
apr_status_t pm_pool_set_send(int channel, const pm_pool_set_t *set,
                              apr_time_t deadline, apr_pool_t *p,
                              pm_reason_t *why);

/** The manager's side: take one message into the set being received.
 *  @param set NULL-able; "set" makes a new one in a pool of its own below
 *             @a p, in place of one that was not committed
 *  @param whole set to 1 when the message was "commit"
 *  @return an error to be answered, and no set any more; the message's
 *          descriptors are the set's or closed in any case */
apr_status_t pm_pool_set_receive(pm_pool_set_t **set, const pm_message_t *msg,
                                 int *whole, apr_pool_t *p, pm_reason_t *why);

/** Close the descriptors the set owns and free it, if pm_pool_set_receive()
 * made it.  Harmless for NULL. */
void pm_pool_set_destroy(pm_pool_set_t *set);

#endif /* PM_POOL_SET_H */
