/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_report_config.h
 * @brief The settings in force, and where each comes from, as JSON.
 *
 * The names of the members are a contract; see docs/admin/control.md.
 */
#ifndef PM_REPORT_CONFIG_H
#define PM_REPORT_CONFIG_H

#include "pm_core/control/pm_json.h"
#include "pm_core/pool/pm_pool.h"

/** Write the beginning, with the manager's own settings; "pools" is open.
 *  @param global NULL: there is no set yet */
void pm_report_config_begin(pm_json_t *j, const pm_global_t *global);

/** Write one pool, as an element of "pools". */
void pm_report_config_pool(pm_json_t *j, const pm_pool_t *pool);

/** Write what follows the last pool. */
void pm_report_config_end(pm_json_t *j);

#endif /* PM_REPORT_CONFIG_H */
