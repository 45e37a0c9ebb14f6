/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_rollback.h
 * @brief Which definition the next worker is started from, when the last one
 *        has turned out not to work.
 *
 * A definition is proven when a worker of it has become ready.  With
 * FcgiPMReload rolling a proven one is kept behind its successor until that is
 * proven as well.  When a worker of the successor fails before, the workers
 * that replace old ones are started from the former definition, until the next
 * reload, which tries the new one again.
 */
#ifndef PM_ROLLBACK_H
#define PM_ROLLBACK_H

#include "pm_core/pool/pm_pool.h"

/** Another definition is about to replace pool->spec and pool->pconf, which
 *  this keeps or destroys.
 *  @param conf the new one */
void pm_rollback_replace(pm_pool_t *pool, const pm_conf_t *conf);

/** A reload begins: the new definition is tried, again perhaps. */
void pm_rollback_try(pm_pool_t *pool);

/** A worker has become ready. */
void pm_rollback_ready(pm_pool_t *pool, const pm_worker_t *w);

/** A worker has failed; w may be NULL.  @return 1: from now on the former
 *  definition is used */
int pm_rollback_failed(pm_pool_t *pool, const pm_worker_t *w);

/** What the next worker is started from. */
static inline const pm_launch_spec_t *pm_rollback_spec(const pm_pool_t *pool)
{
    return pool->rollback.back ? pool->rollback.former : pool->spec;
}

/** The number of that definition, for w->definition. */
static inline unsigned pm_rollback_number(const pm_pool_t *pool)
{
    return pool->rollback.back ? 0 : pool->rollback.number;
}

/** Both, with the pool's socket: what a worker is executed from. */
static inline pm_worker_origin_t pm_rollback_origin(const pm_pool_t *pool)
{
    pm_worker_origin_t from = {pm_rollback_spec(pool), pm_rollback_number(pool),
                               pm_accepted_at(pool->listener.fd), 0};

    return from;
}

#endif /* PM_ROLLBACK_H */
