/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_slow_report.h
 * @brief httpd's children report requests that take long to the manager
 *        (FcgiPMSlowLog).
 *
 * A pipe (pm_wakeup.h), one message for each such request.  Neither end ever
 * blocks: a report that finds no room is refused.  The parent makes the pipe
 * and keeps both ends over managers and restarts, so reports of children with
 * an older configuration arrive as well; what is of another layout, or no
 * message, is skipped with what came behind it.  It is no socket, as a child
 * that has been taken over would shut that down for all others.
 */
#ifndef PM_SLOW_REPORT_H
#define PM_SLOW_REPORT_H

#include <sys/types.h>

#include "pm_core/base/pm_base.h"

#define PM_SLOW_REPORT_METHOD 24
#define PM_SLOW_REPORT_URL    1024

/** One request as the child sees it. */
typedef struct pm_slow_report {
    int slot;                /**< of the pool, in the scoreboard */
    apr_uint32_t generation; /**< of the pool in that slot */
    apr_time_t since;        /**< pm_time_now() when it was granted, > 0 */
    apr_uint64_t inode;      /**< of the child's socket to the worker */
    pid_t pid;               /**< of the worker, if the child knows it; 0 */
    char method[PM_SLOW_REPORT_METHOD];
    char url[PM_SLOW_REPORT_URL]; /**< host and path, cut if too long */
} pm_slow_report_t;

/** What pm_slow_report_receive() found. */
typedef enum pm_slow_report_result {
    PM_SLOW_REPORT_CLOSED = -1, /**< all children's ends are closed */
    PM_SLOW_REPORT_NONE = 0,    /**< no message at the moment */
    PM_SLOW_REPORT_RECEIVED = 1
} pm_slow_report_result_t;

/** Make the pipe.
 *  @param fd [0] the manager's end, [1] the children's; both close-on-exec */
apr_status_t pm_slow_report_create(int fd[2], pm_reason_t *why);

/** Send a report; texts that are too long are cut.  Any thread of a child.
 *  @param fd the children's end; -1: there is none
 *  @return 0: it was not sent */
int pm_slow_report_send(int fd, const pm_slow_report_t *report);

/**
 * Receive the next report.  Manager only.
 * @param report filled.  The manager has to check it: it can be about another
 *               pool, an earlier time, or wrong; its texts do end with a NUL
 */
pm_slow_report_result_t pm_slow_report_receive(int fd,
                                               pm_slow_report_t *report);

#endif /* PM_SLOW_REPORT_H */
