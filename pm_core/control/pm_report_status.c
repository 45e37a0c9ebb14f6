/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/control/pm_report_status.h"

#include "apr_strings.h"
#include "pm_core/os/pm_procinfo.h"

/* --- the whole ------------------------------------------------------------ */

static void manager(pm_json_t *j, const pm_scoreboard_header_t *head,
                    const char *error, apr_time_t now)
{
    pm_json_open(j, "manager", '{');
    pm_json_int(j, "pid", head ? head->pid : 0);
    pm_json_seconds(j, "uptime", head && !error ? now - head->started : 0);
    pm_json_int(j, "restarts", head ? head->restarts : 0);
    pm_json_int(j, "reloads", head ? head->reloads : 0);
    pm_json_bool(j, "answers", !error);
    pm_json_string(j, "error", error ? error : "");
    pm_json_close(j, '}');
}

void pm_report_status_begin(pm_json_t *j, const pm_scoreboard_header_t *head,
                            const char *error, apr_time_t now)
{
    int i;

    pm_json_open(j, NULL, '{');
    pm_json_string(j, "version", PM_VERSION);
    manager(j, head, error, now);
    pm_json_open(j, "time_bounds", '[');
    for (i = 0; i < PM_REQUEST_STATS_BUCKETS - 1; i++) {
        pm_json_precise(j, NULL, pm_request_stats_bounds[i]);
    }
    pm_json_close(j, ']');
    pm_json_open(j, "pools", '[');
}

void pm_report_status_end(pm_json_t *j)
{
    pm_json_close(j, ']');
    pm_json_close(j, '}');
}

/* --- a worker ------------------------------------------------------------- */

/* A worker counts as idle as soon as it runs; that it is busy its page tells.
 */
static const char *const state_names[] = {
    [PM_WORKER_BORN] = "starting",   [PM_WORKER_LOADING] = "starting",
    [PM_WORKER_READY] = "idle",      [PM_WORKER_STOPPING] = "stopping",
    [PM_WORKER_KILLED] = "stopping", [PM_WORKER_LEFT] = "stopping",
    [PM_WORKER_GONE] = "stopping"};

static void worker(pm_json_t *j, const pm_worker_t *w, apr_time_t now)
{
    pm_worker_facts_t facts = pm_worker_read_facts(w, now);
    int busy = w->state == PM_WORKER_READY && facts.busy;

    pm_json_open(j, NULL, '{');
    pm_json_int(j, "pid", w->pid);
    pm_json_string(j, "state", busy ? "busy" : state_names[w->state]);
    pm_json_int(j, "requests", (apr_int64_t)facts.requests);
    pm_json_seconds(j, "uptime", now - w->born_at);
    pm_json_seconds(j, "busy_for", facts.busy ? now - facts.busy_since : 0);
    pm_json_int(j, "rss", pm_procinfo_rss(w->pid));
    pm_json_close(j, '}');
}

/* --- a pool --------------------------------------------------------------- */

/* What of a pool is known, in the manager and outside. */
typedef struct view {
    const pm_conf_t *conf;
    const pm_scoreboard_slot_t *slot; /* zeros: nothing has been told */
    pm_avail_t avail;
    int alive, ready, starting, stopping;
    pm_scoreboard_totals_t sum; /* of the slot's pool alone */
    pm_request_stats_t meter;
    const char *last_error, *last_stderr;
} view_t;

const char *pm_report_status_state(pm_avail_t avail)
{
    static const char *const names[] = {
        [PM_AVAIL_NONE] = "stopped",    [PM_AVAIL_STARTING] = "starting",
        [PM_AVAIL_RUNNING] = "running", [PM_AVAIL_BACKOFF] = "backoff",
        [PM_AVAIL_STOPPED] = "stopped", [PM_AVAIL_DRAINING] = "draining"};

    return names[avail <= PM_AVAIL_DRAINING ? avail : PM_AVAIL_NONE];
}

static void definition(pm_json_t *j, const view_t *v)
{
    apr_pool_t *p = j->bytes->pool;

    pm_json_string(j, "name", v->conf->name);
    pm_json_string(j, "state", pm_report_status_state(v->avail));
    pm_json_string(
        j, "command",
        v->conf->command ? apr_array_pstrcat(p, v->conf->command, ' ') : "");
    pm_json_string(j, "listen", v->conf->listen ? v->conf->listen : "");
    pm_json_int(j, "min", v->conf->processes.min);
    pm_json_int(j, "max", v->conf->processes.max);
}

/* What no worker can have at once waits: at the gate, or in the kernel. */
static void load(pm_json_t *j, const view_t *v)
{
    apr_int64_t in_flight = (apr_int64_t)v->sum.in_flight + v->sum.waiting;
    apr_int64_t ready = v->ready;
    apr_int64_t busy = v->sum.in_flight < ready ? v->sum.in_flight : ready;

    pm_json_int(j, "workers", v->alive);
    pm_json_int(j, "idle", ready - busy);
    pm_json_int(j, "busy", busy);
    pm_json_int(j, "starting", v->starting);
    pm_json_int(j, "stopping", v->stopping);
    pm_json_int(j, "queue", in_flight - busy);
    pm_json_int(j, "in_flight", in_flight);
}

