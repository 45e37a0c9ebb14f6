/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_upstream.h
 * @brief One exchange with one worker: bytes and time, no HTTP.
 *
 * An exchange makes a connection, writes the request, reads the answer and
 * closes the connection.  Most cost seven system calls: socket, connect,
 * setsockopt (pm_peer_pid.h), sendmsg, poll, recvmsg, close.  On a connection
 * that was kept they are four: recv, sendmsg, poll, recvmsg.  Writing and
 * reading go on side by side, so a worker that answers before it has read
 * everything, or never reads it, is no deadlock.  While the exchange waits for
 * the worker it watches the client's connection too, in the same poll().
 *
 * The request's thread in an httpd child pulls:
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

#include "httpd/upstream/hpm_gone.h"
#include "pm_core/base/pm_codec.h"
#include "pm_core/base/pm_base.h"
#include "pm_core/os/pm_listen.h"

/** How an exchange ended. */
typedef enum hpm_upstream_outcome {
    HPM_UPSTREAM_OPEN,         /**< it has not ended */
    HPM_UPSTREAM_COMPLETE,     /**< END_REQUEST, FCGI_REQUEST_COMPLETE */
    HPM_UPSTREAM_UNREACHABLE,  /**< no connection, or none in time */
    HPM_UPSTREAM_TIMEOUT,      /**< the worker was silent for too long, or
                                *   @c deadline has come */
    HPM_UPSTREAM_CLOSED_EARLY, /**< closed before the first byte of an answer;
                                *   or by this side, see hpm_upstream_reuse() */
    HPM_UPSTREAM_CLOSED,       /**< closed inside the answer */
    HPM_UPSTREAM_BROKEN,       /**< the answer is not FastCGI */
    HPM_UPSTREAM_OVERLOADED,   /**< END_REQUEST, FCGI_OVERLOADED */
    HPM_UPSTREAM_REFUSED,      /**< END_REQUEST with another refusal */
    HPM_UPSTREAM_BODY,         /**< the request's body ended in an error */
    HPM_UPSTREAM_GONE,         /**< the client has gone; FCGI_ABORT_REQUEST was
                                *   sent */
    HPM_UPSTREAM_FAILED,       /**< a system call that should not fail did */
    HPM_UPSTREAM_UNAVAILABLE   /**< there was no exchange: the pool answers no
                                *   requests, or its queue is full (hpm_call.h
                                *   only) */
} hpm_upstream_outcome_t;

/** What hpm_upstream_next() reports. */
typedef enum hpm_upstream_event {
    HPM_UPSTREAM_EVENT_STDOUT, /**< @c parser.span: a piece of the answer */
    HPM_UPSTREAM_EVENT_STDERR, /**< @c parser.span: a piece for the log */
    HPM_UPSTREAM_EVENT_PAUSE,  /**< the worker has sent no more for now; at
                                *   most once a millisecond while it goes on */
    HPM_UPSTREAM_EVENT_ROOM,   /**< as PAUSE, and the client takes more
                                *   (@c want_room) */
    HPM_UPSTREAM_EVENT_SLOW,   /**< @c slow_at has come; once */
    HPM_UPSTREAM_EVENT_OVER    /**< @c outcome, @c why */
} hpm_upstream_event_t;

/** Where the request's body is read from. */
typedef struct hpm_upstream_reader {
    apr_off_t length; /**< bytes in all; 0: @c read is never called */
    /** Give the next piece, at least one byte, valid until the next call.
     *  Called until @c length bytes were given.
     *  @return APR_EAGAIN when the client must send more first and its
     *          connection can be watched; any other failure ends the exchange
     *          with HPM_UPSTREAM_BODY */
    apr_status_t (*read)(void *ctx, const char **data, apr_size_t *len);
    /** Begin with the first byte again.  NULL: it can be read only once */
    void (*rewind)(void *ctx);
    void *ctx;
} hpm_upstream_reader_t;

/** Where the answer's bytes are received. */
typedef struct hpm_upstream_buffer {
    /** Give memory for one recv().  It must stay until the events of its bytes
     *  have been dealt with.  @param size bytes, never 0 */
    char *(*get)(void *ctx, apr_size_t *size);
    void *ctx;
} hpm_upstream_buffer_t;

/** The client's connection.  Its owner may change it between two calls of
 *  hpm_upstream_next(). */
typedef struct hpm_upstream_client {
    int fd;        /**< -1: it cannot be watched */
    int want_room; /**< report HPM_UPSTREAM_EVENT_ROOM when it takes more */
    int may_go;    /**< the exchange goes on when the client has gone and
                    *   the request's body is whole */
    apr_interval_time_t timeout; /**< silence allowed to the client while the
                                  *   exchange waits for its body */
    hpm_gone_t gone;             /**< asked now and then where @c fd is -1 */
} hpm_upstream_client_t;

/** Records of STDIN that one sendmsg() can take. */
#define HPM_UPSTREAM_BATCH 8

