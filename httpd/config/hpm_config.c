/* SPDX-License-Identifier: Apache-2.0 */
/* The directives: read, made whole, checked.  What a setting is called and
 * may hold stands in pm_core/pm_conf_rows.h; nothing here knows one by name
 * but those whose default only httpd can tell. */
#include "httpd/config/hpm_server.h"
#include "httpd/config/hpm_directives.h"
#include "httpd/config/hpm_config_check.h"
#include "httpd/config/hpm_script_rules.h"
#include "httpd/server/hpm_log.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_strings.h"
#include "http_core.h"
#include "unixd.h"

#include "httpd/request/hpm_auth.h"
#include "pm_core/ipc/pm_channel.h"
#include "pm_core/os/pm_ident.h"
#include "pm_core/pool/pm_slow_log.h"
#include "pm_core/spawn/pm_spawn.h"

APLOG_USE_MODULE(fcgipm);

/** A <FcgiPMPool> as it was written. */
typedef struct section {
    pm_conf_t *conf;
    const char *where;
} section_t;

/** What was read, until the whole is checked. */
typedef struct hpm_draft {
    apr_array_header_t *sections; /**< of section_t */
    pm_conf_t *current;           /**< while its section is being read */
    pm_rules_t *rules;            /**< the same, of <FcgiPMScripts> */
    apr_array_header_t *scripts;  /**< of hpm_scripts_t */
    const char *command_where;    /**< of FcgiPMCommand at server level */
    apr_array_header_t *problems; /**< of const char *: wrong, but nobody
                                   *   has to stop for it */
} draft_t;

void *hpm_server_create(apr_pool_t *p, server_rec *s)
{
    hpm_server_t *server = apr_pcalloc(p, sizeof(*server));
    draft_t *draft = apr_pcalloc(p, sizeof(*draft));

    (void)s;
    draft->sections = apr_array_make(p, 4, sizeof(section_t));
    draft->problems = apr_array_make(p, 4, sizeof(const char *));
    draft->scripts = apr_array_make(p, 2, sizeof(hpm_scripts_t));
    server->draft = draft;
    server->global = pm_global_create(p);
    server->defaults = pm_conf_create(p, HPM_DEFAULT_POOL);
    server->pools = apr_hash_make(p);
    server->pool_list = apr_array_make(p, 4, sizeof(hpm_pool_t *));
    server->aliases = apr_array_make(p, 4, sizeof(hpm_alias_t));
    server->pool_refs = apr_array_make(p, 4, sizeof(hpm_pool_ref_t));
    server->templates = apr_array_make(p, 2, sizeof(pm_script_template_t));
    server->hosts = apr_array_make(p, 2, sizeof(pm_host_t));
    server->host_of = apr_hash_make(p);
    return server;
}

void *hpm_server_merge(apr_pool_t *p, void *base, void *over)
{
    hpm_server_t *main_server = base;
    hpm_server_t *virtual = over;
    hpm_server_t *server = apr_pmemdup(p, main_server, sizeof(*server));

    /* the virtual host's first, so that they win: see sort_aliases() */
    server->aliases =
        apr_array_append(p, virtual->aliases, main_server->aliases);
    server->pool_refs = virtual->pool_refs;
    return server;
}

/* --- reading -------------------------------------------------------------- */

static const char *where_of(const cmd_parms *cmd)
{
    return apr_psprintf(cmd->pool, "%s:%d", cmd->directive->filename,
                        cmd->directive->line_num);
}

static apr_array_header_t *words_of(apr_pool_t *p, const char *text)
{
    apr_array_header_t *words = apr_array_make(p, 8, sizeof(const char *));

    while (*text) {
        *(const char **)apr_array_push(words) = ap_getword_conf(p, &text);
    }
    return words;
}

