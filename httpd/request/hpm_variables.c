/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/request/hpm_variables.h"

#include <string.h>

#include "apr_strings.h"
#include "http_core.h"
#include "httpd/request/hpm_alias.h"
#include "httpd/request/hpm_request.h"
#include "util_fcgi.h"
#include "util_script.h"

APLOG_USE_MODULE(fcgipm);

/* The URL is no file, so PATH_TRANSLATED needs no subrequest. */
static void variables_add_split(request_rec *r, const char *script_name,
                                const char *path_info)
{
    char *rest = r->path_info;
    const char *root = ap_document_root(r);
    apr_table_t *env = r->subprocess_env;

    r->path_info = NULL;
    ap_add_cgi_vars(r);
    r->path_info = rest;
    apr_table_setn(env, "SCRIPT_NAME", script_name);
    if (r->finfo.filetype == APR_NOFILE) {
        apr_table_setn(env, "SCRIPT_FILENAME",
                       apr_pstrcat(r->pool, root, script_name, NULL));
    }
    if (*path_info) {
        apr_table_setn(env, "PATH_INFO", path_info);
        apr_table_setn(env, "PATH_TRANSLATED",
                       apr_pstrcat(r->pool, root, path_info, NULL));
    }
}

static void variables_remove(apr_table_t *env)
{
    /* the worker reads a body of CONTENT_LENGTH bytes, never a chunked one */
    apr_table_unset(env, "HTTP_TRANSFER_ENCODING");
    /* a client's header Proxy must not name the worker's proxy */
    apr_table_unset(env, "HTTP_PROXY");
}

void hpm_variables_responder(request_rec *r, apr_off_t length)
{
    const char *script_name, *path_info;
    apr_table_t *env;

    ap_add_common_vars(r);
    if (hpm_alias_split(r, &script_name, &path_info)) {
        variables_add_split(r, script_name, path_info);
    }
    else {
        ap_add_cgi_vars(r);
    }
    env = r->subprocess_env;
    variables_remove(env);
    if (length >= 0) {
        apr_table_setn(env, "CONTENT_LENGTH", apr_off_t_toa(r->pool, length));
    }
    else {
        apr_table_unset(env, "CONTENT_LENGTH");
    }
}

void hpm_variables_authorizer(request_rec *r, const apr_table_t *more)
{
    char *path_info = r->path_info;
    apr_table_t *env;

    /* PATH_TRANSLATED needs a subrequest, which would ask the authorizer */
    r->path_info = NULL;
    ap_add_common_vars(r);
    ap_add_cgi_vars(r);
    r->path_info = path_info;
    env = r->subprocess_env;
    variables_remove(env);
    apr_table_unset(env, "CONTENT_LENGTH");
    apr_table_unset(env, "SCRIPT_NAME");
    apr_table_overlap(env, more, APR_OVERLAP_TABLES_SET);
}

/* --- PHP ------------------------------------------------------------------ */

/* .php, .php8, .phtml... */
static int variables_has_php_suffix(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot && !strchr(dot, '/') && !ap_cstr_casecmpn(dot, ".ph", 3);
}

/* php-cgi, php8.2 */
static int variables_names_php(const char *path)
{
    const char *slash = strrchr(path, '/');

    return !strncmp(slash ? slash + 1 : path, "php", 3);
}

/* Also behind env, nice, ... */
static int variables_command_is_php(const apr_array_header_t *command)
{
    int i;

    for (i = 0; command && i < command->nelts; i++) {
        if (variables_names_php(APR_ARRAY_IDX(command, i, const char *))) {
            return 1;
        }
    }
    return 0;
}

/* Is the request's file PHP itself, which an Action has called for another
 * file? That one counts then.  A .htaccess file can name any page as the
 * program of an Action: this must not make another user's PHP run a file that
 * nobody has judged. */
