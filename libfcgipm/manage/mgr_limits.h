/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mgr_limits.h
 * @brief How many requests a worker may serve, and how large it may become.
 */
#ifndef MGR_LIMITS_H
#define MGR_LIMITS_H

#include "libfcgipm/manage/fcgipm.h"

#pragma GCC visibility push(hidden)

/** Count a request that is done.  Ends the process when a limit is reached. */
void mgr_limits_check(fcgipm_t *pm);

#pragma GCC visibility pop

#endif /* MGR_LIMITS_H */
