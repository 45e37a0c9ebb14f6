/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_pidfile.h
 * @brief Layer 2: the file that holds this process's pid.
 */
#ifndef PM_PIDFILE_H
#define PM_PIDFILE_H

#include "pm_core/base/pm_base.h"

/** Write "PID\n", under another name first, so that it is never seen half
 *  written. */
apr_status_t pm_pidfile_write(const char *path, apr_pool_t *p,
                              pm_reason_t *why);

/** Remove it if it still holds this process's pid. */
void pm_pidfile_remove(const char *path);

#endif /* PM_PIDFILE_H */
