/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/ipc/pm_http_server.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apr_ring.h"
#include "apr_strings.h"
#include "pm_core/base/pm_codec.h"
#include "pm_core/ipc/pm_fcgi_ask.h"
#include "pm_core/os/pm_acceptor.h"
#include "pm_core/os/pm_fds.h"

/* A client: it sends a request, then gets an answer. */
typedef struct http_client {
    APR_RING_ENTRY(http_client) link;
    pm_http_server_t *server;
    apr_pool_t *p;
    int fd;
    apr_pool_t *pwatch; /* what the loop needs to watch it */
    pm_watch_t watch;
    pm_timer_t deadline;
    char head[PM_HTTP_SERVER_HEAD + 1];
    apr_size_t len;
    pm_http_answer_t answer;
    apr_pool_t *ppart; /* holds the part that is sent */
    const char *part;  /* NULL: the request has not come whole */
    apr_size_t left;
    apr_time_t moved; /* when some of it was sent last */
    int is_head;      /* 1: there is no body */
    int id;           /* of a FastCGI request; 0: it is HTTP */
    int is_ended;     /* 1: its END_REQUEST is on its way */
    int is_done;      /* 1: all is sent; what still comes is thrown away */
} http_client_t;

/* Accepted, and read from one, in one turn. */
#define HTTP_ACCEPTS  16
#define HTTP_DISCARDS 16

/* The one that came first is first. */
APR_RING_HEAD(http_clients, http_client);

struct pm_http_server {
    pm_loop_t *loop;
    apr_pool_t *p;
    pm_acceptor_t acceptor;
    struct http_clients clients;
    int nclients;
    pm_http_handler_t *handler;
    void *ctx;
};

static void http_drop(http_client_t *c)
{
    pm_http_server_t *server = c->server;

    pm_loop_unwatch(server->loop, &c->watch);
    pm_loop_at(server->loop, &c->deadline, PM_TIME_NEVER);
    pm_fds_close(&c->fd);
    APR_RING_REMOVE(c, link);
    server->nclients--;
    apr_pool_destroy(c->p);
}

static void http_on_deadline(void *ctx, apr_time_t now)
{
    (void)now;
    http_drop(ctx);
}

/* --- a request ------------------------------------------------------------ */

const char *pm_http_server_parse(char *head, int *is_head, int *status)
{
    char *line_end = head + strcspn(head, "\r\n");
    char *path = head + strcspn(head, " ");
    char *end;

    *line_end = '\0';
    *is_head = !strncmp(head, "HEAD ", 5);
    *status = *is_head || !strncmp(head, "GET ", 4) ? 400 : 405;
    if (path >= line_end) {
        *status = 400;
        return NULL;
    }
    path++;
    if (!strncasecmp(path, "http://", 7)) { /* RFC 9112, section 3.2.2 */
        path += 7 + strcspn(path + 7, "/ ?#");
    }
    if (*path != '/' || *status == 405) {
        return NULL;
    }
    end = path + strcspn(path, " ?#");
    if (strncmp(end + strcspn(end, " "), " HTTP/1.", 8) != 0) {
        return NULL;
    }
    *end = '\0';
    return path;
}

static int http_is_whole(const http_client_t *c)
{
    return strstr(c->head, "\r\n\r\n") || strstr(c->head, "\n\n");
}

/* @return the words for a status */
static const char *http_words(int status)
{
    return status == 200   ? "OK"
           : status == 400 ? "Bad Request"
           : status == 404 ? "Not Found"
           : status == 405 ? "Method Not Allowed"
           : status == 431 ? "Request Header Fields Too Large"
                           : "Service Unavailable";
}

static void http_set_part(http_client_t *c, const char *text)
{
    c->left = strlen(text);
    c->part =
        c->id ? pm_fcgi_ask_stdout(text, &c->left, c->id, c->ppart) : text;
}

/* The head and the first part go together. */
static void http_begin_answer(http_client_t *c)
{
    const pm_http_answer_t *a = &c->answer;

    c->ppart = pm_subpool_create(c->p);
    http_set_part(c, apr_psprintf(c->ppart,
                                  "%s %d %s\r\nContent-Type: %s\r\n"
                                  "Cache-Control: no-store\r\n%s\r\n%s",
                                  c->id ? "Status:" : "HTTP/1.0", a->status,
                                  http_words(a->status), a->type,
                                  c->id ? "" : "Connection: close\r\n",
                                  c->is_head ? "" : a->text));
    c->moved = pm_time_now();
}

