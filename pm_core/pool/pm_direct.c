/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/pool/pm_direct.h"

#include "pm_core/pool/pm_pool.h"

/* Connections that httpd has made and that have ended. */
static apr_uint64_t direct_turns(const pm_pool_t *pool,
                                 const pm_scoreboard_totals_t *sum)
{
    pm_request_stats_t stats =
        pm_scoreboard_stats_sum(pool->context->scoreboard, pool->slot);

    return pm_request_stats_total(&stats.took) + sum->lost;
}

/* Connections that wait in the kernel are not the old workers': they belong to
 * those that this manager starts, and are not in turns. */
void pm_direct_init(pm_pool_t *pool)
{
    pm_scoreboard_totals_t sum =
        pm_scoreboard_sum(pool->context->scoreboard, pool->slot);

    pool->direct.turns = direct_turns(pool, &sum);
    pool->direct.before = pool->published->direct;
}

/* What it says beyond what it has said. */
static void direct_count_strangers(pm_worker_t *w,
                                   const pm_worker_facts_t *facts)
{
    if (facts->refused > w->refused) {
        w->pool->published->strangers += facts->refused - w->refused;
        w->refused = facts->refused;
    }
}

void pm_direct_keep(pm_worker_t *w, apr_time_t now)
{
    pm_worker_facts_t facts = pm_worker_read_facts(w, now);

    w->pool->direct.accepted += facts.requests;
    direct_count_strangers(w, &facts);
}

/* Workers first, then httpd: a connection in between makes the difference
 * smaller, never greater. */
int pm_direct_update(pm_pool_t *pool, apr_time_t now)
{
    pm_direct_t *direct = &pool->direct;
    apr_uint64_t accepted = direct->accepted;
    pm_worker_t *w = NULL;
    pm_scoreboard_totals_t sum;
    apr_uint64_t made;
    int busy = 0;

    APR_RING_FOREACH(w, &pool->workers.list, pm_worker, link)
    {
        pm_worker_facts_t facts = pm_worker_read_facts(w, now);

        accepted += facts.requests;
        direct_count_strangers(w, &facts);
        busy += w->state == PM_WORKER_READY && facts.busy;
    }
    sum = pm_scoreboard_sum(pool->context->scoreboard, pool->slot);
    made = direct_turns(pool, &sum) - direct->turns + sum.in_flight;
    if (accepted > made
        && direct->before + accepted - made > pool->published->direct) {
        pool->published->direct = direct->before + accepted - made;
    }
    return busy;
}
