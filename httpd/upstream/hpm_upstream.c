/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/upstream/hpm_upstream.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "pm_core/os/pm_peer_pid.h"
#include "pm_core/os/pm_sock_diag.h"

static hpm_upstream_outcome_t upstream_end(hpm_upstream_t *x,
                                           hpm_upstream_outcome_t outcome,
                                           const char *why)
{
    x->outcome = outcome;
    pm_fail(&x->why, APR_EGENERAL, "%s", why);
    return outcome;
}

static hpm_upstream_outcome_t upstream_end_errno(hpm_upstream_t *x,
                                                 hpm_upstream_outcome_t outcome,
                                                 const char *why, int err)
{
    x->outcome = outcome;
    pm_fail_os(&x->why, APR_FROM_OS_ERROR(err), "%s", why);
    return outcome;
}

/* --- waiting ------------------------------------------------------------ */

/* poll(2), taken up again after a signal.
 * @return how many are ready, 0 when time is up, -1 with errno */
static int upstream_poll(struct pollfd *pfd, nfds_t count,
                         apr_interval_time_t timeout)
{
    apr_time_t until = 0;
    apr_int64_t ms;
    int n;

    for (;;) {
        ms = (timeout + 999) / 1000;
        n = poll(pfd, count, ms < INT_MAX ? (int)ms : INT_MAX);
        if (n >= 0 || errno != EINTR) {
            return n;
        }
        /* The clock is read only when a signal came. */
        if (!until) {
            until = pm_time_now() + timeout;
        }
        timeout = until - pm_time_now();
        if (timeout < 0) {
            return 0;
        }
    }
}

/* --- connecting --------------------------------------------------------- */

/* When a unix socket's backlog is full, a non-blocking connect() fails with
 * EAGAIN instead of going on "in progress", and poll() does not report when
 * there is room.  A blocking connect() waits in the kernel's queue;
 * SO_SNDTIMEO bounds it (unix(7), socket(7)). */
static int upstream_connect_queued(int fd, const pm_addr_t *addr,
                                   apr_interval_time_t timeout)
{
    apr_time_t until = pm_time_now() + timeout;
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) < 0) {
        return -1;
    }
    for (;;) {
        struct timeval tv;

        /* A zero would be no limit. */
        tv.tv_sec = (time_t)apr_time_sec(timeout);
        tv.tv_usec = (suseconds_t)apr_time_usec(timeout);
        if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) < 0) {
            return -1;
        }
        if (connect(fd, (const struct sockaddr *)&addr->sa, addr->len) == 0) {
            break;
        }
        timeout = until - pm_time_now();
        if (errno != EINTR || timeout <= 0) {
            return -1;
        }
    }
    return fcntl(fd, F_SETFL, flags);
}

/* Wait for a TCP connect() that is in progress. */
static int upstream_connect_finish(int fd, apr_interval_time_t timeout)
{
    struct pollfd pfd = {fd, POLLOUT, 0};
    int n = upstream_poll(&pfd, 1, timeout);
    int err = 0;
    socklen_t len = sizeof(err);

    if (n < 0) {
        return -1;
    }
    if (n == 0) {
        errno = ETIMEDOUT;
        return -1;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0) {
        return -1;
    }
    errno = err;
    return err ? -1 : 0;
}

static int upstream_connect(int fd, const pm_addr_t *addr,
                            apr_interval_time_t timeout)
{
    int one = 1;

    if (addr->sa.ss_family != AF_UNIX) {
        /* Nagle's algorithm would hold back the end of a long body. */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }
    if (connect(fd, (const struct sockaddr *)&addr->sa, addr->len) == 0) {
        return 0;
    }
    switch (errno) {
    case EAGAIN:
        return upstream_connect_queued(fd, addr, timeout);
    case EINPROGRESS:
    case EINTR:
        return upstream_connect_finish(fd, timeout);
    default:
        return -1;
    }
}

/* --- sending ------------------------------------------------------------ */

static void upstream_push(hpm_upstream_t *x, const void *data, apr_size_t len)
{
    x->iov[x->iov_n].iov_base = (void *)(apr_uintptr_t)data;
    x->iov[x->iov_n].iov_len = len;
    x->iov_n++;
}

