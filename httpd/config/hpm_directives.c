/* SPDX-License-Identifier: Apache-2.0 */
/* No setting stands here by name but those whose value only httpd can
 * complete: pm_core/config/pm_conf_rows.h has them all. */
#include "httpd/config/hpm_directives.h"

#include <stdlib.h>
#include <string.h>

#include "apr_strings.h"

#include "httpd/config/hpm_dir.h"
#include "pm_core/config/pm_parsed.h"
#include "httpd/config/hpm_server.h"
#include "httpd/request/hpm_auth.h"

/* mod_macro has a sentence in the place of the file's name, which ends with
 * where the macro is used: ... used on line 9 of "/etc/file".  (It does not
 * tell in which line of a file a line of a macro is: comments are no lines
 * of it.)  A macro used in a macro has the other's sentence for a file. */
const char *hpm_directives_where(const ap_directive_t *d, apr_pool_t *p)
{
    static const char used[] = "used on line ";
    const char *file = d->filename;
    const char *at = file;
    const char *use = NULL;
    int line;

    while ((at = strstr(at, used))) {
        at += sizeof(used) - 1;
        use = at;
    }
    at = use ? strchr(use, '"') : NULL;
    if (!at) {
        return apr_psprintf(p, "%s:%d", file, d->line_num);
    }
    line = atoi(use);
    at++;
    return apr_psprintf(p, "%.*s:%d", (int)strcspn(at, "\""), at, line);
}

static const char *directive_where(const cmd_parms *cmd)
{
    return hpm_directives_where(cmd->directive, cmd->pool);
}

static apr_array_header_t *directive_words(apr_pool_t *p, const char *text)
{
    apr_array_header_t *words = apr_array_make(p, 8, sizeof(const char *));

    while (*text) {
        *(const char **)apr_array_push(words) = ap_getword_conf(p, &text);
    }
    return words;
}

/* --- a setting ------------------------------------------------------------ */

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

static void directive_make_absolute(apr_pool_t *p, const pm_row_t *row,
                                    const char **word)
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

/* Any directive that is a row of the table.  The words are taken apart here:
 * httpd's TAKE_ARGV knows 64 at the most, and no empty one at the end. */
static const char *directive_set(cmd_parms *cmd, void *unused, const char *args)
{
    const pm_row_t *row = cmd->info;
    hpm_server_t *server = hpm_server(cmd->server);
    apr_array_header_t *words = directive_words(cmd->pool, args);
    const char *err = server->parsed->current
                          ? NULL /* the section may stand here */
                          : ap_check_cmd_context(cmd, GLOBAL_ONLY);
    pm_reason_t why;

    (void)unused;
    if (err) {
        return err;
    }
    if (words->nelts) {
        directive_make_absolute(cmd->pool, row,
                                &APR_ARRAY_IDX(words, 0, const char *));
    }
    return pm_parsed_set(server->parsed, server->global, server->defaults, row,
                         words, directive_where(cmd), cmd->pool, &why)
                   == APR_SUCCESS
               ? NULL
               : apr_pstrdup(cmd->pool, why.text);
}

/* --- a section ------------------------------------------------------------ */

/* A section holds settings of a pool and nothing else.  httpd would take any
 * other directive in it for one of the main server. */
static const char *section_check(cmd_parms *cmd, const pm_section_kind_t *kind)
{
    const ap_directive_t *d;

    for (d = cmd->directive->first_child; d; d = d->next) {
        const pm_row_t *row = pm_conf_row(d->directive);

        if (!row || !kind->takes(row)) {
            cmd->err_directive = d;
            return pm_parsed_hint(d->directive, kind, cmd->pool);
        }
    }
    return NULL;
}

/* The words behind the name. */
static const char *section_words(cmd_parms *cmd, const char *args,
                                 const apr_array_header_t **words)
{
    const pm_section_kind_t *kind = cmd->info;
    const char *err = ap_check_cmd_context(cmd, NOT_IN_DIR_CONTEXT);
    const char *end = ap_strrchr_c(args, '>');

    if (err || (err = section_check(cmd, kind))) {
        return err;
    }
    if (!end || end[1]) {
        return apr_psprintf(cmd->pool, "<%s> directive missing closing '>'",
                            kind->name);
    }
    *words =
        directive_words(cmd->pool, apr_pstrmemdup(cmd->pool, args, end - args));
    return NULL;
}

/* Let httpd read the settings inside: pm_parsed_set() puts them there. */
static const char *section_open(cmd_parms *cmd, void *unused, const char *args)
{
    pm_parsed_t *parsed = hpm_server(cmd->server)->parsed;
    ap_directive_t *self = cmd->directive;
    const apr_array_header_t *words = NULL;
    const char *err = section_words(cmd, args, &words);
    pm_reason_t why;

    (void)unused;
    if (err) {
        return err;
    }
    if (pm_parsed_open(parsed, cmd->info, words, directive_where(cmd),
                       cmd->pool, &why)
        != APR_SUCCESS) {
        return apr_pstrdup(cmd->pool, why.text);
    }
    err = ap_walk_config(self->first_child, cmd, cmd->context);
    pm_parsed_close(parsed, !err, cmd->pool);
    if (!err) {
        cmd->directive = self;
    }
    return err;
}

/* --- a pool's name -------------------------------------------------------- */

