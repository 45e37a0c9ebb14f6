/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/config/hpm_pools.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "apr_strings.h"
#include "http_core.h"
#include "unixd.h"

#include "httpd/config/hpm_parsed.h"
#include "httpd/config/hpm_script_rules.h"
#include "httpd/server/hpm_log.h"
#include "pm_core/ipc/pm_channel.h"
#include "pm_core/os/pm_ident.h"
#include "pm_core/spawn/pm_launch_spec.h"

/* --- defaults that only httpd knows --------------------------------------- */

/* Set a row to one word, unless it was given or there is none. */
static apr_status_t pools_fill(void *conf, int row, const char *word,
                               apr_pool_t *p, pm_reason_t *why)
{
    const pm_row_t *setting = &pm_conf_rows[row];

    if (pm_conf_is_given(conf, setting) || !word) {
        return APR_SUCCESS;
    }
    if (!pm_conf_noted(conf, setting)) {
        pm_conf_note(conf, setting, "httpd", p);
    }
    return pm_conf_set(conf, setting, 1, &word, p, why);
}

static void pools_fill_global(pm_global_t *global, hpm_parsed_t *parsed,
                              apr_pool_t *p)
{
    char *in_dir = ap_runtime_dir_relative(p, "fcgipm.sock");
    const char *dir = in_dir ? ap_make_dirstr_parent(p, in_dir) : "/";
    apr_size_t len = strlen(dir);
    apr_status_t rv;
    pm_reason_t why;

    if (len > 1) {
        dir = apr_pstrmemdup(p, dir, len - 1);
    }
    rv = pools_fill(global, PM_ROW_runtime_dir, dir, p, &why);
    if (rv == APR_SUCCESS) {
        rv = pools_fill(
            global, PM_ROW_socket,
            apr_pstrcat(p, global->runtime_dir, "/fcgipm.sock", NULL), p, &why);
    }
    if (rv != APR_SUCCESS) {
        hpm_parsed_add_fault(parsed, apr_pstrdup(p, why.text));
    }
}

/* httpd's user and group as the configuration names them; NULL if this
 * process cannot change its user anyway. */
static const char *pools_httpd_user(void)
{
    return geteuid() ? NULL : ap_unixd_config.user_name;
}

static const char *pools_httpd_group(void)
{
    return geteuid() ? NULL : ap_unixd_config.group_name;
}

static apr_status_t pools_fill_owner(pm_conf_t *conf, apr_pool_t *p,
                                     pm_reason_t *why)
{
    const char *user = pools_httpd_user();

    return pools_fill(
        conf, PM_ROW_listen_owner,
        user ? apr_pstrcat(p, user, ":", pools_httpd_group(), NULL) : NULL, p,
        why);
}

static apr_status_t pools_fill_user(pm_conf_t *conf, apr_pool_t *p,
                                    pm_reason_t *why)
{
    apr_status_t rv = APR_SUCCESS;

    /* httpd's group goes with httpd's user only */
    if (!conf->user) {
        rv = pools_fill(conf, PM_ROW_group, pools_httpd_group(), p, why);
    }
    if (rv == APR_SUCCESS) {
        rv = pools_fill(conf, PM_ROW_user, pools_httpd_user(), p, why);
    }
    return rv == APR_SUCCESS ? pools_fill_owner(conf, p, why) : rv;
}

/* A name without a slash is a file in the runtime directory. */
static apr_status_t pools_fill_listen(pm_conf_t *conf,
                                      const pm_global_t *global, apr_pool_t *p,
                                      pm_reason_t *why)
{
    const char *file = apr_pstrcat(p, conf->name, ".sock", NULL);

    if (conf->listen && !strncmp(conf->listen, "unix:", 5)
        && conf->listen[5] != '/') {
        file = conf->listen + 5;
        pm_conf_unset(conf, &pm_conf_rows[PM_ROW_listen]);
    }
    return pools_fill(
        conf, PM_ROW_listen,
        apr_pstrcat(p, "unix:", global->runtime_dir, "/", file, NULL), p, why);
}

