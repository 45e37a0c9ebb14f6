/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_roster.h
 * @brief The workers there are, in memory that outlives the manager.
 *
 * The manager writes it; the process that is to end its workers should it die
 * (pm_survivor.h), forked from it, reads it then.  No other process has it:
 * workers do not inherit the mapping.
 */
#ifndef PM_ROSTER_H
#define PM_ROSTER_H

#include <sys/types.h>

#include "pm_core/os/pm_accepted.h"

/** Workers that have a place; those beyond are not ended. */
#define PM_ROSTER_MAX 65536

typedef struct pm_roster_entry {
    pid_t pid;                /**< also of its process group; 0: free */
    apr_uint64_t started;     /**< pm_procinfo_started() */
    pm_accepted_at_t at;      /**< where it accepts */
    apr_time_t drain_timeout; /**< how long it may be busy once it was told to
                               *   stop; 0: as long as it likes */
} pm_roster_entry_t;

typedef struct pm_roster pm_roster_t;

/** @return NULL where there is no such memory */
pm_roster_t *pm_roster_create(apr_pool_t *p);

/** Enter a worker.  @return its place; -1: there is none */
int pm_roster_enter(pm_roster_t *roster, pid_t pid, const pm_accepted_at_t *at);

/** Its drain timeout is another.  @param place or -1 */
void pm_roster_set_drain(pm_roster_t *roster, int place, apr_time_t timeout);

/** It has gone, with all that was to end.  @param place or -1 */
void pm_roster_leave(pm_roster_t *roster, int place);

/** @return places that have been used so far: the others are free */
int pm_roster_used(const pm_roster_t *roster);
const pm_roster_entry_t *pm_roster_at(const pm_roster_t *roster, int place);

/** Do processes that are forked from now on get the memory (@a inherit 1)? Only
 *  the survivor is to. */
void pm_roster_inherit(const pm_roster_t *roster, int inherit);

#endif /* PM_ROSTER_H */