static const char *directive_add_alias(cmd_parms *cmd, void *unused,
                                       const char *url, const char *pool)
{
    hpm_alias_t *alias;
    pm_reason_t why;

    (void)unused;
    if (url[0] != '/') {
        return apr_psprintf(
            cmd->pool, "FcgiPMAlias: \"%s\" does not start with a slash", url);
    }
    pool = strcmp(pool, "!") ? apr_pstrdup(cmd->pool, pool) : NULL;
    if (pool && pm_conf_name_check(pool, &why) != APR_SUCCESS) {
        return apr_pstrcat(cmd->pool, "FcgiPMAlias: ", why.text, NULL);
    }
    alias = apr_array_push(hpm_server(cmd->server)->aliases);
    alias->url = apr_pstrdup(cmd->pool, url);
    alias->pool = pool;
    alias->where = directive_where(cmd);
    return NULL;
}

/* httpd has made a record for a virtual host only if a directive of this
 * module stands in it, and Require is another module's. */
static hpm_server_t *directive_server(const cmd_parms *cmd)
{
    hpm_server_t *server = hpm_server(cmd->server);

    if (!server) {
        server = hpm_server_create(cmd->pool, cmd->server);
        ap_set_module_config(cmd->server->module_config, &fcgipm_module,
                             server);
    }
    return server;
}

/* A .htaccess file names a pool.  What is not said by FcgiPMAllow is decided
 * here: an authorizer runs as the pool's user. */
static const char *directive_check_htaccess(cmd_parms *cmd,
                                            const char *directive,
                                            const char *name)
{
    const hpm_pool_t *pool = hpm_server_pool(hpm_server(cmd->server), name);

    if (!pool) {
        return apr_psprintf(cmd->pool, "%s: there is no pool \"%s\"", directive,
                            name);
    }
    return (pool->own_user || pool->rejected) && !pool->conf->allow
               ? apr_psprintf(cmd->pool,
                              "%s: the user of pool %s is not httpd's, and "
                              "there is no FcgiPMAllow",
                              directive, name)
               : NULL;
}

const char *hpm_directives_pool_ref(cmd_parms *cmd, const char *directive,
                                    const char *pool)
{
    hpm_server_t *server = directive_server(cmd);
    hpm_pool_ref_t *ref;
    pm_reason_t why;

    if (pm_conf_name_check(pool, &why) != APR_SUCCESS) {
        return apr_pstrcat(cmd->pool, directive, ": ", why.text, NULL);
    }
    if (ap_check_cmd_context(cmd, NOT_IN_HTACCESS)) {
        /* a request: all pools are known, and threads share the record */
        return directive_check_htaccess(cmd, directive, pool);
    }
    ref = apr_array_push(server->pool_refs);
    ref->directive = directive;
    ref->pool = apr_pstrdup(cmd->pool, pool);
    ref->where = directive_where(cmd);
    return NULL;
}

const command_rec hpm_directives[] = {
#define PM_ROW(field, name, type, st, init, min, max, choices, change, help)   \
    AP_INIT_RAW_ARGS(name, directive_set,                                      \
                     (void *)&pm_conf_rows[PM_ROW_##field], RSRC_CONF, help),
#include "pm_core/config/pm_conf_rows.h"
    AP_INIT_RAW_ARGS("<FcgiPMPool", section_open, (void *)&pm_section_pool,
                     RSRC_CONF, "name of a pool; its settings stand inside"),
    AP_INIT_RAW_ARGS("<FcgiPMScripts", section_open,
                     (void *)&pm_section_scripts, RSRC_CONF,
                     "directory of scripts that are started on demand"),
    AP_INIT_TAKE2("FcgiPMAlias", directive_add_alias, NULL, RSRC_CONF,
                  "a URL prefix and the pool that answers it, or !"),
    AP_INIT_TAKE1("FcgiPMScriptName", hpm_dir_set_script_name, NULL,
                  OR_FILEINFO,
                  "the URL prefix that a pool is told as SCRIPT_NAME, or none"),
    AP_INIT_TAKE1("FcgiPMAuthenticator", hpm_auth_set,
                  (void *)HPM_AUTHENTICATOR, OR_AUTHCFG,
                  "the pool behind AuthBasicProvider fcgipm, or none"),
    AP_INIT_TAKE1("FcgiPMAccessChecker", hpm_auth_set,
                  (void *)HPM_ACCESS_CHECKER, OR_AUTHCFG,
                  "the pool that is asked for access here, or none"),
    AP_INIT_RAW_ARGS("SetHandler", hpm_dir_note_handler, (void *)"core.c",
                     OR_FILEINFO, "noted when .htaccess names a pool"),
    AP_INIT_RAW_ARGS("ForceType", hpm_dir_note_handler, (void *)"core.c",
                     OR_FILEINFO, "noted when .htaccess names a pool"),
    AP_INIT_RAW_ARGS("AddHandler", hpm_dir_note_handler, (void *)"mod_mime.c",
                     OR_FILEINFO, "noted when .htaccess names a pool"),
    AP_INIT_RAW_ARGS("AddType", hpm_dir_note_handler, (void *)"mod_mime.c",
                     OR_FILEINFO, "noted when .htaccess names a pool"),
    AP_INIT_RAW_ARGS("RewriteRule", hpm_dir_note_rewrite,
                     (void *)"mod_rewrite.c", OR_FILEINFO,
                     "noted when .htaccess names a pool"),
    {.name = NULL}};
