/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/upstream/hpm_admission.h"

#include "httpd/request/hpm_client.h"
#include "httpd/request/hpm_handler.h"
#include "pm_core/ipc/pm_wakeup.h"
#include "pm_core/shm/pm_admission.h"
#include "pm_core/os/pm_futex.h"

/* The cell is counted up first, see pm_admission.h. */
static int take(fcgipm_turn_t *t)
{
    pm_board_begin(t->cell);
    if (t->gate && !pm_gate_take(t->gate)) {
        pm_board_end(t->cell);
        return 0;
    }
    t->since = pm_time_now();
    return 1;
}

static int claim(fcgipm_turn_t *t, int woken)
{
    pm_board_begin(t->cell);
    if (!pm_gate_claim(t->gate, woken)) {
        pm_board_end(t->cell);
        return 0;
    }
    t->since = pm_time_now();
    return 1;
}

static void give(fcgipm_turn_t *t, apr_interval_time_t took)
{
    if (t->gate) {
        pm_gate_give(t->gate, took);
    }
    pm_board_end(t->cell);
}

/* The manager is to know when there are too few workers. */
static void call(const fcgipm_turn_t *t, const fcgipm_server_t *server,
                 const fcgipm_pool_t *pool)
{
    if (t->gate && pm_gate_short(t->gate)
        && !pm_bell_ring(server->bell, pool->slot)) {
        pm_gate_heard(t->gate);
    }
}

static fcgipm_verdict_t refused(fcgipm_turn_t *t, const char *why)
{
    t->why = why;
    return FCGIPM_Q_REFUSED;
}

static fcgipm_verdict_t wait_turn(fcgipm_turn_t *t,
                                  const fcgipm_server_t *server,
                                  const fcgipm_pool_t *pool,
                                  apr_uint32_t seen)
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
            pm_meter_count(t->meter, PM_METER_LATE);
            return refused(t, "no worker has become free within "
                           "FcgiPMQueueTimeout");
        }
        pm_gate_sleep(t->gate, seen, left);
        not_now = fcgipm_handler_not_now(server, pool, &t->retry);
        if (not_now) {
            t->waited = pm_time_now() - begin;
            return refused(t, not_now);
        }
        woken = 1;
        seen = pm_gate_bell(t->gate);
    }
    t->waited = t->since - begin;
    return FCGIPM_Q_GRANTED;
}

static fcgipm_verdict_t join(fcgipm_turn_t *t, const fcgipm_server_t *server,
                             const fcgipm_pool_t *pool)
{
    apr_uint32_t seen = pm_gate_bell(t->gate);
    fcgipm_verdict_t verdict;

    if (!pm_gate_join(t->gate, (apr_uint32_t)pool->conf->queue_limit)) {
        pm_meter_count(t->meter, PM_METER_FULL);
        return refused(t, "FcgiPMQueueLimit requests wait already");
    }
    call(t, server, pool);
    verdict = wait_turn(t, server, pool, seen);
    if (verdict != FCGIPM_Q_GRANTED) {
        pm_meter_in_vain(t->meter, t->waited);
        pm_gate_part(t->gate);
    }
    return verdict;
}

fcgipm_verdict_t fcgipm_queue_enter(fcgipm_turn_t *t, const request_rec *r,
                                    const fcgipm_pool_t *pool)
{
    const fcgipm_server_t *server = fcgipm_server(r->server);
    fcgipm_verdict_t verdict;

    t->retry = 1;
    t->waited = t->took = 0;
    t->cell = pm_board_cell(server->board, server->row, pool->slot);
    t->gate = PM_WAIT_WORKS && pm_board_row_is_own(server->board, server->row)
                  ? pm_board_gate(server->board, pool->slot) : NULL;
    t->meter = pm_board_meter(server->board, server->row, pool->slot);
    if (take(t)) {
        call(t, server, pool);
        return FCGIPM_Q_GRANTED;
    }
    pm_board_wait(t->cell, 1);
    verdict = join(t, server, pool);
    pm_board_wait(t->cell, -1);
    if (verdict == FCGIPM_Q_GRANTED && fcgipm_client_gone(r->connection)) {
        pm_meter_in_vain(t->meter, t->waited);
        give(t, -1);
        return FCGIPM_Q_GONE;
    }
    return verdict;
}

void fcgipm_queue_leave(fcgipm_turn_t *t)
{
    t->took = pm_time_now() - t->since;
    pm_meter_turn(t->meter, t->took, t->waited);
    give(t, t->took);
}
