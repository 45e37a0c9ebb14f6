/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/pool/pm_filewatch.h"

#include "pm_core/os/pm_inotify.h"
#include "pm_core/pool/pm_reload.h"

/* From the first sign of a change to the reload. */
#define PAUSE apr_time_from_msec(200)

struct pm_filewatch {
    pm_pool_t *pool;
    pm_timer_t timer; /* set when a file has changed */
    int added;        /* its files are watched */
};

static void fw_on_pause(void *ctx, apr_time_t now)
{
    struct pm_filewatch *watch = ctx;
    pm_reload_t how = {.origin = PM_RELOAD_FILE};

    (void)now;
    pm_reload_run(watch->pool->context, watch->pool, &how);
}

static void fw_on_change(void *data, const char *path)
{
    pm_pool_t *pool = data;
    pm_timer_t *timer = &pool->filewatch->timer;

    if (!timer->when) {
        pm_log(pool->context->log, PM_DEBUG, "pool %s: %s has changed",
               pool->conf->name, path);
        pm_loop_at(pool->context->loop, timer, pm_time_now() + PAUSE);
    }
}

static apr_status_t fw_cleanup(void *ctx)
{
    struct pm_filewatch *watch = ctx;

    pm_loop_at(watch->pool->context->loop, &watch->timer, PM_TIME_NEVER);
    return APR_SUCCESS;
}

static void fw_create(pm_pool_t *pool)
{
    struct pm_filewatch *watch = apr_pcalloc(pool->p, sizeof(*watch));

    watch->pool = pool;
    watch->timer = (pm_timer_t){.due = fw_on_pause, .ctx = watch};
    pool->filewatch = watch;
    apr_pool_pre_cleanup_register(pool->p, watch, fw_cleanup);
}

static int fw_wants(const pm_pool_t *pool)
{
    return pool->conf->watch && pool->phase != PM_POOL_DRAINING
           && pool->phase != PM_POOL_CLOSING;
}

/* A pool can go without another set: that of a script. */
static void fw_planned(pm_pool_t *pool)
{
    if (pool->filewatch->added && !fw_wants(pool)) {
        pm_filewatch_renew(pool->context);
    }
}

const pm_pool_feature_t pm_filewatch_feature = {.create = fw_create,
                                                .planned = fw_planned};

static void fw_add(pm_pool_t *pool)
{
    const apr_array_header_t *paths = pool->conf->watch;
    pm_reason_t why;
    int i;

    pool->filewatch->added = 1;
    for (i = 0; i < paths->nelts; i++) {
        if (pm_inotify_add(pool->context->inotify,
                           APR_ARRAY_IDX(paths, i, const char *), pool, &why)
            != APR_SUCCESS) {
            pm_log(pool->context->log, PM_WARNING, "pool %s: FcgiPMWatch: %s",
                   pool->conf->name, why.text);
        }
    }
}

void pm_filewatch_renew(pm_context_t *context)
{
    apr_hash_index_t *hi;
    pm_reason_t why;

    pm_inotify_destroy(context->inotify);
    context->inotify = NULL;
    for (hi = apr_hash_first(NULL, context->pools); hi;
         hi = apr_hash_next(hi)) {
        pm_pool_t *pool = apr_hash_this_val(hi);

        pool->filewatch->added = 0;
        if (!fw_wants(pool)) {
            continue;
        }
        if (!context->inotify
            && pm_inotify_create(&context->inotify, context->loop, fw_on_change,
                                 context->p, &why)
                   != APR_SUCCESS) {
            pm_log(context->log, PM_WARNING, "FcgiPMWatch: %s", why.text);
            return;
        }
        fw_add(pool);
    }
}
