/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/pool/pm_rollback.h"

static void rb_drop_former(pm_rollback_t *r)
{
    if (r->former) {
        apr_pool_destroy(r->p);
        r->former = NULL;
    }
    r->back = 0;
}

void pm_rollback_replace(pm_pool_t *pool, const pm_conf_t *conf)
{
    pm_rollback_t *r = &pool->rollback;

    if (!conf->reload) {
        rb_drop_former(r);
    }
    if (pool->spec && conf->reload && r->proven) {
        rb_drop_former(r);
        r->former = pool->spec;
        r->p = pool->pconf;
    }
    else if (pool->spec) {
        apr_pool_destroy(pool->pconf);
    }
    r->number++;
    r->proven = 0;
    r->back = 0;
}

void pm_rollback_try(pm_pool_t *pool)
{
    pool->rollback.back = 0;
}

void pm_rollback_ready(pm_pool_t *pool, const pm_worker_t *w)
{
    pm_rollback_t *r = &pool->rollback;

    if (w->definition == r->number && !r->proven) {
        r->proven = 1;
        r->ever = 1;
        rb_drop_former(r);
    }
}

int pm_rollback_failed(pm_pool_t *pool, const pm_worker_t *w)
{
    pm_rollback_t *r = &pool->rollback;
    int begins = r->former && !r->back && !r->proven
                 && (!w || w->definition == r->number);

    r->back |= begins;
    return begins;
}