/* Paths may be written relative to what httpd's own are relative to. */
static const struct {
    int row;
    char *(*absolute)(apr_pool_t *p, const char *path);
} paths[] = {{PM_ROW_runtime_dir, ap_server_root_relative},
             {PM_ROW_socket, ap_runtime_dir_relative},
             {PM_ROW_pid_file, ap_runtime_dir_relative},
             {PM_ROW_directory, ap_server_root_relative},
             {PM_ROW_chroot, ap_server_root_relative},
             {PM_ROW_command, ap_server_root_relative}};

static void make_absolute(apr_pool_t *p, const pm_row_t *row, const char **word)
{
    char *path;
    unsigned i;

    if (!strchr(*word, '/') && row->type != PM_T_PATH) {
        return; /* a program along PATH */
    }
    for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        if (row == &pm_conf_rows[paths[i].row]) {
            path = paths[i].absolute(p, *word);
            *word = path ? path : *word;
        }
    }
}

/* Where a setting that stands here goes, or NULL. */
static void *target_of(hpm_server_t *server, const pm_row_t *row)
{
    const draft_t *draft = server->draft;

    if (draft->rules) {
        return !hpm_script_rules_takes(row)  ? NULL
               : row->scope != PM_SCOPE_POOL ? (void *)draft->rules
                                             : (void *)draft->current;
    }
    if (draft->current) {
        return row->scope == PM_SCOPE_POOL ? draft->current : NULL;
    }
    return row->scope == PM_SCOPE_RULES    ? NULL
           : row->scope == PM_SCOPE_GLOBAL ? (void *)server->global
                                           : (void *)server->defaults;
}

/* Any directive that is a row of the table.  The words are taken apart here:
 * httpd's TAKE_ARGV knows 64 at the most, and no empty one at the end. */
static const char *set_row(cmd_parms *cmd, void *unused, const char *args)
{
    const pm_row_t *row = cmd->info;
    hpm_server_t *server = hpm_server(cmd->server);
    apr_array_header_t *words = words_of(cmd->pool, args);
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    void *target = target_of(server, row);
    pm_reason_t why;

    (void)unused;
    if (err) {
        return err;
    }
    if (!target) {
        return apr_psprintf(cmd->pool, "%s %s", row->name,
                            server->draft->rules
                                ? "cannot occur within <FcgiPMScripts> "
                                  "section"
                            : server->draft->current
                                ? "cannot occur within <FcgiPMPool> section"
                                : "stands in <FcgiPMScripts>");
    }
    if (words->nelts) {
        make_absolute(cmd->pool, row, &APR_ARRAY_IDX(words, 0, const char *));
    }
    if (row == &pm_conf_rows[PM_ROW_command] && target == server->defaults) {
        server->draft->command_where = where_of(cmd);
    }
    if (pm_conf_set(target, row, words->nelts,
                    (const char *const *)(void *)words->elts, cmd->pool, &why)
        != APR_SUCCESS) {
        return apr_pstrdup(cmd->pool, why.text);
    }
    pm_conf_note(target, row,
                 apr_pstrcat(cmd->pool,
                             server->draft->current ? "pool " : "server ",
                             where_of(cmd), NULL),
                 cmd->pool);
    return NULL;
}

/* What stands in a section is a setting of a pool and nothing else: httpd
 * would take any directive there for the main server's. */
static const char *check_section(cmd_parms *cmd, int scripts)
{
    const ap_directive_t *d;

    for (d = cmd->directive->first_child; d; d = d->next) {
        const pm_row_t *row = pm_conf_row(d->directive);

        if (!row
            || (scripts ? !hpm_script_rules_takes(row)
                        : row->scope != PM_SCOPE_POOL)) {
            cmd->err_directive = d;
            return apr_psprintf(cmd->pool,
                                "%s%s cannot occur within "
                                "<%s> section",
                                d->directive, d->directive[0] == '<' ? ">" : "",
                                scripts ? "FcgiPMScripts" : "FcgiPMPool");
        }
    }
    return NULL;
}

static const section_t *find_section(const draft_t *draft, const char *name)
{
    int i;

    for (i = 0; i < draft->sections->nelts; i++) {
        const section_t *section =
            &APR_ARRAY_IDX(draft->sections, i, section_t);

        if (!strcmp(section->conf->name, name)) {
            return section;
        }
    }
    return NULL;
}