/* @param path NULL: there is none, and the status tells why */
static void http_answer(http_client_t *c, const char *path, int status)
{
    c->answer = (pm_http_answer_t){.status = status, .type = "text/plain"};
    if (path) {
        c->answer.status = 404;
        c->server->handler(c->server->ctx, path, &c->answer, c->p);
    }
    if (!c->answer.text) {
        c->answer.text =
            apr_psprintf(c->p, "%s\n", http_words(c->answer.status));
    }
    http_begin_answer(c);
}

/* --- sending and receiving ------------------------------------------------ */

static void http_on_client(void *ctx, int events);

static void http_wait(http_client_t *c)
{
    int events = c->part ? APR_POLLOUT : APR_POLLIN;

    pm_loop_change(c->server->loop, &c->watch, c->fd, events, c->pwatch);
}

/* @return the next text of the answer; NULL: that was all */
static const char *http_next_text(http_client_t *c)
{
    return c->answer.next && !c->is_head && !c->is_ended
               ? c->answer.next(c->answer.ctx, c->ppart)
               : NULL;
}

/* @return 0: that was all */
static int http_next_part(http_client_t *c)
{
    const char *text;

    apr_pool_clear(c->ppart);
    text = http_next_text(c);
    c->part = NULL;
    c->left = 0;
    if (text) {
        http_set_part(c, text);
    }
    else if (c->id && !c->is_ended) {
        c->is_ended = 1;
        c->part = pm_fcgi_ask_end(&c->left, c->id, c->ppart);
    }
    if (!c->left) {
        c->moved = pm_time_now(); /* it does not wait for its reader */
    }
    return c->part != NULL;
}

/* @return bytes that were sent of the part, -1: the client has gone */
static ssize_t http_send_part(http_client_t *c)
{
    ssize_t n = send(c->fd, c->part, c->left, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0) {
        return errno == EAGAIN || errno == EINTR ? 0 : -1;
    }
    c->part += n;
    c->left -= (apr_size_t)n;
    c->moved = n ? pm_time_now() : c->moved;
    return n;
}

/* All is sent.  close(2) with bytes unread would reset the connection, and the
 * client might lose the answer. */
static void http_finish(http_client_t *c)
{
    shutdown(c->fd, SHUT_WR);
    c->is_done = 1;
    http_wait(c);
}

static void http_discard(http_client_t *c)
{
    ssize_t n = 1;
    int i;

    for (i = 0; i < HTTP_DISCARDS && n > 0; i++) {
        n = recv(c->fd, c->head, PM_HTTP_SERVER_HEAD, MSG_DONTWAIT);
    }
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        http_drop(c);
    }
}

/* Some parts in each turn: others have theirs. */
static void http_send(http_client_t *c)
{
    apr_size_t sent = 0;

    while (sent < PM_HTTP_SERVER_TURN) {
        ssize_t n = 0;

        if (!c->left && !http_next_part(c)) {
            http_finish(c);
            return;
        }
        if (c->left) {
            n = http_send_part(c);
        }
        if (n < 0) {
            http_drop(c);
            return;
        }
        if (c->left || !n) {
            return; /* no room, or no part is ready */
        }
        sent += (apr_size_t)n;
    }
}

static void http_take_fcgi(http_client_t *c)
{
    const char *path;
    int id;

    switch (
        pm_fcgi_ask_parse((unsigned char *)c->head, c->len, &id, &path, c->p)) {
    case PM_FCGI_ASK_WHOLE:
        c->id = id;
        http_answer(c, path, 0);
        break;
    case PM_FCGI_ASK_MORE:
        if (c->len < PM_HTTP_SERVER_HEAD) {
            break;
        }
        /* Fall through */
    case PM_FCGI_ASK_BAD:
    default:
        http_finish(c);
    }
}

