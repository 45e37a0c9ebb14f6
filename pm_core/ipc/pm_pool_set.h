/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_pool_set.h
 * @brief All pools of one configuration, and their way from the parent to the
 *        manager.
 *
 * On the private channel (pm_channel.h) a set is these messages:
 *
 *     set CONFIG LOGLEVEL     + settings of pm_global_t; descriptor: the error
 *                               log, if there is one
 *     pool NAME SLOT GEN      + settings of pm_conf_t; descriptors: the
 *                               listening socket, and the pool's own log, if it
 *                               has one
 *     failed NAME SLOT GEN    + a line with the reason, settings of pm_conf_t
 *     scripts WHERE SUEXEC NAMED
 *                             + settings of pm_rules_t, an empty line,
 *                               settings of pm_conf_t; descriptor: the log of
 *                               the pools, if there is one
 *     hosts                   + a line for each virtual host: NAME, or
 *                               NAME UID GID; can come more than once
 *     store                   descriptor: the store of the sockets of scripts
 *                             (pm_fd_store.h)
 *     commit
 *
 * The manager answers each with "ok" or "error REASON" before the next is sent.
 * After "commit" the set is staged: a manager that has none adopts it at once,
 * another one when SIGHUP comes.  This text is the only one a definition takes:
 * within a process it is shared, or copied by pm_conf_copy().
 *
 * When the channel is closed the manager ends: httpd has gone, or has read a
 * configuration without this module.
 */
#ifndef PM_POOL_SET_H
#define PM_POOL_SET_H

#include "apr_tables.h"
#include "pm_core/ipc/pm_channel.h"
#include "pm_core/config/pm_conf.h"
#include "pm_core/os/pm_listen.h"
#include "pm_core/policy/pm_script_rules.h"

/** A pool, its place in the scoreboard, and its descriptors. */
typedef struct pm_member {
    const pm_conf_t *conf;   /**< complete: defaults merged, user, listen
                              *   and listen_owner filled in */
    int slot;                /**< in the scoreboard */
    apr_uint32_t generation; /**< the same for as long as name and listen
                              *   address are the same */
    int fd;                  /**< the listening socket; -1 when failed */
    int log_fd;              /**< its own log; -1: there is none */
    int foreign;             /**< see pm_listener_t; not sent */
    const char *failed;      /**< why it cannot run, or NULL */
} pm_member_t;

typedef struct pm_pool_set {
    const pm_global_t *global;     /**< complete: socket path filled in */
    apr_array_header_t *members;   /**< of pm_member_t */
    apr_array_header_t *templates; /**< of pm_script_template_t */
    apr_array_header_t *hosts;     /**< of pm_host_t: the virtual hosts whose
                                    *   scripts the templates may run */
    int config;                    /**< httpd's number of this configuration */
    pm_level_t log_level;
    int log_fd;   /**< the error log; -1: the manager keeps the one it has */
    int store_fd; /**< where sockets of scripts are stored; -1: there is none */
} pm_pool_set_t;

/** @return an empty set in @a p, without descriptors.  Parent, fcgipm-run. */
pm_pool_set_t *pm_pool_set_create(apr_pool_t *p);

/** The same in a pool of its own below @a parent, which pm_pool_set_destroy()
 *  frees: @c members->pool. */
pm_pool_set_t *pm_pool_set_create_own(apr_pool_t *parent);

/**
 * Send the whole set.  Parent only; it keeps its descriptors.
 * @param deadline pm_time_now() by which the last answer must have come
 * @return an error when the manager did not take it; it still has its former
 *         set then
 */
apr_status_t pm_pool_set_send(int channel, const pm_pool_set_t *set,
                              apr_time_t deadline, apr_pool_t *p,
                              pm_reason_t *why);

/** Receive one message into the set that is being received.  Manager only.
 *  @param set   NULL at first; "set" makes a new one, in a pool of its own
 *               below @a p, in place of one that was not committed
 *  @param whole out: 1 when the message was "commit"
 *  @return an error to be answered, and @a set is NULL.  In any case the
 *          message's descriptors belong to the set or are closed */
apr_status_t pm_pool_set_receive(pm_pool_set_t **set, const pm_message_t *msg,
                                 int *whole, apr_pool_t *p, pm_reason_t *why);

/** Close the descriptors of a set, and free it if it has a pool of its own.
 *  Harmless for NULL. */
void pm_pool_set_destroy(pm_pool_set_t *set);

#endif /* PM_POOL_SET_H */