static void problem(draft_t *draft, const char *text)
{
    *(const char **)apr_array_push(draft->problems) = text;
}

static void twice(apr_pool_t *p, draft_t *draft, const char *name,
                  const char *first, const char *second)
{
    problem(draft, apr_psprintf(p,
                                "pool %s is defined twice, at %s and at "
                                "%s: the first definition stands",
                                name, first, second));
}

static void add_section(apr_pool_t *p, draft_t *draft, pm_conf_t *conf,
                        const char *where)
{
    const section_t *first = find_section(draft, conf->name);
    section_t *section;

    if (first) {
        twice(p, draft, conf->name, first->where, where);
        return;
    }
    section = apr_array_push(draft->sections);
    section->conf = conf;
    section->where = where;
}

/* The settings inside, one by one, with target_of() knowing whose they are.
 */
static const char *read_section(cmd_parms *cmd, draft_t *draft,
                                const char *name)
{
    ap_directive_t *self = cmd->directive;
    const char *where = where_of(cmd);
    const char *err;

    draft->current = pm_conf_create(cmd->pool, name);
    err = ap_walk_config(self->first_child, cmd, cmd->context);
    if (!err) {
        add_section(cmd->pool, draft, draft->current, where);
        cmd->directive = self;
    }
    draft->current = NULL;
    return err;
}

/* The one word of a section. */
static const char *section_word(cmd_parms *cmd, const char *args,
                                const char **word)
{
    const char *err = ap_check_cmd_context(cmd, GLOBAL_ONLY);
    const char *end = ap_strrchr_c(args, '>');
    apr_array_header_t *words;

    if (err || (err = check_section(cmd, cmd->info != NULL))) {
        return err;
    }
    if (!end || end[1]) {
        return apr_pstrcat(cmd->pool, cmd->cmd->name,
                           "> directive missing "
                           "closing '>'",
                           NULL);
    }
    words = words_of(cmd->pool, apr_pstrmemdup(cmd->pool, args, end - args));
    if (words->nelts != 1) {
        return apr_pstrcat(cmd->pool, cmd->cmd->name, "> takes one word, ",
                           cmd->info ? "a directory" : "the pool's name", NULL);
    }
    *word = APR_ARRAY_IDX(words, 0, const char *);
    return NULL;
}

/* As <Directory> is written: absolute, a slash at the end means nothing. */
static const char *open_scripts(cmd_parms *cmd, void *unused, const char *args)
{
    draft_t *draft = hpm_server(cmd->server)->draft;
    ap_directive_t *self = cmd->directive;
    hpm_scripts_t scripts = {.where = where_of(cmd)};
    const char *word = NULL;
    const char *err = section_word(cmd, args, &word);
    char *dir;
    pm_reason_t why;

    (void)unused;
    if (err) {
        return err;
    }
    scripts.dir = dir = apr_pstrdup(cmd->pool, word);
    if (strlen(dir) > 1 && dir[strlen(dir) - 1] == '/') {
        dir[strlen(dir) - 1] = '\0';
    }
    if (pm_script_rules_where_check(dir, &why) != APR_SUCCESS) {
        return apr_pstrcat(cmd->pool, "<FcgiPMScripts>: ", why.text, NULL);
    }
    draft->current = scripts.conf = pm_conf_create(cmd->pool, "scripts");
    draft->rules = scripts.rules = pm_rules_create(cmd->pool);
    err = ap_walk_config(self->first_child, cmd, cmd->context);
    draft->current = NULL;
    draft->rules = NULL;
    if (!err) {
        *(hpm_scripts_t *)apr_array_push(draft->scripts) = scripts;
        cmd->directive = self;
    }
    return err;
}

