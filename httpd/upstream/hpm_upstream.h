/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_upstream.h
 * @brief One request with one worker: bytes and time, no HTTP.
 *
 * A connection is made, the request written, the answer read, the connection
 * closed.  An exchange that goes as most do costs seven system calls: socket,
 * connect, setsockopt (pm_peer_pid.h), sendmsg, poll, recvmsg, close.  Writing
 * and reading go on side by side, so that a worker which answers before it has
 * read everything, or never reads it, is no deadlock.  While the worker is
 * waited for, the client's connection is looked at too, in the same poll().
 *
 * The caller pulls:
 *
 *     hpm_upstream_init(&x, ...);
 *     if (hpm_upstream_open(&x, addr, ...) == HPM_UPSTREAM_OPEN) {
 *         while ((ev = hpm_upstream_next(&x)) != HPM_UPSTREAM_EVENT_OVER) {
 *             STDOUT, STDERR: x.parser.span, span_len
 *             PAUSE: the worker has nothing more to say right now
 *             ROOM: the client takes more
 *         }
 *     }
 *     hpm_upstream_close(&x);
 *     x.outcome, x.why
 */
#ifndef HPM_UPSTREAM_H
#define HPM_UPSTREAM_H

#include <sys/uio.h>

#include "httpd/upstream/hpm_codec.h"
#include "pm_core/base/pm_base.h"
#include "pm_core/os/pm_listen.h"

/** How it ended. */
typedef enum hpm_outcome {
    HPM_UPSTREAM_OPEN,         /**< it has not ended */
    HPM_UPSTREAM_COMPLETE,     /**< END_REQUEST came, HPM_REQUEST_COMPLETE */
    HPM_UPSTREAM_UNREACHABLE,  /**< no connection, or none in time */
    HPM_UPSTREAM_TIMEOUT,      /**< silence for longer than is allowed */
    HPM_UPSTREAM_CLOSED_EARLY, /**< closed before the first byte of an answer */
    HPM_UPSTREAM_CLOSED,       /**< closed inside the answer */
    HPM_UPSTREAM_BROKEN,       /**< not FastCGI */
    HPM_UPSTREAM_OVERLOADED,   /**< END_REQUEST with HPM_OVERLOADED */
    HPM_UPSTREAM_REFUSED,      /**< END_REQUEST with another refusal */
    HPM_UPSTREAM_BODY,         /**< the request's body ended in an error:
                                *   @c body_status */
    HPM_UPSTREAM_GONE,         /**< the client has gone, the worker was told */
    HPM_UPSTREAM_FAILED        /**< a system call that should not fail did */
} hpm_outcome_t;

/** What hpm_upstream_next() says. */
typedef enum hpm_xevent {
    HPM_UPSTREAM_EVENT_STDOUT, /**< @c parser.span: a piece of the answer */
    HPM_UPSTREAM_EVENT_STDERR, /**< @c parser.span: a piece for the log */
    HPM_UPSTREAM_EVENT_PAUSE,  /**< what was handed out is all there is for now
                                */
    HPM_UPSTREAM_EVENT_ROOM,   /**< as HPM_UPSTREAM_EVENT_PAUSE, and
                                * hpm_watch_t.out was   wanted: the client takes
                                * more */
    HPM_UPSTREAM_EVENT_SLOW,   /**< @c slow_at has come; once */
    HPM_UPSTREAM_EVENT_OVER    /**< @c outcome, @c why */
} hpm_xevent_t;

/** Where the request's body comes from. */
typedef struct hpm_source {
    apr_off_t length; /**< of all of it */
    /** The next piece, at least one byte, valid until the next call.  Called
     *  until @c length bytes were given.  When it must wait for the client and
     *  that can be watched (hpm_watch_t), it says APR_EAGAIN. */
    apr_status_t (*next)(void *ctx, const char **data, apr_size_t *len);
    void *ctx;
} hpm_source_t;

/** Where the answer's bytes are read to. */
typedef struct hpm_buffer {
    /** Memory for one recv(); it must stay until the events of its bytes
     *  have been dealt with.  @param size how much; never 0 */
    char *(*get)(void *ctx, apr_size_t *size);
    void *ctx;
} hpm_buffer_t;

