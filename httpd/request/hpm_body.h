/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_body.h
 * @brief A request's body, read whole before a worker is taken.
 *
 * A client that sends a byte a second holds a thread of httpd, not a worker.
 * Up to FcgiPMRequestBuffer the body is in memory, beyond that in a file that
 * has no name any more.  With "off" a body of known length is streamed: it is
 * read while the worker runs.  A chunked one is read whole in any case, a
 * worker must know CONTENT_LENGTH before it begins (CGI/1.1, RFC 3875 4.1.2);
 * so is one of HTTP/2, whose client and worker cannot be waited for at once.
 */
#ifndef HPM_BODY_H
#define HPM_BODY_H

#include "httpd.h"

#include "httpd/upstream/hpm_upstream.h"

/** A body.  Made by hpm_body_read(), lives in the request's pool. */
typedef struct hpm_body {
    int present;         /**< the client announced one; it may be empty */
    int streamed;        /**< read as it is sent: only once */
    int status;          /**< HTTP status for a body that ended in an
                          *   error while it was streamed, else OK */
    hpm_source_t source; /**< the bytes of it, for the exchange */

    request_rec *r; /* all below is private */
    char *memory;
    apr_size_t used, size;
    apr_file_t *file;
    apr_off_t at;
    char *block;
    apr_bucket_brigade *bb; /* streamed: what the client has sent */
    int eos;
    int given; /* the first bucket is the last piece */
} hpm_body_t;

/**
 * Read the body, or make ready to stream it.
 * @param limit bytes of memory, -1: stream
 * @param why   what went wrong, for the log
 * @return OK or the HTTP status of the refusal: 413 for LimitRequestBody,
 *         408 for a client that fell silent, 400 for bad chunks, ...
 */
int hpm_body_read(request_rec *r, apr_int64_t limit, hpm_body_t *body,
                  pm_reason_t *why);

/** From the first byte again.  @return 0 when that cannot be had */
int hpm_body_rewind(hpm_body_t *body);

#endif /* HPM_BODY_H */
