/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/ipc/pm_control_server.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apr_ring.h"
#include "apr_strings.h"
#include "pm_core/os/pm_acceptor.h"
#include "pm_core/os/pm_fds.h"

/* A client.  While panswer exists its request is not answered whole. */
struct pm_control_caller {
    APR_RING_ENTRY(pm_control_caller) link;
    pm_control_server_t *server;
    apr_pool_t *p;
    int fd;
    uid_t uid;
    int own;            /* 1: it counts among PM_CONTROL_SERVER_OWN */
    apr_pool_t *pwatch; /* what the loop needs to watch it */
    pm_watch_t watch;
    pm_timer_t idle;
    char line[PM_CONTROL_PROTOCOL_LINE];
    apr_size_t len;
    apr_pool_t *panswer;
    apr_pool_t *psay; /* holds the text being sent; NULL: none */
    const char *say;
    apr_size_t left;
    apr_pool_t *pnext; /* holds the text to be sent after it */
    const char *next;
    int last;   /* 1: the answer ends with these texts */
    int asking; /* 1: the handler runs; its caller will send the answer */
};

typedef struct pm_control_caller client_t;

/* The client that has been silent for longest is first. */
APR_RING_HEAD(clients, pm_control_caller);

struct pm_control_server {
    pm_loop_t *loop;
    apr_pool_t *p;
    int fd;
    pm_acceptor_t acceptor;
    struct clients clients;
    int nclients[2]; /* others, own */
    pm_control_handler_t *handler;
    void *ctx;
};

static void on_client(void *ctx, int events);

static void client_drop(client_t *c)
{
    pm_control_server_t *server = c->server;

    pm_loop_unwatch(server->loop, &c->watch);
    pm_loop_at(server->loop, &c->idle, PM_TIME_NEVER);
    pm_fds_close(&c->fd);
    APR_RING_REMOVE(c, link);
    server->nclients[c->own]--;
    apr_pool_destroy(c->p);
}

static void on_idle(void *ctx, apr_time_t now)
{
    (void)now;
    client_drop(ctx);
}

/* The answer is sent before the next line is read: that is all the flow control
 * there is.  A client that waits for its answer is watched only for its end. */
static void client_wait(client_t *c)
{
    pm_loop_t *loop = c->server->loop;
    int events = c->psay ? APR_POLLOUT : c->panswer ? APR_POLLPRI : APR_POLLIN;

    pm_loop_at(loop, &c->idle,
               events == APR_POLLPRI ? PM_TIME_NEVER
                                     : pm_time_now() + PM_CONTROL_SERVER_IDLE);
    pm_loop_change(loop, &c->watch, c->fd, events, c->pwatch);
}

/* --- answers -------------------------------------------------------------- */

/* A text has been sent: the next one follows, or the answer has ended. */
static void client_next(client_t *c)
{
    apr_pool_destroy(c->psay);
    c->psay = c->pnext;
    c->say = c->next;
    c->left = c->psay ? strlen(c->say) : 0;
    c->pnext = NULL;
    if (!c->psay && c->last && c->panswer) {
        apr_pool_destroy(c->panswer);
        c->panswer = NULL;
        c->last = 0;
    }
}

/* Sends what is left.  @return 0 when the client is gone */
static int client_send(client_t *c)
{
    ssize_t n = 0;

    while (c->psay && n >= 0) {
        n = send(c->fd, c->say, c->left, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno != EAGAIN && errno != EINTR) {
            client_drop(c);
            return 0;
        }
        c->say += n > 0 ? n : 0;
        c->left -= n > 0 ? (apr_size_t)n : 0;
        if (c->left == 0) {
            client_next(c);
        }
    }
    return 1;
}

apr_pool_t *pm_control_server_pool(pm_control_caller_t *c)
{
    return c->panswer;
}

uid_t pm_control_server_peer_uid(const pm_control_caller_t *c)
{
    return c->uid;
}

void pm_control_server_answer(pm_control_caller_t *c, const char *text,
                              int last)
{
    apr_pool_t *p;

    p = pm_subpool_create(c->panswer);
    text = apr_pstrcat(p, text, "\n", NULL);
    c->last = last;
    if (!c->psay) {
        c->psay = p;
        c->say = text;
        c->left = strlen(text);
    }
    else {
        if (c->pnext) {
            apr_pool_destroy(c->pnext);
        }
        c->pnext = p;
        c->next = text;
    }
    if (!c->asking) {
        client_wait(c); /* the loop sends it */
    }
}

/* --- requests ------------------------------------------------------------- */

/* Hands the first whole line to the handler.  @return 0 when there is none */
static int client_ask(client_t *c)
{
    char line[PM_CONTROL_PROTOCOL_LINE];
    char *end = memchr(c->line, '\n', c->len);
    pm_control_server_t *server = c->server;
    apr_size_t len;

    if (!end || apr_pool_create(&c->panswer, c->p) != APR_SUCCESS) {
        return 0;
    }
    len = (apr_size_t)(end - c->line);
    memcpy(line, c->line, len);
    line[len] = '\0';
    c->len -= len + 1;
    memmove(c->line, end + 1, c->len);
    c->asking = 1;
    if (strlen(line) == len) {
        server->handler(server->ctx, c, line);
    }
    else {
        pm_control_server_answer(c, "error a line holds no NUL", 1);
    }
    c->asking = 0;
    return 1;
}

