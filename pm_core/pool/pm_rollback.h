/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_rollback.h
 * @brief Layer 3: which definition a new worker is born of, when the last one
 *        has turned out not to work.
 *
 * A definition is proven when a worker of it has become ready.  With
 * FcgiPMReload rolling a proven one is kept behind its successor until that
 * is proven as well.  When a worker of the successor fails before, workers
 * that are needed in the place of old ones are born of the former definition:
 * until the next reload, which tries the new one again.
 */
#ifndef PM_ROLLBACK_H
#define PM_ROLLBACK_H

#include "pm_core/pool/pm_pool.h"

/** Another definition is about to take the place of pool->birth.
 *  @param conf the new one */
void pm_rollback_replace(pm_pool_t *pool, const pm_conf_t *conf);

/** A reload begins: the new definition is tried, again perhaps. */
void pm_rollback_try(pm_pool_t *pool);

/** A worker has become ready. */
void pm_rollback_ready(pm_worker_t *w);

/** A worker has failed; w may be NULL.  @return 1: from now on the former
 *  definition is used */
int pm_rollback_failed(pm_pool_t *pool, const pm_worker_t *w);

/** What the next worker is born of. */
static inline pm_launch_spec_t *pm_rollback_birth(const pm_pool_t *pool)
{
    return pool->release.back ? pool->release.former : pool->birth;
}

#endif /* PM_ROLLBACK_H */
