/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_script_reply.h
 * @brief What the manager replies about a script (docs/admin/control.md), in an
 *        httpd child.
 *
 * Pure, but for the memory it fills.  The manager has more rights than a child,
 * but whatever comes by the control socket has a defined result.
 */
#ifndef HPM_SCRIPT_REPLY_H
#define HPM_SCRIPT_REPLY_H

#include "pm_core/os/pm_listen.h"

typedef struct hpm_script_reply {
    int status;    /**< OK, or an HTTP status of 400 to 599: refused */
    char why[512]; /**< refused: for the log */
    /* a pool, where status is OK */
    char name[65];
    pm_addr_t addr; /**< of a unix socket */
    int slot;       /**< PM_SCOREBOARD_SCRIPTS to PM_SCOREBOARD_SLOTS - 1 */
    apr_uint32_t generation;
} hpm_script_reply_t;

/** Read "ok SLOT GENERATION NAME ADDRESS" or "error STATUS WHY".  What is
 *  neither is a refusal.
 *  @param line is written to */
void hpm_script_reply_read(hpm_script_reply_t *reply, char *line);

/** Fill in a refusal that the manager has not spoken.
 *  @param why is copied, as much of it as there is room for */
void hpm_script_reply_refuse(hpm_script_reply_t *reply, int status,
                             const char *why);

#endif /* HPM_SCRIPT_REPLY_H */
