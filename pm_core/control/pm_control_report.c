/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/control/pm_control_report.h"

#include <string.h>

#include "apr_strings.h"
#include "pm_core/control/pm_report_config.h"
#include "pm_core/control/pm_report_status.h"

/* One report is written for so long in a round. */
#define SLICE apr_time_from_msec(3)

typedef struct report {
    APR_RING_ENTRY(report) link; /* in context->reports */
    pm_context_t *context;
    pm_control_caller_t *caller;
    pm_control_report_kind_t kind;
    pm_json_t json;
    apr_array_header_t *pools;   /* their generations */
    int next;                    /* index of the pool that is written next */
    pm_report_workers_t workers; /* of the one before */
} report_t;

APR_RING_HEAD(reports, report);

struct pm_control_reports {
    struct reports list;
    pm_timer_t timer; /* the next slice of the first */
};

/* --- one report ----------------------------------------------------------- */

static void report_open(report_t *r)
{
    const pm_context_t *context = r->context;

    if (r->kind == PM_CONTROL_REPORT_CONFIG) {
        pm_report_config_begin(&r->json, context->global);
    }
    else {
        pm_report_status_begin(&r->json,
                               pm_scoreboard_header(context->scoreboard), NULL,
                               pm_time_now());
    }
}

/* It may have gone since the report was begun. */
static void report_put_pool(report_t *r, apr_uint32_t generation)
{
    pm_pool_t *pool =
        apr_hash_get(r->context->pools, &generation, sizeof(generation));

    if (pool && r->kind == PM_CONTROL_REPORT_CONFIG) {
        pm_report_config_pool(&r->json, pool);
    }
    else if (pool) {
        pm_report_status_pool(&r->json, &r->workers, pool, pm_time_now());
    }
}

/* @return 0: there is none left */
static int report_step(report_t *r)
{
    if (pm_report_status_worker(&r->json, &r->workers)) {
        return 1;
    }
    if (r->next < r->pools->nelts) {
        report_put_pool(r, APR_ARRAY_IDX(r->pools, r->next++, apr_uint32_t));
        return 1;
    }
    return 0;
}

static void report_close(report_t *r)
{
    if (r->kind == PM_CONTROL_REPORT_CONFIG) {
        pm_report_config_end(&r->json);
    }
    else {
        pm_report_status_end(&r->json);
    }
}

/* It is answered, or its caller has gone. */
static apr_status_t report_leave(void *ctx)
{
    report_t *r = ctx;

    APR_RING_REMOVE(r, link);
    return APR_SUCCESS;
}

/* @return 0: it is answered, and must not be used again */
static int report_write(report_t *r, apr_time_t end)
{
    while (report_step(r)) {
        if (pm_time_now() >= end) {
            return 1;
        }
    }
    report_close(r);
    apr_pool_cleanup_run(r->json.bytes->pool, r, report_leave);
    pm_control_server_answer(r->caller, pm_json_text(&r->json), 1);
    return 0;
}

/* --- all reports ---------------------------------------------------------- */

static void report_go_on(pm_context_t *context)
{
    struct pm_control_reports *all = context->reports;

    if (!APR_RING_EMPTY(&all->list, report, link)) {
        pm_loop_at(context->loop, &all->timer, pm_time_now());
    }
}

static void report_on_slice(void *ctx, apr_time_t now)
{
    pm_context_t *context = ctx;
    struct reports *list = &context->reports->list;
    report_t *r = APR_RING_FIRST(list);

    if (!APR_RING_EMPTY(list, report, link) && report_write(r, now + SLICE)) {
        APR_RING_REMOVE(r, link);
        APR_RING_INSERT_TAIL(list, r, report, link);
    }
    report_go_on(context);
}

/* @return NULL: there is no pool of that name */
static apr_array_header_t *report_choose(const pm_context_t *context,
                                         const char *name, apr_pool_t *p)
{
    apr_array_header_t *chosen = apr_array_make(p, 16, sizeof(apr_uint32_t));
    apr_hash_index_t *hi;

    for (hi = apr_hash_first(p, context->pools); hi; hi = apr_hash_next(hi)) {
        const pm_pool_t *pool = apr_hash_this_val(hi);

        if (!name[0] || !strcmp(pool->conf->name, name)) {
            *(apr_uint32_t *)apr_array_push(chosen) = pool->generation;
        }
    }
    return chosen->nelts || !name[0] ? chosen : NULL;
}

void pm_control_report_begin(pm_context_t *context, pm_control_caller_t *caller,
                             pm_control_report_kind_t kind, const char *pool)
{
    apr_pool_t *p = pm_control_server_pool(caller);
    report_t *r = apr_pcalloc(p, sizeof(*r));

    r->context = context;
    r->caller = caller;
    r->kind = kind;
    r->pools = report_choose(context, pool, p);
    if (!r->pools) {
        pm_control_server_answer(
            caller, apr_psprintf(p, "error there is no pool \"%s\"", pool), 1);
        return;
    }
    pm_json_init(&r->json, p);
    APR_RING_INSERT_TAIL(&context->reports->list, r, report, link);
    apr_pool_cleanup_register(p, r, report_leave, apr_pool_cleanup_null);
    report_open(r);
    if (report_write(r, pm_time_now() + SLICE)) {
        report_go_on(context);
    }
}

void pm_control_report_init(pm_context_t *context)
{
    context->reports = apr_pcalloc(context->p, sizeof(*context->reports));
    context->reports->timer =
        (pm_timer_t){.due = report_on_slice, .ctx = context};
    APR_RING_INIT(&context->reports->list, report, link);
}
