/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/pool/pm_filewatch.h"

#include "pm_core/os/pm_inotify.h"

/* From the first sign of a change to the reload. */
#define PAUSE apr_time_from_msec(200)

static void on_pause(void *ctx, apr_time_t now)
{
    pm_pool_t *pool = ctx;

    (void)now;
    if (pool->phase == PM_POOL_RUNNING && !pm_pool_held(pool)
        && !pool->world->dying_at) {
        pm_log(pool->world->log, PM_NOTICE,
               "pool %s: a file of FcgiPMWatch "
               "has changed: reload",
               pool->conf->name);
        pm_scoreboard_header(pool->world->board)->reloads++;
        pm_pool_reload(pool);
    }
}

static void on_change(void *who, const char *path)
{
    pm_pool_t *pool = who;

    if (!pool->watch_timer.when) {
        pm_log(pool->world->log, PM_DEBUG, "pool %s: %s has changed",
               pool->conf->name, path);
        pm_loop_at(pool->world->loop, &pool->watch_timer,
                   pm_time_now() + PAUSE);
    }
}

static void add(pm_pool_t *pool)
{
    const apr_array_header_t *paths = pool->conf->watch;
    pm_reason_t why;
    int i;

    pool->watch_timer.due = on_pause;
    pool->watch_timer.ctx = pool;
    for (i = 0; i < paths->nelts; i++) {
        if (pm_inotify_add(pool->world->notify,
                           APR_ARRAY_IDX(paths, i, const char *), pool, &why)
            != APR_SUCCESS) {
            pm_log(pool->world->log, PM_WARNING, "pool %s: FcgiPMWatch: %s",
                   pool->conf->name, why.text);
        }
    }
}

void pm_filewatch_renew(pm_context_t *world)
{
    apr_hash_index_t *hi;
    pm_reason_t why;

    pm_inotify_destroy(world->notify);
    world->notify = NULL;
    for (hi = apr_hash_first(NULL, world->pools); hi; hi = apr_hash_next(hi)) {
        pm_pool_t *pool = apr_hash_this_val(hi);

        if (!pool->conf->watch || pool->phase == PM_POOL_DRAINING
            || pool->phase == PM_POOL_CLOSING) {
            continue;
        }
        if (!world->notify
            && pm_inotify_create(&world->notify, world->loop, on_change,
                                 world->p, &why)
                   != APR_SUCCESS) {
            pm_log(world->log, PM_WARNING, "FcgiPMWatch: %s", why.text);
            return;
        }
        add(pool);
    }
}

void pm_filewatch_forget(pm_pool_t *pool)
{
    pm_loop_at(pool->world->loop, &pool->watch_timer, PM_TIME_NEVER);
}
