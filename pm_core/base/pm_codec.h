/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_codec.h
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
#ifndef PM_CODEC_H
#define PM_CODEC_H

#include "apr.h"

#define PM_FCGI_VERSION    1
#define PM_FCGI_HEADER_LEN 8
#define PM_FCGI_BEGIN_LEN  16    /**< header and body of BEGIN_REQUEST */
#define PM_FCGI_MAX_LENGTH 65535 /**< of a record's content */
#define PM_FCGI_REQUEST_ID 1     /**< a connection carries one request */

/** Record types (8). */
enum {
    PM_FCGI_BEGIN_REQUEST = 1,
    PM_FCGI_ABORT_REQUEST = 2,
    PM_FCGI_END_REQUEST = 3,
    PM_FCGI_PARAMS = 4,
    PM_FCGI_STDIN = 5,
    PM_FCGI_STDOUT = 6,
    PM_FCGI_STDERR = 7,
    PM_FCGI_DATA = 8,
    PM_FCGI_GET_VALUES = 9,
    PM_FCGI_GET_VALUES_RESULT = 10,
    PM_FCGI_UNKNOWN_TYPE = 11
};

/** Roles (6). */
enum { PM_FCGI_RESPONDER = 1, PM_FCGI_AUTHORIZER = 2 };

/** protocolStatus of END_REQUEST (5.5). */
enum {
    PM_FCGI_REQUEST_COMPLETE = 0,
    PM_FCGI_CANT_MPX_CONN = 1,
    PM_FCGI_OVERLOADED = 2,
    PM_FCGI_UNKNOWN_ROLE = 3
};

/* --- to a worker -------------------------------------------------------- */

/** Write a record's header (3.3), without padding.
 *  @param out PM_FCGI_HEADER_LEN bytes
 *  @param len of the content, at most PM_FCGI_MAX_LENGTH */
void pm_codec_header(unsigned char *out, int type, apr_size_t len);

/** Write a whole BEGIN_REQUEST (5.1) without FCGI_KEEP_CONN.
 *  @param out PM_FCGI_BEGIN_LEN bytes */
void pm_codec_begin(unsigned char *out, int role);

/** Set or clear FCGI_KEEP_CONN: is the connection to be kept after the end of
 *  the request?  @param begin a BEGIN_REQUEST */
void pm_codec_set_keep(unsigned char *begin, int keep);

/** Write the length of a name or value (3.4).
 *  @param out 4 bytes
 *  @return how many of them were used, 1 or 4 */
apr_size_t pm_codec_length(unsigned char *out, apr_size_t len);

/* --- from a worker ------------------------------------------------------ */

/** What pm_codec_parser_next() reports. */
typedef enum pm_codec_event {
    PM_CODEC_EVENT_MORE,   /**< all bytes are consumed */
    PM_CODEC_EVENT_STDOUT, /**< @c span: a piece of the answer */
    PM_CODEC_EVENT_STDERR, /**< @c span: a piece for the log */
    PM_CODEC_EVENT_END,    /**< END_REQUEST: @c app_status, @c protocol_status,
                            *   @c reads_on */
    PM_CODEC_EVENT_ERROR   /**< @c reason; every further call returns it, too */
} pm_codec_event_t;

/** The parser of one answer.  After an event the caller reads the fields named
 *  there. */
typedef struct pm_codec_parser {
    const char *span;    /**< inside the bytes that were given */
    apr_size_t span_len; /**< never 0 in an event */
    apr_uint32_t app_status;
    unsigned int protocol_status;
    int reads_on;    /**< at END: 1: it has the worker's word, pm_reads_on.h */
    char reason[80]; /**< "a record of ...", to follow "the worker sent" */

    /* private to pm_codec.c */
    int state;
    int type;             /* of the current record */
    apr_size_t have;      /* bytes collected in raw[] */
    apr_size_t content;   /* bytes of content still to come */
    apr_size_t padding;   /* bytes of padding still to come */
    unsigned char raw[8]; /* a header, or END_REQUEST's body */
} pm_codec_parser_t;

void pm_codec_parser_init(pm_codec_parser_t *ps);

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
pm_codec_event_t pm_codec_parser_next(pm_codec_parser_t *ps, const char **data,
                                      apr_size_t *len);

/** @return 1: the parser is between two records, or before the first */
int pm_codec_parser_is_at_record(const pm_codec_parser_t *ps);

#endif /* PM_CODEC_H */
