/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_request.h
 * @brief What the module remembers of a request between hooks; it lives in
 *        @c request_config.  The thread that serves the request uses it.
 */
#ifndef HPM_REQUEST_H
#define HPM_REQUEST_H

#include "httpd/config/hpm_module.h"

typedef struct hpm_request {
    const char *alias;         /**< SCRIPT_NAME when FcgiPMAlias took the
                                *   URL, else NULL */
    int php;                   /**< 1: a wrapper of FcgiPMScripts that is PHP
                                *   runs the file */
    struct hpm_denial *denial; /**< see hpm_auth.c: the response of a pool
                                *   that denied; NULL: none did, or another
                                *   provider granted access after all */
    apr_table_t *granted;      /**< variables from pools that granted, or
                                *   NULL */
} hpm_request_t;

/** @return the record, or NULL when no hook has made one */
static inline hpm_request_t *hpm_request_known(const request_rec *r)
{
    return ap_get_module_config(r->request_config, &fcgipm_module);
}

/** @return the record, made when there is none */
static inline hpm_request_t *hpm_request(request_rec *r)
{
    hpm_request_t *known = hpm_request_known(r);

    if (!known) {
        known = apr_pcalloc(r->pool, sizeof(*known));
        ap_set_module_config(r->request_config, &fcgipm_module, known);
    }
    return known;
}

#endif /* HPM_REQUEST_H */
