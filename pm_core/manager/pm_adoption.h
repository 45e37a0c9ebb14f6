/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_adoption.h
 * @brief A set of pools is put in force, some pools in each round.
 *
 * A pool takes the manager the better part of a millisecond (its user, its
 * program, its descriptors), so a set of hundreds is put in force while the
 * manager goes on with everything else: its first pools have workers before the
 * last ones are made.  Until then the pools that are to go serve, and scripts
 * run by the former set; after that those of scripts follow, likewise some in
 * each round.  A set that comes meanwhile takes its place and begins anew.
 *
 * Files of FcgiPMWatch are all watched anew at the end, in one round: 11 to 14
 * microseconds each, four directories deep.
 */
#ifndef PM_ADOPTION_H
#define PM_ADOPTION_H

#include "pm_core/pool/pm_context.h"

typedef struct pm_adoption {
    pm_context_t *context;
    pm_pool_set_t *set;    /**< in force, or to be; NULL: none yet */
    pm_pool_set_t *former; /**< scripts run by it still; or NULL */
    enum {
        PM_ADOPTION_NONE,
        PM_ADOPTION_POOLS,  /**< of these, some each round */
        PM_ADOPTION_SCRIPTS /**< likewise; the former set is of no use now */
    } phase;
    int next; /**< index of the member that is put in force next */
} pm_adoption_t;

/** Begin with @a set, which is the adoption's from now on.  A set that is under
 *  way is dropped: nothing of its text is used after this. */
void pm_adoption_begin(pm_adoption_t *a, pm_pool_set_t *set);

/** Go on until @a end, by one pool at least, or until the whole set is in
 * force.
 *  @return 1: it has come into force now */
int pm_adoption_go_on(pm_adoption_t *a, apr_time_t end);

/** Does the pool go with this set?  Those of scripts go with their rules. */
int pm_adoption_removes(const pm_pool_set_t *set, const pm_pool_t *pool);

#endif /* PM_ADOPTION_H */
