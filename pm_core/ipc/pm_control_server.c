/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/ipc/pm_control_server.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apr_ring.h"
#include "apr_strings.h"
#include "pm_core/os/pm_fds.h"

/* A client; what it has asked is under way as long as there is panswer. */
struct pm_control_caller {
    APR_RING_ENTRY(pm_control_caller) link;
    pm_control_server_t *control;
    apr_pool_t *p;
    int fd;
    uid_t uid;
    int own;            /* it has one of PM_CONTROL_SERVER_OWN places */
    apr_pool_t *pwatch; /* what the loop needs to watch it */
    pm_watch_t watch;
    pm_timer_t idle;
    char line[PM_CONTROL_PROTOCOL_LINE];
    apr_size_t len;
    apr_pool_t *panswer;
    apr_pool_t *psay; /* holds what is being sent; NULL: nothing */
    const char *say;
    apr_size_t left;
    apr_pool_t *pnext; /* and what is to be sent then */
    const char *next;
    int last;   /* the last line of the answer is among these */
    int asking; /* what is said now is sent by who asked */
};

typedef struct pm_control_caller client_t;

/* Who has been silent for longest is first. */
APR_RING_HEAD(clients, pm_control_caller);

struct pm_control_server {
    pm_loop_t *loop;
    apr_pool_t *p;
    int fd;
    int spare; /* for a caller when there is no other one */
    pm_watch_t watch;
    struct clients clients;
    int nclients[2]; /* others, own */
    pm_control_handler_t *ask;
    void *ctx;
};

static void on_connect(void *ctx, int events);
static void on_client(void *ctx, int events);

static void client_drop(client_t *c)
{
    pm_control_server_t *control = c->control;

    pm_loop_unwatch(control->loop, &c->watch);
    pm_loop_at(control->loop, &c->idle, PM_TIME_NEVER);
    pm_fds_close(&c->fd);
    APR_RING_REMOVE(c, link);
    control->nclients[c->own]--;
    apr_pool_destroy(c->p);
}

static void on_idle(void *ctx, apr_time_t now)
{
    (void)now;
    client_drop(ctx);
}

/* An answer goes out before the next line is read: that is all the flow
 * control there is.  Who waits for one is only watched for its going. */
static void client_wait(client_t *c)
{
    pm_loop_t *loop = c->control->loop;
    int events = c->psay ? APR_POLLOUT : c->panswer ? APR_POLLPRI : APR_POLLIN;

    pm_loop_at(loop, &c->idle,
               events == APR_POLLPRI ? PM_TIME_NEVER
                                     : pm_time_now() + PM_CONTROL_SERVER_IDLE);
    if (c->watch.pfd.reqevents != events) {
        pm_loop_unwatch(loop, &c->watch);
        apr_pool_clear(c->pwatch);
        pm_loop_watch(loop, &c->watch, c->fd, events, c->pwatch, NULL);
    }
}

/* --- answers -------------------------------------------------------------- */

/* The next text is to be sent; the answer may have ended. */
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
        client_wait(c); /* it is sent from the loop */
    }
}

/* --- requests ------------------------------------------------------------- */

/* Asks the first line that is whole.  @return 0 when there is none */
static int client_ask(client_t *c)
{
    char line[PM_CONTROL_PROTOCOL_LINE];
    char *end = memchr(c->line, '\n', c->len);
    pm_control_server_t *control = c->control;
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
        control->ask(control->ctx, c, line);
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
            errno = 0; /* it is dropped in any case */
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
    APR_RING_INSERT_TAIL(&c->control->clients, c, pm_control_caller, link);
    if (c->panswer && !c->psay) {
        client_drop(c); /* it waited, and has gone */
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

/* Who is at the other end (unix(7)); getpeereid(3) elsewhere. */
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

/* All places of its class are taken: who has been silent for longest goes,
 * one that waits for an answer only when all do. */
static void make_room(pm_control_server_t *control, int own)
{
    client_t *c = NULL;
    client_t *worst = NULL;

    if (control->nclients[own]
        < (own ? PM_CONTROL_SERVER_OWN : PM_CONTROL_SERVER_OTHERS)) {
        return;
    }
    APR_RING_FOREACH(c, &control->clients, pm_control_caller, link)
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

static void client_create(pm_control_server_t *control, int fd, uid_t uid)
{
    int own = uid == 0 || uid == geteuid();
    apr_pool_t *p;
    client_t *c;

    make_room(control, own);
    if (apr_pool_create(&p, control->p) != APR_SUCCESS) {
        close(fd);
        return;
    }
    c = apr_pcalloc(p, sizeof(*c));
    c->p = p;
    c->control = control;
    c->fd = fd;
    c->uid = uid;
    c->own = own;
    c->pwatch = pm_subpool_create(p);
    c->watch = (pm_watch_t){.ready = on_client, .ctx = c};
    c->idle = (pm_timer_t){.due = on_idle, .ctx = c};
    APR_RING_INSERT_TAIL(&control->clients, c, pm_control_caller, link);
    control->nclients[own]++;
    client_wait(c);
}

/* All descriptors are in use: who calls is sent away, or the loop would come
 * back here at once, for ever. */
static void send_away(pm_control_server_t *control)
{
    int fd;

    pm_fds_close(&control->spare);
    fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    pm_fds_close(&fd);
    control->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_connect(void *ctx, int events)
{
    pm_control_server_t *control = ctx;
    int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    uid_t uid;

    (void)events;
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE) {
            send_away(control);
        }
        return;
    }
    if (!peer_uid(fd, &uid)) {
        close(fd);
        return;
    }
    client_create(control, fd, uid);
}

apr_status_t pm_control_server_create(pm_control_server_t **out,
                                      pm_loop_t *loop, int fd,
                                      pm_control_handler_t *ask, void *ctx,
                                      apr_pool_t *parent, pm_reason_t *why)
{
    pm_control_server_t *control;
    apr_pool_t *p;
    apr_status_t rv = apr_pool_create(&p, parent);

    if (rv != APR_SUCCESS) {
        close(fd);
        return pm_fail_os(why, rv, "cannot serve the control socket");
    }
    control = apr_pcalloc(p, sizeof(*control));
    control->loop = loop;
    control->p = p;
    control->fd = fd;
    control->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    control->ask = ask;
    control->ctx = ctx;
    control->watch.ready = on_connect;
    control->watch.ctx = control;
    APR_RING_INIT(&control->clients, pm_control_caller, link);
    *out = control;
    return pm_loop_watch(loop, &control->watch, fd, APR_POLLIN, p, why);
}

void pm_control_server_destroy(pm_control_server_t *control)
{
    if (!control) {
        return;
    }
    while (!APR_RING_EMPTY(&control->clients, pm_control_caller, link)) {
        client_drop(APR_RING_FIRST(&control->clients));
    }
    pm_loop_unwatch(control->loop, &control->watch);
    pm_fds_close(&control->fd);
    pm_fds_close(&control->spare);
    apr_pool_destroy(control->p);
}
