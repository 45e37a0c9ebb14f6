/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_codec.h
 * @brief FastCGI records as bytes (FastCGI Specification 1.0, sections 3, 8).
 *
 * No socket, no httpd, no allocation: records for a worker are written into
 * the caller's memory, records of a worker are parsed where they were
 * received.  A worker is not trusted: the parser has a defined result for
 * any bytes.
 *
 * The constants have the specification's names behind HPM_; httpd's own
 * (AP_FCGI_*, util_fcgi.h) need httpd's headers, which a unit test does not
 * have.
 */
#ifndef HPM_CODEC_H
#define HPM_CODEC_H

#include "apr.h"

#define HPM_FCGI_VERSION    1
#define HPM_FCGI_HEADER_LEN 8
#define HPM_FCGI_BEGIN_LEN  16    /**< header and body of BEGIN_REQUEST */
#define HPM_FCGI_MAX_LENGTH 65535 /**< of a record's content */
#define HPM_FCGI_REQUEST_ID 1     /**< a connection carries one request */

/** Record types (8). */
enum {
    HPM_FCGI_BEGIN_REQUEST = 1,
    HPM_FCGI_ABORT_REQUEST = 2,
    HPM_FCGI_END_REQUEST = 3,
    HPM_FCGI_PARAMS = 4,
    HPM_FCGI_STDIN = 5,
    HPM_FCGI_STDOUT = 6,
    HPM_FCGI_STDERR = 7,
    HPM_FCGI_DATA = 8,
    HPM_FCGI_GET_VALUES = 9,
    HPM_FCGI_GET_VALUES_RESULT = 10,
    HPM_FCGI_UNKNOWN_TYPE = 11
};

/** Roles (6). */
enum { HPM_FCGI_RESPONDER = 1, HPM_FCGI_AUTHORIZER = 2 };

/** protocolStatus of END_REQUEST (5.5). */
enum {
    HPM_FCGI_REQUEST_COMPLETE = 0,
    HPM_FCGI_CANT_MPX_CONN = 1,
    HPM_FCGI_OVERLOADED = 2,
    HPM_FCGI_UNKNOWN_ROLE = 3
};

/* --- to a worker -------------------------------------------------------- */

/** Write a record's header (3.3), without padding.
 *  @param out HPM_FCGI_HEADER_LEN bytes
 *  @param len of the content, at most HPM_FCGI_MAX_LENGTH */
void hpm_codec_header(unsigned char *out, int type, apr_size_t len);

/** Write a whole BEGIN_REQUEST (5.1).  FCGI_KEEP_CONN is never set: with one
 *  request per connection the kernel gives each to a worker that is free.
 *  @param out HPM_FCGI_BEGIN_LEN bytes */
void hpm_codec_begin(unsigned char *out, int role);

/** Write the length of a name or value (3.4).
 *  @param out 4 bytes
 *  @return how many of them were used, 1 or 4 */
apr_size_t hpm_codec_length(unsigned char *out, apr_size_t len);

/* --- from a worker ------------------------------------------------------ */

/** What hpm_codec_parser_next() reports. */
typedef enum hpm_codec_event {
    HPM_CODEC_EVENT_MORE,   /**< all bytes are consumed */
    HPM_CODEC_EVENT_STDOUT, /**< @c span: a piece of the answer */
    HPM_CODEC_EVENT_STDERR, /**< @c span: a piece for the log */
    HPM_CODEC_EVENT_END,  /**< END_REQUEST: @c app_status, @c protocol_status */
    HPM_CODEC_EVENT_ERROR /**< @c reason; every further call returns it, too */
} hpm_codec_event_t;

/** The parser of one answer.  After an event the caller reads the fields named
 *  there. */
typedef struct hpm_codec_parser {
    const char *span;    /**< inside the bytes that were given */
    apr_size_t span_len; /**< never 0 in an event */
    apr_uint32_t app_status;
    unsigned int protocol_status;
    char reason[80]; /**< "a record of ...", to follow "the worker sent" */

    /* private to hpm_codec.c */
    int state;
    int type;             /* of the current record */
    apr_size_t have;      /* bytes collected in raw[] */
    apr_size_t content;   /* bytes of content still to come */
    apr_size_t padding;   /* bytes of padding still to come */
    unsigned char raw[8]; /* a header, or END_REQUEST's body */
} hpm_codec_parser_t;

void hpm_codec_parser_init(hpm_codec_parser_t *ps);

/**
 * Consume bytes up to the next event.  The stream may be split anywhere; only
 * the bytes of headers and END_REQUEST are copied.
 * @param data advanced over what was consumed
 * @param len  bytes left of it
 * @return an event; to be called again until it is MORE or ERROR
 *
 * What the parser makes of each record:
 *  - a version that is not 1: ERROR
 *  - STDOUT, STDERR, END_REQUEST with another request id than 1: ERROR
 *  - GET_VALUES_RESULT, UNKNOWN_TYPE with request id 0 (management records,
 *    4): skipped
 *  - any other type: ERROR
 *  - END_REQUEST shorter than 8 bytes: ERROR; longer: the rest is skipped
 *  - padding: skipped; a record without content: no event, and it closes
 *    nothing, since workers exist which send one in the middle
 *  - bytes after END_REQUEST: consumed and ignored
 */
hpm_codec_event_t hpm_codec_parser_next(hpm_codec_parser_t *ps,
                                        const char **data, apr_size_t *len);

/** @return 1: the parser is between two records, or before the first */
int hpm_codec_parser_is_at_record(const hpm_codec_parser_t *ps);

#endif /* HPM_CODEC_H */
