/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_pool.h
 * @brief A pool as a request sees it.
 *
 * The parent makes the pools of the configuration in check_config and
 * completes them in post_config.  After that nothing changes them, so all
 * threads of all children read them without a lock.  A script's pool is
 * filled in by hpm_script.c for one request.
 */
#ifndef HPM_POOL_H
#define HPM_POOL_H

#include "pm_core/config/pm_conf.h"
#include "pm_core/os/pm_listen.h"

typedef struct hpm_pool {
    const char *name;
    const pm_conf_t *conf;  /**< complete: every default filled in */
    const char *definition; /**< @c conf as pm_conf_write() writes it: what
                             *   goes to the manager; NULL: not to be sent */
    pm_addr_t addr;         /**< where its workers accept */
    apr_uint32_t uid;       /**< of its workers */
    int own_user;           /**< 1: that is not httpd's user, as this definition
                             *   has it */
    int slot;               /**< on the scoreboard; -1: it has none */
    apr_uint32_t generation; /**< of the pool in that slot */
    int log_fd;              /**< FcgiPMErrorLog, the parent's; -1: none */
    const char *failed;      /**< why no worker can run, or NULL */
    const char *rejected;    /**< what is wrong with this definition while
                              *   the workers keep the one before it, or NULL */
    const char *where;       /**< file:line of its definition */
} hpm_pool_t;

#endif /* HPM_POOL_H */
