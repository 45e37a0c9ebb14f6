/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_codec.h
 * @brief FastCGI records as bytes (FastCGI Specification 1.0, sections 3, 8).
 *
 * No socket, no httpd, no allocation: what goes to a worker is written into
 * the caller's memory, what comes from one is read out of it.  The answer is
 * a stranger's word; whatever bytes it is made of, the parser has a verdict.
 */
#ifndef HPM_CODEC_H
#define HPM_CODEC_H

#include "apr.h"

#define HPM_VERSION     1
#define HPM_HEADER_LEN  8
#define HPM_BEGIN_LEN   16    /**< header and body of BEGIN_REQUEST */
#define HPM_CONTENT_MAX 65535 /**< bytes in one record */
#define HPM_REQUEST_ID  1     /**< one request on a connection, ever */

/** Record types (8). */
enum {
    HPM_BEGIN_REQUEST = 1,
    HPM_ABORT_REQUEST = 2,
    HPM_END_REQUEST = 3,
    HPM_PARAMS = 4,
    HPM_STDIN = 5,
    HPM_STDOUT = 6,
    HPM_STDERR = 7,
    HPM_DATA = 8,
    HPM_GET_VALUES = 9,
    HPM_GET_VALUES_RESULT = 10,
    HPM_UNKNOWN_TYPE = 11
};

/** Roles (6). */
enum { HPM_RESPONDER = 1, HPM_AUTHORIZER = 2 };

/** protocolStatus of END_REQUEST (5.5). */
enum {
    HPM_REQUEST_COMPLETE = 0,
    HPM_CANT_MPX_CONN = 1,
    HPM_OVERLOADED = 2,
    HPM_UNKNOWN_ROLE = 3
};

/* --- to a worker -------------------------------------------------------- */

/** Write a record's header (3.3), without padding.
 *  @param out HPM_HEADER_LEN bytes
 *  @param len of the content, at most HPM_CONTENT_MAX */
void hpm_codec_header(unsigned char *out, int type, apr_size_t len);

/** Write a whole BEGIN_REQUEST (5.1).  FCGI_KEEP_CONN is never asked for: a
 *  connection is one request, the kernel's queue is the balancer.
 *  @param out HPM_BEGIN_LEN bytes */
void hpm_codec_begin(unsigned char *out, int role);

/** Write the length of a name or value (3.4).
 *  @param out 4 bytes
 *  @return how many of them were used, 1 or 4 */
apr_size_t hpm_codec_length(unsigned char *out, apr_size_t len);

/* --- from a worker ------------------------------------------------------ */

/** What hpm_codec_parser_next() found. */
typedef enum hpm_event {
    HPM_CODEC_EVENT_MORE,   /**< all bytes are taken, nothing more to say */
    HPM_CODEC_EVENT_STDOUT, /**< @c span: a piece of the answer */
    HPM_CODEC_EVENT_STDERR, /**< @c span: a piece of what is for the log */
    HPM_CODEC_EVENT_END,  /**< END_REQUEST: @c app_status, @c protocol_status */
    HPM_CODEC_EVENT_ERROR /**< @c reason; and nothing else from now on */
} hpm_event_t;

/** The state of one answer.  What stands under an event's name above may be
 *  read, all else is the parser's own. */
typedef struct hpm_codec_parser {
    const char *span;    /**< inside the bytes that were given */
    apr_size_t span_len; /**< never 0 in an event */
    apr_uint32_t app_status;
    unsigned int protocol_status;
    char reason[80];

    int state;
    int type;             /* of the record we are in */
    apr_size_t have;      /* bytes collected in raw[] */
    apr_size_t content;   /* bytes of content still to come */
    apr_size_t padding;   /* bytes of padding still to come */
    unsigned char raw[8]; /* a header, or END_REQUEST's body */
} hpm_codec_parser_t;

void hpm_codec_parser_init(hpm_codec_parser_t *ps);

/**
 * Take bytes until there is something to say.  The bytes may be split
 * anywhere; no byte is copied but those of headers and END_REQUEST.
 * @param data advanced over what was taken
 * @param len  what is left of it
 * @return to be called again until it says HPM_CODEC_EVENT_MORE.
 *
 * The verdicts:
 *  - a version that is not 1: ERROR
 *  - STDOUT, STDERR, END_REQUEST of a request that is not ours: ERROR
 *  - GET_VALUES_RESULT, UNKNOWN_TYPE with request id 0 (management records,
 *    4): skipped
 *  - any other type: ERROR
 *  - END_REQUEST shorter than 8 bytes: ERROR; longer: the rest is skipped
 *  - padding: skipped; a record without content: no event, and it closes
 *    nothing, since workers exist which send one in the middle
 *  - what comes after END_REQUEST: taken and ignored
 */
hpm_event_t hpm_codec_parser_next(hpm_codec_parser_t *ps, const char **data,
                                  apr_size_t *len);

/** Is the parser between two records, or before the first? */
int hpm_codec_parser_at_record(const hpm_codec_parser_t *ps);

#endif /* HPM_CODEC_H */
