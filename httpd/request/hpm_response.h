/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_response.h
 * @brief What a worker says, as httpd's response.
 *
 * The header is collected, checked and given to httpd (CGI/1.1, RFC 3875 6);
 * the body goes down the output filters in the memory it was received in;
 * what is for the log goes there line by line.  Nothing here knows sockets,
 * and nothing here decides what a failure is answered with.
 */
#ifndef HPM_RESPONSE_H
#define HPM_RESPONSE_H

#include "httpd.h"
#include "util_filter.h"

#include "httpd/upstream/hpm_upstream.h"
#include "httpd/request/hpm_spool.h"
#include "pm_core/base/pm_lines.h"
#include "pm_core/base/pm_log_ratelimit.h"

/** A header is at most this long, all lines together. */
#define HPM_HEAD_MAX 65536

/** How far the answer is. */
typedef enum hpm_stage {
    HPM_RESPONSE_HEAD,     /**< the header is not whole yet */
    HPM_RESPONSE_BODY,     /**< the body is being passed on */
    HPM_RESPONSE_SILENCE,  /**< the body is not wanted: @c status */
    HPM_RESPONSE_REDIRECT, /**< nor here: @c location on this server */
    HPM_RESPONSE_FILE,     /**< nor here: @c file is to be sent in its place */
    HPM_RESPONSE_BROKEN,   /**< the header is none: @c why */
    HPM_RESPONSE_GONE      /**< the client has gone, or a filter failed: @c
                            *   status, @c why */
} hpm_stage_t;

/** What a request has taken, over all times it was asked. */
typedef struct hpm_spent {
    apr_interval_time_t waited; /**< for a worker */
    apr_interval_time_t took;   /**< with a worker; 0: it had none */
    pid_t worker;               /**< who answered; 0: not known */
} hpm_spent_t;

/** Where the lines of STDERR go. */
typedef struct hpm_response_stderr {
    int fd;                    /**< the pool's own log; -1: it has none */
    pm_log_ratelimit_t *quota; /**< of the pool's lines; NULL: there is none */
    apr_int64_t limit;         /**< of that */
    int bell, slot; /**< the manager is told of the first line that is
                     *   one too many */
} hpm_response_stderr_t;

/** An answer.  Lives on the stack of one request's handler. */
typedef struct hpm_response {
    hpm_stage_t stage;
    int status; /**< what the handler is to return */
    const char *location;
    const char *file; /**< X-Sendfile */
    pm_reason_t why;
    hpm_buffer_t buffer; /**< for the exchange */
    hpm_spent_t spent;   /**< the handler's: what asking has taken */

    request_rec *r; /* all below is private */
    const char *pool;
    char *head; /* a header that came in pieces */
    apr_size_t head_len, head_size;
    int names_file;           /* there is an X-Sendfile */
    apr_table_t *err_headers; /* as they were before the worker's header */
    apr_off_t length;         /* as the worker announced it; -1 */
    apr_off_t left;           /* of it */
    hpm_spool_t spool;
    apr_bucket *hold; /* the buffer, as a bucket in no brigade */
    char *base;       /* its memory */
    apr_size_t fill;  /* how much of that is in use */
    hpm_response_stderr_t said;
    pm_lines_t lines; /* its text comes last */
} hpm_response_t;

void hpm_response_init(hpm_response_t *a, request_rec *r, const char *pool);

/** @param limit of hpm_spool_t; without this nothing is held */
static inline void hpm_response_limit(hpm_response_t *a, apr_int64_t limit)
{
    a->spool.limit = limit;
}

/** Where STDERR goes; without this to the request's error log. */
static inline void hpm_response_log(hpm_response_t *a,
                                    const hpm_response_stderr_t *said)
{
    a->said = *said;
}

/** A piece of STDOUT; it lies in the buffer given out last. */
void hpm_response_stdout(hpm_response_t *a, const char *span, apr_size_t len);

/** A piece of STDERR. */
void hpm_response_stderr(hpm_response_t *a, const char *span, apr_size_t len);

/** The worker pauses, or the client has room again: it gets what there is.
 */
void hpm_response_pause(hpm_response_t *a);

/** Is there something the client could get if it had room? */
static inline int hpm_response_wants_room(const hpm_response_t *a)
{
    return a->stage == HPM_RESPONSE_BODY && hpm_spool_wants_room(&a->spool);
}

/** Is the body as long as was announced?  Else there is a reason. */
int hpm_response_whole(hpm_response_t *a);

/** The answer is whole: the last of it, and the end, go to the client. */
void hpm_response_finish(hpm_response_t *a);

/**
 * The answer will never be whole.  What was not passed is forgotten.
 * @return 1 when nothing was: another response can take its place.  0: the
 *         client's connection has been made to end in a way that cannot be
 *         taken for the end of the response.
 */
int hpm_response_cut(hpm_response_t *a);

/** Give back what is held.  @c stage and @c status remain. */
void hpm_response_destroy(hpm_response_t *a);

#endif /* HPM_RESPONSE_H */
