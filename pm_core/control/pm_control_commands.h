/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_control_commands.h
 * @brief What the manager does for each word of the control protocol.
 *
 * Each verb of pm_control_protocol.h is one function of one table.  The
 * function returns its answer, or keeps the caller and answers later.
 * docs/admin/control.md is the contract.  The manager only.
 */
#ifndef PM_CONTROL_COMMANDS_H
#define PM_CONTROL_COMMANDS_H

#include "pm_core/ipc/pm_control_server.h"
#include "pm_core/pool/pm_pool.h"

/** Carry out one request, a line without its end; a pm_control_handler_t.
 *  @param context a pm_context_t * */
void pm_control_commands_run(void *context, pm_control_caller_t *caller,
                             const char *line);

#endif /* PM_CONTROL_COMMANDS_H */
