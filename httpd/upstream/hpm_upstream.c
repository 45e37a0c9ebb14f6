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
#include <unistd.h>

#include "pm_core/os/pm_peer_pid.h"

static hpm_outcome_t end(hpm_upstream_t *x, hpm_outcome_t outcome,
                         const char *why)
{
    x->outcome = outcome;
    pm_fail(&x->why, APR_EGENERAL, "%s", why);
    return outcome;
}

static hpm_outcome_t end_errno(hpm_upstream_t *x, hpm_outcome_t outcome,
                               const char *why, int err)
{
    x->outcome = outcome;
    pm_fail_os(&x->why, APR_FROM_OS_ERROR(err), "%s", why);
    return outcome;
}

/* --- waiting ------------------------------------------------------------ */

/* poll(), not disturbed by signals.  @return how many are ready, 0 when time
 * is up, -1 with errno */
static int wait_for(struct pollfd *pfd, nfds_t count,
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
        /* The clock is looked at only when a signal came. */
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

/* A unix socket whose backlog is full does not connect "in progress": a
 * non-blocking connect() fails with EAGAIN, and poll() knows nothing of it.
 * A blocking one waits in the kernel's queue, SO_SNDTIMEO bounds it
 * (unix(7), socket(7)). */
static int connect_queued(int fd, const pm_addr_t *addr,
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

/* A TCP connect() that is under way. */
static int connect_finish(int fd, apr_interval_time_t timeout)
{
    struct pollfd pfd = {fd, POLLOUT, 0};
    int n = wait_for(&pfd, 1, timeout);
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

static int connect_to(int fd, const pm_addr_t *addr,
                      apr_interval_time_t timeout)
{
    int one = 1;

    if (addr->sa.ss_family != AF_UNIX) {
        /* The end of a long body is a packet of its own. */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }
    if (connect(fd, (const struct sockaddr *)&addr->sa, addr->len) == 0) {
        return 0;
    }
    switch (errno) {
    case EAGAIN:
        return connect_queued(fd, addr, timeout);
    case EINPROGRESS:
    case EINTR:
        return connect_finish(fd, timeout);
    default:
        return -1;
    }
}

/* --- sending ------------------------------------------------------------ */

static void push(hpm_upstream_t *x, const void *data, apr_size_t len)
{
    x->iov[x->iov_n].iov_base = (void *)(apr_uintptr_t)data;
    x->iov[x->iov_n].iov_len = len;
    x->iov_n++;
}

static apr_status_t next_piece(hpm_upstream_t *x)
{
    apr_status_t rv;

    rv = x->body->next(x->body->ctx, &x->piece, &x->piece_left);
    if (APR_STATUS_IS_EAGAIN(rv) && x->watch->fd >= 0) {
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

/* Make records of what the source has at hand: of one piece, since a piece
 * is valid only until the next is asked for. */
static apr_status_t fill_batch(hpm_upstream_t *x)
{
    apr_status_t rv = APR_SUCCESS;
    apr_size_t len;
    int i;

    if (!x->piece_left && x->body_left) {
        rv = next_piece(x);
    }
    for (i = 0; i < HPM_BATCH && x->piece_left; i++) {
        len = x->piece_left < HPM_CONTENT_MAX ? x->piece_left : HPM_CONTENT_MAX;
        hpm_codec_header(x->heads[i], HPM_STDIN, len);
        push(x, x->heads[i], HPM_HEADER_LEN);
        push(x, x->piece, len);
        x->piece += len;
        x->piece_left -= len;
    }
    if (rv == APR_SUCCESS && !x->piece_left && !x->body_left) {
        hpm_codec_header(x->heads[i], HPM_STDIN, 0);
        push(x, x->heads[i], HPM_HEADER_LEN);
        x->ended = 1;
    }
    return rv;
}

static int wants_to_send(const hpm_upstream_t *x)
{
    return !x->unreading
           && (x->iov_at < x->iov_n || (!x->ended && !x->starved));
}

/* n bytes of the batch are gone. */
static void advance(hpm_upstream_t *x, apr_size_t n)
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

static void send_batch(hpm_upstream_t *x)
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
        advance(x, (apr_size_t)n);
        /* Less than all was taken: there is no room. */
        x->writable = x->iov_n == 0;
    }
    else if (errno == EAGAIN) {
        x->writable = 0;
    }
    else if (errno == EPIPE || errno == ECONNRESET) {
        /* It reads no more; it may have answered all the same. */
        x->unreading = 1;
        x->readable = 1;
    }
    else {
        end_errno(x, HPM_UPSTREAM_FAILED, "cannot write to the worker", errno);
    }
}

/* One step of writing, so that reading gets its turn in a long body. */
static void send_some(hpm_upstream_t *x)
{
    if (x->iov_n == 0) {
        x->body_status = fill_batch(x);
        if (x->body_status != APR_SUCCESS) {
            end(x, HPM_UPSTREAM_BODY, "the request's body could not be read");
            return;
        }
    }
    if (x->iov_n) {
        send_batch(x);
    }
}

/* --- receiving ---------------------------------------------------------- */

static void closed(hpm_upstream_t *x, int err)
{
    const char *where =
        !x->begun ? "the worker closed the connection before it answered"
        : hpm_codec_parser_at_record(&x->parser)
            ? "the worker closed the connection without END_REQUEST"
            : "the worker closed the connection inside a record";

    if (err && err != ECONNRESET && err != EPIPE) {
        end_errno(x, HPM_UPSTREAM_FAILED, "cannot read from the worker", err);
        return;
    }
    end(x, x->begun ? HPM_UPSTREAM_CLOSED : HPM_UPSTREAM_CLOSED_EARLY, where);
}

static void receive(hpm_upstream_t *x)
{
    apr_size_t size;
    char *buf = x->buffer->get(x->buffer->ctx, &size);
    ssize_t n;

    do {
        n = x->named && !x->begun
                ? pm_peer_pid_recv(x->fd, buf, size, &x->worker)
                : recv(x->fd, buf, size, 0);
    } while (n < 0 && errno == EINTR);

    if (n > 0) {
        x->begun = 1;
        x->silent_since = 0;
        x->in = buf;
        x->in_left = (apr_size_t)n;
    }
    else if (n < 0 && errno == EAGAIN) {
        x->readable = 0;
    }
    else {
        closed(x, n < 0 ? errno : 0);
    }
}

/* --- nothing can be done -------------------------------------------------- */

#ifndef POLLRDHUP
#define POLLRDHUP 0 /* a client that goes is known when it is written to */
#endif

/* What is waited for: more of the body, or the worker. */
static int waits_for_body(const hpm_upstream_t *x)
{
    return x->starved && !x->unreading && !x->iov_n;
}

static void timed_out(hpm_upstream_t *x)
{
    if (waits_for_body(x)) {
        x->body_status = APR_TIMEUP;
        end(x, HPM_UPSTREAM_BODY,
            "the client does not send the rest of the "
            "request's body");
        return;
    }
    end(x, HPM_UPSTREAM_TIMEOUT,
        x->deadline && x->deadline <= pm_time_now()
            ? "the request takes longer than FcgiPMRequestTimeout"
        : x->begun ? "the worker fell silent inside its answer"
        : wants_to_send(x)
            ? "the worker neither reads the request nor answers it"
            : "the worker does not answer");
}

/* The clock is looked at only when what wakes us may be no sign of life of
 * who is waited for. */
static apr_interval_time_t patience(hpm_upstream_t *x)
{
    apr_interval_time_t timeout =
        waits_for_body(x) ? x->watch->timeout : x->timeout;
    int silence = x->watch->out || x->starved || x->slow_at || x->silent_since;
    apr_time_t now = silence || x->deadline ? pm_time_now() : 0;

    if (silence) {
        x->silent_since = x->silent_since ? x->silent_since : now;
        timeout = x->silent_since + timeout - now;
    }
    if (x->deadline && x->deadline - now < timeout) {
        timeout = x->deadline - now;
    }
    x->slow_next = x->slow_at && x->slow_at - now < timeout;
    return x->slow_next ? x->slow_at - now : timeout;
}

static void look_at_client(hpm_upstream_t *x, int revents)
{
    if (revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL)) {
        end(x, HPM_UPSTREAM_GONE, "the client has gone");
        return;
    }
    if (revents & POLLIN) {
        x->starved = 0;
    }
    x->room = (revents & POLLOUT) != 0;
}

/* Neither recv() nor sendmsg() is worth a try. */
static void wait_ready(hpm_upstream_t *x)
{
    struct pollfd pfd[2] = {
        {x->fd, (short)(POLLIN | (wants_to_send(x) ? POLLOUT : 0)), 0},
        {x->watch->fd,
         (short)(POLLRDHUP | (x->watch->out ? POLLOUT : 0)
                 | (waits_for_body(x) ? POLLIN : 0)),
         0}};
    apr_interval_time_t timeout = patience(x);
    int n = timeout > 0 ? wait_for(pfd, x->watch->fd < 0 ? 1 : 2, timeout) : 0;

    if (n < 0) {
        end_errno(x, HPM_UPSTREAM_FAILED, "cannot wait for the worker", errno);
    }
    else if (n == 0 && x->slow_next) {
        x->slow_at = 0;
        x->slow = 1;
    }
    else if (n == 0) {
        timed_out(x);
    }
    else {
        /* An error or a hangup is for recv() to find. */
        x->readable = (pfd[0].revents & ~POLLOUT) != 0;
        if (pfd[0].events & POLLOUT) {
            x->writable = (pfd[0].revents & POLLOUT) != 0;
        }
        look_at_client(x, pfd[1].revents);
    }
}

/* --- the answer --------------------------------------------------------- */

static void over(hpm_upstream_t *x)
{
    static const struct {
        hpm_outcome_t outcome;
        const char *why;
    } ends[] = {
        [HPM_REQUEST_COMPLETE] = {HPM_UPSTREAM_COMPLETE, "complete"},
        [HPM_CANT_MPX_CONN] = {HPM_UPSTREAM_REFUSED,
                               "the worker refused: FCGI_CANT_MPX_CONN"},
        [HPM_OVERLOADED] = {HPM_UPSTREAM_OVERLOADED,
                            "the worker refused: FCGI_OVERLOADED"},
        [HPM_UNKNOWN_ROLE] = {HPM_UPSTREAM_REFUSED,
                              "the worker refused: FCGI_UNKNOWN_ROLE"},
    };
    unsigned int status = x->parser.protocol_status;

    if (status < sizeof(ends) / sizeof(ends[0])) {
        end(x, ends[status].outcome, ends[status].why);
        return;
    }
    x->outcome = HPM_UPSTREAM_BROKEN;
    pm_fail(&x->why, APR_EGENERAL,
            "the worker sent END_REQUEST with the unknown protocol status %u",
            status);
}

/* What has been received. @return an event, or PAUSE: there is none left */
static hpm_xevent_t parse(hpm_upstream_t *x)
{
    switch (hpm_codec_parser_next(&x->parser, &x->in, &x->in_left)) {
    case HPM_CODEC_EVENT_STDOUT:
        return HPM_UPSTREAM_EVENT_STDOUT;
    case HPM_CODEC_EVENT_STDERR:
        return HPM_UPSTREAM_EVENT_STDERR;
    case HPM_CODEC_EVENT_END:
        over(x);
        return HPM_UPSTREAM_EVENT_OVER;
    case HPM_CODEC_EVENT_ERROR:
        x->outcome = HPM_UPSTREAM_BROKEN;
        pm_fail(&x->why, APR_EGENERAL, "the worker sent %s", x->parser.reason);
        return HPM_UPSTREAM_EVENT_OVER;
    case HPM_CODEC_EVENT_MORE:
        break;
    }
    return HPM_UPSTREAM_EVENT_PAUSE;
}

hpm_xevent_t hpm_upstream_next(hpm_upstream_t *x)
{
    hpm_xevent_t ev;

    while (x->outcome == HPM_UPSTREAM_OPEN) {
        if (x->in_left) {
            ev = parse(x);
            if (ev != HPM_UPSTREAM_EVENT_PAUSE) {
                x->handed = 1;
                return ev;
            }
        }
        if (x->room) {
            x->room = 0;
            return HPM_UPSTREAM_EVENT_ROOM;
        }
        if (x->slow) {
            x->slow = 0;
            return HPM_UPSTREAM_EVENT_SLOW;
        }
        if (x->readable) {
            receive(x);
        }
        else if (x->writable && wants_to_send(x)) {
            send_some(x);
        }
        else if (x->handed) {
            x->handed = 0;
            return HPM_UPSTREAM_EVENT_PAUSE;
        }
        else {
            wait_ready(x);
        }
    }
    return HPM_UPSTREAM_EVENT_OVER;
}

/* --- from beginning to end ---------------------------------------------- */

static const hpm_watch_t nobody = {-1, 0, 0};

void hpm_upstream_watch(hpm_upstream_t *x, const hpm_watch_t *watch)
{
    x->watch = watch;
}

void hpm_upstream_init(hpm_upstream_t *x, apr_interval_time_t timeout,
                       const hpm_source_t *body, const hpm_buffer_t *buffer)
{
    hpm_codec_parser_init(&x->parser);
    x->outcome = HPM_UPSTREAM_OPEN;
    x->why.text[0] = '\0';
    x->begun = 0;
    x->worker = 0;
    x->body_status = APR_SUCCESS;
    x->fd = -1;
    x->timeout = timeout;
    x->body = body;
    x->buffer = buffer;
    x->watch = &nobody;
    x->in = NULL;
    x->in_left = 0;
    x->readable = x->writable = x->unreading = x->handed = x->ended = 0;
    x->starved = x->room = x->named = 0;
    x->slow = x->slow_next = 0;
    x->silent_since = 0;
    x->deadline = x->slow_at = 0;
    x->piece = NULL;
    x->piece_left = 0;
    x->body_left = body->length;
    x->iov_at = x->iov_n = 0;
}

hpm_outcome_t hpm_upstream_open(hpm_upstream_t *x, const pm_addr_t *addr,
                                apr_interval_time_t connect_timeout,
                                const void *head, apr_size_t head_len)
{
    x->fd = socket(addr->sa.ss_family,
                   SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (x->fd < 0) {
        return end_errno(x, HPM_UPSTREAM_FAILED, "cannot make a socket", errno);
    }
    x->named = addr->sa.ss_family == AF_UNIX && pm_peer_pid_enable(x->fd);
    /* connect() wakes a worker: what it waits for next has to be there soon,
     * or it goes to sleep once more */
    if (connect_to(x->fd, addr, connect_timeout) < 0) {
        return errno == EAGAIN || errno == EINTR || errno == ETIMEDOUT
                   ? end(x, HPM_UPSTREAM_UNREACHABLE,
                         "the pool's socket accepted no connection in time")
                   : end_errno(x, HPM_UPSTREAM_UNREACHABLE,
                               "cannot connect to the pool's socket", errno);
    }
    push(x, head, head_len);
    x->body_status = fill_batch(x);
    if (x->body_status != APR_SUCCESS) {
        return end(x, HPM_UPSTREAM_BODY,
                   "the request's body could not be read");
    }
    send_batch(x);
    return x->outcome;
}

void hpm_upstream_close(hpm_upstream_t *x)
{
    unsigned char abort_head[HPM_HEADER_LEN];

    if (x->fd < 0) {
        return;
    }
    /* Only between two records, else it would be taken for content. */
    if ((x->outcome == HPM_UPSTREAM_OPEN || x->outcome == HPM_UPSTREAM_TIMEOUT
         || x->outcome == HPM_UPSTREAM_BODY || x->outcome == HPM_UPSTREAM_GONE)
        && x->iov_n == 0 && !x->unreading) {
        hpm_codec_header(abort_head, HPM_ABORT_REQUEST, 0);
        (void)send(x->fd, abort_head, sizeof(abort_head),
                   MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    close(x->fd);
    x->fd = -1;
}