/* Reads what has come.  @return 0 when the client is gone */
static int client_read(client_t *c)
{
    ssize_t n =
        recv(c->fd, c->line + c->len, sizeof(c->line) - c->len, MSG_DONTWAIT);

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        client_drop(c);
        return 0;
    }
    c->len += n > 0 ? (apr_size_t)n : 0;
    if (c->len == sizeof(c->line) && !memchr(c->line, '\n', c->len)) {
        static const char text[] = "error line too long\n";

        if (send(c->fd, text, sizeof(text) - 1, MSG_NOSIGNAL | MSG_DONTWAIT)
            < 0) {
            errno = 0; /* the client is dropped in any case */
        }
        client_drop(c);
        return 0;
    }
    return 1;
}

static void on_client(void *ctx, int events)
{
    client_t *c = ctx;

    (void)events;
    APR_RING_REMOVE(c, link);
    APR_RING_INSERT_TAIL(&c->server->clients, c, pm_control_caller, link);
    if (c->panswer && !c->psay) {
        client_drop(c); /* it waited for an answer, and has gone */
        return;
    }
    if (c->psay ? !client_send(c) : !client_read(c)) {
        return;
    }
    while (!c->panswer && client_ask(c)) {
        if (!client_send(c)) {
            return;
        }
    }
    client_wait(c);
}

/* The uid at the other end: SO_PEERCRED (unix(7)), elsewhere getpeereid(3). */
static int peer_uid(int fd, uid_t *uid)
{
#ifdef SO_PEERCRED
    struct ucred cred;
    socklen_t len = sizeof(cred);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len)) {
        return 0;
    }
    *uid = cred.uid;
    return 1;
#else
    gid_t gid;

    return getpeereid(fd, uid, &gid) == 0;
#endif
}

/* If its class has all its connections, the client that has been silent for
 * longest is dropped; one that waits for an answer only when all do. */
static void make_room(pm_control_server_t *server, int own)
{
    client_t *c = NULL;
    client_t *worst = NULL;

    if (server->nclients[own]
        < (own ? PM_CONTROL_SERVER_OWN : PM_CONTROL_SERVER_OTHERS)) {
        return;
    }
    APR_RING_FOREACH(c, &server->clients, pm_control_caller, link)
    {
        if (c->own == own && (!worst || !c->panswer)) {
            worst = c;
            if (!c->panswer) {
                break;
            }
        }
    }
    if (worst) {
        client_drop(worst);
    }
}

static void client_create(pm_control_server_t *server, int fd, uid_t uid)
{
    int own = uid == 0 || uid == geteuid();
    apr_pool_t *p;
    client_t *c;

    make_room(server, own);
    if (apr_pool_create(&p, server->p) != APR_SUCCESS) {
        close(fd);
        return;
    }
    c = apr_pcalloc(p, sizeof(*c));
    c->p = p;
    c->server = server;
    c->fd = fd;
    c->uid = uid;
    c->own = own;
    c->pwatch = pm_subpool_create(p);
    c->watch = (pm_watch_t){.ready = on_client, .ctx = c};
    c->idle = (pm_timer_t){.due = on_idle, .ctx = c};
    APR_RING_INSERT_TAIL(&server->clients, c, pm_control_caller, link);
    server->nclients[own]++;
    client_wait(c);
}

static void on_connect(void *ctx, int fd)
{
    uid_t uid;

    if (peer_uid(fd, &uid)) {
        client_create(ctx, fd, uid);
    }
    else {
        close(fd);
    }
}

apr_status_t pm_control_server_create(pm_control_server_t **out,
                                      pm_loop_t *loop, int fd,
                                      pm_control_handler_t *handler, void *ctx,
                                      apr_pool_t *parent, pm_reason_t *why)
{
    pm_control_server_t *server;
    apr_pool_t *p;
    apr_status_t rv = apr_pool_create(&p, parent);

    if (rv != APR_SUCCESS) {
        close(fd);
        return pm_fail_os(why, rv, "cannot serve the control socket");
    }
    server = apr_pcalloc(p, sizeof(*server));
    server->loop = loop;
    server->p = p;
    server->fd = fd;
    server->handler = handler;
    server->ctx = ctx;
    server->acceptor =
        (pm_acceptor_t){.accepted = on_connect, .ctx = server, .most = 1};
    APR_RING_INIT(&server->clients, pm_control_caller, link);
    *out = server;
    return pm_acceptor_begin(&server->acceptor, loop, fd, p, why);
}

void pm_control_server_destroy(pm_control_server_t *server)
{
    if (!server) {
        return;
    }
    while (!APR_RING_EMPTY(&server->clients, pm_control_caller, link)) {
        client_drop(APR_RING_FIRST(&server->clients));
    }
    pm_acceptor_end(&server->acceptor);
    pm_fds_close(&server->fd);
    apr_pool_destroy(server->p);
}