/** One exchange; on the caller's stack. */
typedef struct hpm_upstream {
    pm_codec_parser_t parser;
    hpm_upstream_outcome_t outcome;
    pm_reason_t why;     /**< unless COMPLETE */
    int begun;           /**< a byte of the answer has come */
    pid_t worker;        /**< the process that answers; 0: none has begun, or
                          *   the kernel does not tell (pm_peer_pid.h) */
    apr_time_t deadline; /**< TIMEOUT at this pm_time_now(); 0: never.  May be
                          *   set between init and open */
    apr_time_t slow_at;  /**< HPM_UPSTREAM_EVENT_SLOW at this pm_time_now(); 0:
                          *   never.  Likewise */
    pid_t expected; /**< on a kept connection: only this process answers; on
                     *   one of its own 0 */
    int keep;    /**< the worker was asked to keep the connection; likewise */
    int ignored; /**< CLOSED_EARLY: the worker has not begun to read it */

    /* private to hpm_upstream.c */
    int fd;
    apr_interval_time_t timeout;
    const hpm_upstream_reader_t *body;
    const hpm_upstream_buffer_t *buffer;
    const hpm_upstream_client_t *client;

    const char *in; /* received and not yet parsed */
    apr_size_t in_left;
    unsigned int readable : 1;  /* recv() is worth a try */
    unsigned int writable : 1;  /* sendmsg() is worth a try */
    unsigned int unreading : 1; /* the worker reads no more */
    unsigned int handed : 1;    /* events since the last pause */
    unsigned int starved : 1;   /* the client must send more first */
    unsigned int room : 1;      /* the client takes more */
    unsigned int slow_next : 1; /* poll() ends at slow_at */
    unsigned int slow : 1;      /* slow_at has come */
    unsigned int named : 1;     /* the kernel will name the worker */
    unsigned int lingered : 1;  /* nothing has come since the last moment */
    unsigned int look_next : 1; /* poll() ends when unread is looked at */
    unsigned int looked : 1;    /* once, and nothing had been read */
    unsigned int mixed : 1;     /* several processes have answered */
    apr_size_t unread;          /* bytes of which the worker has perhaps not
                                 * read one; 0: it has, or need not */
    apr_time_t paused;          /* the last pause was reported; 0: none */
    apr_time_t silent_since;    /* the worker; 0: not looked at */

    const char *piece; /* of the body, not yet in a batch */
    apr_size_t piece_left;
    apr_off_t body_left;    /* not yet read */
    unsigned int ended : 1; /* the end of STDIN is in a batch */
    int iov_at, iov_n;      /* still to be sent */
    struct iovec iov[2 + 2 * HPM_UPSTREAM_BATCH];
    unsigned char heads[HPM_UPSTREAM_BATCH + 1][PM_FCGI_HEADER_LEN];
} hpm_upstream_t;

/** @param timeout silence allowed to the worker, > 0
 *  @param body, buffer stay the caller's, until close */
void hpm_upstream_init(hpm_upstream_t *x, apr_interval_time_t timeout,
                       const hpm_upstream_reader_t *body,
                       const hpm_upstream_buffer_t *buffer);

/** Watch the client's connection.  Between init and open; without it none is
 *  watched.  @param client stays the caller's, until close */
void hpm_upstream_watch(hpm_upstream_t *x, const hpm_upstream_client_t *client);

/**
 * Connect and send as much as goes at once.  A full backlog is waited for.
 * @param connect_timeout for both of that, > 0
 * @param head BEGIN_REQUEST and PARAMS with their end; stays until close
 * @return HPM_UPSTREAM_OPEN, or how it has ended
 */
hpm_upstream_outcome_t hpm_upstream_open(hpm_upstream_t *x,
                                         const pm_addr_t *addr,
                                         apr_interval_time_t connect_timeout,
                                         const void *head, apr_size_t head_len);

/**
 * The same on a connection that was kept.  It ends as CLOSED_EARLY also when
 * the worker has not begun to read for a moment (@c ignored), and when another
 * process than the worker answers: a child that has the connection, too.
 * @param fd     the exchange's from now on
 * @param worker that has answered on it
 * @return 1: something was sent.  0: the worker has closed it, or said more
 * than was asked for, and nothing was: hpm_upstream_open() is to follow
 */
int hpm_upstream_reuse(hpm_upstream_t *x, int fd, pid_t worker,
                       const void *head, apr_size_t head_len);

/** @return the socket, the caller's from now on, if the exchange is complete
 *          and another can follow on it at once; else -1 */
int hpm_upstream_detach(hpm_upstream_t *x);

/** @return the socket to the worker; -1: there is none */
int hpm_upstream_fd(const hpm_upstream_t *x);

/** @return the next event.  Not to be called again after
 *  HPM_UPSTREAM_EVENT_OVER. */
hpm_upstream_event_t hpm_upstream_next(hpm_upstream_t *x);

/** Close the connection, if it is open; harmless when called again.  For an
 *  exchange that has not ended the worker gets FCGI_ABORT_REQUEST, if that can
 *  be sent without waiting. */
void hpm_upstream_close(hpm_upstream_t *x);

#endif /* HPM_UPSTREAM_H */
