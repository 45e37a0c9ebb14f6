/* SPDX-License-Identifier: Apache-2.0 */
/* The core's log sink onto httpd's error log. */
#include "mod_fcgipm.h"

APLOG_USE_MODULE(fcgipm);

/* A server's level reaches further down (trace1 to trace8) and further up
 * (emerg, alert) than the core's levels do. */
static pm_level_t level_of(const server_rec *s)
{
    int level = ap_get_server_module_loglevel(s, APLOG_MODULE_INDEX);

    return level > PM_DEBUG  ? PM_DEBUG
           : level < PM_CRIT ? PM_CRIT
                             : (pm_level_t)level;
}

/* pm_level_t has httpd's numbers: see pm_base.h. */
static void emit(void *ctx, pm_level_t level, const char *line)
{
    server_rec *s = ctx;

    ap_log_error(APLOG_MARK, (int)level, 0, s, "%s", line);
}

void fcgipm_log_open(pm_log_t *log, server_rec *s)
{
    log->level = level_of(s);
    log->emit = emit;
    log->ctx = s;
}

void fcgipm_log_detach(server_rec *s)
{
    s->log.module_levels = NULL;
    s->log.level = APLOG_TRACE8;
}
