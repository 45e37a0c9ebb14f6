/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/request/hpm_alias.h"

#include <string.h>

#include "apr_strings.h"
#include "http_core.h"

#include "httpd/config/hpm_dir.h"
#include "httpd/config/hpm_server.h"
#include "httpd/request/hpm_request.h"

/* The longest that matches.  @param len of the match
 * @return NULL: none, or one that leaves the URL to others */
static const hpm_alias_t *alias_find(const request_rec *r, int *len)
{
    const apr_array_header_t *aliases = hpm_server(r->server)->aliases;
    int i;

    for (i = 0; i < aliases->nelts; i++) {
        const hpm_alias_t *alias = &APR_ARRAY_IDX(aliases, i, hpm_alias_t);

        *len = hpm_server_match_alias(r->uri, alias->url);
        if (*len >= 0) {
            return alias->pool ? alias : NULL;
        }
    }
    return NULL;
}

/* No file is opened by r->filename, but the log and SCRIPT_FILENAME need a
 * name. */
static void alias_take(request_rec *r, const hpm_alias_t *alias, int len)
{
    char *name = apr_pstrmemdup(r->pool, r->uri, (apr_size_t)len);

    r->filename = apr_pstrcat(r->pool, ap_document_root(r), name, NULL);
    r->path_info = r->uri + len;
    r->handler = apr_pstrcat(r->pool, HPM_HANDLER ":", alias->pool, NULL);
    hpm_request(r)->alias = name;
}

int hpm_alias_translate(request_rec *r)
{
    const hpm_alias_t *alias;
    int len;

    if (r->proxyreq || !r->uri || r->uri[0] != '/'
        || !(alias = alias_find(r, &len))) {
        return DECLINED;
    }
    alias_take(r, alias, len);
    return OK;
}

static int alias_has_taken(const request_rec *r)
{
    const hpm_request_t *known = hpm_request_known(r);

    return known && known->alias;
}

/* mod_alias and mod_userdir leave the prefix that they have mapped.
 * @return 0: no such module has mapped the URL, or by a longer prefix */
static int alias_takes_over(request_rec *r)
{
    const char *prefix = ap_context_prefix(r);
    const hpm_alias_t *alias;
    int other, len;

    if (r->proxyreq || !*prefix
        || (other = hpm_server_match_alias(r->uri, prefix)) < 0
        || !(alias = alias_find(r, &len)) || len < other) {
        return 0;
    }
    ap_set_context_info(r, "", ap_document_root(r));
    apr_table_unset(r->notes, "alias-forced-type"); /* ScriptAlias */
    alias_take(r, alias, len);
    return 1;
}

int hpm_alias_map_to_storage(request_rec *r)
{
    return (alias_has_taken(r) || alias_takes_over(r))
                   && r->method_number != M_TRACE
               ? OK
               : DECLINED;
}

/* An extension in the URL is not for mod_mime (AddHandler), nor for
 * mod_negotiation. */
int hpm_alias_type(request_rec *r)
{
    return alias_has_taken(r) ? OK : DECLINED;
}

int hpm_alias_split(request_rec *r, const char **script_name,
                    const char **path_info)
{
    const hpm_dir_t *dir =
        ap_get_module_config(r->per_dir_config, &fcgipm_module);
    int len;

    if (alias_has_taken(r) || alias_takes_over(r)) {
        *script_name = hpm_request_known(r)->alias;
        *path_info = r->path_info;
        return 1;
    }
    if (!dir->script_name || !*dir->script_name
        || (len = hpm_server_match_alias(r->uri, dir->script_name)) < 0) {
        return 0;
    }
    *script_name = apr_pstrmemdup(r->pool, r->uri, (apr_size_t)len);
    *path_info = r->uri + len;
    return 1;
}
