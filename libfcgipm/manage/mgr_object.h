/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mgr_object.h
 * @brief What the units of libfcgipm know of each other; fcgipm.h is the
 *        manual.
 *
 * The library is preloaded into every worker as the guard, so it has to be
 * small: of pm_core it takes policy that asks for nothing (pm_signal_map, pm_stop_policy)
 * and pm_title, and nothing that would bring APR in.
 */
#ifndef MGR_OBJECT_H
#define MGR_OBJECT_H

#include "libfcgipm/manage/fcgipm.h"
#include "pm_core/policy/pm_signal_map.h"
#include "pm_core/policy/pm_stop_policy.h"

#pragma GCC visibility push(hidden)

typedef struct fcgipm_hook_row {
    fcgipm_hook_t call;
    void *data;
} fcgipm_hook_row_t;

typedef struct fcgipm_pids {
    pid_t *pid;                 /**< the oldest first */
    size_t count;
    size_t room;
} fcgipm_pids_t;

struct fcgipm {
    fcgipm_role_t role;
    int n_processes;
    int start_delay;
    int die_timeout;
    int no_signals;
    int listen_fd;
    char *pidfile;
    char *process_name;
    char *manager_process_name;
    pid_t manager_pid;
    fcgipm_pids_t pids;

    long max_requests;
    long sizecheck_num_requests;
    long max_process_size;
    long max_unshared_size;
    long min_share_size;
    long request_count;

    fcgipm_hook_row_t manager_init;
    fcgipm_hook_row_t server_init;
    fcgipm_hook_row_t pre_dispatch;
    fcgipm_hook_row_t post_dispatch;

    pm_phase_t phase;           /**< of a manager */
    apr_time_t next_birth;      /**< not before */
    int managed;                /**< by mod_fcgipm */
    int in_request;             /**< that fcgipm_accept() has begun */
    struct sigaction chld;      /**< SIGCHLD, as it was before managing */

    /** Written by handlers: what has come to the manager and is to be acted
     *  on; how often what has come to the worker. */
    volatile sig_atomic_t noted[FCGIPM_SIGNALS];
    volatile sig_atomic_t received[FCGIPM_SIGNALS];
};

/** CLOCK_MONOTONIC, microseconds; never 0. */
apr_time_t fcgipm_now(void);

static inline void fcgipm_hook_run(fcgipm_t *pm, const fcgipm_hook_row_t *row)
{
    if (row->call) {
        row->call(pm, row->data);
    }
}

/** Room for one more, so that adding it cannot fail. */
int fcgipm_pids_reserve(fcgipm_t *pm);

/** "1 2 3", to be freed; NULL: no memory. */
char *fcgipm_pids_text(const fcgipm_t *pm);

/** Both tell what went wrong and go on. */
void fcgipm_pidfile_write(const fcgipm_t *pm);
void fcgipm_pidfile_remove(const fcgipm_t *pm);

/** Block every signal, so that none gets lost between a look and a wait or a
 *  fork.  @param before the mask to wait with, and to return to */
void fcgipm_signals_block(sigset_t *before);

/** Let those in that the library handles: the parent may have left them
 *  blocked. */
void fcgipm_signals_unblock(void);

/** A reader that has gone, of standard error or of a connection, is an errno
 *  and not the end. */
void fcgipm_signals_survive_pipe(void);

/** Has a signal come that the manager has not acted on? */
int fcgipm_signals_noted(const fcgipm_t *pm);

/** Act on those that have. */
void fcgipm_signals_act(fcgipm_t *pm);

/** Why a worker leaves, for its last message; NULL: nobody has told it to. */
const char *fcgipm_told(const fcgipm_t *pm);

/** fcgipm_wait() no longer than until then; -1 with ETIMEDOUT. */
pid_t fcgipm_wait_until(fcgipm_t *pm, apr_time_t until);

/** SIGTERM to all workers, and a line that says so. */
void fcgipm_tell_all(fcgipm_t *pm);

/** Count a request that is done, and end when that was enough. */
void fcgipm_limits_check(fcgipm_t *pm);

#pragma GCC visibility pop

#endif /* MGR_OBJECT_H */
