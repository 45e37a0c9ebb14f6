/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/config/hpm_pools.h"

#include <string.h>
#include <unistd.h>

#include "apr_strings.h"
#include "http_core.h"
#include "unixd.h"

#include "httpd/server/hpm_log.h"
#include "pm_core/config/pm_parsed.h"
#include "pm_core/os/pm_ident.h"
#include "pm_core/spawn/pm_definition.h"

/* --- defaults that only httpd knows --------------------------------------- */

/* httpd's user and group as the configuration names them; none if this process
 * cannot change its user anyway. */
static pm_definition_base_t pools_httpd(void)
{
    pm_definition_base_t base = {.from = "httpd", .uid = geteuid()};

    if (!geteuid()) {
        base.user = ap_unixd_config.user_name;
        base.group = ap_unixd_config.group_name;
        base.uid = ap_unixd_config.user_id;
    }
    return base;
}

static void pools_fill_global(pm_global_t *global, pm_parsed_t *parsed,
                              apr_pool_t *p)
{
    char *in_dir = ap_runtime_dir_relative(p, "fcgipm.sock");
    const char *dir = in_dir ? ap_make_dirstr_parent(p, in_dir) : "/";
    apr_size_t len = strlen(dir);
    pm_reason_t why;

    if (len > 1) {
        dir = apr_pstrmemdup(p, dir, len - 1);
    }
    if (pm_definition_fill_global(global, dir, "httpd", p, &why)
        != APR_SUCCESS) {
        pm_parsed_add_fault(parsed, apr_pstrdup(p, why.text));
    }
}

/* Outside of a test post_config opens the log and tells. */
static apr_status_t pools_check(hpm_pool_t *pool, const pm_global_t *global,
                                int testing, apr_pool_t *ptemp,
                                pm_reason_t *why)
{
    const pm_conf_t *conf = pool->conf;
    const pm_definition_base_t base = pools_httpd();
    apr_status_t rv = pm_definition_check(conf, global, &base, &pool->addr,
                                          testing, ptemp, why);

    return rv == APR_SUCCESS && conf->error_log && testing
               ? hpm_log_check(conf->error_log, ptemp, why)
               : rv;
}

/* --- pools and templates -------------------------------------------------- */

/* Stands for a definition that cannot be sent. */
static pm_conf_t *pools_empty_conf(const char *name, apr_pool_t *p)
{
    pm_conf_t *conf = pm_conf_create(p, name);

    conf->listen = "unix:none";
    return conf;
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
    pm_definition_base_t base = pools_httpd();
    pm_reason_t why;

    pool->name = conf->name;
    pool->conf = conf;
    pool->where = where;
    pool->slot = -1;
    pool->log_fd = -1;
    if (pm_definition_complete(conf, server->global, &base, p, &why)
        != APR_SUCCESS) {
        pool->failed = apr_pstrdup(p, why.text);
        pool->conf = pools_empty_conf(pool->name, p);
    }
    else if (pools_check(pool, server->global, testing, ptemp, &why)
             != APR_SUCCESS) {
        pool->failed = apr_pstrdup(p, why.text);
    }
    pool->definition = pm_conf_write(pool->conf, PM_SCOPE_POOL, p);
    pool->own_user = pm_definition_names_user(pool->conf, &base, &pool->uid)
                     || pools_has_own_group(pool->conf);
    apr_hash_set(server->pools, pool->name, APR_HASH_KEY_STRING, pool);
    *(hpm_pool_t **)apr_array_push(server->pool_list) = pool;
}

static apr_status_t pools_check_template(const pm_script_template_t *t,
                                         const pm_global_t *global,
                                         const pm_definition_base_t *base,
                                         int testing, apr_pool_t *ptemp,
                                         pm_reason_t *why)
{
    const char *log = t->conf->error_log;
    apr_status_t rv =
        pm_definition_check_template(t, global, base, testing, ptemp, why);

    return rv == APR_SUCCESS && log && testing ? hpm_log_check(log, ptemp, why)
                                               : rv;
}

/* A template that fails its check stays, so that a request for one of its
 * scripts is told why. */
static void pools_add_template(hpm_server_t *server,
                               const pm_scripts_t *scripts,
                               const pm_conf_t *base, int testing,
                               apr_pool_t *p, apr_pool_t *ptemp)
{
    pm_definition_base_t httpd = pools_httpd();
    pm_conf_t *conf;
    pm_script_template_t t =
        pm_definition_template(scripts, base, &httpd, &conf, p);
    pm_reason_t why;
    apr_status_t rv = pm_parsed_check_scripts(server->parsed, scripts, &why);

    if (rv == APR_SUCCESS) {
        rv = pm_definition_complete_template(&t, conf, &httpd, p, &why);
    }
    if (rv == APR_SUCCESS) {
        APR_ARRAY_PUSH(server->templates, pm_script_template_t) = t;
        rv = pools_check_template(&t, server->global, &httpd, testing, ptemp,
                                  &why);
    }
    if (rv != APR_SUCCESS) {
        pm_parsed_add_fault(server->parsed,
                            apr_psprintf(p, "<FcgiPMScripts %s> (%s): %s",
                                         scripts->dir, scripts->where,
                                         why.text));
    }
}

/* FcgiPMCommand at server level makes the pool `default`. */
static void pools_add_default(hpm_server_t *server, int testing, apr_pool_t *p,
                              apr_pool_t *ptemp)
{
    pm_parsed_t *parsed = server->parsed;
    const pm_section_t *named = pm_parsed_find(parsed, HPM_DEFAULT_POOL);

    if (!parsed->command_where) {
        return;
    }
    if (named) {
        pm_parsed_add_duplicate(parsed, HPM_DEFAULT_POOL, named->where,
                                parsed->command_where, p);
        return;
    }
    pools_add(server, server->defaults, parsed->command_where, testing, p,
              ptemp);
}

void hpm_pools_make(hpm_server_t *server, int testing, apr_pool_t *p,
                    apr_pool_t *ptemp)
{
    const pm_parsed_t *parsed = server->parsed;
    const pm_conf_t *base = pm_definition_defaults(server->defaults, p);
    int i;

    pools_fill_global(server->global, server->parsed, p);
    pools_add_default(server, testing, p, ptemp);
    for (i = 0; i < parsed->sections->nelts; i++) {
        const pm_section_t *section =
            &APR_ARRAY_IDX(parsed->sections, i, pm_section_t);

        pools_add(server, pm_conf_merge(p, base, section->conf), section->where,
                  testing, p, ptemp);
    }
    for (i = 0; i < parsed->scripts->nelts; i++) {
        pools_add_template(server,
                           &APR_ARRAY_IDX(parsed->scripts, i, pm_scripts_t),
                           base, testing, p, ptemp);
    }
}
