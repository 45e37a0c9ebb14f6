/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/request/hpm_allow.h"

#include <string.h>

#include "http_log.h"

#include "pm_core/policy/pm_script_rules.h"

APLOG_USE_MODULE(fcgipm);

static int allow_directory(const request_rec *r, const char *dir)
{
    return r->filename && pm_script_rules_match(dir, r->filename) > 0;
}

static int allow_location(const request_rec *r, const char *url)
{
    apr_size_t len = strlen(url);

    len -= len && url[len - 1] == '/';
    return r->uri && !strncmp(r->uri, url, len)
           && (r->uri[len] == '/' || !r->uri[len]);
}

static int allow_host(const request_rec *r, const char *name)
{
    const char *own = r->server->server_hostname;

    return own && !ap_cstr_casecmp(own, name);
}

/* The words are checked: hpm_pools.c. */
static int allow_matches(const request_rec *r, const char *word)
{
    static const struct {
        const char *kind;
        int (*matches)(const request_rec *r, const char *what);
    } kinds[] = {{"directory:", allow_directory},
                 {"location:", allow_location},
                 {"host:", allow_host}};
    unsigned i;

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        apr_size_t len = strlen(kinds[i].kind);

        if (!strncmp(word, kinds[i].kind, len)) {
            return kinds[i].matches(r, word + len);
        }
    }
    return 0;
}

static int allow_is_listed(const request_rec *r,
                           const apr_array_header_t *words)
{
    int i;

    for (i = 0; i < words->nelts; i++) {
        if (allow_matches(r, APR_ARRAY_IDX(words, i, const char *))) {
            return 1;
        }
    }
    return 0;
}

/* @return why not, or NULL */
static const char *allow_reason(const request_rec *r, const hpm_pool_t *pool,
                                int htaccess)
{
    if (pool->conf->allow) {
        if (!allow_is_listed(r, pool->conf->allow)) {
            return "FcgiPMAllow lists neither its directory nor its location "
                   "nor its virtual host";
        }
    }
    else if (htaccess && (pool->own_user || pool->rejected)) {
        return "a .htaccess file names the pool, whose user or group is not "
               "httpd's, "
               "and there is no FcgiPMAllow";
    }
    if (pool->conf->file_owner
        && (r->finfo.filetype == APR_NOFILE || r->finfo.user != pool->uid)) {
        return "the file does not belong to the pool's user (FcgiPMFileOwner)";
    }
    return NULL;
}

int hpm_allow_check(const request_rec *r, const hpm_pool_t *pool, int htaccess)
{
    const char *why = allow_reason(r, pool, htaccess);

    if (!why) {
        return OK;
    }
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "pool %s: %s is refused: %s",
                  pool->name, r->filename ? r->filename : r->uri, why);
    return HTTP_FORBIDDEN;
}
