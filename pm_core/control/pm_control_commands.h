/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_control_commands.h
 * @brief Layer 3: what is done when somebody says a word on the control
 *        socket.
 *
 * Each word of pm_control_protocol.h is one function of one table.  It gives
 * its answer, or keeps the caller and answers later.
 */
#ifndef PM_CONTROL_COMMANDS_H
#define PM_CONTROL_COMMANDS_H

#include "pm_core/ipc/pm_control_server.h"
#include "pm_core/pool/pm_pool.h"

/** One line; a pm_control_handler_t.
 *  @param world a pm_context_t * */
void pm_control_commands_run(void *world, pm_control_caller_t *caller,
                             const char *line);

#endif /* PM_CONTROL_COMMANDS_H */
