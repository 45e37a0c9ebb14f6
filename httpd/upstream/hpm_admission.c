/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/upstream/hpm_admission.h"

#include <string.h>
#include <unistd.h>

#include "httpd/upstream/hpm_availability.h"
#include "pm_core/ipc/pm_wakeup.h"
#include "pm_core/os/pm_futex.h"
#include "pm_core/shm/pm_admission.h"

/* What it did to the admission words may have called this child, whose queue
 * knows nothing of it. */
static void admission_look(hpm_admission_t *a)
{
    if (a->queue && a->called) {
        a->called = 0;
        hpm_queue_look(a->queue, a->pool->slot);
    }
}

/* The cell is counted up before the gate, see pm_admission.h. */
static int admission_try(hpm_admission_t *a)
{
    pm_scoreboard_begin(a->cell);
    if (a->gate.words
        && !pm_admission_try(&a->gate,
                             (apr_uint32_t)a->pool->conf->queue_limit)) {
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

static void admission_return_thread(hpm_admission_t *a)
{
    if (a->holds_thread) {
        a->holds_thread = 0;
        hpm_queue_return_thread(a->queue);
    }
}

static void admission_give_back(hpm_admission_t *a, apr_interval_time_t took)
{
    if (a->gate.words) {
        pm_admission_release(&a->gate, took);
    }
    pm_scoreboard_end(a->cell);
    admission_look(a);
    admission_return_thread(a);
}

/* --- kept connections ----------------------------------------------------- */

static void admission_take_conn(hpm_admission_t *a, int keeps)
{
    a->conn.fd = -1;
    if (a->kept && keeps) {
        hpm_kept_take(a->kept, a->pool, pm_time_now(), &a->conn);
    }
}

void hpm_admission_close_conn(hpm_admission_t *a)
{
    if (a->conn.fd >= 0) {
        (void)close(a->conn.fd);
        a->conn.fd = -1;
    }
}

/* Also one that has taken a kept connection: that was in no word until it had
 * its grant, so another request may not have seen that it needs a worker. */
static void admission_need_worker(const hpm_admission_t *a)
{
    if (a->kept) {
        hpm_kept_give_up(a->kept, a->pool);
    }
}

int hpm_admission_may_keep(const hpm_admission_t *a)
{
    return a->conn.may_keep && a->gate.words
           && pm_admission_has_room_to_keep(&a->gate);
}

/* --- a grant -------------------------------------------------------------- */

/* The manager starts workers when there are too few for the load. */
static void admission_wake_manager(const hpm_admission_t *a)
{
    if (a->gate.words && pm_admission_need_manager(&a->gate)
        && !pm_wakeup_send(a->server->wakeup_fd, a->pool->slot)) {
        pm_admission_reset_call(&a->gate);
    }
}

static int admission_refuse(hpm_admission_t *a, const char *why)
{
    a->why = why;
    return 0;
}

static int admission_refuse_unserved(hpm_admission_t *a, const char *why)
{
    pm_request_stats_add_unserved(a->stats, a->waited);
    return admission_refuse(a, why);
}

static int admission_refuse_late(hpm_admission_t *a)
{
    pm_request_stats_count(a->stats, PM_REQUEST_STATS_LATE);
    return admission_refuse_unserved(a, "no worker has become free within "
                                        "FcgiPMQueueTimeout");
}

static int admission_refuse_gone(hpm_admission_t *a)
{
    a->gone = 1;
    a->waited = pm_time_now() - a->began;
    return admission_refuse_unserved(
        a, "the client has gone before a worker was free");
}

static int admission_is_misled(const hpm_admission_t *a)
{
    return pm_scoreboard_correct_admission(a->server->board, a->pool->slot);
}

/* A gate whose words are not true holds no request back: it waits at the
 * worker's socket. */
static int admission_pass(hpm_admission_t *a)
{
    a->gate.words = NULL;
    return admission_try(a);
}

/* --- a thread that sleeps by itself, at the pool's word ------------------- */

/* How often a request that waits looks whether it waits for something that is
 * true. */
#define DOUBT apr_time_from_sec(1)

static int admission_sleep(hpm_admission_t *a, const hpm_gone_t *client)
{
    apr_time_t until = a->began + a->pool->conf->queue_timeout;
    apr_time_t doubt_at = a->began + DOUBT;
    apr_interval_time_t left;
    const char *why;
    int woken = 0;

    while (!admission_claim(a, woken)) {
        a->waited = pm_time_now() - a->began;
        left = until - a->began - a->waited;
        if (left <= 0) {
            return admission_refuse_late(a);
        }
        if (a->began + a->waited >= doubt_at) {
            if (admission_is_misled(a)) {
                pm_admission_leave(&a->gate);
                return admission_pass(a);
            }
            doubt_at = a->began + a->waited + DOUBT;
        }
        /* All sleep equally long: the kernel wakes the one that has slept for
         * longest. */
        pm_admission_sleep(&a->gate, a->seen,
                           pm_time_min(left, doubt_at - a->began - a->waited));
        if (client && client->has_gone(client->ctx)) {
            return admission_refuse_gone(a);
        }
        why = hpm_availability_check(a->server, a->pool, &a->retry_after);
        if (why) {
            a->waited = pm_time_now() - a->began;
            return admission_refuse_unserved(a, why);
        }
        woken = 1;
        a->seen = pm_admission_wakeups(&a->gate);
    }
    a->waited = a->since - a->began;
    return 1;
}

static int admission_wait_alone(hpm_admission_t *a, const hpm_gone_t *client)
{
    int admitted = admission_sleep(a, client);

    if (!admitted) {
        pm_admission_leave(&a->gate);
        pm_admission_pass_on(&a->gate); /* it may have been woken for that */
    }
    pm_scoreboard_add_waiting(a->cell, -1);
    return admitted;
}

/* --- the child's queue ---------------------------------------------------- */

static int admission_admit_queued(hpm_admission_t *a)
{
    a->since = a->began + a->waited;
    a->holds_thread |= a->waiter.place.parked;
    return 1;
}

static int admission_refuse_ended(hpm_admission_t *a)
{
    const char *why =
        hpm_availability_check(a->server, a->pool, &a->retry_after);

    return admission_refuse_unserved(
        a, why ? why : "it has stopped answering for a moment");
}

static int admission_end_queued(hpm_admission_t *a)
{
    a->waited = pm_time_now() - a->began;
    switch (hpm_waiter_state(&a->waiter)) {
    case HPM_WAITER_PASSED:
        a->gate.words = NULL;
        return admission_admit_queued(a);
    case HPM_WAITER_LATE:
        return admission_refuse_late(a);
    case HPM_WAITER_ENDED:
        return admission_refuse_ended(a);
    case HPM_WAITER_GONE:
        return admission_refuse_gone(a);
    default:
        return admission_admit_queued(a);
    }
}

static int admission_wait_queued(hpm_admission_t *a, const hpm_gone_t *client)
{
    hpm_queue_wait(a->queue, &a->waiter, client);
    hpm_queue_forget(&a->waiter);
    a->joined = 0;
    return admission_end_queued(a);
}

/* --- the whole ------------------------------------------------------------ */

/* @return 1: queued.  0: admitted all the same, or refused */
static int admission_enqueue(hpm_admission_t *a)
{
    apr_uint32_t limit = (apr_uint32_t)a->pool->conf->queue_limit;
    int misled = 0;

    a->seen = pm_admission_wakeups(&a->gate);
    /* words that are true now may not have been a moment ago */
    if (pm_admission_enqueue(&a->gate, limit)
        || (!(misled = admission_is_misled(a))
            && pm_admission_enqueue(&a->gate, limit))) {
        admission_need_worker(a);
        admission_wake_manager(a);
        return 1;
    }
    admission_look(a);
    if (!misled || !admission_pass(a)) {
        pm_request_stats_count(a->stats, PM_REQUEST_STATS_FULL);
        admission_refuse(a, "FcgiPMQueueLimit requests wait already");
    }
    return 0;
}

static void admission_queue(hpm_admission_t *a, hpm_admission_thread_t thread)
{
    pm_scoreboard_add_waiting(a->cell, 1);
    if (!admission_enqueue(a)) {
        pm_scoreboard_add_waiting(a->cell, -1);
        return;
    }
    a->queued = 1;
    if (!a->queue) {
        return;
    }
    if (thread == HPM_ADMISSION_PARK && hpm_queue_park(&a->waiter)) {
        admission_return_thread(a);
    }
    else if (thread != HPM_ADMISSION_OTHER && !a->holds_thread) {
        hpm_queue_add_thread(a->queue);
        a->holds_thread = 1;
    }
    a->joined = 1;
    hpm_queue_join(a->queue, &a->waiter, a->pool, a->began);
}

/* @return 0: pools hold all the threads they may */
static int admission_take_thread(hpm_admission_t *a,
                                 hpm_admission_thread_t thread)
{
    if (!a->queue || thread == HPM_ADMISSION_OTHER) {
        return 1;
    }
    if (thread == HPM_ADMISSION_BLOCK) {
        hpm_queue_add_thread(a->queue);
        return a->holds_thread = 1;
    }
    return a->holds_thread = hpm_queue_take_thread(a->queue);
}

static void admission_init(hpm_admission_t *a, const hpm_server_t *server,
                           const hpm_pool_t *pool)
{
    memset(a, 0, sizeof(*a));
    a->server = server;
    a->pool = pool;
    a->retry_after = 1;
    a->waiter.bell = -1;
    a->cell = pm_scoreboard_cell(server->board, server->row, pool->slot);
    if (PM_FUTEX_WORKS
        && pm_scoreboard_row_is_own(server->board, server->row)) {
        a->gate = pm_scoreboard_admission(server->board, pool->slot);
        a->gate.called = &a->called;
        a->queue = server->queue;
        a->kept = server->kept;
    }
    a->stats = pm_scoreboard_stats(server->board, server->row, pool->slot);
}

void hpm_admission_ask(hpm_admission_t *a, const hpm_server_t *server,
                       const hpm_pool_t *pool, hpm_admission_thread_t thread,
                       int keeps)
{
    admission_init(a, server, pool);
    admission_take_conn(a, keeps);
    if (admission_take_thread(a, thread) && admission_try(a)) {
        admission_need_worker(a);
        admission_wake_manager(a);
        return;
    }
    hpm_admission_close_conn(a);
    a->began = pm_time_now();
    admission_queue(a, thread);
    if (a->why) {
        admission_return_thread(a);
    }
}

int hpm_admission_is_parked(const hpm_admission_t *a)
{
    return a->joined && a->waiter.bell >= 0
           && hpm_waiter_state(&a->waiter) == HPM_WAITER_WAITING;
}

int hpm_admission_wait(hpm_admission_t *a, const hpm_gone_t *client)
{
    int admitted = !a->queued  ? !a->why
                   : a->joined ? admission_wait_queued(a, client)
                               : admission_wait_alone(a, client);

    if (!admitted) {
        admission_return_thread(a);
    }
    return admitted;
}

void hpm_admission_abandon(hpm_admission_t *a)
{
    pm_scoreboard_count_aborted(a->cell);
    hpm_queue_end(a->queue, &a->waiter, HPM_WAITER_GONE);
    if (hpm_admission_wait(a, NULL)) {
        hpm_admission_cancel(a);
    }
}

void hpm_admission_count_answered(const hpm_admission_t *a)
{
    pm_scoreboard_count_answered(a->cell);
}

void hpm_admission_release(hpm_admission_t *a)
{
    apr_time_t now = pm_time_now();

    a->took = now - a->since;
    pm_request_stats_add_served(a->stats, a->took, a->waited);
    if (a->conn.fd >= 0 && !hpm_admission_may_keep(a)) {
        hpm_admission_close_conn(a);
    }
    admission_give_back(a, a->took);
    if (a->conn.fd >= 0) {
        hpm_kept_put(a->kept, a->pool, &a->conn, now);
    }
}

void hpm_admission_cancel(hpm_admission_t *a)
{
    pm_request_stats_add_unserved(a->stats, a->waited);
    hpm_admission_close_conn(a);
    admission_give_back(a, -1);
}
