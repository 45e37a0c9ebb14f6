/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_manager_process.h
 * @brief The manager process as the parent sees it: started, given a new
 *        configuration, replaced when it dies, stopped with httpd.  Parent
 *        only.
 */
#ifndef HPM_MANAGER_PROCESS_H
#define HPM_MANAGER_PROCESS_H

#include "apr_file_io.h"
#include "apr_time.h"

struct hpm_parent;

/** The running manager, or the one to be started; retained over restarts. */
typedef struct hpm_manager_process {
    pid_t pid;           /**< 0: none */
    apr_file_t *channel; /**< the parent's end; NULL: none */
    apr_time_t born;     /**< pm_time_now() */
    apr_time_t retry_at; /**< pm_time_now(); 0: nothing to start */
    int early;           /**< managers in a row that died soon after their
                          *   start */
    char identity[256];  /**< build and kind of log: a manager of another
                          *   identity cannot take a new configuration */
} hpm_manager_process_t;

/** Bring the manager to this configuration's set of pools: give it to the
 *  running manager, or start one.  A failure is logged, and
 *  hpm_manager_process_retry() tries again. */
void hpm_manager_process_renew(struct hpm_parent *me);

/** @return whether the manager runs; reaps it if it does not */
int hpm_manager_process_alive(struct hpm_parent *me);

/** Start a manager if one was put off and its time has come. */
void hpm_manager_process_retry(struct hpm_parent *me);

/**
 * Let the death of a child interrupt the parent's sleep: httpd's main loop
 * sleeps a second, in a call that no flag restarts after a signal (signal(7)),
 * before it looks for children that have died.  A handler for SIGCHLD that does
 * nothing is enough; where other code has one that is so already.
 * @param on 0: give the handler back, before this code is unloaded, and in
 *           children
 */
void hpm_manager_process_wake(int on);

/** Send SIGTERM, wait as long as FcgiPMDieTimeout allows, then SIGKILL. */
void hpm_manager_process_stop(struct hpm_parent *me);

#endif /* HPM_MANAGER_PROCESS_H */