static const char *open_section(cmd_parms *cmd, void *unused, const char *args)
{
    const char *name = NULL;
    const char *err = section_word(cmd, args, &name);
    pm_reason_t why;

    (void)unused;
    if (err) {
        return err;
    }
    if (pm_conf_name_check(name, &why) != APR_SUCCESS) {
        return apr_pstrcat(cmd->pool, "<FcgiPMPool>: ", why.text, NULL);
    }
    return read_section(cmd, hpm_server(cmd->server)->draft, name);
}

static const char *add_alias(cmd_parms *cmd, void *unused, const char *url,
                             const char *pool)
{
    hpm_alias_t *alias;
    pm_reason_t why;

    (void)unused;
    if (url[0] != '/') {
        return apr_psprintf(cmd->pool,
                            "FcgiPMAlias: \"%s\" does not start "
                            "with a slash",
                            url);
    }
    if (pm_conf_name_check(pool, &why) != APR_SUCCESS) {
        return apr_pstrcat(cmd->pool, "FcgiPMAlias: ", why.text, NULL);
    }
    alias = apr_array_push(hpm_server(cmd->server)->aliases);
    alias->url = apr_pstrdup(cmd->pool, url);
    alias->pool = apr_pstrdup(cmd->pool, pool);
    alias->where = where_of(cmd);
    return NULL;
}

/* A virtual host has a record of ours only when a directive of ours stands
 * in it, and Require is another module's. */
static hpm_server_t *own_server(const cmd_parms *cmd)
{
    hpm_server_t *server = hpm_server(cmd->server);

    if (!server) {
        server = hpm_server_create(cmd->pool, cmd->server);
        ap_set_module_config(cmd->server->module_config, &fcgipm_module,
                             server);
    }
    return server;
}

const char *hpm_directives_pool_ref(cmd_parms *cmd, const char *directive,
                                    const char *pool)
{
    hpm_server_t *server = own_server(cmd);
    hpm_pool_ref_t *mention;
    pm_reason_t why;

    if (pm_conf_name_check(pool, &why) != APR_SUCCESS) {
        return apr_pstrcat(cmd->pool, directive, ": ", why.text, NULL);
    }
    if (ap_check_cmd_context(cmd, NOT_IN_HTACCESS)) {
        /* all pools are known by now, and nothing may be written to */
        return hpm_server_pool(server, pool)
                   ? NULL
                   : apr_psprintf(cmd->pool, "%s: there is no pool \"%s\"",
                                  directive, pool);
    }
    mention = apr_array_push(server->pool_refs);
    mention->directive = directive;
    mention->pool = apr_pstrdup(cmd->pool, pool);
    mention->where = where_of(cmd);
    return NULL;
}

