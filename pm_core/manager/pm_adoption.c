/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/manager/pm_adoption.h"

#include "pm_core/policy/pm_reload_policy.h"
#include "pm_core/pool/pm_filewatch.h"
#include "pm_core/pool/pm_pool.h"
#include "pm_core/pool/pm_script_pools.h"

static void adoption_take_member(pm_adoption_t *a, pm_member_t *member)
{
    apr_hash_t *pools = a->context->pools;
    pm_pool_t *pool =
        apr_hash_get(pools, &member->generation, sizeof(member->generation));
    pm_graceful_t graceful = (pm_graceful_t)a->set->global->graceful;

    switch (pm_reload_policy_plan(graceful, pool ? pool->conf : NULL,
                                  member->conf)) {
    case PM_RELOAD_POLICY_RELOAD:
        pm_pool_define(pool, member);
        pm_pool_reload(pool);
        break;
    case PM_RELOAD_POLICY_KEEP:
        pm_pool_define(pool, member);
        break;
    case PM_RELOAD_POLICY_START:
    default:
        pool = pm_pool_create(a->context, member);
        apr_hash_set(pools, &pool->generation, sizeof(pool->generation), pool);
        break;
    }
}

static int adoption_has(const pm_adoption_t *a, const pm_pool_t *pool)
{
    const apr_array_header_t *members = a->set->members;
    int i;

    for (i = 0; i < members->nelts; i++) {
        if (APR_ARRAY_IDX(members, i, pm_member_t).generation
            == pool->generation) {
            return 1;
        }
    }
    return 0;
}

/* Pools that the set does not have are removed; those of scripts go with their
 * templates. */
static void adoption_remove_others(pm_adoption_t *a)
{
    apr_hash_index_t *hi;

    for (hi = apr_hash_first(NULL, a->context->pools); hi;
         hi = apr_hash_next(hi)) {
        pm_pool_t *pool = apr_hash_this_val(hi);

        if (!pool->script && !adoption_has(a, pool)) {
            pm_pool_remove(pool);
        }
    }
}

static void adoption_end(pm_adoption_t *a)
{
    pm_context_t *context = a->context;

    context->config = a->set->config;
    adoption_remove_others(a);
    pm_script_pools_adopt(context, a->set);
    pm_filewatch_renew(context);
    pm_pool_set_destroy(a->former);
    a->former = NULL;
    a->is_under_way = 0;
}

void pm_adoption_begin(pm_adoption_t *a, pm_pool_set_t *set)
{
    if (a->is_under_way) {
        pm_pool_set_destroy(a->set);
    }
    else {
        a->former = a->set;
    }
    a->set = set;
    a->next = 0;
    a->is_under_way = 1;
}

int pm_adoption_go_on(pm_adoption_t *a, apr_time_t end)
{
    if (!a->is_under_way) {
        return 0;
    }
    while (a->next < a->set->members->nelts) {
        adoption_take_member(
            a, &APR_ARRAY_IDX(a->set->members, a->next, pm_member_t));
        a->next++;
        if (pm_time_now() >= end) {
            return 0;
        }
    }
    adoption_end(a);
    return 1;
}