static apr_status_t upstream_read_body(hpm_upstream_t *x)
{
    apr_status_t rv;

    rv = x->body->read(x->body->ctx, &x->piece, &x->piece_left);
    if (APR_STATUS_IS_EAGAIN(rv) && x->client->fd >= 0) {
        x->starved = 1;
        return APR_SUCCESS;
    }
    if (rv == APR_SUCCESS) {
        x->silent_since = 0;
        PM_ASSERT(x->piece_left > 0
                  && (apr_off_t)x->piece_left <= x->body_left);
        x->body_left -= (apr_off_t)x->piece_left;
    }
    return rv;
}

/* Make records of one piece of the body: it is valid only until the next is
 * read. */
static apr_status_t upstream_fill_batch(hpm_upstream_t *x)
{
    apr_status_t rv = APR_SUCCESS;
    apr_size_t len;
    int i;

    if (!x->piece_left && x->body_left) {
        rv = upstream_read_body(x);
    }
    for (i = 0; i < HPM_UPSTREAM_BATCH && x->piece_left; i++) {
        len = x->piece_left < PM_FCGI_MAX_LENGTH ? x->piece_left
                                                 : PM_FCGI_MAX_LENGTH;
        pm_codec_header(x->heads[i], PM_FCGI_STDIN, len);
        upstream_push(x, x->heads[i], PM_FCGI_HEADER_LEN);
        upstream_push(x, x->piece, len);
        x->piece += len;
        x->piece_left -= len;
    }
    if (rv == APR_SUCCESS && !x->piece_left && !x->body_left) {
        pm_codec_header(x->heads[i], PM_FCGI_STDIN, 0);
        upstream_push(x, x->heads[i], PM_FCGI_HEADER_LEN);
        x->ended = 1;
    }
    return rv;
}

static int upstream_wants_to_send(const hpm_upstream_t *x)
{
    return !x->unreading
           && (x->iov_at < x->iov_n || (!x->ended && !x->starved));
}

/* The kernel has taken n bytes of the batch. */
static void upstream_advance(hpm_upstream_t *x, apr_size_t n)
{
    while (n) {
        struct iovec *v = &x->iov[x->iov_at];

        if (n < v->iov_len) {
            v->iov_base = (char *)v->iov_base + n;
            v->iov_len -= n;
            return;
        }
        n -= v->iov_len;
        x->iov_at++;
    }
    if (x->iov_at == x->iov_n) {
        x->iov_at = x->iov_n = 0;
    }
}