const command_rec hpm_directives[] = {
#define PM_ROW(field, name, type, st, init, min, max, choices, change, help)   \
    AP_INIT_RAW_ARGS(name, set_row, (void *)&pm_conf_rows[PM_ROW_##field],     \
                     RSRC_CONF, help),
#include "pm_core/config/pm_conf_rows.h"
    AP_INIT_RAW_ARGS("<FcgiPMPool", open_section, NULL, RSRC_CONF,
                     "name of a pool; its settings stand inside"),
    AP_INIT_RAW_ARGS("<FcgiPMScripts", open_scripts,
                     (void *)&pm_conf_rows[PM_ROW_wrapper], RSRC_CONF,
                     "directory of scripts that are started on demand"),
    AP_INIT_TAKE2("FcgiPMAlias", add_alias, NULL, RSRC_CONF,
                  "a URL prefix and the pool that answers it"),
    AP_INIT_TAKE1("FcgiPMAuthenticator", hpm_auth_set,
                  (void *)HPM_AUTHENTICATOR, OR_AUTHCFG,
                  "the pool behind AuthBasicProvider fcgipm, or none"),
    AP_INIT_TAKE1("FcgiPMAccessChecker", hpm_auth_set,
                  (void *)HPM_ACCESS_CHECKER, OR_AUTHCFG,
                  "the pool that is asked for access here, or none"),
    {NULL}};

/* --- what only httpd can fill in ------------------------------------------ */

/* One word into a row that has not been given. */
static apr_status_t fill(void *conf, int row, const char *word, apr_pool_t *p,
                         pm_reason_t *why)
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

static void fill_global(pm_global_t *global, draft_t *draft, apr_pool_t *p)
{
    char *in_dir = ap_runtime_dir_relative(p, "fcgipm.sock");
    const char *dir = in_dir ? ap_make_dirstr_parent(p, in_dir) : "/";
    apr_size_t len = strlen(dir);
    pm_reason_t why;

    if (len > 1) {
        dir = apr_pstrmemdup(p, dir, len - 1);
    }
    if (fill(global, PM_ROW_runtime_dir, dir, p, &why) != APR_SUCCESS
        || fill(global, PM_ROW_socket,
                apr_pstrcat(p, global->runtime_dir, "/fcgipm.sock", NULL), p,
                &why)
               != APR_SUCCESS) {
        problem(draft, apr_pstrdup(p, why.text));
    }
}

/* httpd's own user and group as they are written for it; NULL when this
 * process cannot be anybody else. */
static const char *httpd_user(void)
{
    return geteuid() ? NULL : ap_unixd_config.user_name;
}

static const char *httpd_group(void)
{
    return geteuid() ? NULL : ap_unixd_config.group_name;
}

static const char *httpd_owner(apr_pool_t *p)
{
    return geteuid() ? NULL
                     : apr_pstrcat(p, httpd_user(), ":", httpd_group(), NULL);
}

static apr_status_t fill_listen(pm_conf_t *conf, const pm_global_t *global,
                                apr_pool_t *p, pm_reason_t *why)
{
    const char *file = apr_pstrcat(p, conf->name, ".sock", NULL);

    if (conf->listen && !strncmp(conf->listen, "unix:", 5)
        && conf->listen[5] != '/') {
        file = conf->listen + 5;
        pm_conf_unset(conf, &pm_conf_rows[PM_ROW_listen]);
    }
    return fill(conf, PM_ROW_listen,
                apr_pstrcat(p, "unix:", global->runtime_dir, "/", file, NULL),
                p, why);
}

static apr_status_t fill_user(pm_conf_t *conf, apr_pool_t *p, pm_reason_t *why)
{
    apr_status_t rv = APR_SUCCESS;

    /* httpd's group goes with httpd's user only */
    if (!conf->user) {
        rv = fill(conf, PM_ROW_group, httpd_group(), p, why);
    }
    if (rv == APR_SUCCESS) {
        rv = fill(conf, PM_ROW_user, httpd_user(), p, why);
    }
    if (rv == APR_SUCCESS) {
        rv = fill(conf, PM_ROW_listen_owner, httpd_owner(p), p, why);
    }
    return rv;
}

static apr_status_t fill_pool(pm_conf_t *conf, const pm_global_t *global,
                              apr_pool_t *p, pm_reason_t *why)
{
    apr_status_t rv = fill_user(conf, p, why);

    return rv == APR_SUCCESS ? fill_listen(conf, global, p, why) : rv;
}

/* --- checking ------------------------------------------------------------- */

static int is_test(void)
{
    return ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_CONFIG_TEST;
}

/* All that can be known of one pool. */
static apr_status_t check_pool(hpm_pool_t *pool, apr_pool_t *ptemp,
                               pm_reason_t *why)
{
    const pm_conf_t *conf = pool->conf;
    pm_launch_spec_t *birth;
    apr_status_t rv;
    uid_t uid;
    gid_t gid;

    rv = pm_listen_parse(conf->listen, &pool->addr, why);
    if (rv == APR_SUCCESS) {
        rv = pm_listen_check(&pool->addr, why);
    }
    if (rv != APR_SUCCESS) {
        pm_reason_t cause = *why;

        return pm_fail(why, rv, "FcgiPMListen: %s", cause.text);
    }
    if (conf->xsendfile && !conf->xsendfile_path) {
        return pm_fail(why, APR_EINVAL,
                       "FcgiPMXSendfile is on, but there is "
                       "no FcgiPMXSendfilePath");
    }
    rv = pm_ident_owner(conf->listen_owner, &uid, &gid, why);
    if (rv != APR_SUCCESS) {
        pm_reason_t cause = *why;

        return pm_fail(why, rv, "FcgiPMListenOwner %s: %s", conf->listen_owner,
                       cause.text);
    }
    rv = pm_launch_spec_prepare(&birth, conf, ptemp, why);
    if (rv == APR_SUCCESS) {
        rv = pm_slow_log_prepare(&birth, conf, ptemp, why);
    }
    return rv == APR_SUCCESS && conf->error_log && is_test()
               ? hpm_log_check(conf->error_log, ptemp, why)
               : rv;
}

/* Everything that goes to the manager must be something it can read: one
 * definition that is not would keep all others from it. */
static apr_status_t check_size(const pm_conf_t *conf, const pm_rules_t *rules,
                               apr_pool_t *ptemp, pm_reason_t *why)
{
    apr_size_t len =
        strlen(pm_conf_write(conf, PM_SCOPE_POOL, ptemp))
        + (rules ? strlen(pm_conf_write(rules, PM_SCOPE_RULES, ptemp)) : 0);

    return len < PM_CHANNEL_MAX / 2
               ? APR_SUCCESS
               : pm_fail(why, APR_EINVAL,
                         "its settings are %" APR_SIZE_T_FMT
                         " bytes long, %d are allowed",
                         len, PM_CHANNEL_MAX / 2);
}

/* Stands for a definition that cannot be sent. */
static pm_conf_t *no_conf(const char *name, apr_pool_t *p)
{
    pm_conf_t *conf = pm_conf_create(p, name);

    conf->listen = "unix:none";
    return conf;
}

static void add_pool(hpm_server_t *server, pm_conf_t *conf, const char *where,
                     apr_pool_t *p, apr_pool_t *ptemp)
{
    hpm_pool_t *pool = apr_pcalloc(p, sizeof(*pool));
    pm_reason_t why;

    pool->name = conf->name;
    pool->conf = conf;
    pool->where = where;
    pool->slot = -1;
    pool->log_fd = -1;
    if (fill_pool(conf, server->global, p, &why) != APR_SUCCESS
        || check_size(conf, NULL, ptemp, &why) != APR_SUCCESS) {
        pool->failed = apr_pstrdup(p, why.text);
        pool->conf = no_conf(pool->name, p);
    }
    else if (check_pool(pool, ptemp, &why) != APR_SUCCESS) {
        pool->failed = apr_pstrdup(p, why.text);
    }
    apr_hash_set(server->pools, pool->name, APR_HASH_KEY_STRING, pool);
    *(hpm_pool_t **)apr_array_push(server->pool_list) = pool;
}

static const hpm_scripts_t *first_scripts(const draft_t *draft, const char *dir)
{
    int i;

    for (i = 0; i < draft->scripts->nelts; i++) {
        const hpm_scripts_t *scripts =
            &APR_ARRAY_IDX(draft->scripts, i, hpm_scripts_t);

        if (!strcmp(scripts->dir, dir)) {
            return scripts;
        }
    }
    return NULL;
}

/* One that is no good stays: who asks for a script is told why not. */
static void add_template(hpm_server_t *server, const hpm_scripts_t *scripts,
                         const pm_conf_t *base, apr_pool_t *p,
                         apr_pool_t *ptemp)
{
    const hpm_scripts_t *first = first_scripts(server->draft, scripts->dir);
    pm_conf_t *conf;
    pm_script_template_t t = hpm_script_rules_make(scripts, base, &conf, p);
    const char *wrong = NULL;
    pm_reason_t why;

    if (first && first != scripts) {
        wrong = apr_pstrcat(p, "it stands at ", first->where,
                            " already, "
                            "which counts",
                            NULL);
    }
    else if ((!t.rules->script_user && fill_user(conf, p, &why) != APR_SUCCESS)
             || (t.rules->script_user
                 && fill(conf, PM_ROW_listen_owner, httpd_owner(p), p, &why)
                        != APR_SUCCESS)
             || check_size(conf, t.rules, ptemp, &why) != APR_SUCCESS) {
        wrong = apr_pstrdup(p, why.text);
    }
    else {
        *(pm_script_template_t *)apr_array_push(server->templates) = t;
        wrong = hpm_script_rules_check(&t, server->global, is_test(), p, ptemp);
    }
    if (wrong) {
        problem(server->draft,
                apr_psprintf(p, "<FcgiPMScripts %s> (%s): %s", scripts->dir,
                             scripts->where, wrong));
    }
}

/* The pool `default` is what FcgiPMCommand at server level makes.  All other
 * settings there are defaults for every pool; command and socket are that
 * pool's alone. */
static void add_pools(hpm_server_t *server, apr_pool_t *p, apr_pool_t *ptemp)
{
    draft_t *draft = server->draft;
    const section_t *named = find_section(draft, HPM_DEFAULT_POOL);
    pm_conf_t *base = apr_pmemdup(p, server->defaults, sizeof(*base));
    int i;

    base->command = NULL;
    base->listen = NULL;
    base->origin[PM_ROW_command] = base->origin[PM_ROW_listen] =
        (pm_origin_t){0};
    if (draft->command_where && named) {
        twice(p, draft, HPM_DEFAULT_POOL, named->where, draft->command_where);
    }
    else if (draft->command_where) {
        add_pool(server, server->defaults, draft->command_where, p, ptemp);
    }
    for (i = 0; i < draft->sections->nelts; i++) {
        const section_t *section =
            &APR_ARRAY_IDX(draft->sections, i, section_t);

        add_pool(server, pm_conf_merge(p, base, section->conf), section->where,
                 p, ptemp);
    }
    for (i = 0; i < draft->scripts->nelts; i++) {
        add_template(server, &APR_ARRAY_IDX(draft->scripts, i, hpm_scripts_t),
                     base, p, ptemp);
    }
}

static void check_addresses(const hpm_server_t *server, apr_pool_t *p,
                            apr_pool_t *ptemp)
{
    apr_hash_t *seen = apr_hash_make(ptemp);
    int i;

    for (i = 0; i < server->pool_list->nelts; i++) {
        hpm_pool_t *pool = hpm_server_pool_at(server, i);
        const hpm_pool_t *first;

        if (!pool->addr.len) {
            continue;
        }
        first = apr_hash_get(seen, &pool->addr.sa, pool->addr.len);
        if (!first) {
            apr_hash_set(seen, &pool->addr.sa, pool->addr.len, pool);
        }
        else if (!pool->failed) {
            pool->failed =
                apr_psprintf(p,
                             "FcgiPMListen: %s is pool %s's "
                             "already (%s)",
                             pool->conf->listen, first->name, first->where);
        }
    }
}

/* Longest first; of two that are equal, the one that stands first. */
static void sort_aliases(apr_array_header_t *aliases)
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

/* The first @a n of them; behind a virtual host's own stand the main
 * server's, which are complained about once. */
static void check_aliases(const hpm_server_t *server, int n, apr_pool_t *p)
{
    int i;

    for (i = 0; i < n; i++) {
        const hpm_alias_t *alias =
            &APR_ARRAY_IDX(server->aliases, i, hpm_alias_t);

        if (!hpm_server_pool(server, alias->pool)) {
            problem(server->draft,
                    apr_psprintf(p,
                                 "FcgiPMAlias %s: there is no pool \"%s\" "
                                 "(%s)",
                                 alias->url, alias->pool, alias->where));
        }
    }
}

static void check_mentions(const hpm_server_t *server, apr_pool_t *p)
{
    int i;

    for (i = 0; i < server->pool_refs->nelts; i++) {
        const hpm_pool_ref_t *mention =
            &APR_ARRAY_IDX(server->pool_refs, i, hpm_pool_ref_t);

        if (!hpm_server_pool(server, mention->pool)) {
            problem(server->draft,
                    apr_psprintf(p, "%s: there is no pool \"%s\" (%s)",
                                 mention->directive, mention->pool,
                                 mention->where));
        }
    }
}

/* Can sockets be made in it?  A real start leaves it made, a test leaves
 * nothing behind. */
static void check_runtime_dir(const pm_global_t *global, draft_t *draft,
                              int testing, apr_pool_t *p)
{
    const char *dir = global->runtime_dir;
    char *probe = apr_pstrcat(p, dir, "/.fcgipm-XXXXXX", NULL);
    int made = mkdir(dir, 0755) == 0;
    int fd;

    if (made) {
        chmod(dir, 0755); /* whatever the umask is */
    }
    fd = mkstemp(probe);
    if (fd < 0) {
        problem(draft, apr_psprintf(p,
                                    "FcgiPMRuntimeDir: cannot write to "
                                    "%s: %s",
                                    dir, strerror(errno)));
    }
    else {
        unlink(probe);
        close(fd);
    }
    if (made && testing) {
        rmdir(dir);
    }
}

static int has_unix_pool(const hpm_server_t *server)
{
    int i;

    for (i = 0; i < server->pool_list->nelts; i++) {
        const hpm_pool_t *pool = hpm_server_pool_at(server, i);

        if (pool->addr.sa.ss_family == AF_UNIX) {
            return 1;
        }
    }
    return 0;
}

/* Under -t there is no log yet: the person who asks reads stderr. */
static void complain(server_rec *s, const char *text)
{
    if (is_test()) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_ERR, 0, NULL,
                     "mod_fcgipm: %s", text);
    }
    else {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, s, "%s", text);
    }
}