/** The client's connection.  What stands here may change between two calls
 *  of hpm_upstream_next(). */
typedef struct hpm_watch {
    int fd;  /**< -1: there is none that could be watched */
    int out; /**< say HPM_UPSTREAM_EVENT_ROOM when it takes more */
    apr_interval_time_t timeout; /**< silence allowed to the client when its
                                  *   body is what is waited for */
} hpm_watch_t;

/** Records of STDIN that one sendmsg() can take. */
#define HPM_BATCH 8

/** One exchange.  Lives on its caller's stack. */
typedef struct hpm_upstream {
    hpm_codec_parser_t parser;
    hpm_outcome_t outcome;
    pm_reason_t why;
    int begun; /**< a byte of the answer has come */
    apr_status_t body_status;

    pid_t worker;        /**< who answers; 0: it has not begun,
                          *   or that is not known */
    apr_time_t deadline; /**< the end of all patience, by
                          *   pm_time_now(); 0: none.  May be set
                          *   between init and open */

    apr_time_t slow_at; /**< when HPM_UPSTREAM_EVENT_SLOW is to be said;
                         *   0: never.  Likewise */

    int fd; /* all below is private */
    apr_interval_time_t timeout;
    const hpm_source_t *body;
    const hpm_buffer_t *buffer;
    const hpm_watch_t *watch;

    const char *in; /* received and not yet parsed */
    apr_size_t in_left;
    unsigned int readable : 1;  /* recv() is worth a try */
    unsigned int writable : 1;  /* sendmsg() is worth a try */
    unsigned int unreading : 1; /* the worker reads no more */
    unsigned int handed : 1;    /* events since the last pause */
    unsigned int starved : 1;   /* the client must send more first */
    unsigned int room : 1;      /* the client takes more */
    unsigned int slow_next : 1; /* what is waited for ends at slow_at */
    unsigned int slow : 1;      /* slow_at has come */
    unsigned int named : 1;     /* who answers will be known */
    apr_time_t silent_since;    /* the worker; 0: was not looked at */

    const char *piece; /* of the body, not yet in a batch */
    apr_size_t piece_left;
    apr_off_t body_left;    /* not yet taken from the source */
    unsigned int ended : 1; /* the end of STDIN is in a batch */
    int iov_at, iov_n;      /* what is still to be sent */
    struct iovec iov[2 + 2 * HPM_BATCH];
    unsigned char heads[HPM_BATCH + 1][HPM_HEADER_LEN];
} hpm_upstream_t;

/** @param timeout silence allowed to the worker, > 0
 *  @param body, buffer stay the caller's, until close */
void hpm_upstream_init(hpm_upstream_t *x, apr_interval_time_t timeout,
                       const hpm_source_t *body, const hpm_buffer_t *buffer);

/** Have the client's connection watched.  Between init and open; without it
 *  none is.  @param watch stays the caller's, until close */
void hpm_upstream_watch(hpm_upstream_t *x, const hpm_watch_t *watch);

/**
 * Connect and send as much as goes at once.  A full backlog is waited for.
 * @param connect_timeout for both of that, > 0
 * @param head BEGIN_REQUEST and PARAMS with their end; stays until close
 * @return HPM_UPSTREAM_OPEN, or how it has ended
 */
hpm_outcome_t hpm_upstream_open(hpm_upstream_t *x, const pm_addr_t *addr,
                                apr_interval_time_t connect_timeout,
                                const void *head, apr_size_t head_len);

/** The socket to the worker; -1: there is none. */
static inline int hpm_upstream_fd(const hpm_upstream_t *x)
{
    return x->fd;
}

/** The next event.  Not to be called again after HPM_UPSTREAM_EVENT_OVER. */
hpm_xevent_t hpm_upstream_next(hpm_upstream_t *x);

/** Close the connection, if it is open; harmless when called again.  An
 *  exchange that has not ended is aborted: the worker is told so
 *  (FCGI_ABORT_REQUEST) if that can be done without waiting. */
void hpm_upstream_close(hpm_upstream_t *x);

#endif /* HPM_UPSTREAM_H */
