/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/config/hpm_server.h"

#include "apr_strings.h"

#include "pm_core/config/pm_parsed.h"

void *hpm_server_create(apr_pool_t *p, server_rec *s)
{
    hpm_server_t *server = apr_pcalloc(p, sizeof(*server));

    (void)s;
    server->parsed = pm_parsed_create(pm_script_rules_where_check, p);
    server->global = pm_global_create(p);
    server->defaults = pm_conf_create(p, HPM_DEFAULT_POOL);
    server->pools = apr_hash_make(p);
    server->pool_list = apr_array_make(p, 4, sizeof(hpm_pool_t *));
    server->aliases = apr_array_make(p, 4, sizeof(hpm_alias_t));
    server->pool_refs = apr_array_make(p, 4, sizeof(hpm_pool_ref_t));
    server->templates = apr_array_make(p, 2, sizeof(pm_script_template_t));
    server->hosts = apr_array_make(p, 2, sizeof(pm_host_t));
    server->host_of = apr_hash_make(p);
    server->wakeup_fd = -1;
    server->slow_report_fd = -1;
    return server;
}

void *hpm_server_merge(apr_pool_t *p, void *base, void *over)
{
    hpm_server_t *main_server = base;
    hpm_server_t *virtual = over;
    hpm_server_t *server = apr_pmemdup(p, main_server, sizeof(*server));

    /* the virtual host's come first, so that they win over equal ones */
    server->aliases =
        apr_array_append(p, virtual->aliases, main_server->aliases);
    server->pool_refs = virtual->pool_refs;
    server->own_parsed = virtual->parsed;
    return server;
}

void hpm_server_share_child(const server_rec *s)
{
    const hpm_server_t *own = hpm_server(s);
    const server_rec *v;

    for (v = s->next; v; v = v->next) {
        hpm_server_t *virtual = hpm_server(v);

        virtual->row = own->row;
        virtual->script_cache = own->script_cache;
        virtual->thread_load = own->thread_load;
        virtual->kept = own->kept;
        virtual->queue = own->queue;
        virtual->watcher = own->watcher;
    }
}

int hpm_server_match_alias(const char *uri, const char *alias)
{
    const char *u = uri;
    const char *a = alias;

    while (*a) {
        if (*a == '/') {
            if (*u != '/') {
                return -1;
            }
            while (*a == '/') {
                a++;
            }
            while (*u == '/') {
                u++;
            }
        }
        else if (*a++ != *u++) {
            return -1;
        }
    }
    if (a > alias && a[-1] == '/') {
        while (u > uri && u[-1] == '/') {
            u--;
        }
    }
    else if (*u && *u != '/') {
        return -1;
    }
    return (int)(u - uri);
}
