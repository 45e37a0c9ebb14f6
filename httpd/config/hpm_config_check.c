/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/config/hpm_config_check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_strings.h"
#include "http_core.h"
#include "unixd.h"

#include "httpd/config/hpm_hints.h"
#include "pm_core/config/pm_parsed.h"
#include "httpd/config/hpm_path_check.h"
#include "httpd/config/hpm_pools.h"
#include "httpd/config/hpm_script_rules.h"
#include "httpd/config/hpm_server.h"
#include "httpd/config/hpm_socket_access.h"
#include "httpd/config/hpm_warmup.h"
#include "pm_core/os/pm_fds.h"
#include "pm_core/os/pm_safe_dir.h"
#include "pm_core/spawn/pm_definition.h"

APLOG_USE_MODULE(fcgipm);

static int check_is_test(void)
{
    return ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_CONFIG_TEST;
}

/* --- what is wrong between pools ------------------------------------------ */

/* Longest first; of two that are equal, the one that stands first. */
static void check_sort_aliases(apr_array_header_t *aliases)
{
    hpm_alias_t *a = (hpm_alias_t *)(void *)aliases->elts;
    int i, k;

    for (i = 1; i < aliases->nelts; i++) {
        hpm_alias_t alias = a[i];

        for (k = i; k > 0 && strlen(a[k - 1].url) < strlen(alias.url); k--) {
            a[k] = a[k - 1];
        }
        a[k] = alias;
    }
}

/* Check the first @a n.  In a virtual host's record the main server's follow
 * its own; their faults are noted once. */
static void check_aliases(const hpm_server_t *server, int n, apr_pool_t *p)
{
    int i;

    for (i = 0; i < n; i++) {
        const hpm_alias_t *alias =
            &APR_ARRAY_IDX(server->aliases, i, hpm_alias_t);

        if (alias->pool && !hpm_server_pool(server, alias->pool)) {
            pm_parsed_add_fault(
                server->parsed,
                apr_psprintf(p, "FcgiPMAlias %s: there is no pool \"%s\" (%s)",
                             alias->url, alias->pool, alias->where));
        }
    }
}

static void check_pool_refs(const hpm_server_t *server, apr_pool_t *p)
{
    int i;

    for (i = 0; i < server->pool_refs->nelts; i++) {
        const hpm_pool_ref_t *ref =
            &APR_ARRAY_IDX(server->pool_refs, i, hpm_pool_ref_t);

        if (!hpm_server_pool(server, ref->pool)) {
            pm_parsed_add_fault(
                server->parsed,
                apr_psprintf(p, "%s: there is no pool \"%s\" (%s)",
                             ref->directive, ref->pool, ref->where));
        }
    }
}

static void check_all_references(hpm_server_t *server, server_rec *s,
                                 apr_pool_t *p)
{
    int n = server->aliases->nelts;
    server_rec *v;

    check_aliases(server, n, p);
    for (v = s->next; v; v = v->next) {
        check_aliases(hpm_server(v), hpm_server(v)->aliases->nelts - n, p);
    }
    for (v = s; v; v = v->next) {
        check_sort_aliases(hpm_server(v)->aliases);
        if (v == s || hpm_server(v) != server) {
            check_pool_refs(hpm_server(v), p);
        }
    }
}

/* --- the runtime directory ------------------------------------------------ */

/* Is the way to @a path safe?  A directory that is not there is made later, or
 * told of then. */
static int check_is_safe(const char *directive, const char *path, uid_t uid,
                         gid_t gid, pm_parsed_t *parsed, apr_pool_t *p)
{
    const char *name;
    pm_reason_t why;
    int dir = -1;

    if (pm_safe_dir_open(&dir, &name, path, uid, gid, &why) == EPERM) {
        pm_parsed_add_fault(parsed,
                            apr_pstrcat(p, directive, ": ", why.text, NULL));
        return 0;
    }
    pm_fds_close(&dir);
    return 1;
}

/* A file in a directory that is there, or will be, and that is safe. */
static void check_file(const char *directive, const char *path, uid_t uid,
                       gid_t gid, const hpm_server_t *server, apr_pool_t *p)
{
    pm_reason_t why;

    if (!path || !check_is_safe(directive, path, uid, gid, server->parsed, p)) {
        return;
    }
    if (pm_definition_check_dir(path, server->global, p, &why) != APR_SUCCESS) {
        pm_parsed_add_fault(server->parsed,
                            apr_pstrcat(p, directive, ": ", why.text, NULL));
    }
}

/* The files that the manager makes. */
static void check_manager_files(const hpm_server_t *server, apr_pool_t *p)
{
    check_file("FcgiPMSocket", server->global->socket, ap_unixd_config.user_id,
               ap_unixd_config.group_id, server, p);
    check_file("FcgiPMPidFile", server->global->pid_file, (uid_t)-1, (gid_t)-1,
               server, p);
}

