/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_spool.h
 * @brief A response's body between worker and client: a slow client never
 *        holds a worker.
 *
 * While the worker writes, the client gets what it takes without anybody
 * waiting for it.  What it does not take is held: FcgiPMResponseBuffer bytes
 * in memory, where they were received, then in a file that has no name.  When
 * the worker is done its connection is closed and all the rest passed on,
 * waiting as long as it takes.
 *
 * For a client that is quick the file is not worth it: as long as it takes
 * HPM_SPOOL_QUICK bytes a second, its socket is waited for instead.  And
 * for an answer that grows beyond HPM_SPOOL_MAX in the file, or a disk
 * that is full, the worker waits after all.
 *
 * A stream of HTTP/2 cannot be asked whether it takes more.  It gets what the
 * worker has written when the worker pauses, as long as that is little, and
 * all else when the worker is done.
 *
 * A request for a byte range gets nothing until the answer is whole: httpd's
 * range filter wants to see all of it at once.
 */
#ifndef HPM_SPOOL_H
#define HPM_SPOOL_H

#include "httpd.h"
#include "util_filter.h"

#include "pm_core/base/pm_base.h"

/** Bytes in a second. */
#define HPM_SPOOL_QUICK (APR_INT64_C(32) << 20)

/** Bytes in the file. */
#define HPM_SPOOL_MAX (APR_INT64_C(1) << 30)

/** All is private but what is said to be not. */
typedef struct hpm_spool {
    request_rec *r;
    apr_int64_t limit;      /**< bytes of memory; -1: nothing is held, the
                             *   worker waits.  May be set before the
                             *   first byte */
    apr_bucket_brigade *bb; /**< what is in memory, the older part; who
                             *   adds a bucket counts it in @c held */
    apr_size_t held;        /**< bytes in @c bb */
    int passed;             /**< something has gone down the filters; may
                             *   be read */
    apr_status_t rv;        /**< of the first failure, which is for good;
                             *   may be read */
    pm_reason_t why;        /**< of it; may be read */

    apr_bucket_brigade *out;
    apr_off_t passed_bytes;
    apr_interval_time_t waited; /* for the client, while the worker did */
    apr_file_t *file;
    apr_off_t head, tail;       /* of what is in the file */
    unsigned int blind : 1;     /* the client cannot be asked */
    unsigned int whole : 1;     /* nothing goes before the end */
    unsigned int unflushed : 1; /* there may be something in a filter */
    unsigned int no_file : 1;   /* it cannot be had */
} hpm_spool_t;

/** With a limit of -1. */
void hpm_spool_init(hpm_spool_t *s, request_rec *r);

/**
 * Where do the next @a len bytes go?
 * @return 1: the caller adds a bucket to @c bb.  0: they are in the file now.
 *         May wait for the client if that is quick; a failure shows in
 *         @c rv.
 */
int hpm_spool_add(hpm_spool_t *s, const char *data, apr_size_t len);

/** There is a header to be sent with the next that is passed on. */
static inline void hpm_spool_head(hpm_spool_t *s)
{
    s->unflushed = 1;
}

/** The worker has more.  The client gets what it takes.
 *  @return APR_SUCCESS, or the client has gone or a filter failed: why */
apr_status_t hpm_spool_offer(hpm_spool_t *s);

/** The worker has no more for now, or the client has room again: likewise,
 *  and nothing stays in a filter. */
apr_status_t hpm_spool_pause(hpm_spool_t *s);

/** Is it worth calling hpm_spool_pause() when the client's socket has
 *  room? */
int hpm_spool_wants_room(const hpm_spool_t *s);

/** The worker is done: all the rest, and the end. */
apr_status_t hpm_spool_finish(hpm_spool_t *s);

/** What is held is forgotten. */
void hpm_spool_forget(hpm_spool_t *s);

/** Pass on what is in @c bb now, waiting for the client. */
apr_status_t hpm_spool_pass(hpm_spool_t *s);

#endif /* HPM_SPOOL_H */
