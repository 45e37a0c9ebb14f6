/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mgr_pids.h
 * @brief The workers of a manager.  Most of it is public (fcgipm.h).
 */
#ifndef MGR_PIDS_H
#define MGR_PIDS_H

#include "libfcgipm/manage/fcgipm.h"
#include "pm_core/base/pm_base.h"

#pragma GCC visibility push(hidden)

/** What the manager knows of a worker. */
typedef struct mgr_worker {
    apr_time_t born_at;
    int told;                       /**< it has got SIGTERM from the manager */
    volatile unsigned char *served; /**< see mgr_births_t; NULL: not known */
} mgr_worker_t;

/** The workers, the oldest first. */
typedef struct mgr_pids {
    pid_t *pid;
    mgr_worker_t *worker; /**< of the pid in the same place */
    size_t count;
    size_t room;
} mgr_pids_t;

/** Make room for one more, so that adding it cannot fail.
 *  @return -1: no memory */
int mgr_pids_reserve(fcgipm_t *pm);

/** Add one, as fcgipm_add_pid().  @param worker is copied */
int mgr_pids_add(fcgipm_t *pm, pid_t pid, const mgr_worker_t *worker);

/** Remove one.  @param worker gets what was known of it
 *  @return 1 when it was there */
int mgr_pids_take(fcgipm_t *pm, pid_t pid, mgr_worker_t *worker);

/** @return "1 2 3", to be freed; NULL: no memory */
char *mgr_pids_text(const fcgipm_t *pm);

#pragma GCC visibility pop

#endif /* MGR_PIDS_H */
