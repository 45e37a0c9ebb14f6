/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/config/hpm_dir.h"

#include <string.h>

#include "apr_lib.h"
#include "apr_strings.h"
#include "http_config.h"

void *hpm_dir_create(apr_pool_t *p, char *dir)
{
    (void)dir;
    return apr_pcalloc(p, sizeof(hpm_dir_t));
}

void *hpm_dir_merge(apr_pool_t *p, void *base, void *over)
{
    hpm_dir_t *dir = apr_pmemdup(p, base, sizeof(*dir));
    const hpm_dir_t *own = over;
    int i;

    for (i = 0; i < HPM_AUTH_DIRS; i++) {
        if (own->authorizer[i]) {
            dir->authorizer[i] = own->authorizer[i];
        }
    }
    if (own->script_name) {
        dir->script_name = own->script_name;
    }
    if (own->handlers) {
        dir->handlers = dir->handlers
                            ? apr_array_append(p, dir->handlers, own->handlers)
                            : own->handlers;
    }
    return dir;
}

const char *hpm_dir_set_script_name(cmd_parms *cmd, void *dir, const char *url)
{
    if (!strcmp(url, "none")) {
        url = "";
    }
    else if (url[0] != '/') {
        return apr_psprintf(cmd->pool,
                            "FcgiPMScriptName: \"%s\" is neither a URL that "
                            "starts with a slash nor \"none\"",
                            url);
    }
    ((hpm_dir_t *)dir)->script_name = apr_pstrdup(cmd->pool, url);
    return NULL;
}

/* --- handlers that .htaccess files name ----------------------------------- */

/* Where its value depends on the request, or is written with escapes, it can be
 * any handler. */
static int dir_is_variable(const char *handler)
{
    return strpbrk(handler, "%$\\") != NULL;
}

static void dir_note(hpm_dir_t *dir, const char *handler, apr_pool_t *p)
{
    if (!dir_is_variable(handler) && !ap_strcasestr(handler, HPM_HANDLER)) {
        return;
    }
    if (!dir->handlers) {
        dir->handlers = apr_array_make(p, 2, sizeof(const char *));
    }
    *(const char **)apr_array_push(dir->handlers) = apr_pstrdup(p, handler);
}

/* The directive is another module's: without that module it is none. */
static const char *dir_check_module(const cmd_parms *cmd)
{
    return ap_find_linked_module(cmd->info)
               ? NULL
               : apr_psprintf(cmd->pool,
                              "Invalid command '%s', perhaps misspelled or "
                              "defined by a module not included in the server "
                              "configuration",
                              cmd->cmd->name);
}

static int dir_is_htaccess(cmd_parms *cmd)
{
    return ap_check_cmd_context(cmd, NOT_IN_HTACCESS) != NULL;
}

const char *hpm_dir_note_handler(cmd_parms *cmd, void *dir, const char *args)
{
    const char *wrong = dir_check_module(cmd);

    if (!wrong && dir_is_htaccess(cmd)) {
        dir_note(dir, ap_getword_conf(cmd->temp_pool, &args), cmd->pool);
    }
    return wrong;
}

/* Does a flag of RewriteRule begin at @a at?  They stand behind `[` or `,` and
 * blanks. */
static int dir_begins_flag(const char *args, const char *at)
{
    while (at > args && apr_isspace(at[-1])) {
        at--;
    }
    return at > args && (at[-1] == '[' || at[-1] == ',');
}

/* [H=handler] and [T=type]; a type becomes the handler where there is none.
 * @return the flag's value, NULL: it is another flag */
static const char *dir_flag_value(const char *flag)
{
    static const char *const names[] = {"h=", "handler=", "t=", "type="};
    unsigned i;

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!ap_cstr_casecmpn(flag, names[i], strlen(names[i]))) {
            return flag + strlen(names[i]);
        }
    }
    return NULL;
}

/* mod_rewrite reads quotes, blanks and escapes in a way of its own, so what can
 * be a flag counts, wherever it stands. */
const char *hpm_dir_note_rewrite(cmd_parms *cmd, void *dir, const char *args)
{
    const char *wrong = dir_check_module(cmd);
    const char *at, *value;

    if (wrong || !dir_is_htaccess(cmd)) {
        return wrong;
    }
    for (at = args; *at; at++) {
        if (dir_begins_flag(args, at) && (value = dir_flag_value(at))) {
            char *text = apr_pstrmemdup(cmd->pool, value, strcspn(value, ",]"));

            apr_collapse_spaces(text, text);
            dir_note(dir, text, cmd->pool);
        }
    }
    return NULL;
}

/* --- is a request's handler one of those? --------------------------------- */

#define DIR_NOTE "FCGIPM_HTACCESS"

int hpm_dir_type(request_rec *r)
{
    const hpm_dir_t *dir =
        ap_get_module_config(r->per_dir_config, &fcgipm_module);
    int i;

    for (i = 0; dir->handlers && i < dir->handlers->nelts; i++) {
        apr_table_addn(r->notes, DIR_NOTE,
                       APR_ARRAY_IDX(dir->handlers, i, const char *));
    }
    return DECLINED;
}

/* @return 0: the note's value can be the request's handler */
static int dir_is_other(void *r, const char *note, const char *handler)
{
    (void)note;
    return !dir_is_variable(handler)
           && ap_cstr_casecmp(handler, ((request_rec *)r)->handler);
}

int hpm_dir_is_from_htaccess(request_rec *r)
{
    return (r->content_type
            && !strncmp(r->content_type, r->handler, strlen(r->handler)))
           || !apr_table_do(dir_is_other, r, r->notes, DIR_NOTE, NULL);
}
