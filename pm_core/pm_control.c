/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_control.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apr_ring.h"
#include "apr_strings.h"
#include "pm_fds.h"

typedef struct client {
    APR_RING_ENTRY(client) link;
    pm_control_t *control;
    apr_pool_t *p;
    int fd;
    uid_t uid;
    pm_watch_t watch;
    pm_timer_t idle;
    char line[PM_CONTROL_LINE];
    apr_size_t len;
    apr_pool_t *panswer;    /* NULL: no answer is under way */
    const char *answer;
    apr_size_t left;
} client_t;

APR_RING_HEAD(clients, client);

struct pm_control {
    pm_loop_t *loop;
    apr_pool_t *p;
    int fd;
    pm_watch_t watch;
    struct clients clients;
    int nclients;
    pm_control_answer_t *answer;
    void *ctx;
};

static void on_connect(void *ctx, int events);
static void on_client(void *ctx, int events);

static void accept_on(pm_control_t *control)
{
    if (!control->watch.pfd.reqevents) {
        pm_loop_watch(control->loop, &control->watch, control->fd,
                      APR_POLLIN, control->p, NULL);
    }
}

static void client_drop(client_t *c)
{
    pm_control_t *control = c->control;

    pm_loop_unwatch(control->loop, &c->watch);
    pm_loop_at(control->loop, &c->idle, PM_TIME_NEVER);
    pm_fds_close(&c->fd);
    APR_RING_REMOVE(c, link);
    control->nclients--;
    apr_pool_destroy(c->p);
    accept_on(control);
}

static void on_idle(void *ctx, apr_time_t now)
{
    (void)now;
    client_drop(ctx);
}

/* Answers go out before the next line is read: that is all the flow control
 * there is. */
static void client_wait(client_t *c, int events)
{
    pm_loop_t *loop = c->control->loop;

    pm_loop_at(loop, &c->idle, pm_time_now() + PM_CONTROL_IDLE);
    if (c->watch.pfd.reqevents != events) {
        pm_loop_unwatch(loop, &c->watch);
        pm_loop_watch(loop, &c->watch, c->fd, events, c->p, NULL);
    }
}

/* Sends what is left.  @return 0 when the client is gone */
static int client_send(client_t *c)
{
    ssize_t n = send(c->fd, c->answer, c->left, MSG_NOSIGNAL | MSG_DONTWAIT);

    if (n < 0 && errno != EAGAIN && errno != EINTR) {
        client_drop(c);
        return 0;
    }
    c->answer += n > 0 ? n : 0;
    c->left -= n > 0 ? (apr_size_t)n : 0;
    if (c->left == 0) {
        apr_pool_destroy(c->panswer);
        c->panswer = NULL;
    }
    return 1;
}

/* Answers the first line that is whole.  @return 0 when there is none */
static int client_answer(client_t *c)
{
    char *end = memchr(c->line, '\n', c->len);
    pm_control_t *control = c->control;
    apr_size_t used;

    if (!end || apr_pool_create(&c->panswer, c->p) != APR_SUCCESS) {
        return 0;
    }
    *end = '\0';
    c->answer = strlen(c->line) == (apr_size_t)(end - c->line)
                    ? control->answer(control->ctx, c->line, c->uid,
                                      c->panswer)
                    : "error a line holds no NUL";
    c->answer = apr_pstrcat(c->panswer, c->answer, "\n", NULL);
    c->left = strlen(c->answer);
    used = (apr_size_t)(end + 1 - c->line);
    memmove(c->line, end + 1, c->len - used);
    c->len -= used;
    return 1;
}

/* Reads what has come.  @return 0 when the client is gone */
static int client_read(client_t *c)
{
    ssize_t n = recv(c->fd, c->line + c->len, sizeof(c->line) - c->len,
                     MSG_DONTWAIT);

    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        client_drop(c);
        return 0;
    }
    c->len += n > 0 ? (apr_size_t)n : 0;
    if (c->len == sizeof(c->line) && !memchr(c->line, '\n', c->len)) {
        static const char text[] = "error line too long\n";

        if (send(c->fd, text, sizeof(text) - 1,
                 MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
            errno = 0;   /* it is dropped in any case */
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
    if (c->panswer ? !client_send(c) : !client_read(c)) {
        return;
    }
    while (!c->panswer && client_answer(c)) {
        if (!client_send(c)) {
            return;
        }
    }
    client_wait(c, c->panswer ? APR_POLLOUT : APR_POLLIN);
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

static void client_create(pm_control_t *control, int fd, uid_t uid)
{
    apr_pool_t *p;
    client_t *c;

    if (apr_pool_create(&p, control->p) != APR_SUCCESS) {
        close(fd);
        return;
    }
    c = apr_pcalloc(p, sizeof(*c));
    c->p = p;
    c->control = control;
    c->fd = fd;
    c->uid = uid;
    c->watch.ready = on_client;
    c->watch.ctx = c;
    c->idle.due = on_idle;
    c->idle.ctx = c;
    APR_RING_INSERT_TAIL(&control->clients, c, client, link);
    if (++control->nclients >= PM_CONTROL_CLIENTS) {
        pm_loop_unwatch(control->loop, &control->watch);
    }
    client_wait(c, APR_POLLIN);
}

static void on_connect(void *ctx, int events)
{
    pm_control_t *control = ctx;
    int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    uid_t uid;

    (void)events;
    if (fd < 0) {
        return;
    }
    if (!peer_uid(fd, &uid)) {
        close(fd);
        return;
    }
    client_create(control, fd, uid);
}

apr_status_t pm_control_create(pm_control_t **out, pm_loop_t *loop, int fd,
                               pm_control_answer_t *answer, void *ctx,
                               apr_pool_t *parent, pm_reason_t *why)
{
    pm_control_t *control;
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
    control->answer = answer;
    control->ctx = ctx;
    control->watch.ready = on_connect;
    control->watch.ctx = control;
    APR_RING_INIT(&control->clients, client, link);
    *out = control;
    return pm_loop_watch(loop, &control->watch, fd, APR_POLLIN, p, why);
}

void pm_control_destroy(pm_control_t *control)
{
    if (!control) {
        return;
    }
    while (!APR_RING_EMPTY(&control->clients, client, link)) {
        client_drop(APR_RING_FIRST(&control->clients));
    }
    pm_loop_unwatch(control->loop, &control->watch);
    pm_fds_close(&control->fd);
    apr_pool_destroy(control->p);
}
