/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/upstream/hpm_availability.h"

static apr_int64_t availability_seconds_until(apr_time_t time)
{
    apr_interval_time_t left = time - pm_time_now();

    return (left + APR_USEC_PER_SEC - 1) / APR_USEC_PER_SEC;
}

static const char *availability_reason(const hpm_server_t *server,
                                       const hpm_pool_t *pool,
                                       apr_int64_t *retry_after)
{
    const pm_scoreboard_slot_t *slot;
    apr_int64_t seconds;

    if (pool->failed) {
        return pool->failed;
    }
    if (!server->board || pool->slot < 0) {
        return "it has no manager";
    }
    slot = pm_scoreboard_slot(server->board, pool->slot);
    switch (pm_scoreboard_avail(slot, pool->generation)) {
    case PM_AVAIL_STARTING:
    case PM_AVAIL_RUNNING:
    case PM_AVAIL_DRAINING:
        return NULL;
    case PM_AVAIL_BACKOFF:
        seconds = availability_seconds_until(
            __atomic_load_n(&slot->retry_at, __ATOMIC_RELAXED));
        if (seconds > 1) {
            *retry_after = seconds;
        }
        return "its workers die, the next start is delayed";
    case PM_AVAIL_STOPPED:
        return "it is stopped";
    case PM_AVAIL_NONE:
        break;
    }
    return "its manager does not know it";
}

const char *hpm_availability_check(const hpm_server_t *server,
                                   const hpm_pool_t *pool,
                                   apr_int64_t *retry_after)
{
    const char *why = availability_reason(server, pool, retry_after);

    if (why && server->board && pool->slot >= 0) {
        pm_request_stats_count(
            pm_scoreboard_stats(server->board, server->row, pool->slot),
            PM_REQUEST_STATS_UNAVAILABLE);
    }
    return why;
}

int hpm_availability_has_ended(const hpm_server_t *server,
                               const hpm_pool_t *pool)
{
    return (pool->generation & PM_SCOREBOARD_SCRIPT_BIT)
           && pm_scoreboard_avail(pm_scoreboard_slot(server->board, pool->slot),
                                  pool->generation)
                  == PM_AVAIL_NONE;
}
