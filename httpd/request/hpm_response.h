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
#ifndef FCGIPM_ANSWER_H
#define FCGIPM_ANSWER_H

#include "httpd.h"
#include "util_filter.h"

#include "httpd/upstream/hpm_upstream.h"
#include "httpd/request/hpm_spool.h"
#include "pm_core/base/pm_lines.h"
#include "pm_core/base/pm_log_ratelimit.h"

/** A header is at most this long, all lines together. */
#define FCGIPM_HEAD_MAX 65536

/** How far the answer is. */
typedef enum fcgipm_stage {
    FCGIPM_AT_HEAD,     /**< the header is not whole yet */
    FCGIPM_AT_BODY,     /**< the body is being passed on */
    FCGIPM_AT_SILENCE,  /**< the body is not wanted: @c status */
    FCGIPM_AT_REDIRECT, /**< nor here: @c location on this server */
    FCGIPM_AT_FILE,     /**< nor here: @c file is to be sent in its place */
    FCGIPM_AT_BROKEN,   /**< the header is none: @c why */
    FCGIPM_AT_GONE      /**< the client has gone, or a filter failed: @c
                         *   status, @c why */
} fcgipm_stage_t;

/** What a request has taken, over all times it was asked. */
typedef struct fcgipm_spent {
    apr_interval_time_t waited;  /**< for a worker */
    apr_interval_time_t took;    /**< with a worker; 0: it had none */
    pid_t worker;                /**< who answered; 0: not known */
} fcgipm_spent_t;

/** Where the lines of STDERR go. */
typedef struct fcgipm_said {
    int fd;                /**< the pool's own log; -1: it has none */
    pm_quota_t *quota;     /**< of the pool's lines; NULL: there is none */
    apr_int64_t limit;     /**< of that */
    int bell, slot;        /**< the manager is told of the first line that is
                            *   one too many */
} fcgipm_said_t;

/** An answer.  Lives on the stack of one request's handler. */
typedef struct fcgipm_answer {
    fcgipm_stage_t stage;
    int status;            /**< what the handler is to return */
    const char *location;
    const char *file;      /**< X-Sendfile */
    pm_reason_t why;
    fcgipm_buffer_t buffer;  /**< for the exchange */
    fcgipm_spent_t spent;  /**< the handler's: what asking has taken */

    request_rec *r;            /* all below is private */
    const char *pool;
    char *head;                /* a header that came in pieces */
    apr_size_t head_len, head_size;
    int names_file;            /* there is an X-Sendfile */
    apr_table_t *err_headers;  /* as they were before the worker's header */
    apr_off_t length;          /* as the worker announced it; -1 */
    apr_off_t left;            /* of it */
    fcgipm_spool_t spool;
    apr_bucket *hold;          /* the buffer, as a bucket in no brigade */
    char *base;                /* its memory */
    apr_size_t fill;           /* how much of that is in use */
    fcgipm_said_t said;
    pm_lines_t lines;          /* its text comes last */
} fcgipm_answer_t;

void fcgipm_answer_init(fcgipm_answer_t *a, request_rec *r,
                        const char *pool);

/** @param limit of fcgipm_spool_t; without this nothing is held */
static inline void fcgipm_answer_limit(fcgipm_answer_t *a, apr_int64_t limit)
{
    a->spool.limit = limit;
}

/** Where STDERR goes; without this to the request's error log. */
static inline void fcgipm_answer_log(fcgipm_answer_t *a,
                                     const fcgipm_said_t *said)
{
    a->said = *said;
}

/** A piece of STDOUT; it lies in the buffer given out last. */
void fcgipm_answer_stdout(fcgipm_answer_t *a, const char *span,
                          apr_size_t len);

/** A piece of STDERR. */
void fcgipm_answer_stderr(fcgipm_answer_t *a, const char *span,
                          apr_size_t len);

/** The worker pauses, or the client has room again: it gets what there is.
 */
void fcgipm_answer_pause(fcgipm_answer_t *a);

/** Is there something the client could get if it had room? */
static inline int fcgipm_answer_wants_room(const fcgipm_answer_t *a)
{
    return a->stage == FCGIPM_AT_BODY && fcgipm_spool_wants_room(&a->spool);
}

/** Is the body as long as was announced?  Else there is a reason. */
int fcgipm_answer_whole(fcgipm_answer_t *a);

/** The answer is whole: the last of it, and the end, go to the client. */
void fcgipm_answer_finish(fcgipm_answer_t *a);

/**
 * The answer will never be whole.  What was not passed is forgotten.
 * @return 1 when nothing was: another response can take its place.  0: the
 *         client's connection has been made to end in a way that cannot be
 *         taken for the end of the response.
 */
int fcgipm_answer_cut(fcgipm_answer_t *a);

/** Give back what is held.  @c stage and @c status remain. */
void fcgipm_answer_destroy(fcgipm_answer_t *a);

#endif /* FCGIPM_ANSWER_H */
