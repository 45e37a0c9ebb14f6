/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_status.h"

#include "apr_strings.h"
#include "pm_procinfo.h"

void pm_status_manager(pm_json_t *j, const pm_head_t *head, apr_time_t now)
{
    pm_json_open(j, "manager", '{');
    pm_json_int(j, "pid", head->pid);
    pm_json_seconds(j, "uptime", now - head->started);
    pm_json_int(j, "restarts", head->restarts);
    pm_json_int(j, "reloads", head->reloads);
    pm_json_close(j, '}');
}

/* A worker counts as idle as soon as it runs; that it is busy its page tells.
 */
static const char *const state_names[] = {
    [PM_STATE_BORN] = "starting",   [PM_STATE_LOADING] = "starting",
    [PM_STATE_READY] = "idle",
    [PM_STATE_STOPPING] = "stopping", [PM_STATE_KILLED] = "stopping",
    [PM_STATE_LEFT] = "stopping",   [PM_STATE_GONE] = "stopping"
};

static const char *const avail_names[] = {
    [PM_AVAIL_NONE] = "stopped",       [PM_AVAIL_STARTING] = "starting",
    [PM_AVAIL_RUNNING] = "running",    [PM_AVAIL_BACKOFF] = "backoff",
    [PM_AVAIL_STOPPED] = "stopped",    [PM_AVAIL_DRAINING] = "draining"
};

static void worker(pm_json_t *j, const pm_worker_t *w, apr_time_t now)
{
    pm_page_facts_t facts = pm_worker_facts(w, now);
    int busy = w->state == PM_STATE_READY && facts.busy;

    pm_json_open(j, NULL, '{');
    pm_json_int(j, "pid", w->pid);
    pm_json_string(j, "state", busy ? "busy" : state_names[w->state]);
    pm_json_int(j, "requests", (apr_int64_t)facts.requests);
    pm_json_seconds(j, "uptime", now - w->born_at);
    pm_json_seconds(j, "busy_for", facts.busy ? now - facts.busy_since : 0);
    pm_json_int(j, "rss", pm_procinfo_rss(w->pid));
    pm_json_close(j, '}');
}

static const char *command_of(const pm_pool_t *pool, apr_pool_t *p)
{
    return pool->conf->command ? apr_array_pstrcat(p, pool->conf->command,
                                                   ' ')
                               : "";
}

/* What no worker can have at once waits: at the gate, or in the kernel. */
static void load(pm_json_t *j, const pm_pool_t *pool)
{
    pm_sum_t sum = pm_board_sum(pool->world->board, pool->slot);
    apr_int64_t alive = pm_pool_alive(pool);
    apr_int64_t ready = pool->count[PM_STATE_READY];
    apr_int64_t in_flight = (apr_int64_t)sum.in_flight + sum.waiting;
    apr_int64_t busy = sum.in_flight < ready ? sum.in_flight : ready;

    pm_json_int(j, "workers", alive);
    pm_json_int(j, "idle", ready - busy);
    pm_json_int(j, "busy", busy);
    pm_json_int(j, "starting", pool->count[PM_STATE_BORN]
                                   + pool->count[PM_STATE_LOADING]);
    pm_json_int(j, "stopping", pool->count[PM_STATE_STOPPING]
                                   + pool->count[PM_STATE_KILLED]
                                   + pool->count[PM_STATE_LEFT]);
    pm_json_int(j, "queue", in_flight - busy);
    pm_json_int(j, "in_flight", in_flight);
    pm_json_int(j, "requests",
                (apr_int64_t)(sum.done - pool->board->done_base));
}

static void counters(pm_json_t *j, const pm_pool_t *pool, apr_time_t now)
{
    apr_time_t retry_at = pool->board->avail == PM_AVAIL_BACKOFF
                              ? pool->board->retry_at : 0;
    pm_sum_t sum = pm_board_sum(pool->world->board, pool->slot);

    pm_json_int(j, "spawned", pool->board->spawned);
    pm_json_int(j, "exited", pool->board->exited);
    pm_json_int(j, "crashed", pool->board->crashed);
    pm_json_int(j, "killed", pool->board->killed);
    pm_json_int(j, "recycled", pool->board->recycled);
    pm_json_int(j, "timed_out", pool->board->timed_out);
    pm_json_int(j, "aborted", sum.aborted - pool->board->aborted_base);
    pm_json_string(j, "last_error", pool->last_error);
    pm_json_string(j, "last_stderr", pool->last_stderr);
    pm_json_seconds(j, "retry_in", retry_at > now ? retry_at - now : 0);
}

void pm_status_pool(pm_json_t *j, pm_pool_t *pool, apr_time_t now)
{
    const pm_worker_t *w = NULL;

    pm_json_open(j, NULL, '{');
    pm_json_string(j, "name", pool->conf->name);
    pm_json_string(j, "state", avail_names[pool->board->avail]);
    pm_json_string(j, "command", command_of(pool, j->bytes->pool));
    pm_json_string(j, "listen", pool->conf->listen);
    pm_json_int(j, "min", pool->conf->processes.min);
    pm_json_int(j, "max", pool->conf->processes.max);
    load(j, pool);
    counters(j, pool, now);
    pm_json_open(j, "worker", '[');
    APR_RING_FOREACH(w, &pool->workers, pm_worker, link)
    {
        worker(j, w, now);
    }
    pm_json_close(j, ']');
    pm_json_close(j, '}');
}
