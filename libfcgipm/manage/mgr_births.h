/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mgr_births.h
 * @brief Births of workers, and the brake on them.
 *
 * Workers that end within their first second and without a request are the
 * sign of a program that cannot run.  The pauses between births are then those
 * of mod_fcgipm's pools (pm_restart_policy).
 */
#ifndef MGR_BIRTHS_H
#define MGR_BIRTHS_H

#include "libfcgipm/manage/fcgipm.h"
#include "libfcgipm/manage/mgr_pids.h"
#include "pm_core/policy/pm_restart_policy.h"

#pragma GCC visibility push(hidden)

typedef struct mgr_births {
    apr_time_t next; /**< start_delay: none before */
    pm_restart_policy_t brake;
    unsigned count; /**< of births so far */
    /** Memory that manager and workers share: a byte for each worker, not 0
     *  when the worker has had a request.  NULL: there is no such memory. */
    volatile unsigned char *served;
    volatile unsigned char *own; /**< in a worker: its byte; NULL: none */
} mgr_births_t;

/** In a process that becomes a manager. */
void mgr_births_begin(fcgipm_t *pm);

/** Before the object is freed. */
void mgr_births_end(fcgipm_t *pm);

/** @return when the next worker may be started; now or earlier: at once */
apr_time_t mgr_births_next(fcgipm_t *pm);

/** Start a worker.  Ends the manager when that cannot be (fcgipm_abort()).
 *  @return its pid; 0 in the worker */
pid_t mgr_births_start(fcgipm_t *pm);

/** A worker has ended: was that at its birth?  @param status of wait(2) */
void mgr_births_judge(fcgipm_t *pm, const mgr_worker_t *worker, int status);

/** The administrator wants other workers: forget failures. */
void mgr_births_forgive(fcgipm_t *pm);

/** In a worker: it has a request. */
void mgr_births_serves(fcgipm_t *pm);

#pragma GCC visibility pop

#endif /* MGR_BIRTHS_H */
