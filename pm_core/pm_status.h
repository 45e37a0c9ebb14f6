/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_status.h
 * @brief Layer 3: the state of pools and workers as JSON.
 *
 * The names of the members are a contract; see docs/control.md.
 */
#ifndef PM_STATUS_H
#define PM_STATUS_H

#include "pm_json.h"
#include "pm_pool.h"

/** One pool, as an element of "pools".
 *  @param now pm_time_now() */
void pm_status_pool(pm_json_t *j, pm_pool_t *pool, apr_time_t now);

/** The member "manager". */
void pm_status_manager(pm_json_t *j, const pm_head_t *head, apr_time_t now);

#endif /* PM_STATUS_H */