static void histogram(pm_json_t *j, const pm_histogram_t *h)
{
    int i;

    pm_json_int(j, "count", (apr_int64_t)pm_request_stats_total(h));
    pm_json_precise(j, "sum", (apr_int64_t)h->sum);
    pm_json_open(j, "counts", '[');
    for (i = 0; i < PM_REQUEST_STATS_BUCKETS; i++) {
        pm_json_int(j, NULL, (apr_int64_t)h->bucket[i]);
    }
    pm_json_close(j, ']');
    pm_json_close(j, '}');
}

static void requests(pm_json_t *j, const view_t *v)
{
    const apr_uint64_t *event = v->meter.event;
    pm_histogram_t waits = pm_request_stats_waits(&v->meter);

    pm_json_int(j, "requests", (apr_int64_t)v->sum.done);
    pm_json_int(j, "aborted", v->sum.aborted);
    pm_json_int(j, "retried", (apr_int64_t)event[PM_REQUEST_STATS_RETRIED]);
    pm_json_int(j, "refused",
                (apr_int64_t)(event[PM_REQUEST_STATS_FULL]
                              + event[PM_REQUEST_STATS_LATE]
                              + event[PM_REQUEST_STATS_UNAVAILABLE]));
    pm_json_int(j, "refused_limit", (apr_int64_t)event[PM_REQUEST_STATS_FULL]);
    pm_json_int(j, "refused_timeout",
                (apr_int64_t)event[PM_REQUEST_STATS_LATE]);
    pm_json_int(j, "refused_unavailable",
                (apr_int64_t)event[PM_REQUEST_STATS_UNAVAILABLE]);
    pm_json_open(j, "request_time", '{');
    histogram(j, &v->meter.took);
    pm_json_open(j, "queue_time", '{');
    histogram(j, &waits);
}

static void workers_past(pm_json_t *j, const view_t *v, apr_time_t now)
{
    apr_time_t retry_at = v->avail == PM_AVAIL_BACKOFF ? v->slot->retry_at : 0;

    pm_json_int(j, "spawned", v->slot->spawned);
    pm_json_int(j, "exited", v->slot->exited);
    pm_json_int(j, "crashed", v->slot->crashed);
    pm_json_int(j, "killed", v->slot->killed);
    pm_json_int(j, "recycled", v->slot->recycled);
    pm_json_int(j, "timed_out", v->slot->timed_out);
    pm_json_string(j, "last_error", v->last_error);
    pm_json_string(j, "last_stderr", v->last_stderr);
    pm_json_seconds(j, "retry_in", retry_at > now ? retry_at - now : 0);
}

/* All of it but its workers, whose array is open. */
static void put(pm_json_t *j, const view_t *v, apr_time_t now)
{
    pm_json_open(j, NULL, '{');
    definition(j, v);
    load(j, v);
    requests(j, v);
    workers_past(j, v, now);
    pm_json_open(j, "worker", '[');
}

static void look_at_board(view_t *v, pm_scoreboard_t *board, int slot)
{
    v->slot = pm_scoreboard_slot(board, slot);
    v->sum = pm_scoreboard_sum(board, slot);
    v->sum.done -= v->slot->done_base;
    v->sum.aborted -= v->slot->aborted_base;
    v->meter = pm_scoreboard_stats_sum(board, slot);
}

void pm_report_status_pool(pm_json_t *j, pm_pool_t *pool, apr_time_t now)
{
    const pm_worker_t *w = NULL;
    view_t v = {0};

    v.conf = pool->conf;
    look_at_board(&v, pool->world->board, pool->slot);
    v.avail = (pm_avail_t)pool->board->avail;
    v.alive = pm_pool_alive(pool);
    v.ready = pool->count[PM_WORKER_READY];
    v.starting = pool->count[PM_WORKER_BORN] + pool->count[PM_WORKER_LOADING];
    v.stopping = pool->count[PM_WORKER_STOPPING] + pool->count[PM_WORKER_KILLED]
                 + pool->count[PM_WORKER_LEFT];
    v.last_error = pool->last_error;
    v.last_stderr = pool->last_stderr;
    put(j, &v, now);
    APR_RING_FOREACH(w, &pool->workers, pm_worker, link)
    {
        worker(j, w, now);
    }
    pm_json_close(j, ']');
    pm_json_close(j, '}');
}

void pm_report_status_known(pm_json_t *j, const pm_report_status_known_t *pool,
                            apr_time_t now)
{
    static const pm_scoreboard_slot_t nothing;
    view_t v = {0};

    v.conf = pool->conf;
    v.slot = &nothing;
    v.avail = PM_AVAIL_STOPPED;
    if (pool->board && pool->slot >= 0 && !pool->failed) {
        v.avail = pm_scoreboard_avail(
            pm_scoreboard_slot(pool->board, pool->slot), pool->generation);
    }
    if (v.avail != PM_AVAIL_NONE && v.avail != PM_AVAIL_STOPPED) {
        look_at_board(&v, pool->board, pool->slot);
        v.alive = v.ready =
            (int)pm_scoreboard_admission(pool->board, pool->slot)->workers;
    }
    v.last_error = pool->failed ? pool->failed : "";
    v.last_stderr = "";
    put(j, &v, now);
    pm_json_close(j, ']');
    pm_json_close(j, '}');
}
