/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/pool/pm_rollback.h"

static void drop_former(pm_rollback_t *r)
{
    if (r->former) {
        apr_pool_destroy(r->p);
        r->former = NULL;
    }
    r->back = 0;
}

void pm_rollback_replace(pm_pool_t *pool, const pm_conf_t *conf)
{
    pm_rollback_t *r = &pool->release;

    if (!conf->reload) {
        drop_former(r);
    }
    if (pool->birth && conf->reload && r->proven) {
        drop_former(r);
        r->former = pool->birth;
        r->p = pool->pconf;
    }
    else if (pool->birth) {
        apr_pool_destroy(pool->pconf);
    }
    r->number++;
    r->proven = 0;
    r->back = 0;
}

void pm_rollback_try(pm_pool_t *pool)
{
    pool->release.back = 0;
}

void pm_rollback_ready(pm_worker_t *w)
{
    pm_rollback_t *r = &w->pool->release;

    if (w->release == r->number && !r->proven) {
        r->proven = 1;
        drop_former(r);
    }
}

int pm_rollback_failed(pm_pool_t *pool, const pm_worker_t *w)
{
    pm_rollback_t *r = &pool->release;
    int turns =
        r->former && !r->back && !r->proven && (!w || w->release == r->number);

    r->back |= turns;
    return turns;
}