static int variables_calls_php(const request_rec *r, const pm_conf_t *conf)
{
    return apr_table_get(r->subprocess_env, "REDIRECT_HANDLER")
           && !conf->file_owner
           && (r->finfo.filetype == APR_NOFILE
               || (variables_names_php(r->filename)
                   && r->finfo.protection & APR_FPROT_UEXECUTE));
}

/* Does PHP run the request's file? */
static int variables_is_php(const request_rec *r, const pm_conf_t *conf)
{
    const hpm_request_t *known = hpm_request_known(r);

    return conf && apr_table_get(r->subprocess_env, "PATH_INFO")
           && (variables_has_php_suffix(r->filename) || (known && known->php)
               || (variables_command_is_php(conf->command)
                   && !variables_calls_php(r, conf)));
}

/* php-cgi believes that an Action has called it when there is REDIRECT_URL: it
 * drops PATH_INFO, and runs the file PATH_TRANSLATED instead of
 * SCRIPT_FILENAME.  It does not look at the second names, and makes the first
 * of them in $_SERVER. */
static const char *const variables_php_names[][2] = {
    {"PATH_TRANSLATED", "PATH.TRANSLATED"}, {"REDIRECT_URL", "REDIRECT.URL"}};

/* @param from 0: the names in r->subprocess_env, 1: those for PHP */
static void variables_rename(apr_table_t *env, int from)
{
    const char *value;
    unsigned i;

    for (i = 0; i < 2; i++) {
        value = apr_table_get(env, variables_php_names[i][from]);
        if (value) {
            apr_table_setn(env, variables_php_names[i][!from], value);
            apr_table_unset(env, variables_php_names[i][from]);
        }
    }
}

/* --- the records ---------------------------------------------------------- */

/* Records of PARAMS in a request, at the most. */
#define VARIABLES_RECORDS_MAX 32

static int variables_encode(request_rec *r, int role, char **head,
                            apr_size_t *len, pm_reason_t *why)
{
    apr_table_t *env = r->subprocess_env;
    apr_size_t lens[VARIABLES_RECORDS_MAX];
    unsigned char *at;
    int n, i, elem = 0;

    *len = PM_FCGI_BEGIN_LEN + PM_FCGI_HEADER_LEN;
    for (n = 0; n < VARIABLES_RECORDS_MAX; n++) {
        lens[n] = ap_fcgi_encoded_env_len(env, PM_FCGI_MAX_LENGTH, &elem);
        if (!lens[n]) {
            break;
        }
        *len += PM_FCGI_HEADER_LEN + lens[n];
    }
    if (elem < apr_table_elts(env)->nelts) {
        pm_fail(why, APR_EINVAL, "the request's variables are too long");
        return HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE;
    }
    *head = apr_palloc(r->pool, *len);
    at = (unsigned char *)*head;
    pm_codec_begin(at, role);
    at += PM_FCGI_BEGIN_LEN;
    for (i = 0, elem = 0; i < n; i++) {
        pm_codec_header(at, PM_FCGI_PARAMS, lens[i]);
        at += PM_FCGI_HEADER_LEN;
        if (ap_fcgi_encode_env(r, env, at, lens[i], &elem) != APR_SUCCESS) {
            pm_fail(why, APR_EGENERAL,
                    "the request's variables could not "
                    "be encoded");
            return HTTP_INTERNAL_SERVER_ERROR;
        }
        at += lens[i];
    }
    pm_codec_header(at, PM_FCGI_PARAMS, 0);
    return OK;
}

int hpm_variables_encode(request_rec *r, const pm_conf_t *conf, int role,
                         char **head, apr_size_t *len, pm_reason_t *why)
{
    int php = variables_is_php(r, conf);
    int status;

    if (php) {
        variables_rename(r->subprocess_env, 0);
    }
    status = variables_encode(r, role, head, len, why);
    if (php) {
        variables_rename(r->subprocess_env, 1);
    }
    return status;
}
