/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/base/pm_base.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "apr_strings.h"

/* The Makefile defines a checksum of the sources; without it the time of this
 * compilation stands in. */
#ifndef PM_BUILD
#define PM_BUILD __DATE__ " " __TIME__
#endif

apr_status_t pm_fail(pm_reason_t *why, apr_status_t rv, const char *fmt, ...)
{
    va_list ap;

    if (why) {
        va_start(ap, fmt);
        apr_vsnprintf(why->text, sizeof(why->text), fmt, ap);
        va_end(ap);
    }
    return rv;
}

apr_status_t pm_fail_os(pm_reason_t *why, apr_status_t rv, const char *fmt, ...)
{
    va_list ap;
    apr_size_t len;
    char err[128];

    if (why) {
        va_start(ap, fmt);
        apr_vsnprintf(why->text, sizeof(why->text), fmt, ap);
        va_end(ap);
        len = strlen(why->text);
        apr_snprintf(why->text + len, sizeof(why->text) - len, ": %s",
                     apr_strerror(rv, err, sizeof(err)));
    }
    return rv;
}

void pm_log(const pm_log_t *log, pm_level_t level, const char *fmt, ...)
{
    char line[8192];
    va_list ap;

    if (!log || !log->emit || level > log->level) {
        return;
    }
    va_start(ap, fmt);
    apr_vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    log->emit(log->ctx, level, line);
}

void pm_log_output(const pm_log_t *log, pm_level_t level, const char *pool,
                   pid_t pid, const char *line)
{
    if (!log || !log->output) {
        pm_log(log, level, "pool %s: pid %d: %s", pool, (int)pid, line);
    }
    else if (level <= log->level) {
        log->output(log->ctx, level, pool, pid, line);
    }
}

apr_time_t pm_time_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return apr_time_from_sec(ts.tv_sec) + ts.tv_nsec / 1000 + 1;
}

void pm_assert_failed(const char *exp, const char *file, int line)
{
    fprintf(stderr, "fcgipm: %s:%d: assertion failed: %s\n", file, line, exp);
    abort();
}

apr_pool_t *pm_subpool_create(apr_pool_t *parent)
{
    apr_pool_t *p;
    apr_status_t rv = apr_pool_create(&p, parent);

    PM_ASSERT(rv == APR_SUCCESS);
    return p;
}

const char *pm_build(void)
{
    return PM_VERSION "-" PM_BUILD;
}