/* --- checks of one definition --------------------------------------------- */

apr_status_t hpm_pools_check_dir(const char *path, const pm_global_t *global,
                                 apr_pool_t *p, pm_reason_t *why)
{
    const char *dir = apr_pstrmemdup(p, path, strrchr(path, '/') - path);
    apr_finfo_t st;

    return !*dir || (global->runtime_dir && !strcmp(dir, global->runtime_dir))
                   || !APR_STATUS_IS_ENOENT(
                       apr_stat(&st, dir, APR_FINFO_TYPE, p))
               ? APR_SUCCESS
               : pm_fail(
                   why, ENOENT,
                   "%s: No such file or directory: make its directory, %s "
                   "(in /run at each boot, see tmpfiles.d(5)), or use a file "
                   "of FcgiPMRuntimeDir, %s",
                   path, dir, global->runtime_dir);
}

static apr_status_t pools_check_listen(hpm_pool_t *pool,
                                       const pm_listen_opts_t *owner,
                                       const pm_global_t *global,
                                       apr_pool_t *ptemp, pm_reason_t *why)
{
    const char *listen = pool->conf->listen;
    apr_status_t rv = pm_listen_parse(listen, &pool->addr, why);
    pm_reason_t cause;

    if (rv == APR_SUCCESS) {
        rv = pm_listen_check(&pool->addr, owner, why);
    }
    if (rv == APR_SUCCESS && pool->addr.sa.ss_family == AF_UNIX) {
        rv = hpm_pools_check_dir(listen + 5, global, ptemp, why);
    }
    if (rv == APR_SUCCESS) {
        return rv;
    }
    cause = *why;
    return pm_fail(why, rv, "FcgiPMListen: %s", cause.text);
}

static apr_status_t pools_check_owner(pm_listen_opts_t *opts, const char *owner,
                                      pm_reason_t *why)
{
    pm_reason_t cause;
    apr_status_t rv =
        pm_ident_parse_owner(owner, &opts->uid, &opts->gid, &cause);

    return rv == APR_SUCCESS ? rv
                             : pm_fail(why, rv, "FcgiPMListenOwner %s: %s",
                                       owner, cause.text);
}

/* FcgiPMAllow: hpm_allow.c reads the words. */
static apr_status_t pools_check_allow(const pm_conf_t *conf, pm_reason_t *why)
{
    int i;

    for (i = 0; conf->allow && i < conf->allow->nelts; i++) {
        const char *word = APR_ARRAY_IDX(conf->allow, i, const char *);

        if (strncmp(word, "directory:/", 11) && strncmp(word, "location:/", 10)
            && (strncmp(word, "host:", 5) || !word[5])) {
            return pm_fail(why, APR_EINVAL,
                           "FcgiPMAllow: \"%.200s\" is not directory:/PATH, "
                           "location:/URL or host:NAME",
                           word);
        }
    }
    return APR_SUCCESS;
}

/* All that can be known without starting a worker.  Outside of a test
 * post_config opens the log and tells. */
static apr_status_t pools_check(hpm_pool_t *pool, const pm_global_t *global,
                                int testing, apr_pool_t *ptemp,
                                pm_reason_t *why)
{
    const pm_conf_t *conf = pool->conf;
    pm_launch_spec_t *spec;
    pm_listen_opts_t owner = {0};
    apr_status_t rv = pools_check_owner(&owner, conf->listen_owner, why);

    if (rv == APR_SUCCESS) {
        rv = pools_check_listen(pool, &owner, global, ptemp, why);
    }
    if (rv == APR_SUCCESS) {
        rv = pm_listen_check_clients(&pool->addr, conf, why);
    }
    if (rv == APR_SUCCESS && conf->xsendfile && !conf->xsendfile_path) {
        rv = pm_fail(why, APR_EINVAL,
                     "FcgiPMXSendfile is on, but there is no "
                     "FcgiPMXSendfilePath");
    }
    if (rv == APR_SUCCESS) {
        rv = pools_check_allow(conf, why);
    }
    if (rv == APR_SUCCESS) {
        rv = pm_launch_spec_prepare(&spec, conf, ptemp, why);
    }
    if (rv == APR_SUCCESS && testing) {
        rv = pm_launch_spec_check_start(spec, why);
    }
    if (rv == APR_SUCCESS) {
        rv = pm_launch_spec_prepare_slow_log(&spec, conf, ptemp, why);
    }
    return rv == APR_SUCCESS && conf->error_log && testing
               ? hpm_log_check(conf->error_log, ptemp, why)
               : rv;
}

