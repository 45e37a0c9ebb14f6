/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/control/pm_report_status.h"

#include <string.h>

#include "apr_strings.h"
#include "pm_core/os/pm_procinfo.h"
#include "pm_core/pool/pm_output.h"
#include "pm_core/pool/pm_direct.h"
#include "pm_core/pool/pm_fork_server.h"
#include "pm_core/pool/pm_warmup.h"

/* --- the whole ------------------------------------------------------------ */

void pm_report_status_of_manager(pm_metric_value_t *value,
                                 const pm_scoreboard_header_t *head,
                                 const char *error, apr_time_t now)
{
    memset(value, 0, PM_METRICS * sizeof(*value));
    if (head) {
        value[PM_METRIC_MANAGER_pid].number = head->pid;
        value[PM_METRIC_MANAGER_uptime].time = error ? 0 : now - head->started;
        value[PM_METRIC_MANAGER_restarts].number = head->restarts;
        value[PM_METRIC_MANAGER_reloads].number = head->reloads;
        value[PM_METRIC_MANAGER_loop_max].time = head->loop_max;
    }
    value[PM_METRIC_MANAGER_answers].number = !error;
    value[PM_METRIC_MANAGER_error].text = error;
}

static void report_put_manager(pm_json_t *j, const pm_scoreboard_header_t *head,
                               const char *error, apr_time_t now)
{
    pm_metric_value_t value[PM_METRICS];

    pm_report_status_of_manager(value, head, error, now);
    pm_json_open(j, "manager", '{');
    pm_metric_write(j, PM_METRIC_MANAGER, value);
    pm_json_close(j, '}');
}

