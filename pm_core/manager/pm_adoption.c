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

int pm_adoption_removes(const pm_pool_set_t *set, const pm_pool_t *pool)
{
    const apr_array_header_t *members = set->members;
    int i;

    if (pool->script) {
        return 0;
    }
    for (i = 0; i < members->nelts; i++) {
        if (APR_ARRAY_IDX(members, i, pm_member_t).generation
            == pool->generation) {
            return 0;
        }
    }
    return 1;
}

/* A pool of the set may have taken over the socket of one that is removed: it
 * is not that one's to end any more. */
static void adoption_leave_socket(const pm_adoption_t *a, pm_pool_t *removed)
{
    const apr_array_header_t *members = a->set->members;
    int i;

    for (i = 0; i < members->nelts; i++) {
        const pm_member_t *member = &APR_ARRAY_IDX(members, i, pm_member_t);
        const pm_pool_t *pool = apr_hash_get(
            a->context->pools, &member->generation, sizeof(member->generation));

        if (pool && pm_listen_is_same(&pool->listener, &removed->listener)) {
            removed->listener.foreign = removed->is_succeeded = 1;
        }
    }
}

static void adoption_remove_others(pm_adoption_t *a)
{
    apr_hash_index_t *hi;

    for (hi = apr_hash_first(NULL, a->context->pools); hi;
         hi = apr_hash_next(hi)) {
        pm_pool_t *pool = apr_hash_this_val(hi);

        if (pm_adoption_removes(a->set, pool)) {
            adoption_leave_socket(a, pool);
            pm_pool_remove(pool);
        }
    }
}

/* From here on scripts run by the set; it is the former one of the next. */
static void adoption_begin_scripts(pm_adoption_t *a)
{
    pm_context_t *context = a->context;

    a->phase = PM_ADOPTION_SCRIPTS;
    context->config = a->set->config;
    adoption_remove_others(a);
    pm_script_pools_adopt(context, a->set);
    pm_pool_set_destroy(a->former);
    a->former = NULL;
}

void pm_adoption_begin(pm_adoption_t *a, pm_pool_set_t *set)
{
    if (a->phase == PM_ADOPTION_POOLS) {
        pm_pool_set_destroy(a->set);
    }
    else {
        a->former = a->set;
    }
    a->set = set;
    a->next = 0;
    a->phase = PM_ADOPTION_POOLS;
}

/* @return 0: there is no time left */
static int adoption_take_members(pm_adoption_t *a, apr_time_t end)
{
    while (a->next < a->set->members->nelts) {
        adoption_take_member(
            a, &APR_ARRAY_IDX(a->set->members, a->next, pm_member_t));
        a->next++;
        if (pm_time_now() >= end) {
            return 0;
        }
    }
    return 1;
}

int pm_adoption_go_on(pm_adoption_t *a, apr_time_t end)
{
    if (a->phase == PM_ADOPTION_NONE) {
        return 0;
    }
    if (a->phase == PM_ADOPTION_POOLS) {
        if (!adoption_take_members(a, end)) {
            return 0;
        }
        adoption_begin_scripts(a);
    }
    if (pm_script_pools_go_on(a->context, end)) {
        return 0;
    }
    pm_filewatch_renew(a->context);
    a->phase = PM_ADOPTION_NONE;
    return 1;
}
