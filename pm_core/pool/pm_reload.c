/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/pool/pm_reload.h"

#include <unistd.h>

static int rld_may(const pm_pool_t *pool)
{
    return pool->phase == PM_POOL_RUNNING && !pm_pool_held(pool);
}

static void rld_log(const pm_pool_t *pool, const pm_reload_t *how)
{
    const pm_log_t *log = pool->context->log;

    switch (how->origin) {
    case PM_RELOAD_COMMAND:
        pm_log(log, PM_NOTICE, "pool %s: reload (control socket, uid %ld)",
               pool->conf->name, (long)how->uid);
        break;
    case PM_RELOAD_FILE:
        pm_log(log, PM_NOTICE,
               "pool %s: a file of FcgiPMWatch has changed: reload",
               pool->conf->name);
        break;
    case PM_RELOAD_SIGNAL: /* one line for all of them */
        break;
    }
}

static void rld_one(pm_pool_t *pool, const pm_reload_t *how)
{
    if (rld_may(pool)) {
        rld_log(pool, how);
        if (how->wait) {
            pm_reload_wait_add(how->wait, pool);
        }
        pm_pool_reload(pool);
    }
}

void pm_reload_run(pm_context_t *context, pm_pool_t *pool,
                   const pm_reload_t *how)
{
    apr_hash_index_t *hi;

    if (pool && !rld_may(pool)) {
        return;
    }
    pm_scoreboard_header(context->scoreboard)->reloads++;
    if (pool) {
        rld_one(pool, how);
        return;
    }
    if (how->origin == PM_RELOAD_SIGNAL) {
        pm_log(context->log, PM_NOTICE,
               "manager (pid %d): reload: all workers are replaced",
               (int)getpid());
    }
    for (hi = apr_hash_first(NULL, context->pools); hi;
         hi = apr_hash_next(hi)) {
        rld_one(apr_hash_this_val(hi), how);
    }
}
