/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/upstream/hpm_admission.h"

#include "httpd/config/hpm_server.h"
#include "httpd/request/hpm_client.h"
#include "httpd/request/hpm_handler.h"
#include "pm_core/ipc/pm_wakeup.h"
#include "pm_core/shm/pm_admission.h"
#include "pm_core/os/pm_futex.h"

/* The cell is counted up first, see pm_admission.h. */
static int take(hpm_turn_t *t)
{
    pm_scoreboard_begin(t->cell);
    if (t->gate && !pm_admission_try(t->gate)) {
        pm_scoreboard_end(t->cell);
        return 0;
    }
    t->since = pm_time_now();
    return 1;
}

static int claim(hpm_turn_t *t, int woken)
{
    pm_scoreboard_begin(t->cell);
    if (!pm_admission_claim(t->gate, woken)) {
        pm_scoreboard_end(t->cell);
        return 0;
    }
    t->since = pm_time_now();
    return 1;
}

static void give(hpm_turn_t *t, apr_interval_time_t took)
{
    if (t->gate) {
        pm_admission_release(t->gate, took);
    }
    pm_scoreboard_end(t->cell);
}

/* The manager is to know when there are too few workers. */
static void call(const hpm_turn_t *t, const hpm_server_t *server,
                 const hpm_pool_t *pool)
{
    if (t->gate && pm_admission_need_manager(t->gate)
        && !pm_wakeup_send(server->wakeup_fd, pool->slot)) {
        pm_admission_reset_call(t->gate);
    }
}

static hpm_verdict_t refused(hpm_turn_t *t, const char *why)
{
    t->why = why;
    return HPM_ADMISSION_REFUSED;
}

static hpm_verdict_t wait_turn(hpm_turn_t *t, const hpm_server_t *server,
                               const hpm_pool_t *pool, apr_uint32_t seen)
{
    apr_time_t begin = pm_time_now();
    apr_time_t until = begin + pool->conf->queue_timeout;
    apr_interval_time_t left;
    const char *not_now;
    int woken = 0;

    while (!claim(t, woken)) {
        t->waited = pm_time_now() - begin;
        left = until - begin - t->waited;
        if (left <= 0) {
            pm_request_stats_count(t->meter, PM_REQUEST_STATS_LATE);
            return refused(t, "no worker has become free within "
                              "FcgiPMQueueTimeout");
        }
        pm_admission_sleep(t->gate, seen, left);
        not_now = hpm_handler_unavailable_reason(server, pool, &t->retry);
        if (not_now) {
            t->waited = pm_time_now() - begin;
            return refused(t, not_now);
        }
        woken = 1;
        seen = pm_admission_wakeups(t->gate);
    }
    t->waited = t->since - begin;
    return HPM_ADMISSION_GRANTED;
}

static hpm_verdict_t join(hpm_turn_t *t, const hpm_server_t *server,
                          const hpm_pool_t *pool)
{
    apr_uint32_t seen = pm_admission_wakeups(t->gate);
    hpm_verdict_t verdict;

    if (!pm_admission_enqueue(t->gate, (apr_uint32_t)pool->conf->queue_limit)) {
        pm_request_stats_count(t->meter, PM_REQUEST_STATS_FULL);
        return refused(t, "FcgiPMQueueLimit requests wait already");
    }
    call(t, server, pool);
    verdict = wait_turn(t, server, pool, seen);
    if (verdict != HPM_ADMISSION_GRANTED) {
        pm_request_stats_add_unserved(t->meter, t->waited);
        pm_admission_leave(t->gate);
    }
    return verdict;
}

hpm_verdict_t hpm_admission_enter(hpm_turn_t *t, const request_rec *r,
                                  const hpm_pool_t *pool)
{
    const hpm_server_t *server = hpm_server(r->server);
    hpm_verdict_t verdict;

    t->retry = 1;
    t->waited = t->took = 0;
    t->cell = pm_scoreboard_cell(server->board, server->row, pool->slot);
    t->gate =
        PM_FUTEX_WORKS && pm_scoreboard_row_is_own(server->board, server->row)
            ? pm_scoreboard_admission(server->board, pool->slot)
            : NULL;
    t->meter = pm_scoreboard_stats(server->board, server->row, pool->slot);
    if (take(t)) {
        call(t, server, pool);
        return HPM_ADMISSION_GRANTED;
    }
    pm_scoreboard_add_waiting(t->cell, 1);
    verdict = join(t, server, pool);
    pm_scoreboard_add_waiting(t->cell, -1);
    if (verdict == HPM_ADMISSION_GRANTED && hpm_client_gone(r->connection)) {
        pm_request_stats_add_unserved(t->meter, t->waited);
        give(t, -1);
        return HPM_ADMISSION_GONE;
    }
    return verdict;
}

void hpm_admission_leave(hpm_turn_t *t)
{
    t->took = pm_time_now() - t->since;
    pm_request_stats_add_served(t->meter, t->took, t->waited);
    give(t, t->took);
}
