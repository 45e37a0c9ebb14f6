/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mgr_object.h
 * @brief The object behind a fcgipm_t.  fcgipm.h is the manual of what a field
 *        means.
 */
#ifndef MGR_OBJECT_H
#define MGR_OBJECT_H

#include "libfcgipm/manage/fcgipm.h"
#include "libfcgipm/manage/mgr_births.h"
#include "libfcgipm/manage/mgr_listener.h"
#include "libfcgipm/manage/mgr_pids.h"
#include "pm_core/base/pm_base.h"
#include "pm_core/policy/pm_signal_map.h"

#pragma GCC visibility push(hidden)

/** A function of the program's; all zero: none. */
typedef struct mgr_hook {
    fcgipm_hook_t call;
    void *data;
} mgr_hook_t;

struct fcgipm {
    fcgipm_role_t role;
    int n_processes;
    int start_delay;
    int die_timeout;
    int no_signals;
    int listen_fd;
    mgr_listener_t listener;
    char *pidfile;
    char *process_name;
    char *manager_process_name;
    pid_t manager_pid;
    mgr_pids_t pids;
    mgr_births_t births;

    long max_requests;
    long sizecheck_num_requests;
    long max_process_size;
    long max_unshared_size;
    long min_share_size;
    long request_count;

    mgr_hook_t manager_init;
    mgr_hook_t server_init;
    mgr_hook_t pre_dispatch;
    mgr_hook_t post_dispatch;

    pm_phase_t phase;      /**< of a manager */
    int managed;           /**< mod_fcgipm manages this process */
    int in_request;        /**< fcgipm_accept() has begun a request */
    struct sigaction chld; /**< SIGCHLD, as it was before managing */

    /** Written by handlers: signals that the manager has to act on; how often
     *  each has come to this process. */
    volatile sig_atomic_t noted[FCGIPM_SIGNALS];
    volatile sig_atomic_t received[FCGIPM_SIGNALS];
};

/** Call the program's function, if there is one. */
static inline void mgr_hook_run(fcgipm_t *pm, const mgr_hook_t *row)
{
    if (row->call) {
        row->call(pm, row->data);
    }
}

#pragma GCC visibility pop

#endif /* MGR_OBJECT_H */
