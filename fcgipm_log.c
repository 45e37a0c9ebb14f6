/* SPDX-License-Identifier: Apache-2.0 */
/* The core's log sink onto httpd's error log. */
#include <stddef.h>

#define SYSLOG_NAMES    /* facilitynames[]; before httpd includes it */
#include <syslog.h>

#include "mod_fcgipm.h"

#include "http_main.h"

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

static int facility_of(const char *name, apr_size_t len)
{
    int i;

    for (i = 0; facilitynames[i].c_name; i++) {
        if (len && !strncasecmp(facilitynames[i].c_name, name, len)) {
            return facilitynames[i].c_val;
        }
    }
    return LOG_LOCAL7;    /* httpd's default */
}

/* "syslog:facility:tag", both of which may be missing (ErrorLog). */
static void open_syslog(const char *name)
{
    const char *facility = strchr(name, ':');
    const char *tag;

    facility = facility ? facility + 1 : "";
    tag = strchr(facility, ':');
    openlog(tag && tag[1] ? tag + 1 : ap_server_argv0, LOG_CONS | LOG_PID,
            facility_of(facility, strcspn(facility, ":")));
}

void fcgipm_log_detach(server_rec *s)
{
    /* The C library's connection to syslogd is not among the descriptors
     * that are kept. */
    closelog();
    if (!s->error_log) {
        open_syslog(s->error_fname);
    }
    s->log.module_levels = NULL;
    s->log.level = APLOG_TRACE8;
}