static void upstream_send_batch(hpm_upstream_t *x)
{
    struct msghdr msg = {0};
    ssize_t n;

    msg.msg_iov = &x->iov[x->iov_at];
    msg.msg_iovlen = (size_t)(x->iov_n - x->iov_at);
    do {
        n = sendmsg(x->fd, &msg, MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);

    if (n >= 0) {
        x->silent_since = 0;
        upstream_advance(x, (apr_size_t)n);
        /* The kernel took less than all: the socket's buffer is full. */
        x->writable = x->iov_n == 0;
    }
    else if (errno == EAGAIN) {
        x->writable = 0;
    }
    else if (errno == EPIPE || errno == ECONNRESET) {
        /* The worker reads no more; it may have answered all the same. */
        x->unreading = 1;
        x->readable = 1;
    }
    else {
        upstream_end_errno(x, HPM_UPSTREAM_FAILED, "cannot write to the worker",
                           errno);
    }
}

/* One batch only: a long body must not keep the answer from being read. */
static void upstream_send(hpm_upstream_t *x)
{
    if (x->iov_n == 0 && upstream_fill_batch(x) != APR_SUCCESS) {
        upstream_end(x, HPM_UPSTREAM_BODY,
                     "the request's body could not be read");
        return;
    }
    if (x->iov_n) {
        upstream_send_batch(x);
    }
}

/* --- receiving ---------------------------------------------------------- */

static void upstream_end_cut(hpm_upstream_t *x, const char *why)
{
    upstream_end(x, x->begun ? HPM_UPSTREAM_CLOSED : HPM_UPSTREAM_CLOSED_EARLY,
                 why);
}

static void upstream_end_closed(hpm_upstream_t *x, int err)
{
    const char *where =
        !x->begun ? "the worker closed the connection before it answered"
        : pm_codec_parser_is_at_record(&x->parser)
            ? "the worker closed the connection without END_REQUEST"
            : "the worker closed the connection inside a record";

    if (err && err != ECONNRESET && err != EPIPE) {
        upstream_end_errno(x, HPM_UPSTREAM_FAILED,
                           "cannot read from the worker", err);
        return;
    }
    upstream_end_cut(x, where);
}

/* Who writes is asked for the first bytes, and for all where the connection is
 * kept.  @return 0: another than the worker, on a kept connection */
static int upstream_note_writer(hpm_upstream_t *x, pid_t writer)
{
    if (x->expected) {
        return writer == x->expected;
    }
    if (x->begun) {
        x->mixed |= writer != x->worker;
    }
    else {
        x->worker = writer;
    }
    return 1;
}

static void upstream_receive(hpm_upstream_t *x)
{
    apr_size_t size;
    char *buf = x->buffer->get(x->buffer->ctx, &size);
    int ask = x->named && (!x->begun || x->keep || x->expected);
    pid_t writer = 0;
    ssize_t n;

    do {
        n = ask ? pm_peer_pid_recv(x->fd, buf, size, &writer)
                : recv(x->fd, buf, size, 0);
    } while (n < 0 && errno == EINTR);

    if (n > 0 && ask && !upstream_note_writer(x, writer)) {
        upstream_end_cut(x,
                         "another process than the worker answered on a kept "
                         "connection");
    }
    else if (n > 0) {
        x->begun = 1;
        x->unread = 0;
        x->silent_since = 0;
        x->lingered = 0;
        x->in = buf;
        x->in_left = (apr_size_t)n;
    }
    else if (n < 0 && errno == EAGAIN) {
        x->readable = 0;
    }
    else {
        upstream_end_closed(x, n < 0 ? errno : 0);
    }
}

/* --- neither sending nor receiving is possible --------------------------- */

#ifndef POLLRDHUP
#define POLLRDHUP 0 /* a write to a client that has gone finds it out */
#endif

/* So long a worker that has said that it reads on may be busy otherwise; and
 * once more so long, as both may just have been stopped. */
#define UPSTREAM_UNREAD       apr_time_from_msec(50)
#define UPSTREAM_UNREAD_AGAIN apr_time_from_msec(10)

/* Is it the client that must send something next, or the worker? */
static int upstream_waits_for_body(const hpm_upstream_t *x)
{
    return x->starved && !x->unreading && !x->iov_n;
}

static void upstream_end_timeout(hpm_upstream_t *x)
{
    if (upstream_waits_for_body(x)) {
        upstream_end(x, HPM_UPSTREAM_BODY,
                     "the client does not send the rest of the "
                     "request's body");
        return;
    }
    upstream_end(x, HPM_UPSTREAM_TIMEOUT,
                 x->deadline && x->deadline <= pm_time_now()
                     ? "the request takes longer than FcgiPMRequestTimeout"
                 : x->begun ? "the worker fell silent inside its answer"
                 : upstream_wants_to_send(x)
                     ? "the worker neither reads the request nor answers it"
                     : "the worker does not answer");
}

/* How long poll() may wait.  The clock is read only when poll() can return
 * without a sign of life of the side that must send something next. */
static apr_interval_time_t upstream_timeout(hpm_upstream_t *x)
{
    apr_interval_time_t timeout =
        upstream_waits_for_body(x) ? x->client->timeout : x->timeout;
    int silence =
        x->client->want_room || x->starved || x->slow_at || x->silent_since;
    apr_time_t now = silence || x->deadline ? pm_time_now() : 0;
    apr_interval_time_t look;

    if (silence) {
        x->silent_since = x->silent_since ? x->silent_since : now;
        timeout = x->silent_since + timeout - now;
    }
    if (x->deadline && x->deadline - now < timeout) {
        timeout = x->deadline - now;
    }
    x->slow_next = x->slow_at && x->slow_at - now < timeout;
    timeout = x->slow_next ? x->slow_at - now : timeout;
    look = x->looked ? UPSTREAM_UNREAD_AGAIN : UPSTREAM_UNREAD;
    x->look_next = x->unread && look < timeout;
    return x->look_next ? look : timeout;
}

/* A worker that has promised to read on has not: another one is asked.  The
 * kernel knows; what was read of one message is not counted. */
static void upstream_look_unread(hpm_upstream_t *x)
{
    int unread = pm_sock_diag_unread(x->fd);

    if (unread < 0 || (apr_size_t)unread < x->unread) {
        x->unread = 0;
    }
    else if (!x->looked) {
        x->looked = 1;
    }
    else {
        x->ignored = 1;
        upstream_end(x, HPM_UPSTREAM_CLOSED_EARLY,
                     "the worker does not read on from a kept connection");
    }
}

/* Only what a client has sent whole is done without it. */
static int upstream_client_may_go(const hpm_upstream_t *x)
{
    return x->client->may_go && !x->body_left;
}

static void upstream_check_client(hpm_upstream_t *x, int revents)
{
    int ended = revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL);

    if (ended && !upstream_client_may_go(x)) {
        upstream_end(x, HPM_UPSTREAM_GONE, "the client has gone");
        return;
    }
    /* Reading and writing tell what an end is. */
    if (ended || revents & POLLIN) {
        x->starved = 0;
    }
    x->room = x->client->want_room && (ended || revents & POLLOUT);
}

