/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mgr_pids.h
 * @brief The workers of a manager.  Most of it is public (fcgipm.h).
 */
#ifndef MGR_PIDS_H
#define MGR_PIDS_H

#include "libfcgipm/manage/fcgipm.h"

#pragma GCC visibility push(hidden)

typedef struct mgr_pids {
    pid_t *pid; /**< the oldest first */
    size_t count;
    size_t room;
} mgr_pids_t;

/** Make room for one more, so that adding it cannot fail.
 *  @return -1: no memory */
int mgr_pids_reserve(fcgipm_t *pm);

/** @return "1 2 3", to be freed; NULL: no memory */
char *mgr_pids_text(const fcgipm_t *pm);

#pragma GCC visibility pop

#endif /* MGR_PIDS_H */
