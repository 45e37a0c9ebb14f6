/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/request/hpm_keepalive_wait.h"

#include "ap_mpm.h"
#include "apr_atomic.h"
#include "util_filter.h"

#include "httpd/config/hpm_server.h"
#include "httpd/request/hpm_client.h"
#include "httpd/request/hpm_connection.h"

static hpm_thread_load_t *keepalive_load(const conn_rec *c)
{
    return hpm_server(c->base_server)->thread_load;
}

/* --- the load ------------------------------------------------------------- */

/* Connections that are open then go after the rows. */
static apr_status_t keepalive_end_child(void *data)
{
    hpm_thread_load_t *load = data;

    __atomic_store_n(&load->rows, NULL, __ATOMIC_RELEASE);
    return APR_SUCCESS;
}

hpm_thread_load_t *hpm_keepalive_wait_load(const pm_admission_rows_t *rows,
                                           apr_pool_t *pchild, apr_pool_t *p)
{
    hpm_thread_load_t *load = apr_pcalloc(p, sizeof(*load));
    int async = 0;

    load->rows = rows;
    if (ap_mpm_query(AP_MPMQ_IS_ASYNC, &async) != APR_SUCCESS || !async
        || ap_mpm_query(AP_MPMQ_MAX_THREADS, &load->threads) != APR_SUCCESS) {
        load->threads = 0;
    }
    apr_pool_pre_cleanup_register(pchild, load, keepalive_end_child);
    return load;
}

/* With a few connections more than threads these are seldom all busy at once;
 * what has begun ends only when there are no more, so that it does not change
 * with each connection. */
static void keepalive_say_crowded(hpm_thread_load_t *load)
{
    const pm_admission_rows_t *rows =
        __atomic_load_n(&load->rows, __ATOMIC_ACQUIRE);
    apr_uint32_t n = apr_atomic_read32(&load->connections);
    apr_uint32_t threads = (apr_uint32_t)load->threads;

    if (rows && (n <= threads || n > threads + threads / 2)) {
        pm_admission_rows_set_crowded(rows, n > threads);
    }
}

static apr_status_t keepalive_end_connection(void *data)
{
    hpm_thread_load_t *load = data;

    apr_atomic_dec32(&load->connections);
    keepalive_say_crowded(load);
    return APR_SUCCESS;
}

/* httpd calls this each time a connection gets a thread.  A stream of HTTP/2
 * is no connection. */
int hpm_keepalive_wait_connection(conn_rec *c)
{
    hpm_thread_load_t *load = keepalive_load(c);

    if (!c->master && load && load->threads && !hpm_connection(c)->counted) {
        hpm_connection(c)->counted = 1;
        apr_atomic_inc32(&load->connections);
        keepalive_say_crowded(load);
        apr_pool_cleanup_register(c->pool, load, keepalive_end_connection,
                                  apr_pool_cleanup_null);
    }
    return DECLINED;
}

static int keepalive_has_room(const conn_rec *c)
{
    hpm_thread_load_t *load = keepalive_load(c);

    return apr_atomic_read32(&load->connections) < (apr_uint32_t)load->threads;
}

/* --- waiting -------------------------------------------------------------- */

void hpm_keepalive_wait_answered(request_rec *r)
{
    conn_rec *c = r->connection;
    hpm_connection_t *h = hpm_connection_known(c);

    if (h && h->counted) {
        h->quick = h->answered && keepalive_has_room(c)
                   && r->request_time - h->answered < HPM_KEEPALIVE_WAIT;
        h->answered = apr_time_now();
    }
}

/* Is there no byte of the next request in the input filters?  There poll() on
 * the socket would not see it. */
static int keepalive_is_silent(conn_rec *c, apr_pool_t *p)
{
    apr_bucket_brigade *bb = apr_brigade_create(p, c->bucket_alloc);
    apr_status_t rv = ap_get_brigade(c->input_filters, bb, AP_MODE_SPECULATIVE,
                                     APR_NONBLOCK_READ, 1);
    int empty = APR_BRIGADE_EMPTY(bb);

    apr_brigade_destroy(bb);
    return empty && (rv == APR_SUCCESS || APR_STATUS_IS_EAGAIN(rv));
}

int hpm_keepalive_wait_log(request_rec *r)
{
    conn_rec *c = r->connection;
    hpm_connection_t *h = hpm_connection_known(c);

    if (h && h->quick) {
        h->quick = 0;
        if (c->keepalive == AP_CONN_KEEPALIVE && !c->aborted
            && (!h->in_vain || keepalive_is_silent(c, r->pool))
            && !hpm_client_is_readable(c, HPM_KEEPALIVE_WAIT)) {
            h->in_vain = 1;
        }
    }
    return DECLINED;
}