/* A definition too long for one message to the manager would keep all others
 * from it. */
static apr_status_t pools_check_size(apr_size_t len, pm_reason_t *why)
{
    return len < PM_CHANNEL_MAX / 2
               ? APR_SUCCESS
               : pm_fail(why, APR_EINVAL,
                         "its settings are %" APR_SIZE_T_FMT
                         " bytes long, %d are allowed",
                         len, PM_CHANNEL_MAX / 2);
}

/* --- pools and templates -------------------------------------------------- */

/* Stands for a definition that cannot be sent. */
static pm_conf_t *pools_empty_conf(const char *name, apr_pool_t *p)
{
    pm_conf_t *conf = pm_conf_create(p, name);

    conf->listen = "unix:none";
    return conf;
}

static apr_status_t pools_complete(hpm_pool_t *pool, pm_conf_t *conf,
                                   const pm_global_t *global, apr_pool_t *p,
                                   pm_reason_t *why)
{
    apr_status_t rv = pools_fill_user(conf, p, why);

    if (rv == APR_SUCCESS) {
        rv = pools_fill_listen(conf, global, p, why);
    }
    pool->definition = pm_conf_write(conf, PM_SCOPE_POOL, p);
    return rv == APR_SUCCESS ? pools_check_size(strlen(pool->definition), why)
                             : rv;
}

/* A group has rights as well. */
static int pools_has_own_group(const pm_conf_t *conf)
{
    gid_t httpd = geteuid() ? getegid() : ap_unixd_config.group_id;
    pm_ident_t ident;

    return conf->user
           && pm_ident_lookup(&ident, conf->user, conf->group, NULL)
                  == APR_SUCCESS
           && ident.gid != httpd;
}

static void pools_add(hpm_server_t *server, pm_conf_t *conf, const char *where,
                      int testing, apr_pool_t *p, apr_pool_t *ptemp)
{
    hpm_pool_t *pool = apr_pcalloc(p, sizeof(*pool));
    pm_reason_t why;

    pool->name = conf->name;
    pool->conf = conf;
    pool->where = where;
    pool->slot = -1;
    pool->log_fd = -1;
    if (pools_complete(pool, conf, server->global, p, &why) != APR_SUCCESS) {
        pool->failed = apr_pstrdup(p, why.text);
        pool->conf = pools_empty_conf(pool->name, p);
        pool->definition = pm_conf_write(pool->conf, PM_SCOPE_POOL, p);
    }
    else if (pools_check(pool, server->global, testing, ptemp, &why)
             != APR_SUCCESS) {
        pool->failed = apr_pstrdup(p, why.text);
    }
    pool->own_user = hpm_script_rules_names_user(pool->conf, &pool->uid)
                     || pools_has_own_group(pool->conf);
    apr_hash_set(server->pools, pool->name, APR_HASH_KEY_STRING, pool);
    *(hpm_pool_t **)apr_array_push(server->pool_list) = pool;
}

static const hpm_scripts_t *pools_first_scripts(const hpm_parsed_t *parsed,
                                                const char *dir)
{
    int i;

    for (i = 0; i < parsed->scripts->nelts; i++) {
        const hpm_scripts_t *scripts =
            &APR_ARRAY_IDX(parsed->scripts, i, hpm_scripts_t);

        if (!strcmp(scripts->dir, dir)) {
            return scripts;
        }
    }
    return NULL;
}

