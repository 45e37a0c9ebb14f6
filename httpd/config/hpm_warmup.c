/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/config/hpm_warmup.h"

#include <string.h>

#include "apr_escape.h"
#include "apr_file_info.h"
#include "apr_strings.h"
#include "http_core.h"

#include "pm_core/config/pm_parsed.h"

static int warmup_is_name(const apr_array_header_t *names, const char *host)
{
    int i;

    for (i = 0; names && i < names->nelts; i++) {
        if (!strcasecmp(APR_ARRAY_IDX(names, i, const char *), host)) {
            return 1;
        }
    }
    return 0;
}

/* The virtual host of that name; else the main server. */
static server_rec *warmup_server(server_rec *s, const char *host)
{
    server_rec *v;

    for (v = s->next; v && *host; v = v->next) {
        if ((v->server_hostname && !strcasecmp(v->server_hostname, host))
            || warmup_is_name(v->names, host)) {
            return v;
        }
    }
    return s;
}

static const char *warmup_root(const server_rec *s)
{
    const core_server_config *core =
        ap_get_core_module_config(s->module_config);

    return core->ap_document_root ? core->ap_document_root : "";
}

/* They are not sorted yet.
 * @return bytes of the path that the longest FcgiPMAlias takes */
static apr_size_t warmup_alias(const hpm_server_t *server, const char *path)
{
    int longest = 0;
    int i;

    for (i = 0; i < server->aliases->nelts; i++) {
        int n = hpm_server_match_alias(
            path, APR_ARRAY_IDX(server->aliases, i, hpm_alias_t).url);

        longest = n > longest ? n : longest;
    }
    return (apr_size_t)longest;
}

/* Bytes of the path up to the first part that is no directory, as httpd itself
 * walks along it: what follows is PATH_INFO. */
static apr_size_t warmup_walk(const char *root, const char *path, apr_pool_t *p)
{
    apr_size_t n = 0;
    apr_finfo_t st;

    while (path[n] == '/') {
        const char *name;

        n += strspn(path + n, "/");
        n += strcspn(path + n, "/");
        name = apr_punescape_url(p, apr_pstrmemdup(p, path, n), NULL, NULL, 0);
        if (!name
            || apr_stat(&st, apr_pstrcat(p, root, name, NULL), APR_FINFO_TYPE,
                        p)
                   != APR_SUCCESS
            || st.filetype != APR_DIR) {
            return n;
        }
    }
    return n;
}

/* "[http://HOST[:PORT]]/PATH[?QUERY]" */
static const char *warmup_complete(const char *url, server_rec *s,
                                   apr_pool_t *p)
{
    const char *host = *url == '/' ? "" : url + strcspn(url, ":") + 3;
    const char *path = *url == '/' ? url : host + strcspn(host, "/");
    const char *root;
    apr_size_t n;

    path = apr_pstrmemdup(p, path, strcspn(path, "? "));
    s = warmup_server(s, apr_pstrmemdup(p, host, strcspn(host, ":/")));
    root = warmup_root(s);
    n = warmup_alias(hpm_server(s), path);
    n = n ? n : warmup_walk(root, path, p);
    return apr_pstrcat(p, url, " ", apr_pstrmemdup(p, path, n), " ", root,
                       NULL);
}

static void warmup_complete_all(const pm_conf_t *conf, server_rec *s,
                                apr_pool_t *p)
{
    int i;

    for (i = 0; conf->warmup && i < conf->warmup->nelts; i++) {
        const char **word = &APR_ARRAY_IDX(conf->warmup, i, const char *);

        if (!strchr(*word, ' ')) {
            *word = warmup_complete(*word, s, p);
        }
    }
}

void hpm_warmup_complete(const hpm_server_t *server, server_rec *s,
                         apr_pool_t *p)
{
    const pm_parsed_t *parsed = server->parsed;
    int i;

    warmup_complete_all(server->defaults, s, p);
    for (i = 0; i < parsed->sections->nelts; i++) {
        warmup_complete_all(
            APR_ARRAY_IDX(parsed->sections, i, pm_section_t).conf, s, p);
    }
    for (i = 0; i < parsed->scripts->nelts; i++) {
        warmup_complete_all(
            APR_ARRAY_IDX(parsed->scripts, i, pm_scripts_t).conf, s, p);
    }
}