void pm_report_status_begin(pm_json_t *j, const pm_scoreboard_header_t *head,
                            const char *error, apr_time_t now)
{
    int i;

    pm_json_open(j, NULL, '{');
    pm_json_string(j, "version", PM_VERSION);
    report_put_manager(j, head, error, now);
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

/* A worker that runs counts as idle; its status tells when it is busy. */
static const char *const state_names[] = {
    [PM_WORKER_BORN] = "starting",   [PM_WORKER_LOADING] = "starting",
    [PM_WORKER_READY] = "idle",      [PM_WORKER_STOPPING] = "stopping",
    [PM_WORKER_KILLED] = "stopping", [PM_WORKER_LEFT] = "stopping",
    [PM_WORKER_GONE] = "stopping",   [PM_WORKER_FORKS] = "forks"};

/* A worker at the moment in which its pool was written. */
typedef struct report_worker {
    pid_t pid;
    const char *state;
    pm_worker_facts_t facts;
    apr_time_t uptime, busy_for;
    int shares; /* memory, with the fork server */
} report_worker_t;

static report_worker_t report_see_worker(const pm_worker_t *w, apr_time_t now)
{
    pm_worker_facts_t facts = pm_worker_read_facts(w, now);
    int busy = w->state == PM_WORKER_READY && facts.busy;

    return (report_worker_t){w->pid,
                             busy ? "busy" : state_names[w->state],
                             facts,
                             now - w->started_at,
                             facts.busy ? now - facts.busy_since : 0,
                             w->forked || w->state == PM_WORKER_FORKS};
}

/* What the kernel is asked for takes the time. */
static void report_set_worker(pm_metric_value_t *value,
                              const report_worker_t *w)
{
    memset(value, 0, PM_METRICS * sizeof(*value));
    value[PM_METRIC_WORKER_pid].number = w->pid;
    value[PM_METRIC_WORKER_state].text = w->state;
    value[PM_METRIC_WORKER_requests].number = (apr_int64_t)w->facts.requests;
    value[PM_METRIC_WORKER_in_flight].number = w->facts.requests_now;
    value[PM_METRIC_WORKER_uptime].time = w->uptime;
    value[PM_METRIC_WORKER_busy_for].time = w->busy_for;
    value[PM_METRIC_WORKER_rss].number = pm_procinfo_rss(w->pid);
    if (w->shares) {
        pm_memory_t memory = pm_procinfo_memory(w->pid);

        value[PM_METRIC_WORKER_private_memory].number =
            memory.resident - memory.shared;
        value[PM_METRIC_WORKER_pss].number = memory.pss;
    }
}

void pm_report_status_of_worker(pm_metric_value_t *value, const pm_worker_t *w,
                                apr_time_t now)
{
    report_worker_t seen = report_see_worker(w, now);

    report_set_worker(value, &seen);
}

static void report_put_worker(pm_json_t *j, const report_worker_t *w)
{
    pm_metric_value_t value[PM_METRICS];

    report_set_worker(value, w);
    pm_json_open(j, NULL, '{');
    pm_metric_write(j, PM_METRIC_WORKER, value);
    pm_json_close(j, '}');
}

int pm_report_status_worker(pm_json_t *j, pm_report_workers_t *workers)
{
    int i = workers->seen ? workers->seen->nelts + 1 - workers->left : 0;

    if (workers->seen && workers->left > 1) {
        report_put_worker(j, &APR_ARRAY_IDX(workers->seen, i, report_worker_t));
    }
    else if (workers->left == 1) {
        pm_json_close(j, ']');
        pm_json_close(j, '}');
    }
    return workers->left && workers->left--;
}

static void report_see_workers(pm_report_workers_t *workers,
                               const pm_pool_t *pool, apr_time_t now,
                               apr_pool_t *p)
{
    const pm_worker_t *w = NULL;

    if (!workers->seen) {
        workers->seen = apr_array_make(p, 16, sizeof(report_worker_t));
    }
    apr_array_clear(workers->seen);
    APR_RING_FOREACH(w, &pool->workers.list, pm_worker, link)
    {
        *(report_worker_t *)apr_array_push(workers->seen) =
            report_see_worker(w, now);
    }
    workers->left = workers->seen->nelts + 1;
}

/* --- a pool --------------------------------------------------------------- */

/* How many workers there are, and what they say. */
typedef struct report_workers {
    int alive, ready, starting, stopping;
    int busy; /* those of ready that say they have a request */
    int kept; /* requests that those which were told to stop say they have */
} report_workers_t;

const char *pm_report_status_state(pm_avail_t avail)
{
    static const char *const names[] = {
        [PM_AVAIL_NONE] = "stopped",    [PM_AVAIL_STARTING] = "starting",
        [PM_AVAIL_RUNNING] = "running", [PM_AVAIL_BACKOFF] = "backoff",
        [PM_AVAIL_STOPPED] = "stopped", [PM_AVAIL_DRAINING] = "draining"};

    return names[avail <= PM_AVAIL_DRAINING ? avail : PM_AVAIL_NONE];
}

static void report_set_definition(pm_metric_value_t *value,
                                  const pm_conf_t *conf, pm_avail_t avail,
                                  apr_pool_t *p)
{
    value[PM_METRIC_POOL_name].text = conf->name;
    value[PM_METRIC_POOL_state].text = pm_report_status_state(avail);
    value[PM_METRIC_POOL_command].text =
        conf->command ? apr_array_pstrcat(p, conf->command, ' ') : "";
    value[PM_METRIC_POOL_listen].text = conf->listen;
    value[PM_METRIC_POOL_min].number = conf->processes.min;
    value[PM_METRIC_POOL_max].number = conf->processes.max;
    value[PM_METRIC_POOL_requests_per_worker].number =
        conf->requests_per_worker;
}

/* A worker is busy when it says so, or when httpd has given the pool requests
 * for that many: the guard does not know every program, httpd does not know
 * what others send.  A request waits when it is queued in httpd, or when there
 * are more than the workers may have: those are in the kernel's queue. */
static void report_set_load(pm_metric_value_t *value, const report_workers_t *w,
                            const pm_scoreboard_totals_t *sum)
{
    apr_int64_t each = value[PM_METRIC_POOL_requests_per_worker].number;
    apr_int64_t given = sum->in_flight > (apr_uint32_t)w->kept
                            ? sum->in_flight - (apr_uint32_t)w->kept
                            : 0;
    apr_int64_t most = w->ready * each;
    apr_int64_t busy = (given + each - 1) / each;

    busy = busy < w->ready ? busy : w->ready;
    busy = busy > w->busy ? busy : w->busy;
    value[PM_METRIC_POOL_workers].number = w->alive;
    value[PM_METRIC_POOL_idle].number = w->ready - busy;
    value[PM_METRIC_POOL_busy].number = busy;
    value[PM_METRIC_POOL_starting].number = w->starting;
    value[PM_METRIC_POOL_stopping].number = w->stopping;
    value[PM_METRIC_POOL_queue].number =
        sum->waiting + (given > most ? given - most : 0);
    value[PM_METRIC_POOL_parked].number = sum->parked;
    value[PM_METRIC_POOL_blocked].number =
        (apr_int64_t)sum->waiting - sum->parked;
    value[PM_METRIC_POOL_in_flight].number =
        (apr_int64_t)sum->in_flight + sum->waiting;
}

static void report_set_requests(pm_report_status_t *out,
                                const pm_scoreboard_slot_t *slot,
                                const pm_scoreboard_totals_t *sum,
                                const pm_request_stats_t *stats)
{
    pm_metric_value_t *value = out->value;
    const apr_uint64_t *event = stats->event;

    out->request_time = stats->took;
    out->queue_time = pm_request_stats_waits(stats);
    value[PM_METRIC_POOL_requests].number =
        (apr_int64_t)((sum->done > slot->done_base ? sum->done - slot->done_base
                                                   : 0)
                      + slot->direct);
    value[PM_METRIC_POOL_aborted].number =
        (apr_uint32_t)(sum->aborted - slot->aborted_base);
    value[PM_METRIC_POOL_retried].number =
        (apr_int64_t)event[PM_REQUEST_STATS_RETRIED];
    value[PM_METRIC_POOL_reused].number =
        (apr_int64_t)event[PM_REQUEST_STATS_REUSED];
    value[PM_METRIC_POOL_refused].number =
        (apr_int64_t)(event[PM_REQUEST_STATS_FULL]
                      + event[PM_REQUEST_STATS_LATE]
                      + event[PM_REQUEST_STATS_UNAVAILABLE]);
    value[PM_METRIC_POOL_refused_limit].number =
        (apr_int64_t)event[PM_REQUEST_STATS_FULL];
    value[PM_METRIC_POOL_refused_timeout].number =
        (apr_int64_t)event[PM_REQUEST_STATS_LATE];
    value[PM_METRIC_POOL_refused_unavailable].number =
        (apr_int64_t)event[PM_REQUEST_STATS_UNAVAILABLE];
}

static void report_set_past(pm_metric_value_t *value,
                            const pm_scoreboard_slot_t *slot, pm_avail_t avail,
                            apr_time_t now)
{
    apr_time_t retry_at = avail == PM_AVAIL_BACKOFF ? slot->retry_at : 0;

    value[PM_METRIC_POOL_spawned].number = slot->spawned;
    value[PM_METRIC_POOL_exited].number = slot->exited;
    value[PM_METRIC_POOL_crashed].number = slot->crashed;
    value[PM_METRIC_POOL_killed].number = slot->killed;
    value[PM_METRIC_POOL_recycled].number = slot->recycled;
    value[PM_METRIC_POOL_timed_out].number = slot->timed_out;
    value[PM_METRIC_POOL_strangers].number = slot->strangers;
    value[PM_METRIC_POOL_retry_in].time = retry_at > now ? retry_at - now : 0;
}

/* What the scoreboard has of the pool that lives in the slot. */
static void report_set_counts(pm_report_status_t *out, pm_scoreboard_t *board,
                              int slot, const report_workers_t *w,
                              pm_avail_t avail, apr_time_t now)
{
    const pm_scoreboard_slot_t *entry = pm_scoreboard_slot(board, slot);
    pm_scoreboard_totals_t sum = pm_scoreboard_sum(board, slot);
    pm_request_stats_t stats = pm_scoreboard_stats_sum(board, slot);

    report_set_load(out->value, w, &sum);
    report_set_requests(out, entry, &sum, &stats);
    report_set_past(out->value, entry, avail, now);
}

static void report_clear(pm_report_status_t *out)
{
    memset(out, 0, sizeof(*out));
    out->value[PM_METRIC_POOL_request_time].times = &out->request_time;
    out->value[PM_METRIC_POOL_queue_time].times = &out->queue_time;
}

/* All of it but its workers, whose array is open. */
static void report_put_pool(pm_json_t *j, const pm_report_status_t *status)
{
    pm_json_open(j, NULL, '{');
    pm_metric_write(j, PM_METRIC_POOL, status->value);
    pm_json_open(j, "worker", '[');
}

/* Requests in workers that were told to stop. */
static int report_kept(const pm_pool_t *pool, apr_time_t now)
{
    const pm_worker_t *w = NULL;
    int each = (int)pool->conf->requests_per_worker;
    int n = 0;

    APR_RING_FOREACH(w, &pool->workers.list, pm_worker, link)
    {
        int has = pm_worker_read_facts(w, now).requests_now;

        n += w->state != PM_WORKER_STOPPING ? 0 : has < each ? has : each;
    }
    return n;
}

void pm_report_status_of_pool(pm_report_status_t *out, pm_pool_t *pool,
                              apr_time_t now, apr_pool_t *p)
{
    const int *count = pool->workers.count;
    pm_avail_t avail = (pm_avail_t)pool->published->avail;
    report_workers_t workers = {pm_pool_alive(pool),
                                count[PM_WORKER_READY],
                                pm_worker_loading(&pool->workers),
                                count[PM_WORKER_STOPPING]
                                    + count[PM_WORKER_KILLED]
                                    + count[PM_WORKER_LEFT],
                                pm_direct_update(pool, now),
                                report_kept(pool, now)};

    report_clear(out);
    report_set_definition(out->value, pool->conf, avail, p);
    report_set_counts(out, pool->context->scoreboard, pool->slot, &workers,
                      avail, now);
    out->value[PM_METRIC_POOL_preload].text = pm_fork_server_state(pool);
    out->value[PM_METRIC_POOL_fork_server].number = pm_fork_server_pid(pool);
    out->value[PM_METRIC_POOL_warmup].text = pm_warmup_state(pool);
    out->value[PM_METRIC_POOL_last_error].text = pool->last_error;
    out->value[PM_METRIC_POOL_last_error_age].time =
        pool->last_error_at ? now - pool->last_error_at : 0;
    out->value[PM_METRIC_POOL_last_stderr].text = pm_output_last(pool);
    out->value[PM_METRIC_POOL_failed_starts].number = pool->restart.failures;
}

void pm_report_status_pool(pm_json_t *j, pm_report_workers_t *list,
                           pm_pool_t *pool, apr_time_t now)
{
    pm_report_status_t status;

    pm_report_status_of_pool(&status, pool, now, j->bytes->pool);
    report_put_pool(j, &status);
    report_see_workers(list, pool, now, j->bytes->pool);
}

void pm_report_status_values(pm_report_status_t *out,
                             const pm_report_status_known_t *pool,
                             apr_time_t now, apr_pool_t *p)
{
    const pm_scoreboard_slot_t *slot = NULL;
    pm_avail_t avail = PM_AVAIL_STOPPED;

    report_clear(out);
    if (pool->board && pool->slot >= 0 && !pool->failed) {
        slot = pm_scoreboard_slot(pool->board, pool->slot);
        avail = pm_scoreboard_avail(slot, pool->generation);
    }
    report_set_definition(out->value, pool->conf, avail, p);
    if (slot && slot->generation == pool->generation) {
        int n = (int)pm_scoreboard_workers(pool->board, pool->slot);
        report_workers_t workers = {n, n, 0, 0, 0, 0};

        report_set_counts(out, pool->board, pool->slot, &workers, avail, now);
    }
    out->value[PM_METRIC_POOL_last_error].text = pool->failed;
}

void pm_report_status_known(pm_json_t *j, const pm_report_status_known_t *pool,
                            apr_time_t now)
{
    pm_report_status_t status;

    pm_report_status_values(&status, pool, now, j->bytes->pool);
    report_put_pool(j, &status);
    pm_json_close(j, ']');
    pm_json_close(j, '}');
}
