/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_connection.h
 * @brief What the module remembers of a client's connection; it lives in
 *        @c conn_config.  The thread that has the connection uses it.
 */
#ifndef HPM_CONNECTION_H
#define HPM_CONNECTION_H

#include "httpd/config/hpm_module.h"

typedef struct hpm_connection {
    /* hpm_keepalive_wait.c */
    int counted;         /**< among those of the child */
    apr_time_t answered; /**< the last response was sent; apr_time_now() */
    int quick;           /**< this request came at once */
    int in_vain;         /**< a thread has waited, and nothing came */

    /* hpm_park.c */
    int inside;               /**< the hook runs the other modules' */
    request_rec *redirecting; /**< a handler that redirects runs, or NULL */
    struct hpm_park *park;    /**< the request that is parked, or NULL */
} hpm_connection_t;

/** @return the record, or NULL when no hook has made one */
static inline hpm_connection_t *hpm_connection_known(const conn_rec *c)
{
    return ap_get_module_config(c->conn_config, &fcgipm_module);
}

/** @return the record, made when there is none */
static inline hpm_connection_t *hpm_connection(conn_rec *c)
{
    hpm_connection_t *known = hpm_connection_known(c);

    if (!known) {
        known = apr_pcalloc(c->pool, sizeof(*known));
        ap_set_module_config(c->conn_config, &fcgipm_module, known);
    }
    return known;
}

#endif /* HPM_CONNECTION_H */
