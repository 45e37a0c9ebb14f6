/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/request/hpm_keepalive_wait.h"

#include "ap_mpm.h"
#include "apr_atomic.h"
#include "util_filter.h"

#include "httpd/request/hpm_client.h"
#include "httpd/config/hpm_server.h"

/* What is known of a connection. */
typedef struct habit {
    apr_time_t answered; /* when, last; by httpd's clock */
    int stay;            /* the client was quick with this request */
    int in_vain;         /* a thread has stayed, and nothing came */
} habit_t;

static habit_t *of(const conn_rec *c)
{
    return ap_get_module_config(c->conn_config, &fcgipm_module);
}

static hpm_thread_load_t *crowd(const conn_rec *c)
{
    return hpm_server(c->base_server)->thread_load;
}

/* --- how many there are --------------------------------------------------- */

hpm_thread_load_t *hpm_keepalive_wait_load(apr_pool_t *pchild)
{
    hpm_thread_load_t *crowd = apr_pcalloc(pchild, sizeof(*crowd));
    int async = 0;

    if (ap_mpm_query(AP_MPMQ_IS_ASYNC, &async) != APR_SUCCESS || !async
        || ap_mpm_query(AP_MPMQ_MAX_THREADS, &crowd->threads) != APR_SUCCESS) {
        crowd->threads = 0;
    }
    return crowd;
}

static apr_status_t leave(void *data)
{
    hpm_thread_load_t *crowd = data;

    apr_atomic_dec32(&crowd->connections);
    return APR_SUCCESS;
}

/* httpd calls this whenever a connection gets a thread; a stream of HTTP/2 is
 * no connection. */
int hpm_keepalive_wait_connection(conn_rec *c)
{
    if (!c->master && !of(c) && crowd(c) && crowd(c)->threads) {
        ap_set_module_config(c->conn_config, &fcgipm_module,
                             apr_pcalloc(c->pool, sizeof(habit_t)));
        apr_atomic_inc32(&crowd(c)->connections);
        apr_pool_cleanup_register(c->pool, crowd(c), leave,
                                  apr_pool_cleanup_null);
    }
    return DECLINED;
}

static int has_room(const conn_rec *c)
{
    hpm_thread_load_t *all = crowd(c);

    return apr_atomic_read32(&all->connections) < (apr_uint32_t)all->threads;
}

/* --- staying -------------------------------------------------------------- */

void hpm_keepalive_wait_answered(request_rec *r)
{
    conn_rec *c = r->connection;
    habit_t *h = of(c);

    if (h) {
        h->stay = h->answered && has_room(c)
                  && r->request_time - h->answered < HPM_KEEPALIVE_WAIT;
        h->answered = apr_time_now();
    }
}

/* Nothing yet?  The next request can be in a filter already, and stays
 * there: where no socket shows it a wait is in vain. */
static int is_silent(conn_rec *c, apr_pool_t *p)
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
    habit_t *h = of(c);

    if (h && h->stay) {
        h->stay = 0;
        if (c->keepalive == AP_CONN_KEEPALIVE && !c->aborted
            && (!h->in_vain || is_silent(c, r->pool))
            && !hpm_client_readable(c, HPM_KEEPALIVE_WAIT)) {
            h->in_vain = 1;
        }
    }
    return DECLINED;
}
