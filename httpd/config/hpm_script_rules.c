/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/config/hpm_script_rules.h"

#include "apr_strings.h"
#include "http_config.h"
#include "http_core.h"
#include "http_protocol.h"
#include "unixd.h"

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
