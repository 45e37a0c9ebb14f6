/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/config/hpm_script_rules.h"
#include "httpd/server/hpm_log.h"

#include <errno.h>
#include <sys/stat.h>

#include "apr_escape.h"
#include "apr_strings.h"
#include "http_config.h"
#include "http_core.h"
#include "http_protocol.h"
#include "unixd.h"

#include "pm_core/spawn/pm_launch_spec.h"

APLOG_USE_MODULE(fcgipm);

/* FcgiPMProcesses of a script's pool, unless it is given in the section: no
 * worker until a request comes. */
#define SCRIPTS_MIN 0
#define SCRIPTS_MAX 8

/* Settings that make no sense for a pool made of a script. */
static const int rules_not_taken[] = {PM_ROW_command, PM_ROW_listen,
                                      PM_ROW_chroot,  PM_ROW_watch,
                                      PM_ROW_allow,   PM_ROW_file_owner};

int hpm_script_rules_takes(const pm_row_t *row)
{
    unsigned i;

    for (i = 0; i < sizeof(rules_not_taken) / sizeof(rules_not_taken[0]); i++) {
        if (row == &pm_conf_rows[rules_not_taken[i]]) {
            return 0;
        }
    }
    return row->scope != PM_SCOPE_GLOBAL;
}

int hpm_script_rules_names_user(const pm_conf_t *conf, apr_uint32_t *uid)
{
    uid_t httpd = geteuid() ? geteuid() : ap_unixd_config.user_id;
    pm_ident_t ident = {.uid = httpd};

    if (conf->user
        && pm_ident_lookup(&ident, conf->user, conf->group, NULL)
               != APR_SUCCESS) {
        return 1;
    }
    *uid = ident.uid;
    return ident.uid != httpd;
}

pm_script_template_t hpm_script_rules_make(const hpm_scripts_t *scripts,
                                           const pm_conf_t *base,
                                           pm_conf_t **out, apr_pool_t *p)
{
    pm_conf_t *conf = pm_conf_merge(p, base, scripts->conf);
    const pm_origin_t *own = scripts->conf->origin;
    apr_uint32_t uid;
    pm_script_template_t t = {.where = scripts->dir,
                              .rules = scripts->rules,
                              .conf = conf,
                              .log_fd = -1};

    if (!own[PM_ROW_processes].given) {
        conf->processes.min = SCRIPTS_MIN;
        conf->processes.max = SCRIPTS_MAX;
    }
    if (!conf->origin[PM_ROW_reload].given) {
        conf->reload = 1; /* rolling */
    }
    conf->chroot = NULL;
    conf->watch = NULL;
    if (scripts->rules->script_user) {
        conf->user = NULL;
        conf->group = own[PM_ROW_group].given ? conf->group : NULL;
    }
    t.suexec = !scripts->rules->script_user && !own[PM_ROW_user].given;
    t.named = hpm_script_rules_names_user(conf, &uid);
    *out = conf;
    return t;
}

/* --- what can be wrong ---------------------------------------------------- */

static const char *rules_check_user(const pm_script_template_t *t,
                                    apr_pool_t *p)
{
    pm_ident_t ident;
    pm_reason_t why;

    return t->rules->script_user
                   || pm_ident_lookup(&ident, t->conf->user, t->conf->group,
                                      &why)
                          == APR_SUCCESS
               ? NULL
               : apr_pstrcat(p, "FcgiPMUser, FcgiPMGroup: ", why.text, NULL);
}

/* A fault of the directory is one of every script in it. */
static const char *rules_check_directory(const pm_script_template_t *t,
                                         apr_pool_t *p)
{
    const char *dir =
        apr_pstrmemdup(p, t->where, pm_script_rules_fixed(t->where));
    struct stat st;

    if (stat(dir, &st)) {
        return apr_psprintf(p, "%s: %s", dir, strerror(errno));
    }
    if (!S_ISDIR(st.st_mode)) {
        return apr_pstrcat(p, dir, " is not a directory", NULL);
    }
    return !t->rules->wrapper && (st.st_mode & (S_IWGRP | S_IWOTH))
               ? apr_pstrcat(p, dir,
                             " can be written to by a group or by "
                             "anybody: no script in it will be run",
                             NULL)
               : NULL;
}

static const char *rules_check_wrapper(const pm_script_template_t *t,
                                       const char *wrapper, int testing,
                                       apr_pool_t *p)
{
    static const char setting[] = "FcgiPMCommand: ";
    const char *command = apr_punescape_url(
        p, apr_pstrmemdup(p, wrapper, pm_script_rules_command_length(wrapper)),
        NULL, NULL, 1);
    pm_conf_t *conf = apr_pmemdup(p, t->conf, sizeof(*conf));
    pm_launch_spec_t *birth;
    apr_status_t rv;
    pm_reason_t why;
    char **word;

    if (!command || apr_tokenize_to_argv(command, &word, p) != APR_SUCCESS
        || !word[0]) {
        return "FcgiPMWrapper: there is no command";
    }
    conf->command = apr_array_make(p, 1, sizeof(const char *));
    *(const char **)apr_array_push(conf->command) = word[0];
    if (t->rules->script_user) {
        conf->user = geteuid() ? NULL : ap_unixd_config.user_name;
    }
    rv = pm_launch_spec_prepare(&birth, conf, p, &why);
    if (rv == APR_SUCCESS && testing) {
        rv = pm_launch_spec_check_start(birth, &why);
        if (rv == EACCES && (t->rules->script_user || t->suexec)) {
            rv = APR_SUCCESS; /* another user may */
        }
    }
    if (rv == APR_SUCCESS) {
        return NULL;
    }
    return apr_pstrcat(p, "FcgiPMWrapper: ",
                       strncmp(why.text, setting, sizeof(setting) - 1)
                           ? why.text
                           : why.text + sizeof(setting) - 1,
                       NULL);
}