static apr_status_t pools_complete_template(const pm_script_template_t *t,
                                            pm_conf_t *conf, apr_pool_t *p,
                                            apr_pool_t *ptemp, pm_reason_t *why)
{
    apr_status_t rv = t->rules->script_user ? pools_fill_owner(conf, p, why)
                                            : pools_fill_user(conf, p, why);

    return rv == APR_SUCCESS ? pools_check_size(
               strlen(pm_conf_write(conf, PM_SCOPE_POOL, ptemp))
                   + strlen(pm_conf_write(t->rules, PM_SCOPE_RULES, ptemp)),
               why)
                             : rv;
}

/* A template that fails its check stays, so that a request for one of its
 * scripts is told why. */
static void pools_add_template(hpm_server_t *server,
                               const hpm_scripts_t *scripts,
                               const pm_conf_t *base, int testing,
                               apr_pool_t *p, apr_pool_t *ptemp)
{
    const hpm_scripts_t *first =
        pools_first_scripts(server->parsed, scripts->dir);
    pm_conf_t *conf;
    pm_script_template_t t = hpm_script_rules_make(scripts, base, &conf, p);
    const char *wrong = NULL;
    pm_reason_t why;

    if (first != scripts) {
        wrong = apr_psprintf(p, "it stands at %s already, which counts",
                             first->where);
    }
    else if (pools_complete_template(&t, conf, p, ptemp, &why) != APR_SUCCESS) {
        wrong = apr_pstrdup(p, why.text);
    }
    else {
        *(pm_script_template_t *)apr_array_push(server->templates) = t;
        wrong = hpm_script_rules_check(&t, server->global, testing, p, ptemp);
    }
    if (wrong) {
        hpm_parsed_add_fault(server->parsed,
                             apr_psprintf(p, "<FcgiPMScripts %s> (%s): %s",
                                          scripts->dir, scripts->where, wrong));
    }
}

/* What stands at server level is the default of every pool, but command and
 * socket: those are the pool `default`'s. */
static pm_conf_t *pools_base(const hpm_server_t *server, apr_pool_t *p)
{
    pm_conf_t *base = apr_pmemdup(p, server->defaults, sizeof(*base));

    base->command = NULL;
    base->listen = NULL;
    base->origin[PM_ROW_command] = base->origin[PM_ROW_listen] =
        (pm_origin_t){0};
    return base;
}

/* FcgiPMCommand at server level makes the pool `default`. */
static void pools_add_default(hpm_server_t *server, int testing, apr_pool_t *p,
                              apr_pool_t *ptemp)
{
    hpm_parsed_t *parsed = server->parsed;
    const hpm_section_t *named = hpm_parsed_find(parsed, HPM_DEFAULT_POOL);

    if (!parsed->command_where) {
        return;
    }
    if (named) {
        hpm_parsed_add_duplicate(parsed, HPM_DEFAULT_POOL, named->where,
                                 parsed->command_where, p);
        return;
    }
    pools_add(server, server->defaults, parsed->command_where, testing, p,
              ptemp);
}

void hpm_pools_make(hpm_server_t *server, int testing, apr_pool_t *p,
                    apr_pool_t *ptemp)
{
    const hpm_parsed_t *parsed = server->parsed;
    const pm_conf_t *base = pools_base(server, p);
    int i;

    pools_fill_global(server->global, server->parsed, p);
    pools_add_default(server, testing, p, ptemp);
    for (i = 0; i < parsed->sections->nelts; i++) {
        const hpm_section_t *section =
            &APR_ARRAY_IDX(parsed->sections, i, hpm_section_t);

        pools_add(server, pm_conf_merge(p, base, section->conf), section->where,
                  testing, p, ptemp);
    }
    for (i = 0; i < parsed->scripts->nelts; i++) {
        pools_add_template(server,
                           &APR_ARRAY_IDX(parsed->scripts, i, hpm_scripts_t),
                           base, testing, p, ptemp);
    }
}
