/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_parent.h
 * @brief The module in httpd's parent: its hooks, and what its units share.
 *        hpm_parent_child_init() runs in a child, all else in the parent.
 */
#ifndef HPM_PARENT_H
#define HPM_PARENT_H

#include "apr_thread_proc.h"
#include "mpm_common.h"

#include "httpd/config/hpm_server.h"
#include "httpd/server/hpm_retained.h"
#include "pm_core/ipc/pm_pool_set.h"

/** The parent with one configuration; lives in pconf. */
typedef struct hpm_parent {
    server_rec *s;        /**< the main server */
    hpm_server_t *server; /**< its configuration */
    apr_pool_t *pconf, *plog;
    hpm_retained_t *retained;
    pm_pool_set_t *set; /**< what a manager of this configuration gets */
    apr_proc_t proc;    /**< the manager, for APR's other-child list */
} hpm_parent_t;

/** check_config hook, the first of all: save what is kept over the restart
 *  from httpd's log pool, which is cleared next. */
int hpm_parent_check_config(apr_pool_t *pconf, apr_pool_t *plog,
                            apr_pool_t *ptemp, server_rec *s);

/** post_config hook: scoreboard, listening sockets, logs, manager.  What
 *  cannot be had makes failed pools, not a failed httpd; but httpd does not
 *  start where another one has the control socket or the pid file. */
int hpm_parent_post_config(apr_pool_t *pconf, apr_pool_t *plog,
                           apr_pool_t *ptemp, server_rec *s);

/** child_status hook: give back the scoreboard row of a child that exited. */
void hpm_parent_child_status(server_rec *s, pid_t pid, ap_generation_t gen,
                             int slot, mpm_child_status state);

/** monitor hook: start a manager whose start was put off. */
int hpm_parent_monitor(apr_pool_t *p, server_rec *s);

/** child_init hook (child): close what is the parent's alone, claim a
 *  scoreboard row. */
void hpm_parent_child_init(apr_pool_t *pchild, server_rec *s);

#endif /* HPM_PARENT_H */
