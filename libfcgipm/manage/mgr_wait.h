/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mgr_wait.h
 * @brief The manager waits: for the end of a child, for a signal, until a time.
 */
#ifndef MGR_WAIT_H
#define MGR_WAIT_H

#include "libfcgipm/manage/fcgipm.h"
#include "pm_core/base/pm_base.h"

#pragma GCC visibility push(hidden)

/** CLOCK_MONOTONIC in microseconds; never 0. */
apr_time_t mgr_wait_now(void);

/** As fcgipm_wait(), but no longer than until then: -1 with ETIMEDOUT.
 *  @param until PM_TIME_NEVER: as long as it takes */
pid_t mgr_wait_until(fcgipm_t *pm, apr_time_t until);

#pragma GCC visibility pop

#endif /* MGR_WAIT_H */
