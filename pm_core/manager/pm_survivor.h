/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_survivor.h
 * @brief A process that ends what the manager leaves when it is killed.
 *
 * A worker gets SIGTERM when its parent dies (pm_pdeath.h).  One that ignores
 * it, or is in an endless loop, would stay for ever: the next manager is not
 * its parent.  So the manager forks a process that sleeps until the manager
 * dies, and then does what the manager would have done with workers that it had
 * told to stop (pm_stop_policy.h): as in a reload while httpd lives, as at the
 * end of a manager when it does not, or when there is none.
 *
 * It is renewed with each set of pools, so that it logs where the manager does,
 * and ended before the manager ends.  Linux; elsewhere there is none.
 */
#ifndef PM_SURVIVOR_H
#define PM_SURVIVOR_H

#include <sys/types.h>

#include "pm_core/shm/pm_roster.h"

typedef struct pm_survivor {
    const pm_log_t *log;
    int log_fd; /**< is kept open, besides 0, 1 and 2; -1: none */
    const pm_roster_t *roster; /**< NULL: there is to be no survivor */
    apr_time_t die_timeout;
    pid_t httpd;     /**< httpd's parent; 0: there is none */
    pid_t pid;       /**< of the survivor; 0: there is none */
    apr_time_t born; /**< when it was started */
} pm_survivor_t;

/** Start one, after having ended the one there is. */
void pm_survivor_renew(pm_survivor_t *s);

/** A child was reaped.  @return 1: it was the survivor, and there is another */
int pm_survivor_reaped(pm_survivor_t *s, pid_t pid);

void pm_survivor_end(pm_survivor_t *s);

#endif /* PM_SURVIVOR_H */
