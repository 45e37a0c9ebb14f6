/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_response.h
 * @brief A worker's answer as httpd's response.
 *
 * The header is collected, checked and given to httpd (CGI/1.1, RFC 3875 6);
 * the body goes down the output filters in the memory it was received in;
 * STDERR goes to the log line by line.  Nothing here knows sockets, and
 * nothing here decides what a failure is answered with.
 *
 * A response belongs to the request's thread.
 */
#ifndef HPM_RESPONSE_H
#define HPM_RESPONSE_H

#include "httpd.h"
#include "util_filter.h"

#include "httpd/request/hpm_spool.h"
#include "httpd/upstream/hpm_call.h"
#include "pm_core/base/pm_lines.h"
#include "pm_core/base/pm_log_ratelimit.h"

/** What becomes of the answer's next bytes. */
typedef enum hpm_response_state {
    HPM_RESPONSE_HEADER,    /**< they belong to the header */
    HPM_RESPONSE_BODY,      /**< they go to the client */
    HPM_RESPONSE_DISCARD,   /**< nothing: the body is not wanted, @c status is
                             *   the handler's */
    HPM_RESPONSE_REDIRECT,  /**< likewise: @c location is on this server */
    HPM_RESPONSE_FILE,      /**< likewise: @c file is sent instead */
    HPM_RESPONSE_MALFORMED, /**< the answer has no valid header: @c why */
    HPM_RESPONSE_ABORTED    /**< the client has gone, or a filter failed: @c
                             *   status, @c why */
} hpm_response_state_t;

/** A response; on the stack of its request's thread. */
typedef struct hpm_response {
    hpm_response_state_t state;
    int status;           /**< what the handler returns for it */
    const char *location; /**< REDIRECT */
    const char *file;     /**< FILE: X-Sendfile */
    pm_reason_t why;      /**< MALFORMED, ABORTED, or not whole */

    /* private to hpm_response.c */
    request_rec *r;
    const hpm_pool_t *pool;
    char *head; /* a header that came in pieces */
    apr_size_t head_len, head_size, head_max;
    int folded;               /* a line of it goes on in the next one */
    int names_file;           /* it has an X-Sendfile */
    apr_hash_t *hop_by_hop;   /* names in its Connection; NULL: it has none */
    apr_table_t *err_headers; /* as they were before the worker's header */
    apr_off_t length;         /* as the worker announced it; -1 */
    apr_off_t left;           /* of it */
    hpm_spool_t spool;
    apr_bucket *hold;              /* the buffer, as a bucket in no brigade */
    char *base;                    /* its memory */
    apr_size_t fill;               /* bytes of that in use */
    pid_t worker;                  /* has written to STDERR; 0: not known */
    pm_log_ratelimit_t *ratelimit; /* of the pool's lines; NULL: none */
    pm_lines_t lines;              /* its text comes last */
} hpm_response_t;

/** The response as a call's downstream; @c ctx is the hpm_response_t. */
extern const hpm_downstream_t hpm_response_downstream;

/** @param pool whose settings hold (FcgiPMResponseBuffer, FcgiPMErrorLog...);
 *              stays until destroy */
void hpm_response_init(hpm_response_t *a, request_rec *r,
                       const hpm_pool_t *pool);

/** Is the body as long as was announced?
 *  @return 0: no, see @c why */
int hpm_response_is_whole(hpm_response_t *a);

/** The answer is whole: pass the rest of it and the end to the client, waiting
 *  for it as long as httpd's Timeout allows. */
void hpm_response_finish(hpm_response_t *a);

/**
 * The answer will never be whole.  Forget what was not passed on.
 * @return 1: nothing was passed on, another response can take its place.  0:
 *         the client's connection has been made to end in a way that cannot
 *         be taken for the end of the response
 */
int hpm_response_cut(hpm_response_t *a);

/** Free what is held.  @c state, @c status and @c why remain. */
void hpm_response_destroy(hpm_response_t *a);

#endif /* HPM_RESPONSE_H */
