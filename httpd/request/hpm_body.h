/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_body.h
 * @brief A request's body, read whole before a worker is taken.
 *
 * A client that sends a byte a second holds a thread of httpd, not a worker.
 * Up to FcgiPMRequestBuffer the body is in memory, beyond that in a file
 * without a name.  With "off" a body of known length is streamed: it is read
 * while the worker runs.  A chunked body is read whole in any case, since a
 * worker must know CONTENT_LENGTH before it begins (CGI/1.1, RFC 3875 4.1.2);
 * so is a body of HTTP/2, since no thread can wait for its client and a worker
 * at once.
 *
 * A body belongs to the request's thread and lives as long as the request.
 */
#ifndef HPM_BODY_H
#define HPM_BODY_H

#include "httpd.h"

#include "httpd/upstream/hpm_upstream.h"

typedef struct hpm_body {
    int present; /**< the client announced one; it may be empty */
    int status;  /**< HTTP status for a body that ended in an error while it
                  *   was streamed, else OK */
    hpm_upstream_reader_t reader; /**< its bytes, for a call */

    /* private to hpm_body.c */
    request_rec *r;
    char *memory;
    apr_size_t used, size;
    apr_file_t *file;
    apr_off_t at;
    char *block;
    apr_bucket_brigade *bb; /* from the input filters */
    int eos;
    apr_status_t failed; /* a stream, behind the bytes given last */
} hpm_body_t;

/**
 * Read the body, blocking for the client, or prepare to stream it.
 * @param limit bytes in memory; -1: stream
 * @param why   of a refusal, for the log
 * @return OK or the HTTP status of the refusal: 413 for LimitRequestBody,
 *         408 for a client that fell silent, 400 for bad chunks, ...
 */
int hpm_body_read(request_rec *r, apr_int64_t limit, hpm_body_t *body,
                  pm_reason_t *why);

/** Make the empty body of a request that has none. */
void hpm_body_init(hpm_body_t *body, request_rec *r);

#endif /* HPM_BODY_H */
