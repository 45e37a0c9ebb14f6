/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/pool/pm_reload_wait.h"

#include <string.h>

#include "apr_strings.h"
#include "pm_core/pool/pm_fork_server.h"

/* One pool of those that are waited for. */
typedef struct part {
    APR_RING_ENTRY(part) link; /* in pool->reloads */
    pm_reload_wait_t *reload;
    pm_pool_t *pool;       /* NULL: ended */
    apr_uint64_t newest;   /* number of the newest old worker */
    int old;               /* old workers at the beginning */
    int gone;              /* of them, as the caller was told */
    apr_uint32_t failures; /* the pool had before */
} part_t;

APR_RING_HEAD(pm_reload_waits, part);

struct pm_reload_wait {
    pm_control_caller_t *caller;
    apr_pool_t *p;
    apr_array_header_t *parts; /* of part_t * */
    int begun;
    int left;           /* parts that have not ended */
    const char *said;   /* lines of the answer before the last */
    const char *errors; /* "pool a: ...; pool b: ..." */
};

static void rw_part_end(part_t *part)
{
    if (part->pool) {
        APR_RING_REMOVE(part, link);
        part->pool->workers.watched--;
        part->pool = NULL;
        part->reload->left--;
    }
}

/* The caller has closed its end. */
static apr_status_t rw_forget(void *ctx)
{
    pm_reload_wait_t *reload = ctx;
    int i;

    for (i = 0; i < reload->parts->nelts; i++) {
        rw_part_end(APR_ARRAY_IDX(reload->parts, i, part_t *));
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
    apr_pool_cleanup_register(p, reload, rw_forget, apr_pool_cleanup_null);
    return reload;
}

/* --- progress ------------------------------------------------------------- */

/* Old workers that are there still; the list begins with the oldest. */
static int rw_old_left(const part_t *part)
{
    const pm_worker_t *w = NULL;
    int n = 0;

    APR_RING_FOREACH(w, &part->pool->workers.list, pm_worker, link)
    {
        if (w->number > part->newest) {
            break;
        }
        n++;
    }
    return n;
}

static int rw_has_failed(const part_t *part)
{
    const pm_pool_t *pool = part->pool;

    return part->failures != pool->failure.n
           && (pool->conf->reload || pool->restart.failures > 1
               || pm_fork_server_is_kept(pool));
}

/* The last lines of a worker that failed, each as a line of the answer. */
static void rw_quote(pm_reload_wait_t *reload,
                     const pm_start_failure_t *failure)
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

static const char *rw_explain(pm_reload_wait_t *reload, const pm_pool_t *pool)
{
    const pm_start_failure_t *failure = &pool->failure;

    rw_quote(reload, failure);
    if (pm_fork_server_is_kept(pool)) {
        return apr_psprintf(reload->p, "%s; the former code is kept",
                            failure->reason);
    }
    if (!pool->conf->reload) {
        return apr_psprintf(reload->p, "%s; starts are tried again",
                            failure->reason);
    }
    return apr_psprintf(reload->p,
                        "%s; the rolling reload has ended, %d old "
                        "workers are kept",
                        failure->reason, failure->roll);
}

static void rw_finish(pm_reload_wait_t *reload)
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

static void rw_part_failed(part_t *part, const char *reason)
{
    pm_reload_wait_t *reload = part->reload;

    reload->errors =
        apr_pstrcat(reload->p, reload->errors, reload->errors[0] ? "; " : "",
                    "pool ", part->pool->conf->name, ": ", reason, NULL);
    rw_part_end(part);
    rw_finish(reload);
}

static void rw_tell(part_t *part, int gone)
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

static void rw_attend(part_t *part)
{
    pm_pool_t *pool = part->pool;
    int gone = part->old - rw_old_left(part);

    rw_tell(part, gone);
    if (pool->phase != PM_POOL_RUNNING) {
        rw_part_failed(part, pool->context->dying_at
                                 ? "the manager is about to "
                                   "end"
                                 : "it was removed");
    }
    else if (pm_pool_held(pool)) {
        rw_part_failed(part, "it was stopped");
    }
    else if (rw_has_failed(part)) {
        rw_part_failed(part, rw_explain(part->reload, pool));
    }
    else if (gone == part->old && pm_pool_settled(pool)) {
        rw_part_end(part);
        rw_finish(part->reload);
    }
}

/* --- for the control socket ----------------------------------------------- */

void pm_reload_wait_add(pm_reload_wait_t *reload, pm_pool_t *pool)
{
    part_t *part = apr_pcalloc(reload->p, sizeof(*part));

    part->reload = reload;
    part->pool = pool;
    part->newest = pool->context->started;
    part->old = rw_old_left(part);
    part->failures = pool->failure.n;
    APR_RING_INSERT_TAIL(pool->reloads, part, part, link);
    pool->workers.watched++;
    *(part_t **)apr_array_push(reload->parts) = part;
    reload->left++;
    pm_pool_touch(pool);
}

void pm_reload_wait_begin(pm_reload_wait_t *reload)
{
    reload->begun = 1;
    rw_finish(reload);
}

/* --- for the pool --------------------------------------------------------- */

/* Calls act for each part of the pool; it may end that. */
static void rw_each_part(pm_pool_t *pool, void (*act)(part_t *part))
{
    part_t *part, *next;

    for (part = APR_RING_FIRST(pool->reloads);
         part != APR_RING_SENTINEL(pool->reloads, part, link); part = next) {
        next = APR_RING_NEXT(part, link);
        act(part);
    }
}

static void rw_planned(pm_pool_t *pool)
{
    rw_each_part(pool, rw_attend);
}

static void rw_part_removed(part_t *part)
{
    rw_part_failed(part, "it was removed");
}

static apr_status_t rw_cleanup(void *pool)
{
    rw_each_part(pool, rw_part_removed);
    return APR_SUCCESS;
}

static void rw_create(pm_pool_t *pool)
{
    pool->reloads = apr_pcalloc(pool->p, sizeof(*pool->reloads));
    APR_RING_INIT(pool->reloads, part, link);
    apr_pool_pre_cleanup_register(pool->p, pool, rw_cleanup);
}

const pm_pool_feature_t pm_reload_wait_feature = {.create = rw_create,
                                                  .planned = rw_planned};