/* A stream of HTTP/2 has no descriptor that tells when it is reset, mod_http2
 * only marks its connection, or when it has room: that is looked at. */
static int upstream_poll_blind(hpm_upstream_t *x, struct pollfd *pfd,
                               apr_interval_time_t timeout)
{
    const hpm_upstream_client_t *client = x->client;
    apr_interval_time_t piece;
    int n = 0;

    for (; n == 0 && timeout > 0 && !x->room; timeout -= piece) {
        piece = pm_time_min(timeout, HPM_GONE_LOOK);
        n = upstream_poll(pfd, 1, piece);
        if (n == 0 && !upstream_client_may_go(x)
            && client->gone.has_gone(client->gone.ctx)) {
            upstream_end(x, HPM_UPSTREAM_GONE, "the client has gone");
            return 0;
        }
        x->room = n == 0 && client->want_room;
    }
    return n;
}

static int upstream_poll_both(hpm_upstream_t *x, struct pollfd *pfd,
                              apr_interval_time_t timeout)
{
    const hpm_upstream_client_t *client = x->client;

    if (client->gone.has_gone && client->fd < 0
        && (client->want_room || !upstream_client_may_go(x))) {
        return upstream_poll_blind(x, pfd, timeout);
    }
    return timeout > 0 ? upstream_poll(pfd, pfd[1].fd < 0 ? 1 : 2, timeout) : 0;
}

static void upstream_wait(hpm_upstream_t *x)
{
    short awaited = (short)((upstream_client_may_go(x) ? 0 : POLLRDHUP)
                            | (x->client->want_room ? POLLOUT : 0)
                            | (upstream_waits_for_body(x) ? POLLIN : 0));
    struct pollfd pfd[2] = {
        {x->fd, (short)(POLLIN | (upstream_wants_to_send(x) ? POLLOUT : 0)), 0},
        /* POLLHUP and POLLERR come unasked: -1 for nothing at all */
        {awaited ? x->client->fd : -1, awaited, 0}};
    int n = upstream_poll_both(x, pfd, upstream_timeout(x));

    if (x->outcome != HPM_UPSTREAM_OPEN || x->room) {
        return;
    }
    if (n < 0) {
        upstream_end_errno(x, HPM_UPSTREAM_FAILED, "cannot wait for the worker",
                           errno);
    }
    else if (n == 0 && x->look_next) {
        upstream_look_unread(x);
    }
    else if (n == 0 && x->slow_next) {
        x->slow_at = 0;
        x->slow = 1;
    }
    else if (n == 0) {
        upstream_end_timeout(x);
    }
    else {
        /* recv() tells what an error or a hangup is. */
        x->readable = (pfd[0].revents & ~POLLOUT) != 0;
        if (pfd[0].events & POLLOUT) {
            x->writable = (pfd[0].revents & POLLOUT) != 0;
        }
        upstream_check_client(x, pfd[1].revents);
    }
}

/* --- many small pieces --------------------------------------------------- */

/* A pause is reported at most once in this time, as long as the worker goes
 * on writing: what the client gets then costs more than the exchange. */
#define UPSTREAM_PIECES apr_time_from_msec(1)

/* What the worker writes in this time is taken together. */
#define UPSTREAM_LINGER_NS 200000L

/* Has the worker been given a moment to write more? */
static int upstream_linger(hpm_upstream_t *x)
{
    struct timespec moment = {0, UPSTREAM_LINGER_NS};
    apr_time_t now = pm_time_now();

    if (x->lingered || now - x->paused >= UPSTREAM_PIECES) {
        x->paused = now;
        return 0;
    }
    (void)nanosleep(&moment, NULL); /* a signal only shortens it */
    x->lingered = x->readable = 1;
    return 1;
}

/* --- the answer --------------------------------------------------------- */