/* @return whether it was not there */
static int check_make_dir(const char *dir)
{
    mode_t before = umask(022);
    int made = mkdir(dir, 0755) == 0;

    umask(before);
    return made;
}

/* Can sockets be made in it?  A start leaves the directory made, a test
 * leaves nothing behind. */
static void check_runtime_dir(const pm_global_t *global, pm_parsed_t *parsed,
                              apr_pool_t *p)
{
    const char *dir = global->runtime_dir;
    char *probe = apr_pstrcat(p, dir, "/.fcgipm-XXXXXX", NULL);
    uid_t uid = ap_unixd_config.user_id;
    gid_t gid = ap_unixd_config.group_id;
    int made, fd;

    if (!check_is_safe("FcgiPMRuntimeDir", dir, uid, gid, parsed, p)) {
        return;
    }
    made = check_make_dir(dir);
    if (!check_is_safe("FcgiPMRuntimeDir", probe, uid, gid, parsed, p)) {
        return;
    }
    fd = mkstemp(probe);
    if (fd < 0) {
        pm_parsed_add_fault(
            parsed,
            apr_psprintf(p, "FcgiPMRuntimeDir: cannot write to %s: %s%s", dir,
                         strerror(errno),
                         errno == ENOENT
                             ? "; httpd makes the last directory only, make "
                               "the one above it"
                             : ""));
    }
    else {
        unlink(probe);
        close(fd);
    }
    if (made && check_is_test()) {
        rmdir(dir);
    }
}

static int check_has_unix_socket(const hpm_server_t *server)
{
    int i;

    for (i = 0; i < server->pool_list->nelts; i++) {
        if (hpm_server_pool_at(server, i)->addr.sa.ss_family == AF_UNIX) {
            return 1;
        }
    }
    return server->templates->nelts > 0;
}

/* httpd's children go into the directory after the sockets were made. */
static void check_chroot(pm_parsed_t *parsed, apr_pool_t *p)
{
    if (ap_unixd_config.chroot_dir) {
        pm_parsed_add_fault(
            parsed,
            apr_psprintf(p,
                         "ChrootDir %s: httpd's children cannot reach unix "
                         "sockets of pools from there; use FcgiPMListen "
                         "127.0.0.1:PORT, or no ChrootDir and FcgiPMChroot "
                         "for the workers",
                         ap_unixd_config.chroot_dir));
    }
}

/* --- the report ----------------------------------------------------------- */

/* Under `httpd -t` no log is open yet: the line goes to stderr. */
static void check_log(server_rec *s, const char *text)
{
    if (check_is_test()) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_ERR, 0, NULL,
                     "mod_fcgipm: %s", text);
    }
    else {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s, "%s", text);
    }
}

static void check_log_fault(server_rec *s, const char *text)
{
    apr_pool_t *p = s->process->pconf;
    const char *at =
        pm_parsed_place(hpm_server(s)->global, PM_SCOPE_GLOBAL, text, p);

    check_log(s, at ? apr_psprintf(p, "%s (%s)", text, at) : text);
}

static void check_log_pool(server_rec *s, const hpm_pool_t *pool)
{
    const char *outcome = check_is_test() ? ""
                          : pool->failed  ? " has failed"
                                          : " goes on as it was defined before";
    const char *why = pool->failed ? pool->failed : pool->rejected;
    const char *at =
        pm_parsed_place(pool->conf, PM_SCOPE_POOL, why, s->process->pconf);

    check_log(s, apr_psprintf(s->process->pconf, "pool %s (%s)%s: %s",
                              pool->name, at ? at : pool->where, outcome, why));
}

/* --- warnings of a test --------------------------------------------------- */

static void check_warn(const char *text)
{
    ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_WARNING, 0, NULL,
                 "mod_fcgipm: %s", text);
}

/* FastCGI has no authentication. */
static void check_warn_open(const hpm_pool_t *pool, apr_pool_t *p)
{
    const pm_conf_t *conf = pool->conf;

    if (pm_listen_is_loopback(&pool->addr) || pool->failed) {
        return;
    }
    if (!pm_conf_judged_clients(conf)) {
        check_warn(apr_psprintf(
            p,
            "pool %s (%s): every host that reaches FcgiPMListen %s can have it "
            "run what it likes: use a unix socket, 127.0.0.1, or a firewall",
            pool->name, pool->where, conf->listen));
    }
    else if (pm_listen_is_wildcard(&pool->addr)) {
        check_warn(apr_psprintf(
            p,
            "pool %s (%s): FcgiPMListen %s are all addresses of this host: "
            "name the one at which the clients of FcgiPMListenClients come",
            pool->name, pool->where, conf->listen));
    }
}

