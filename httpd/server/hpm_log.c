/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#define SYSLOG_NAMES /* facilitynames[]; before httpd includes it */
#include <syslog.h>

#include "httpd/server/hpm_log.h"

#include <unistd.h>

#include "http_main.h"

#include "httpd/server/hpm_file.h"
#include "pm_core/base/pm_lines.h"
#include "pm_core/os/pm_logfile.h"

APLOG_USE_MODULE(fcgipm);

/* httpd has levels below (trace1 to trace8) and above (emerg, alert) the
 * core's. */
static pm_level_t log_level(const server_rec *s)
{
    int level = ap_get_server_module_loglevel(s, APLOG_MODULE_INDEX);

    return level > PM_DEBUG  ? PM_DEBUG
           : level < PM_CRIT ? PM_CRIT
                             : (pm_level_t)level;
}

/* pm_level_t has httpd's numbers, see pm_base.h. */
static void log_emit(void *ctx, pm_level_t level, const char *line)
{
    server_rec *s = ctx;
    char buf[PM_LINES_FITS];

    ap_log_error(APLOG_MARK, (int)level, 0, s, "%s",
                 pm_lines_fit(buf, sizeof(buf), line));
}

void hpm_log_open(pm_log_t *log, server_rec *s)
{
    log->level = log_level(s);
    log->emit = log_emit;
    log->output = NULL;
    log->ctx = s;
}

static int log_facility(const char *name, apr_size_t len)
{
    int i;

    for (i = 0; facilitynames[i].c_name; i++) {
        if (len && !strncasecmp(facilitynames[i].c_name, name, len)) {
            return facilitynames[i].c_val;
        }
    }
    return LOG_LOCAL7; /* httpd's default */
}

/* An ErrorLog "syslog:facility:tag"; facility and tag may be missing. */
static void log_open_syslog(const char *name)
{
    const char *facility = strchr(name, ':');
    const char *tag;

    facility = facility ? facility + 1 : "";
    tag = strchr(facility, ':');
    openlog(tag && tag[1] ? tag + 1 : ap_server_argv0, LOG_CONS | LOG_PID,
            log_facility(facility, strcspn(facility, ":")));
}

void hpm_log_detach(server_rec *s)
{
    /* The C library's connection to syslogd is not among the descriptors
     * that are kept. */
    closelog();
    if (!s->error_log) {
        log_open_syslog(s->error_fname);
    }
    s->log.module_levels = NULL;
    s->log.level = APLOG_TRACE8;
}

/* --- the pools' own logs -------------------------------------------------- */

static apr_status_t log_refuse_syslog(const char *target, pm_reason_t *why)
{
    return strncasecmp(target, "syslog", 6) || (target[6] && target[6] != ':')
               ? APR_SUCCESS
               : pm_fail(why, APR_EINVAL,
                         "FcgiPMErrorLog %s: it is a file or "
                         "a program to pipe to; syslog is for ErrorLog",
                         target);
}

static apr_status_t log_check_file(const char *path, apr_pool_t *p,
                                   pm_reason_t *why)
{
    apr_finfo_t info;
    pm_reason_t cause;
    apr_status_t rv = pm_logfile_check(path, &cause);

    if (rv != APR_SUCCESS) {
        return pm_fail(why, rv, "FcgiPMErrorLog: %s", cause.text);
    }
    rv = apr_stat(&info, path, APR_FINFO_TYPE, p);
    if (rv == APR_SUCCESS && info.filetype == APR_DIR) {
        return pm_fail(why, APR_EINVAL, "FcgiPMErrorLog: %s is a directory",
                       path);
    }
    if (access(rv == APR_SUCCESS ? path : ap_make_dirstr_parent(p, path),
               W_OK)) {
        return pm_fail_os(why, errno, "FcgiPMErrorLog: cannot write to %s",
                          path);
    }
    return APR_SUCCESS;
}

static const char *log_path(const char *target, apr_pool_t *p)
{
    const char *path = ap_server_root_relative(p, target);

    return path ? path : target;
}

apr_status_t hpm_log_check(const char *target, apr_pool_t *p, pm_reason_t *why)
{
    apr_status_t rv = log_refuse_syslog(target, why);

    if (rv != APR_SUCCESS || target[0] == '|') {
        return rv;
    }
    return log_check_file(log_path(target, p), p, why);
}

/* httpd starts the program, and another one when it dies (see http_log.h). */
static apr_status_t log_open_program(int *fd, const char *program,
                                     apr_pool_t *p, pm_reason_t *why)
{
    apr_cmdtype_e type = APR_PROGRAM_ENV;
    piped_log *pipe;

    if (*program == '|') {
        program++;
    }
    else if (*program == '$') {
        type = APR_SHELLCMD_ENV;
        program++;
    }
    pipe = ap_open_piped_log_ex(p, program, type);
    *fd = pipe ? pm_logfile_unblock(hpm_file_fd(ap_piped_log_write_fd(pipe)))
               : -1;
    return *fd < 0 ? pm_fail(why, APR_EGENERAL, "cannot start %s", program)
                   : APR_SUCCESS;
}

static apr_status_t log_close(void *data)
{
    close(*(int *)data);
    return APR_SUCCESS;
}

/* @return a descriptor; -1: the log could not be opened, which has been
 *         logged */
static int *log_open(const char *target, apr_pool_t *p, server_rec *s)
{
    int *fd = apr_palloc(p, sizeof(*fd));
    pm_reason_t why;
    apr_status_t rv = log_refuse_syslog(target, &why);

    if (rv == APR_SUCCESS) {
        rv = target[0] == '|' ? log_open_program(fd, target + 1, p, &why)
                              : pm_logfile_open(fd, log_path(target, p), &why);
    }
    if (rv != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s,
                     "FcgiPMErrorLog: %s; what "
                     "workers say goes to this log",
                     why.text);
        *fd = -1;
        return fd;
    }
    apr_pool_cleanup_register(p, fd, log_close, apr_pool_cleanup_null);
    return fd;
}

/* A log that several pools name is opened once. */
static int log_get(apr_hash_t *open_logs, const char *target, apr_pool_t *p,
                   server_rec *s)
{
    int *fd;

    if (!target) {
        return -1;
    }
    fd = apr_hash_get(open_logs, target, APR_HASH_KEY_STRING);
    if (!fd) {
        fd = log_open(target, p, s);
        apr_hash_set(open_logs, target, APR_HASH_KEY_STRING, fd);
    }
    return *fd;
}

void hpm_log_open_pools(const hpm_server_t *server, apr_pool_t *p,
                        server_rec *s)
{
    apr_hash_t *open_logs = apr_hash_make(p);
    int i;

    for (i = 0; i < server->pool_list->nelts; i++) {
        hpm_pool_t *pool = hpm_server_pool_at(server, i);

        if (!pool->failed) {
            pool->log_fd = log_get(open_logs, pool->conf->error_log, p, s);
        }
    }
    for (i = 0; i < server->templates->nelts; i++) {
        pm_script_template_t *t =
            &APR_ARRAY_IDX(server->templates, i, pm_script_template_t);

        t->log_fd = log_get(open_logs, t->conf->error_log, p, s);
    }
}