static const char *rules_check_wrappers(const pm_script_template_t *t,
                                        int testing, apr_pool_t *p)
{
    const char *wrong = NULL;
    int i;

    for (i = 0; !wrong && t->rules->wrapper && i < t->rules->wrapper->nelts;
         i++) {
        wrong = rules_check_wrapper(
            t, APR_ARRAY_IDX(t->rules->wrapper, i, const char *), testing, p);
        if (pm_script_rules_is_virtual(t->rules, i) && t->rules->script_user) {
            wrong = "with FcgiPMWrapper virtual there is no file, and nobody "
                    "it belongs to: FcgiPMScriptUser owner";
        }
    }
    return wrong;
}

const char *hpm_script_rules_check(const pm_script_template_t *t,
                                   const pm_global_t *global, int testing,
                                   apr_pool_t *p, apr_pool_t *ptemp)
{
    const char *wrong = rules_check_user(t, ptemp);
    pm_reason_t why;
    pm_addr_t addr;

    wrong = wrong ? wrong : rules_check_directory(t, ptemp);
    wrong = wrong ? wrong : rules_check_wrappers(t, testing, ptemp);
    if (!wrong && testing && t->conf->error_log
        && hpm_log_check(t->conf->error_log, ptemp, &why) != APR_SUCCESS) {
        wrong = why.text;
    }
    if (!wrong
        && pm_listen_parse(apr_pstrcat(ptemp, "unix:", global->runtime_dir,
                                       "/script-ffffffff.sock", NULL),
                           &addr, &why)
               != APR_SUCCESS) {
        wrong = why.text;
    }
    return wrong ? apr_pstrdup(p, wrong) : NULL;
}

/* --- hosts ---------------------------------------------------------------- */

/* A connection that no client has made, whole enough for every module's
 * create_request and get_suexec_identity hooks. */
static conn_rec *host_connection(server_rec *s, apr_pool_t *p)
{
    conn_rec *c = apr_pcalloc(p, sizeof(*c));
    apr_status_t rv;

    rv = apr_sockaddr_info_get(&c->local_addr, "127.0.0.1", APR_INET, 0, 0, p);
    if (rv != APR_SUCCESS) {
        return NULL;
    }
    c->pool = p;
    c->base_server = s;
    c->client_addr = c->local_addr;
    c->client_ip = c->local_ip = (char *)"127.0.0.1";
    c->conn_config = ap_create_conn_config(p);
    c->notes = apr_table_make(p, 1);
    c->bucket_alloc = apr_bucket_alloc_create(p);
    return c;
}

/* mod_suexec tells the user of a request only, and other modules answer that
 * hook too: the parent asks with a request that httpd itself has made. */
static void host_set_user(pm_host_t *host, server_rec *s, apr_pool_t *pconf)
{
    const ap_unix_identity_t *id;
    apr_pool_t *p = pm_subpool_create(pconf);
    conn_rec *c = host_connection(s, p);
    request_rec *r;

    if (c) {
        r = ap_create_request(c);
        r->uri = r->unparsed_uri = (char *)"/";
        r->method = "GET";
        r->hostname = s->server_hostname;
        id = ap_run_get_suexec_identity(r);
        if (id) {
            host->suexec = 1;
            host->uid = id->uid;
            host->gid = id->gid;
        }
    }
    apr_pool_destroy(p);
}

/* Virtual hosts of one name and port get numbers: the manager tells them
 * apart by name. */
static const char *host_name(const server_rec *s, apr_hash_t *seen,
                             apr_pool_t *p)
{
    apr_port_t port = s->port ? s->port : s->addrs ? s->addrs->host_port : 0;
    const char *plain = apr_psprintf(
        p, "%.255s:%u", s->server_hostname ? s->server_hostname : "localhost",
        (unsigned)port);
    const char *name = plain;
    int n;

    for (n = 2; apr_hash_get(seen, name, APR_HASH_KEY_STRING); n++) {
        name = apr_psprintf(p, "%s#%d", plain, n);
    }
    apr_hash_set(seen, name, APR_HASH_KEY_STRING, name);
    return name;
}

void hpm_script_rules_hosts(hpm_server_t *server, server_rec *s, apr_pool_t *p)
{
    apr_hash_t *seen = apr_hash_make(p);
    server_rec *v;

    for (v = s; v && server->templates->nelts; v = v->next) {
        pm_host_t *host = apr_array_push(server->hosts);
        server_rec **key = apr_palloc(p, sizeof(void *));

        *key = v;
        memset(host, 0, sizeof(*host));
        host->name = host_name(v, seen, p);
        host_set_user(host, v, p);
        apr_hash_set(server->host_of, key, sizeof(void *), host->name);
    }
}
