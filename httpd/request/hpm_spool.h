/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_spool.h
 * @brief A response's body between worker and client: a slow client never
 *        holds a worker.
 *
 * While the worker writes, the client gets what its socket takes at once.  The
 * rest is held: FcgiPMResponseBuffer bytes in memory, where they were
 * received, then in a file that has no name.  When the worker is done, its
 * connection is closed, and the thread passes on the rest, blocking for the
 * client.
 *
 * A quick client costs no file: as long as it takes HPM_SPOOL_QUICK bytes a
 * second, the thread waits for its socket instead.  When an answer grows
 * beyond HPM_SPOOL_MAX in the file, or the disk is full, the worker has to
 * wait for the client.
 *
 * A stream of HTTP/2 cannot be asked whether it takes more.  While the worker
 * writes, the stream gets some at once and a little more a second; it gets all
 * else when the worker is done.  What does not end, such as server-sent events,
 * is not held.
 *
 * httpd's range filter needs a whole answer at once: then nothing is passed on
 * before the end (@c whole).
 *
 * A spool belongs to the request's thread.
 */
#ifndef HPM_SPOOL_H
#define HPM_SPOOL_H

#include "httpd.h"
#include "util_filter.h"

#include "pm_core/base/pm_base.h"

/** Bytes in a second that a quick client takes. */
#define HPM_SPOOL_QUICK (APR_INT64_C(32) << 20)

/** Bytes in the file, at the most. */
#define HPM_SPOOL_MAX (APR_INT64_C(1) << 30)

typedef struct hpm_spool {
    apr_bucket_brigade *bb; /**< the bytes in memory.  The owner adds buckets
                             *   to it and their bytes to @c held */
    apr_size_t held;        /**< bytes in @c bb */
    int passed;             /**< something has gone down the filters */
    apr_status_t rv;        /**< the first failure, which is final */
    pm_reason_t why;        /**< of it */

    /* private to hpm_spool.c */
    request_rec *r;
    apr_int64_t limit; /* bytes in memory; -1: hold nothing */
    apr_bucket_brigade *out;
    apr_off_t passed_bytes;
    apr_interval_time_t waited; /* for the client, while the worker wrote */
    apr_file_t *file;
    apr_off_t head, tail; /* of the bytes in the file */
    apr_off_t room;       /* blind: what it may get, as of that time */
    apr_time_t since;
    apr_time_t passed_at;       /* blind: last, or when it began */
    unsigned int blind : 1;     /* the client cannot be asked */
    unsigned int whole : 1;     /* pass on nothing before the end */
    unsigned int unflushed : 1; /* there may be something in a filter */
    unsigned int no_file : 1;   /* a file cannot be had */
    unsigned int enough : 1;    /* the client needs no more than what is held */
} hpm_spool_t;

/** @param limit bytes held in memory (FcgiPMResponseBuffer); -1: nothing is
 *               held, the worker waits for the client */
void hpm_spool_init(hpm_spool_t *s, request_rec *r, apr_int64_t limit);

/**
 * Make room for the next @a len bytes.  May block for a client that is quick.
 * @return 1: the caller adds a bucket to @c bb.  0: the bytes are in the file
 *         now.  A failure is in @c rv
 */
int hpm_spool_add(hpm_spool_t *s, const char *data, apr_size_t len);

/** The response has a header, which httpd sends with the next bytes.
 *  @param whole 1: pass on nothing before the end */
void hpm_spool_head(hpm_spool_t *s, int whole);

/** @return 1: all that was added has left httpd */
int hpm_spool_is_delivered(const hpm_spool_t *s);

/** The worker has more: pass on what the client takes at once.
 *  @return APR_SUCCESS; else the client has gone or a filter failed: @c why */
apr_status_t hpm_spool_offer(hpm_spool_t *s);

/** The worker has no more for now, or the client has room again: likewise,
 *  and flush the filters. */
apr_status_t hpm_spool_pause(hpm_spool_t *s);

/** @return 1: hpm_spool_pause() is to be called when the client's socket has
 *  room */
int hpm_spool_wants_room(const hpm_spool_t *s);

/** The worker is done: pass on the rest and the end, blocking for the client.
 */
apr_status_t hpm_spool_finish(hpm_spool_t *s);

/** Drop what is held. */
void hpm_spool_forget(hpm_spool_t *s);

/** Pass on @c bb now, blocking for the client. */
apr_status_t hpm_spool_pass(hpm_spool_t *s);

#endif /* HPM_SPOOL_H */
