/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/pool/pm_reload_wait.h"

#include <string.h>

#include "apr_strings.h"

typedef struct pm_reload_wait_part part_t;

struct pm_reload_wait {
    pm_control_caller_t *caller;
    apr_pool_t *p;
    apr_array_header_t *parts; /* of part_t * */
    int begun;
    int left;           /* parts that have not ended */
    const char *said;   /* lines before the last */
    const char *errors; /* "pool a: ...; pool b: ..." */
};

static void part_end(part_t *part)
{
    if (part->pool) {
        APR_RING_REMOVE(part, link);
        part->pool = NULL;
        part->reload->left--;
    }
}

/* The caller has gone. */
static apr_status_t forget(void *ctx)
{
    pm_reload_wait_t *reload = ctx;
    int i;

    for (i = 0; i < reload->parts->nelts; i++) {
        part_end(APR_ARRAY_IDX(reload->parts, i, part_t *));
    }
    return APR_SUCCESS;
}

pm_reload_wait_t *pm_reload_wait_create(pm_control_caller_t *caller)
{
    apr_pool_t *p = pm_control_server_pool(caller);
    pm_reload_wait_t *reload = apr_pcalloc(p, sizeof(*reload));

    reload->caller = caller;
    reload->p = p;
    reload->parts = apr_array_make(p, 4, sizeof(part_t *));
    reload->said = reload->errors = "";
    apr_pool_cleanup_register(p, reload, forget, apr_pool_cleanup_null);
    return reload;
}

/* --- what has come of it -------------------------------------------------- */

/* Workers of before that are there still; the oldest stand first. */
static int old_left(const part_t *part)
{
    const pm_worker_t *w = NULL;
    int n = 0;

    APR_RING_FOREACH(w, &part->pool->workers, pm_worker, link)
    {
        if (w->number > part->newest) {
            break;
        }
        n++;
    }
    return n;
}

static int has_failed(const part_t *part)
{
    const pm_pool_t *pool = part->pool;

    return part->failures != pool->failure.n
           && (pool->conf->reload || pool->crash.failures > 1);
}

/* What a worker that failed has said, a line for each of its lines. */
static void quote(pm_reload_wait_t *reload, const pm_start_failure_t *failure)
{
    char *last = NULL;
    char *text = apr_pstrdup(reload->p, failure->said);
    char *line;

    for (line = apr_strtok(text, "\n", &last); line;
         line = apr_strtok(NULL, "\n", &last)) {
        reload->said = apr_psprintf(reload->p, "%sstderr %d %s\n", reload->said,
                                    (int)failure->pid, line);
    }
}

static const char *explain(pm_reload_wait_t *reload, const pm_pool_t *pool)
{
    const pm_start_failure_t *failure = &pool->failure;

    quote(reload, failure);
    if (!pool->conf->reload) {
        return apr_psprintf(reload->p, "%s; starts are tried again",
                            failure->reason);
    }
    return apr_psprintf(reload->p,
                        "%s; the rolling reload has ended, %d old "
                        "workers are kept",
                        failure->reason, failure->roll);
}

static void finish(pm_reload_wait_t *reload)
{
    if (!reload->begun || reload->left) {
        return;
    }
    pm_control_server_answer(reload->caller,
                             reload->errors[0]
                                 ? apr_pstrcat(reload->p, reload->said,
                                               "error ", reload->errors, NULL)
                                 : "ok",
                             1);
}

static void part_failed(part_t *part, const char *reason)
{
    pm_reload_wait_t *reload = part->reload;

    reload->errors =
        apr_pstrcat(reload->p, reload->errors, reload->errors[0] ? "; " : "",
                    "pool ", part->pool->conf->name, ": ", reason, NULL);
    part_end(part);
    finish(reload);
}

static void tell(part_t *part, int gone)
{
    if (gone != part->gone) {
        part->gone = gone;
        pm_control_server_answer(
            part->reload->caller,
            apr_psprintf(part->reload->p, "progress %d %d %s", gone, part->old,
                         part->pool->conf->name),
            0);
    }
}

static void attend(part_t *part)
{
    pm_pool_t *pool = part->pool;
    int gone = part->old - old_left(part);

    tell(part, gone);
    if (pool->phase != PM_POOL_RUNNING) {
        part_failed(part, pool->world->dying_at ? "the manager is about to "
                                                  "end"
                                                : "it was removed");
    }
    else if (pm_pool_held(pool)) {
        part_failed(part, "it was stopped");
    }
    else if (has_failed(part)) {
        part_failed(part, explain(part->reload, pool));
    }
    else if (gone == part->old && pm_pool_settled(pool)) {
        part_end(part);
        finish(part->reload);
    }
}

/* --- for others ----------------------------------------------------------- */

void pm_reload_wait_add(pm_reload_wait_t *reload, pm_pool_t *pool)
{
    part_t *part = apr_pcalloc(reload->p, sizeof(*part));

    part->reload = reload;
    part->pool = pool;
    part->newest = pool->world->births;
    part->old = old_left(part);
    part->failures = pool->failure.n;
    APR_RING_INSERT_TAIL(&pool->waits, part, pm_reload_wait_part, link);
    *(part_t **)apr_array_push(reload->parts) = part;
    reload->left++;
    pm_pool_touch(pool);
}

void pm_reload_wait_begin(pm_reload_wait_t *reload)
{
    reload->begun = 1;
    finish(reload);
}

/* Calls act for each who waits for the pool; it may end that. */
static void each_part(pm_pool_t *pool, void (*act)(part_t *part))
{
    part_t *part, *next;

    for (part = APR_RING_FIRST(&pool->waits);
         part != APR_RING_SENTINEL(&pool->waits, pm_reload_wait_part, link);
         part = next) {
        next = APR_RING_NEXT(part, link);
        act(part);
    }
}

void pm_reload_wait_attend(pm_pool_t *pool)
{
    each_part(pool, attend);
}

static void part_removed(part_t *part)
{
    part_failed(part, "it was removed");
}

void pm_reload_wait_gone(pm_pool_t *pool)
{
    each_part(pool, part_removed);
}