int hpm_config_report(server_rec *s)
{
    const hpm_server_t *server = hpm_server(s);
    const apr_array_header_t *problems = server->draft->problems;
    int n = problems->nelts;
    int i;

    for (i = 0; i < problems->nelts; i++) {
        complain(s, APR_ARRAY_IDX(problems, i, const char *));
    }
    for (i = 0; i < server->pool_list->nelts; i++) {
        const hpm_pool_t *pool = hpm_server_pool_at(server, i);

        if (pool->failed || pool->rejected) {
            complain(
                s, apr_psprintf(s->process->pconf, "pool %s (%s)%s: %s",
                                pool->name, pool->where,
                                is_test()      ? ""
                                : pool->failed ? " has failed"
                                               : " goes on as it was "
                                                 "defined before",
                                pool->failed ? pool->failed : pool->rejected));
            n++;
        }
    }
    return n;
}

int hpm_config_check(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                     server_rec *s)
{
    hpm_server_t *server = hpm_server(s);
    server_rec *v;

    (void)plog;
    if (!is_test()
        && ap_state_query(AP_SQ_MAIN_STATE) != AP_SQ_MS_CREATE_CONFIG) {
        return OK; /* this configuration is read for its syntax only */
    }
    fill_global(server->global, server->draft, pconf);
    add_pools(server, pconf, ptemp);
    hpm_script_rules_hosts(server, s, pconf);
    check_addresses(server, pconf, ptemp);
    check_aliases(server, server->aliases->nelts, pconf);
    for (v = s->next; v; v = v->next) {
        check_aliases(hpm_server(v),
                      hpm_server(v)->aliases->nelts - server->aliases->nelts,
                      pconf);
    }
    for (v = s; v; v = v->next) {
        sort_aliases(hpm_server(v)->aliases);
        if (v == s || hpm_server(v) != server) {
            check_mentions(hpm_server(v), pconf);
        }
    }
    if (has_unix_pool(server) || server->templates->nelts) {
        check_runtime_dir(server->global, server->draft, is_test(), pconf);
    }
    return is_test() && hpm_config_report(s) ? HTTP_INTERNAL_SERVER_ERROR : OK;
}