static void upstream_end_request(hpm_upstream_t *x)
{
    static const struct {
        hpm_upstream_outcome_t outcome;
        const char *why;
    } ends[] = {
        [PM_FCGI_CANT_MPX_CONN] = {HPM_UPSTREAM_REFUSED,
                                   "the worker refused: FCGI_CANT_MPX_CONN"},
        [PM_FCGI_OVERLOADED] = {HPM_UPSTREAM_OVERLOADED,
                                "the worker refused: FCGI_OVERLOADED"},
        [PM_FCGI_UNKNOWN_ROLE] = {HPM_UPSTREAM_REFUSED,
                                  "the worker refused: FCGI_UNKNOWN_ROLE"},
    };
    unsigned int status = x->parser.protocol_status;

    if (status == PM_FCGI_REQUEST_COMPLETE) {
        x->outcome = HPM_UPSTREAM_COMPLETE;
        return;
    }
    if (status < sizeof(ends) / sizeof(ends[0])) {
        upstream_end(x, ends[status].outcome, ends[status].why);
        return;
    }
    x->outcome = HPM_UPSTREAM_BROKEN;
    pm_fail(&x->why, APR_EGENERAL,
            "the worker sent END_REQUEST with the unknown protocol status %u",
            status);
}

/* Parse what was received.  @return an event, or PAUSE: no bytes are left */
static hpm_upstream_event_t upstream_parse(hpm_upstream_t *x)
{
    switch (pm_codec_parser_next(&x->parser, &x->in, &x->in_left)) {
    case PM_CODEC_EVENT_STDOUT:
        return HPM_UPSTREAM_EVENT_STDOUT;
    case PM_CODEC_EVENT_STDERR:
        return HPM_UPSTREAM_EVENT_STDERR;
    case PM_CODEC_EVENT_END:
        upstream_end_request(x);
        return HPM_UPSTREAM_EVENT_OVER;
    case PM_CODEC_EVENT_ERROR:
        x->outcome = HPM_UPSTREAM_BROKEN;
        pm_fail(&x->why, APR_EGENERAL, "the worker sent %s", x->parser.reason);
        return HPM_UPSTREAM_EVENT_OVER;
    case PM_CODEC_EVENT_MORE:
        break;
    }
    return HPM_UPSTREAM_EVENT_PAUSE;
}

hpm_upstream_event_t hpm_upstream_next(hpm_upstream_t *x)
{
    hpm_upstream_event_t ev;

    while (x->outcome == HPM_UPSTREAM_OPEN) {
        if (x->in_left) {
            ev = upstream_parse(x);
            if (ev != HPM_UPSTREAM_EVENT_PAUSE) {
                x->handed = 1;
                return ev;
            }
        }
        if (x->room) {
            x->room = 0;
            /* one that cannot be asked may block for long: look before it is
             * found that the worker is silent */
            x->readable |= x->client->fd < 0;
            return HPM_UPSTREAM_EVENT_ROOM;
        }
        if (x->slow) {
            x->slow = 0;
            return HPM_UPSTREAM_EVENT_SLOW;
        }
        if (x->readable) {
            upstream_receive(x);
        }
        else if (x->writable && upstream_wants_to_send(x)) {
            upstream_send(x);
        }
        else if (!x->handed) {
            upstream_wait(x);
        }
        else if (!upstream_linger(x)) {
            x->handed = 0;
            return HPM_UPSTREAM_EVENT_PAUSE;
        }
    }
    return HPM_UPSTREAM_EVENT_OVER;
}

/* --- from beginning to end ---------------------------------------------- */

static const hpm_upstream_client_t upstream_no_client = {.fd = -1};

void hpm_upstream_watch(hpm_upstream_t *x, const hpm_upstream_client_t *client)
{
    x->client = client;
}

void hpm_upstream_init(hpm_upstream_t *x, apr_interval_time_t timeout,
                       const hpm_upstream_reader_t *body,
                       const hpm_upstream_buffer_t *buffer)
{
    pm_codec_parser_init(&x->parser);
    x->outcome = HPM_UPSTREAM_OPEN;
    x->why.text[0] = '\0';
    x->begun = x->ignored = 0;
    x->worker = x->expected = 0;
    x->fd = -1;
    x->timeout = timeout;
    x->body = body;
    x->buffer = buffer;
    x->client = &upstream_no_client;
    x->in = NULL;
    x->in_left = 0;
    x->readable = x->writable = x->unreading = x->handed = x->ended = 0;
    x->starved = x->room = x->named = 0;
    x->keep = 0;
    x->slow = x->slow_next = x->look_next = x->lingered = 0;
    x->looked = x->mixed = 0;
    x->unread = 0;
    x->silent_since = x->paused = 0;
    x->deadline = x->slow_at = 0;
    x->piece = NULL;
    x->piece_left = 0;
    x->body_left = body->length;
    x->iov_at = x->iov_n = 0;
}

