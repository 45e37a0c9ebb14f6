/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/upstream/hpm_admission.h"

#include "httpd/upstream/hpm_availability.h"
#include "pm_core/ipc/pm_wakeup.h"
#include "pm_core/os/pm_futex.h"
#include "pm_core/shm/pm_admission.h"

/* The cell is counted up before the gate, see pm_admission.h. */
static int admission_try(hpm_admission_t *a)
{
    pm_scoreboard_begin(a->cell);
    if (a->gate.words && !pm_admission_try(&a->gate)) {
        pm_scoreboard_end(a->cell);
        return 0;
    }
    a->since = pm_time_now();
    return 1;
}

static int admission_claim(hpm_admission_t *a, int woken)
{
    pm_scoreboard_begin(a->cell);
    if (!pm_admission_claim(&a->gate, woken)) {
        pm_scoreboard_end(a->cell);
        return 0;
    }
    a->since = pm_time_now();
    return 1;
}

static void admission_give_back(hpm_admission_t *a, apr_interval_time_t took)
{
    if (a->gate.words) {
        pm_admission_release(&a->gate, took);
    }
    pm_scoreboard_end(a->cell);
}

/* The manager starts workers when there are too few for the load. */
static void admission_wake_manager(const hpm_admission_t *a,
                                   const hpm_server_t *server,
                                   const hpm_pool_t *pool)
{
    if (a->gate.words && pm_admission_need_manager(&a->gate)
        && !pm_wakeup_send(server->wakeup_fd, pool->slot)) {
        pm_admission_reset_call(&a->gate);
    }
}

static int admission_refuse(hpm_admission_t *a, const char *why)
{
    a->why = why;
    return 0;
}

/* How often a request that waits looks whether it waits for something that is
 * true. */
#define DOUBT apr_time_from_sec(1)

static int admission_is_misled(const hpm_server_t *server,
                               const hpm_pool_t *pool)
{
    return pm_scoreboard_correct_admission(server->board, pool->slot);
}

/* A gate whose words are not true holds no request back: it waits at the
 * worker's socket. */
static int admission_pass(hpm_admission_t *a)
{
    a->gate.words = NULL;
    return admission_try(a);
}

static int admission_wait(hpm_admission_t *a, const hpm_server_t *server,
                          const hpm_pool_t *pool, apr_uint32_t seen)
{
    apr_time_t begin = pm_time_now();
    apr_time_t until = begin + pool->conf->queue_timeout;
    apr_time_t doubt_at = begin + DOUBT;
    apr_interval_time_t left;
    const char *why;
    int woken = 0;

    while (!admission_claim(a, woken)) {
        a->waited = pm_time_now() - begin;
        left = until - begin - a->waited;
        if (left <= 0) {
            pm_request_stats_count(a->stats, PM_REQUEST_STATS_LATE);
            return admission_refuse(a, "no worker has become free within "
                                       "FcgiPMQueueTimeout");
        }
        if (begin + a->waited >= doubt_at) {
            if (admission_is_misled(server, pool)) {
                pm_admission_leave(&a->gate);
                return admission_pass(a);
            }
            doubt_at = begin + a->waited + DOUBT;
        }
        pm_admission_sleep(&a->gate, seen,
                           pm_time_min(left, doubt_at - begin - a->waited));
        why = hpm_availability_check(server, pool, &a->retry_after);
        if (why) {
            a->waited = pm_time_now() - begin;
            return admission_refuse(a, why);
        }
        woken = 1;
        seen = pm_admission_wakeups(&a->gate);
    }
    a->waited = a->since - begin;
    return 1;
}

static int admission_queue(hpm_admission_t *a, const hpm_server_t *server,
                           const hpm_pool_t *pool)
{
    apr_uint32_t seen = pm_admission_wakeups(&a->gate);

    if (!pm_admission_enqueue(&a->gate,
                              (apr_uint32_t)pool->conf->queue_limit)) {
        if (admission_is_misled(server, pool)) {
            return admission_pass(a);
        }
        pm_request_stats_count(a->stats, PM_REQUEST_STATS_FULL);
        return admission_refuse(a, "FcgiPMQueueLimit requests wait already");
    }
    admission_wake_manager(a, server, pool);
    if (!admission_wait(a, server, pool, seen)) {
        pm_request_stats_add_unserved(a->stats, a->waited);
        pm_admission_leave(&a->gate);
        return 0;
    }
    return 1;
}

int hpm_admission_acquire(hpm_admission_t *a, const hpm_server_t *server,
                          const hpm_pool_t *pool)
{
    int admitted;

    a->queued = 0;
    a->retry_after = 1;
    a->waited = a->took = 0;
    a->cell = pm_scoreboard_cell(server->board, server->row, pool->slot);
    a->gate =
        PM_FUTEX_WORKS && pm_scoreboard_row_is_own(server->board, server->row)
            ? pm_scoreboard_admission(server->board, pool->slot)
            : (pm_admission_t){NULL, NULL};
    a->stats = pm_scoreboard_stats(server->board, server->row, pool->slot);
    if (admission_try(a)) {
        admission_wake_manager(a, server, pool);
        return 1;
    }
    a->queued = 1;
    pm_scoreboard_add_waiting(a->cell, 1);
    admitted = admission_queue(a, server, pool);
    pm_scoreboard_add_waiting(a->cell, -1);
    return admitted;
}

void hpm_admission_count_answered(const hpm_admission_t *a)
{
    pm_scoreboard_count_answered(a->cell);
}

void hpm_admission_release(hpm_admission_t *a)
{
    a->took = pm_time_now() - a->since;
    pm_request_stats_add_served(a->stats, a->took, a->waited);
    admission_give_back(a, a->took);
}

void hpm_admission_cancel(hpm_admission_t *a)
{
    pm_request_stats_add_unserved(a->stats, a->waited);
    admission_give_back(a, -1);
}