/* httpd's children connect from the address they connect to. */
static void check_warn_own(const hpm_pool_t *pool, apr_pool_t *p)
{
    if (pm_conf_judged_clients(pool->conf)
        && !pm_listen_takes_own(&pool->addr, pool->conf)) {
        check_warn(apr_psprintf(
            p,
            "pool %s (%s): FcgiPMListenClients does not list the address from "
            "which this httpd connects to FcgiPMListen %s, so its own requests "
            "are refused",
            pool->name, pool->where, pool->conf->listen));
    }
}

/* httpd's user can connect to the sockets of all pools. */
static void check_warn_users(const hpm_server_t *server, apr_pool_t *p)
{
    const hpm_pool_t *of_httpd = NULL, *of_other = NULL;
    int i;

    for (i = 0; i < server->pool_list->nelts && geteuid() == 0; i++) {
        const hpm_pool_t *pool = hpm_server_pool_at(server, i);

        if (pool->conf->user
            && strcmp(pool->conf->user, ap_unixd_config.user_name) != 0) {
            of_other = of_other ? of_other : pool;
        }
        else if (pool->conf->user) {
            of_httpd = of_httpd ? of_httpd : pool;
        }
    }
    if (of_httpd && of_other) {
        check_warn(apr_psprintf(
            p,
            "pool %s (%s) runs as httpd's user %s, so its workers can connect "
            "to the sockets of all pools, as pool %s (%s) of user %s: give "
            "each pool a FcgiPMUser",
            of_httpd->name, of_httpd->where, of_httpd->conf->user,
            of_other->name, of_other->where, of_other->conf->user));
    }
}

static void check_warn_all(const apr_array_header_t *texts)
{
    int i;

    for (i = 0; i < texts->nelts; i++) {
        check_warn(APR_ARRAY_IDX(texts, i, const char *));
    }
}

static void check_warnings(const hpm_server_t *server, apr_pool_t *p)
{
    int i;

    for (i = 0; i < server->pool_list->nelts; i++) {
        check_warn_open(hpm_server_pool_at(server, i), p);
        check_warn_own(hpm_server_pool_at(server, i), p);
    }
    check_warn_users(server, p);
    check_warn_all(hpm_socket_access_texts(server, p));
    check_warn_all(hpm_hints_handlers(server, p));
}

int hpm_config_report(server_rec *s)
{
    const hpm_server_t *server = hpm_server(s);
    const apr_array_header_t *faults = server->parsed->faults;
    int n = faults->nelts;
    int i;

    for (i = 0; i < faults->nelts; i++) {
        check_log_fault(s, APR_ARRAY_IDX(faults, i, const char *));
    }
    for (i = 0; i < server->pool_list->nelts; i++) {
        const hpm_pool_t *pool = hpm_server_pool_at(server, i);

        if (pool->failed || pool->rejected) {
            check_log_pool(s, pool);
            n++;
        }
    }
    return n;
}

/* Sections in virtual hosts are as all others.  httpd's list begins with the
 * last virtual host of the configuration. */
static void check_collect_sections(const hpm_server_t *server, server_rec *s,
                                   apr_pool_t *p)
{
    apr_array_header_t *hosts = apr_array_make(p, 8, sizeof(hpm_server_t *));
    server_rec *v;

    for (v = s->next; v; v = v->next) {
        *(hpm_server_t **)apr_array_push(hosts) = hpm_server(v);
    }
    while (hosts->nelts) {
        const hpm_server_t *host = *(hpm_server_t **)apr_array_pop(hosts);

        if (host != server) {
            pm_parsed_append(server->parsed, host->own_parsed, p);
        }
    }
}

/* --- the hook ------------------------------------------------------------- */

int hpm_config_check(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                     server_rec *s)
{
    hpm_server_t *server = hpm_server(s);

    (void)plog;
    if (!check_is_test()
        && ap_state_query(AP_SQ_MAIN_STATE) != AP_SQ_MS_CREATE_CONFIG) {
        return OK; /* httpd reads this configuration for its syntax only */
    }
    check_collect_sections(server, s, pconf);
    hpm_warmup_complete(server, s, pconf);
    hpm_pools_make(server, check_is_test(), pconf, ptemp);
    hpm_script_rules_hosts(server, s, pconf);
    hpm_path_check(server, s, pconf, ptemp);
    check_all_references(server, s, pconf);
    check_manager_files(server, pconf);
    if (check_has_unix_socket(server)) {
        check_runtime_dir(server->global, server->parsed, pconf);
        check_chroot(server->parsed, pconf);
    }
    if (check_is_test()) {
        check_warnings(server, ptemp);
    }
    return check_is_test() && hpm_config_report(s) ? HTTP_INTERNAL_SERVER_ERROR
                                                   : OK;
}