static hpm_upstream_outcome_t upstream_begin(hpm_upstream_t *x,
                                             const void *head,
                                             apr_size_t head_len)
{
    upstream_push(x, head, head_len);
    if (upstream_fill_batch(x) != APR_SUCCESS) {
        return upstream_end(x, HPM_UPSTREAM_BODY,
                            "the request's body could not be read");
    }
    upstream_send_batch(x);
    return x->outcome;
}

hpm_upstream_outcome_t hpm_upstream_open(hpm_upstream_t *x,
                                         const pm_addr_t *addr,
                                         apr_interval_time_t connect_timeout,
                                         const void *head, apr_size_t head_len)
{
    x->fd = socket(addr->sa.ss_family,
                   SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (x->fd < 0) {
        return upstream_end_errno(x, HPM_UPSTREAM_FAILED,
                                  "cannot make a socket", errno);
    }
    x->named = addr->sa.ss_family == AF_UNIX && pm_peer_pid_enable(x->fd);
    /* connect() wakes a worker, which reads its request next.  Do nothing
     * between connect() and sendmsg(): a worker that finds no request yet
     * goes to sleep once more, and that is another switch of processes. */
    if (upstream_connect(x->fd, addr, connect_timeout) < 0) {
        return errno == EAGAIN || errno == EINTR || errno == ETIMEDOUT
                   ? upstream_end(
                       x, HPM_UPSTREAM_UNREACHABLE,
                       "the pool's socket accepted no connection in time")
                   : upstream_end_errno(x, HPM_UPSTREAM_UNREACHABLE,
                                        "cannot connect to the pool's socket",
                                        errno);
    }
    return upstream_begin(x, head, head_len);
}

/* A worker that says more than was asked for would give the next request the
 * answer of another. */
static int upstream_is_silent(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

/* Nothing was sent: all that was prepared is prepared anew. */
static void upstream_forget_batch(hpm_upstream_t *x)
{
    x->fd = -1;
    x->outcome = HPM_UPSTREAM_OPEN;
    x->unreading = x->readable = x->ended = 0;
    x->iov_n = 0;
}

int hpm_upstream_reuse(hpm_upstream_t *x, int fd, pid_t worker,
                       const void *head, apr_size_t head_len)
{
    PM_ASSERT(!x->body_left);
    if (upstream_is_silent(fd)) {
        x->fd = fd;
        x->named = 1;
        if (upstream_begin(x, head, head_len) == HPM_UPSTREAM_OPEN
            && !x->unreading) {
            x->expected = x->worker = worker;
            x->unread = x->iov_n ? 0 : head_len + PM_FCGI_HEADER_LEN;
            return 1;
        }
        upstream_forget_batch(x);
    }
    (void)close(fd);
    return 0;
}

int hpm_upstream_detach(hpm_upstream_t *x)
{
    int fd = x->fd;

    if (x->outcome != HPM_UPSTREAM_COMPLETE || !x->keep || !x->parser.reads_on
        || x->in_left || x->iov_n || !x->ended || x->unreading || x->mixed
        || !x->worker) {
        return -1;
    }
    x->fd = -1;
    return fd;
}

int hpm_upstream_fd(const hpm_upstream_t *x)
{
    return x->fd;
}

void hpm_upstream_close(hpm_upstream_t *x)
{
    unsigned char abort_head[PM_FCGI_HEADER_LEN];

    if (x->fd < 0) {
        return;
    }
    /* Inside a record the worker would take it for content. */
    if ((x->outcome == HPM_UPSTREAM_OPEN || x->outcome == HPM_UPSTREAM_TIMEOUT
         || x->outcome == HPM_UPSTREAM_BODY || x->outcome == HPM_UPSTREAM_GONE)
        && x->iov_n == 0 && !x->unreading) {
        pm_codec_header(abort_head, PM_FCGI_ABORT_REQUEST, 0);
        (void)send(x->fd, abort_head, sizeof(abort_head),
                   MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    close(x->fd);
    x->fd = -1;
}
