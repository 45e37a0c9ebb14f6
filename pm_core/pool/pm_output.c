/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/pool/pm_output.h"

#include "apr_strings.h"
#include "pm_core/base/pm_log_ratelimit.h"
#include "pm_core/os/pm_fds.h"
#include "pm_core/os/pm_logfile.h"

struct pm_output {
    pm_pool_t *pool;
    int fd;                        /* the pool's own log; -1: none */
    pm_log_ratelimit_t *ratelimit; /* on the scoreboard */
    pm_timer_t timer;              /* set while lines are dropped */
    char last[1024];
};

static void out_put(pm_pool_t *pool, pm_level_t level, const char *by,
                    const char *line)
{
    if (!pm_logfile_write(pool->output->fd, pool->conf->name, by, line)) {
        pm_log(pool->context->log, level, "pool %s: %s: %s", pool->conf->name,
               by, line);
    }
}

static void out_log_dropped(void *ctx, apr_time_t now)
{
    struct pm_output *out = ctx;
    apr_int64_t n = pm_log_ratelimit_take_dropped(out->ratelimit);
    char text[160];

    (void)now;
    if (n > 0) {
        apr_snprintf(
            text, sizeof(text),
            "%" APR_INT64_T_FMT " lines of its "
            "workers were dropped: more than FcgiPMLogLimit %" APR_INT64_T_FMT
            " within %d s",
            n, out->pool->conf->log_limit,
            (int)apr_time_sec(PM_LOG_RATELIMIT_WINDOW));
        out_put(out->pool, PM_WARNING, "manager", text);
    }
}

static apr_status_t out_cleanup(void *ctx)
{
    struct pm_output *out = ctx;

    pm_loop_at(out->pool->context->loop, &out->timer, PM_TIME_NEVER);
    out_log_dropped(out, 0);
    pm_fds_close(&out->fd);
    return APR_SUCCESS;
}

void pm_output_init(pm_pool_t *pool)
{
    struct pm_output *out = apr_pcalloc(pool->p, sizeof(*out));

    out->pool = pool;
    out->fd = -1;
    out->timer = (pm_timer_t){.due = out_log_dropped, .ctx = out};
    out->ratelimit =
        pm_scoreboard_log_ratelimit(pool->context->scoreboard, pool->slot);
    pool->output = out;
    apr_pool_pre_cleanup_register(pool->p, out, out_cleanup);
}

void pm_output_attend(pm_pool_t *pool)
{
    pm_loop_at(pool->context->loop, &pool->output->timer,
               pm_log_ratelimit_due(pool->output->ratelimit, pm_time_now()));
}

void pm_output_open(pm_pool_t *pool, int fd)
{
    pm_fds_close(&pool->output->fd);
    pool->output->fd = fd;
}

int pm_output_may(pm_pool_t *pool)
{
    pm_log_ratelimit_verdict_t verdict = pm_log_ratelimit_take(
        pool->output->ratelimit, pool->conf->log_limit, pm_time_now());

    if (verdict == PM_LOG_RATELIMIT_FIRST) {
        pm_output_attend(pool);
    }
    return verdict == PM_LOG_RATELIMIT_PASS;
}

/* A worker's line is a warning at most: it may be a greeting.  It is less when
 * it begins with a lower level, "<6>" (sd-daemon(3)). */
static pm_level_t out_take_level(const char **line)
{
    const char *l = *line;

    if (l[0] != '<' || l[1] < '0' || l[1] > '7' || l[2] != '>') {
        return PM_WARNING;
    }
    *line += 3;
    return l[1] - '0' > PM_WARNING ? (pm_level_t)(l[1] - '0') : PM_WARNING;
}

void pm_output_line(pm_pool_t *pool, pid_t pid, const char *line)
{
    const pm_level_t level = out_take_level(&line);
    char by[32];

    pm_lines_keep(pool->output->last, sizeof(pool->output->last), line);
    if (!pm_output_may(pool)) {
        return;
    }
    apr_snprintf(by, sizeof(by), "pid %d", (int)pid);
    if (!pm_logfile_write(pool->output->fd, pool->conf->name, by, line)) {
        pm_log_output(pool->context->log, level, pool->conf->name, pid, line);
    }
}

void pm_output_say(pm_pool_t *pool, pid_t pid, const char *what,
                   const char *text)
{
    char by[32] = "manager";
    char line[8192];

    if (pm_output_may(pool)) {
        if (pid > 0) {
            apr_snprintf(by, sizeof(by), "pid %d", (int)pid);
        }
        apr_snprintf(line, sizeof(line), "%s%s", what, text);
        out_put(pool, PM_WARNING, by, line);
    }
}

const char *pm_output_last(const pm_pool_t *pool)
{
    return pool->output->last;
}