static void http_take_http(http_client_t *c)
{
    int status = 431;

    if (memchr(c->head, '\0', c->len)) {
        http_answer(c, NULL, 400);
    }
    else if (http_is_whole(c)) {
        const char *path = pm_http_server_parse(c->head, &c->is_head, &status);

        http_answer(c, path, status);
    }
    else if (c->len == PM_HTTP_SERVER_HEAD) {
        http_answer(c, NULL, status);
    }
}

/* The first byte tells which it is: FastCGI's is its version. */
static void http_receive(http_client_t *c)
{
    ssize_t n = recv(c->fd, c->head + c->len, PM_HTTP_SERVER_HEAD - c->len,
                     MSG_DONTWAIT);

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        http_drop(c);
        return;
    }
    c->len += n > 0 ? (apr_size_t)n : 0;
    c->head[c->len] = '\0';
    if (c->head[0] == PM_FCGI_VERSION) {
        http_take_fcgi(c);
    }
    else {
        http_take_http(c);
    }
    http_wait(c);
}

static void http_on_client(void *ctx, int events)
{
    http_client_t *c = ctx;

    (void)events;
    if (c->is_done) {
        http_discard(c);
    }
    else if (c->part) {
        http_send(c);
    }
    else {
        http_receive(c);
    }
}

/* --- clients -------------------------------------------------------------- */

/* One without a part has not sent its request, or has got all of its answer.
 * @return the client that goes when there are too many, NULL: none may */
static http_client_t *http_victim(const pm_http_server_t *server)
{
    http_client_t *c = NULL;
    http_client_t *stalled = NULL;

    APR_RING_FOREACH(c, &server->clients, http_client, link)
    {
        if (!c->part) {
            return c;
        }
        if (!stalled || c->moved < stalled->moved) {
            stalled = c;
        }
    }
    return stalled && pm_time_now() - stalled->moved >= PM_HTTP_SERVER_STALL
               ? stalled
               : NULL;
}

/* @return 1: there is room for one more */
static int http_make_room(pm_http_server_t *server)
{
    http_client_t *victim;

    if (server->nclients < PM_HTTP_SERVER_CLIENTS) {
        return 1;
    }
    victim = http_victim(server);
    if (victim) {
        http_drop(victim);
    }
    return victim != NULL;
}

/* Its request, if that is there already, counts before the next client comes.
 */
static void http_on_connect(void *ctx, int fd)
{
    pm_http_server_t *server = ctx;
    apr_pool_t *p;
    http_client_t *c;

    if (!http_make_room(server)) {
        close(fd);
        return;
    }
    p = pm_subpool_create(server->p);
    c = apr_pcalloc(p, sizeof(*c));
    c->p = p;
    c->server = server;
    c->fd = fd;
    c->pwatch = pm_subpool_create(p);
    c->watch = (pm_watch_t){.ready = http_on_client, .ctx = c};
    c->deadline = (pm_timer_t){.due = http_on_deadline, .ctx = c};
    APR_RING_INSERT_TAIL(&server->clients, c, http_client, link);
    server->nclients++;
    pm_loop_at(server->loop, &c->deadline, pm_time_now() + PM_HTTP_SERVER_TIME);
    http_receive(c);
}

apr_status_t pm_http_server_create(pm_http_server_t **out, pm_loop_t *loop,
                                   int fd, pm_http_handler_t *handler,
                                   void *ctx, apr_pool_t *p, pm_reason_t *why)
{
    pm_http_server_t *server = apr_pcalloc(p, sizeof(*server));
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK)) {
        return pm_fail_os(why, errno, "cannot serve the metrics");
    }
    server->loop = loop;
    server->p = p;
    server->handler = handler;
    server->ctx = ctx;
    server->acceptor = (pm_acceptor_t){
        .accepted = http_on_connect, .ctx = server, .most = HTTP_ACCEPTS};
    APR_RING_INIT(&server->clients, http_client, link);
    *out = server;
    return pm_acceptor_begin(&server->acceptor, loop, fd, p, why);
}

void pm_http_server_destroy(pm_http_server_t *server)
{
    if (!server) {
        return;
    }
    while (!APR_RING_EMPTY(&server->clients, http_client, link)) {
        http_drop(APR_RING_FIRST(&server->clients));
    }
    pm_acceptor_end(&server->acceptor);
}
