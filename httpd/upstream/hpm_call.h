/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_call.h
 * @brief A call: one request asked of a pool, in as many attempts as
 *        hpm_retry.h allows.
 *
 * An attempt is admission (hpm_admission.h), then an exchange with one worker
 * (hpm_upstream.h).  The worker's answer goes to a downstream, which the room
 * httpd/request provides; so nothing here knows HTTP responses.
 *
 * The request's thread in an httpd child makes the call and blocks until it
 * is over.  Only the first wait for a worker can be had without a thread:
 * hpm_call_park().
 */
#ifndef HPM_CALL_H
#define HPM_CALL_H

#include "httpd/config/hpm_server.h"
#include "httpd/upstream/hpm_admission.h"
#include "httpd/upstream/hpm_upstream.h"

/** The client's side of a call.  @c ctx is hpm_call_t.downstream_ctx. */
typedef struct hpm_downstream {
    /** Give memory for one recv(); see hpm_upstream_buffer_t. */
    char *(*get_buffer)(void *ctx, apr_size_t *size);
    /** Take a piece of STDOUT; it lies in the buffer given last. */
    void (*take_stdout)(void *ctx, const char *span, apr_size_t len);
    /** Take a piece of STDERR; likewise.  @param worker 0: not known */
    void (*take_stderr)(void *ctx, pid_t worker, const char *span,
                        apr_size_t len);
    /** Pass on what the client takes now: the worker pauses, or the client
     *  has room again. */
    void (*pass)(void *ctx);
    /** @return 1: @c pass is to be called when the client has room */
    int (*wants_room)(void *ctx);
    /** @return 1: the rest of the answer is not wanted */
    int (*has_enough)(void *ctx);
    /** @return 1: the client has closed its connection, or its stream */
    int (*client_has_gone)(void *ctx);
    /** @return 1: the request is not to be dropped or aborted when its client
     *  goes */
    int (*client_may_go)(void *ctx);
} hpm_downstream_t;

/** One call; it stays where it is until it is over. */
typedef struct hpm_call {
    /* set by the caller; the rest is zero at first */
    request_rec *r;
    const hpm_pool_t *pool; /**< after a move: the pool that was asked last */
    char *head;             /**< BEGIN_REQUEST and PARAMS with their end */
    apr_size_t head_len;
    const hpm_upstream_reader_t *body;
    const hpm_downstream_t *downstream;
    void *downstream_ctx;
    int client_fd; /**< the client's connection; -1: it cannot be watched */
    /** Find the pool that runs the request's script now, another than that of
     *  the generation @a former.  NULL: the pool is no script's.
     *  @return OK, or an HTTP status that has been logged */
    int (*find_pool)(request_rec *r, apr_uint32_t former, hpm_pool_t *pool);

    /* set by hpm_call_run() */
    hpm_upstream_outcome_t outcome; /**< of the last attempt; OPEN: the
                                     *   downstream had enough */
    pm_reason_t why;                /**< unless OPEN or COMPLETE */
    apr_int64_t retry_after;        /**< seconds, for Retry-After */
    apr_interval_time_t waited;     /**< for a worker, in all attempts */
    apr_interval_time_t took;       /**< with a worker, likewise; 0: had none */
    pid_t worker;                   /**< of the last attempt; 0: not known */

    /* private to hpm_call.c */
    hpm_pool_t moved_to;
    hpm_admission_t admission; /* of the attempt */
    int asked;                 /* a worker was, for the next attempt */
    int reused; /* an attempt was on a kept connection: the next one is not */
} hpm_call_t;

/**
 * Ask for a worker for the first attempt.
 * @return the queued request, which is parked: hpm_call_run() is to follow when
 *         its bell has rung, or hpm_call_abandon().  NULL: hpm_call_run() is to
 *         follow now
 */
hpm_waiter_t *hpm_call_park(hpm_call_t *call);

/** Nothing will come of a call that was parked. */
void hpm_call_abandon(hpm_call_t *call);

/** Make the call.  When the client has gone before the answer's end, the
 *  request is counted as aborted and its connection marked as such: httpd
 *  writes nothing more to it. */
void hpm_call_run(hpm_call_t *call);

#endif /* HPM_CALL_H */
