/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_fcgi_ask.h
 * @brief A FastCGI request that the manager answers itself, for fronts that can
 *        ask nothing but FastCGI (pm_http_server.h).
 *
 * What the request is for is SCRIPT_NAME and PATH_INFO behind it; method, other
 * variables and body do not matter.  No socket; what is parsed is not trusted.
 */
#ifndef PM_FCGI_ASK_H
#define PM_FCGI_ASK_H

#include "apr_pools.h"

typedef enum pm_fcgi_ask {
    PM_FCGI_ASK_MORE, /**< its variables have not all come */
    PM_FCGI_ASK_WHOLE,
    PM_FCGI_ASK_BAD
} pm_fcgi_ask_t;

/** Parse a request from its first byte.
 *  @param in   WHOLE: spoilt
 *  @param id   WHOLE: its request id, not 0
 *  @param path WHOLE: what it is for, allocated from @a p, of bytes that are
 * not NUL */
pm_fcgi_ask_t pm_fcgi_ask_parse(unsigned char *in, apr_size_t len, int *id,
                                const char **path, apr_pool_t *p);

/** @return the text in FCGI_STDOUT records; "" stays ""
 *  @param len of the text, then of what is returned */
const char *pm_fcgi_ask_stdout(const char *text, apr_size_t *len, int id,
                               apr_pool_t *p);

/** @return the records that end an answer, and their length */
const char *pm_fcgi_ask_end(apr_size_t *len, int id, apr_pool_t *p);

#endif /* PM_FCGI_ASK_H */
