/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_http_server.h
 * @brief A small HTTP/1.0 server in the manager's loop, for machines that ask
 *        how it is: GET and HEAD of a few paths, a connection each.
 *
 * A front that can ask nothing but FastCGI is answered as well, at the same
 * socket: the first byte tells.  Its path is SCRIPT_NAME and PATH_INFO.
 *
 * Anybody who reaches the socket may ask, so a client costs bounded memory and
 * time: a request has PM_HTTP_SERVER_HEAD bytes, request and answer have
 * PM_HTTP_SERVER_TIME together, an answer is made and sent in parts, of which
 * one is kept.  Of more clients than PM_HTTP_SERVER_CLIENTS one is
 * disconnected: the one that came first of those that have not sent a whole
 * request, else the one whose answer has not moved for longest, if for
 * PM_HTTP_SERVER_STALL, else the new one.  So a client that sends its request
 * at once and reads the answer gets it, whatever others do.
 *
 * Only the manager's thread calls these functions.
 */
#ifndef PM_HTTP_SERVER_H
#define PM_HTTP_SERVER_H

#include "pm_core/os/pm_loop.h"

#define PM_HTTP_SERVER_CLIENTS 16
#define PM_HTTP_SERVER_HEAD    8192
#define PM_HTTP_SERVER_TIME    apr_time_from_sec(10)
#define PM_HTTP_SERVER_STALL   apr_time_from_sec(1)
#define PM_HTTP_SERVER_TURN    65536 /**< bytes that are sent to one at once */

typedef struct pm_http_server pm_http_server_t;

/** An answer.  The handler fills it; its memory is the pool it is given. */
typedef struct pm_http_answer {
    int status;       /**< 200, 404, 503 */
    const char *type; /**< Content-Type */
    const char *text; /**< the body, or its first part */
    /** @return the next part, allocated from @a p or kept by @c ctx; "": none
     *  is ready, it is to be asked for in the loop's next turn; NULL: that was
     *  all.  NULL itself: @c text is all */
    const char *(*next)(void *ctx, apr_pool_t *p);
    void *ctx;
} pm_http_answer_t;

/** Answers a request.
 *  @param path without a query; not trusted
 *  @param p    lives until the answer has been sent or the client has gone */
typedef void pm_http_handler_t(void *ctx, const char *path,
                               pm_http_answer_t *answer, apr_pool_t *p);

/**
 * Serve a listening socket.
 * @param fd stays the caller's; not blocking from here on
 */
apr_status_t pm_http_server_create(pm_http_server_t **server, pm_loop_t *loop,
                                   int fd, pm_http_handler_t *handler,
                                   void *ctx, apr_pool_t *p, pm_reason_t *why);

/** Disconnect all clients and serve no more.  @param server NULL: harmless */
void pm_http_server_destroy(pm_http_server_t *server);

/** @return the path of a request without its query; NULL: it is no request
 *  that is answered, and @a status is why: 400, 405
 *  @param head the request's head, cut in place; not trusted
 *  @param is_head set to 1 for HEAD */
const char *pm_http_server_parse(char *head, int *is_head, int *status);

#endif /* PM_HTTP_SERVER_H */
