/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/pool/pm_output.h"

#include "apr_strings.h"
#include "pm_core/os/pm_fds.h"
#include "pm_core/os/pm_logfile.h"

/* What a worker says is a warning at the most: it may be its greeting. */
static void put(pm_pool_t *pool, const char *who, const char *line)
{
    if (!pm_logfile_write(pool->log_fd, pool->conf->name, who, line)) {
        pm_log(pool->world->log, PM_WARNING, "pool %s: %s: %s",
               pool->conf->name, who, line);
    }
}

static void on_quota(void *ctx, apr_time_t now)
{
    pm_pool_t *pool = ctx;
    apr_int64_t n = pm_log_ratelimit_take_dropped(pool->quota);
    char text[160];

    (void)now;
    if (n) {
        apr_snprintf(
            text, sizeof(text),
            "%" APR_INT64_T_FMT " lines of its "
            "workers were dropped: more than FcgiPMLogLimit %" APR_INT64_T_FMT
            " within %d s",
            n, pool->conf->log_limit,
            (int)apr_time_sec(PM_LOG_RATELIMIT_WINDOW));
        put(pool, "manager", text);
    }
}

void pm_output_init(pm_pool_t *pool)
{
    pool->log_fd = -1;
    pool->quota_timer.due = on_quota;
    pool->quota_timer.ctx = pool;
    pool->quota = pm_scoreboard_log_ratelimit(pool->world->board, pool->slot);
}

void pm_output_attend(pm_pool_t *pool)
{
    pm_loop_at(pool->world->loop, &pool->quota_timer,
               pm_log_ratelimit_due(pool->quota));
}

void pm_output_open(pm_pool_t *pool, int fd)
{
    pm_fds_close(&pool->log_fd);
    pool->log_fd = fd;
}

/* @return 0: it is one too many */
static int may(pm_pool_t *pool)
{
    pm_log_ratelimit_verdict_t verdict = pm_log_ratelimit_take(
        pool->quota, pool->conf->log_limit, pm_time_now());

    if (verdict == PM_LOG_RATELIMIT_FIRST) {
        pm_output_attend(pool);
    }
    return verdict == PM_LOG_RATELIMIT_PASS;
}

void pm_output_line(pm_pool_t *pool, pid_t pid, const char *line)
{
    char who[32];

    pm_lines_keep(pool->last_stderr, sizeof(pool->last_stderr), line);
    if (may(pool)) {
        apr_snprintf(who, sizeof(who), "pid %d", (int)pid);
        put(pool, who, line);
    }
}

void pm_output_say(pm_pool_t *pool, pid_t pid, const char *what,
                   const char *text)
{
    char who[32] = "manager";
    char line[8192];

    if (may(pool)) {
        if (pid > 0) {
            apr_snprintf(who, sizeof(who), "pid %d", (int)pid);
        }
        apr_snprintf(line, sizeof(line), "%s%s", what, text);
        put(pool, who, line);
    }
}

void pm_output_close(pm_pool_t *pool)
{
    pm_loop_at(pool->world->loop, &pool->quota_timer, PM_TIME_NEVER);
    on_quota(pool, 0);
    pm_fds_close(&pool->log_fd);
}
