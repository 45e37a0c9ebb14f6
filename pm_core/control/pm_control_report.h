/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_control_report.h
 * @brief The answer to `status` and `config`: written in slices.
 *
 * A worker takes the manager some dozens of microseconds, as the kernel is
 * asked for its memory, so a report of thousands is written while the manager
 * goes on with everything else.  The figures of one pool are of one moment,
 * those of another pool may be of a later one.  A report that fits into a slice
 * is answered at once, whatever others are under way.
 */
#ifndef PM_CONTROL_REPORT_H
#define PM_CONTROL_REPORT_H

#include "pm_core/ipc/pm_control_server.h"
#include "pm_core/pool/pm_context.h"

typedef enum pm_control_report_kind {
    PM_CONTROL_REPORT_STATUS,
    PM_CONTROL_REPORT_CONFIG
} pm_control_report_kind_t;

/** Sets context->reports. */
void pm_control_report_init(pm_context_t *context);

/** Begin; the caller is answered when all is written.
 *  @param pool its name; "": all pools */
void pm_control_report_begin(pm_context_t *context, pm_control_caller_t *caller,
                             pm_control_report_kind_t kind, const char *pool);

#endif /* PM_CONTROL_REPORT_H */
