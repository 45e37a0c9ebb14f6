/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_slow_report.h
 * @brief Layer 2: httpd's children tell the manager of requests that take
 *        long.
 *
 * A SOCK_SEQPACKET pair (unix(7)), a message for each such request.  Nobody
 * waits at either end: when the manager has too much to read the child is told
 * so.  Made by httpd's parent, who keeps both ends over managers and
 * restarts, so what a child of an older configuration says is heard, too; a
 * message of another layout is not understood, and does no harm.
 */
#ifndef PM_SLOW_REPORT_H
#define PM_SLOW_REPORT_H

#include <sys/types.h>

#include "pm_core/base/pm_base.h"

#define PM_SLOW_REPORT_METHOD 24
#define PM_SLOW_REPORT_URL    1024

/** One request, as the httpd child sees it. */
typedef struct pm_slow_report {
    int slot;                /**< of the pool, on the board */
    apr_uint32_t generation; /**< of the pool in there */
    apr_time_t since;        /**< pm_time_now() when it got its turn */
    apr_uint64_t inode;      /**< of the child's socket to the worker */
    pid_t pid;               /**< the worker, if it has said a word; else 0
                              */
    char method[PM_SLOW_REPORT_METHOD];
    char url[PM_SLOW_REPORT_URL]; /**< host and path, cut if it is longer */
} pm_slow_report_t;

/** @param fd the manager's end, the children's end; both close-on-exec */
apr_status_t pm_slow_report_create(int fd[2], pm_reason_t *why);

/** Tell.  Texts are cut.  @return 0: nobody will hear it */
int pm_slow_report_send(int fd, const pm_slow_report_t *note);

/**
 * The next message.  What stands in it is to be checked: it may be of another
 * time, another pool, or nonsense but for its texts, which end.
 * @return 1: there is one; 0: none (any more); -1: nobody can tell, ever
 */
int pm_slow_report_receive(int fd, pm_slow_report_t *note);

#endif /* PM_SLOW_REPORT_H */
