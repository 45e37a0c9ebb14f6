/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_ask.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apr_strings.h"
#include "pm_listen.h"

typedef struct question {
    int fd;
    apr_time_t until;
    apr_size_t most;
    apr_pool_t *p;
    pm_reason_t *why;
    char *text;               /* the answer so far */
    apr_size_t len, size;
} question_t;

static int silent(question_t *q)
{
    pm_fail(q->why, APR_TIMEUP, "no answer in time");
    return 0;
}

static int failed(question_t *q)
{
    pm_fail_os(q->why, APR_FROM_OS_ERROR(errno), "it cannot be asked");
    return 0;
}

static int wait_for(question_t *q, short events)
{
    struct pollfd pfd = {q->fd, events, 0};
    apr_time_t left;
    int n;

    do {
        left = q->until - pm_time_now();
        n = left > 0 ? poll(&pfd, 1, (int)((left + 999) / 1000)) : 0;
    } while (n < 0 && errno == EINTR);
    return n > 0 ? 1 : n == 0 ? silent(q) : failed(q);
}

static int reach(question_t *q, const char *path)
{
    pm_addr_t addr;
    int rc;

    if (pm_listen_parse(apr_pstrcat(q->p, "unix:", path, NULL), &addr, q->why)
        != APR_SUCCESS) {
        return 0;
    }
    q->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (q->fd < 0) {
        return failed(q);
    }
    do {
        rc = connect(q->fd, (const struct sockaddr *)&addr.sa, addr.len);
    } while (rc < 0 && errno == EINTR);
    if (rc < 0 && errno == EAGAIN) {
        return silent(q);   /* it accepts nobody */
    }
    return rc == 0 ? 1 : failed(q);
}

/* A line is short: it goes at once, or something is wrong. */
static int say(question_t *q, const char *line)
{
    const char *text = apr_pstrcat(q->p, line, "\n", NULL);

    return send(q->fd, text, strlen(text), MSG_NOSIGNAL)
                   == (ssize_t)strlen(text)
               ? 1 : failed(q);
}

/* Room for more.  What was there before stays behind in the pool, together
 * as much as the last. */
static int grow(question_t *q)
{
    apr_size_t size = q->size ? q->size * 2 : 8192;
    char *text;

    if (q->size > q->most) {
        pm_fail(q->why, APR_EGENERAL, "its answer is longer than %" APR_SIZE_T_FMT
                " bytes", q->most);
        return 0;
    }
    text = apr_palloc(q->p, size);
    if (q->len) {
        memcpy(text, q->text, q->len);
    }
    q->text = text;
    q->size = size;
    return 1;
}

/* @return 1: the answer is whole, 0: no, -1: there is more to come */
static int take(question_t *q)
{
    ssize_t n = recv(q->fd, q->text + q->len, q->size - q->len, 0);
    char *end;

    if (n < 0) {
        return errno == EINTR || errno == EAGAIN ? -1 : failed(q);
    }
    if (n == 0) {
        pm_fail(q->why, APR_EOF, "it has closed the connection");
        return 0;
    }
    end = memchr(q->text + q->len, '\n', (size_t)n);
    q->len += (apr_size_t)n;
    if (!end) {
        return -1;
    }
    *end = '\0';
    return 1;
}

static int hear(question_t *q)
{
    int whole = -1;

    while (whole < 0) {
        if ((q->len == q->size && !grow(q)) || !wait_for(q, POLLIN)) {
            return 0;
        }
        whole = take(q);
    }
    return whole;
}

char *pm_ask(const char *path, const char *line, apr_size_t most,
             apr_interval_time_t timeout, apr_pool_t *p, pm_reason_t *why)
{
    question_t q = {-1, pm_time_now() + timeout, most, p, why, NULL, 0, 0};
    int good = reach(&q, path) && say(&q, line) && hear(&q);

    if (q.fd >= 0) {
        close(q.fd);
    }
    return good ? q.text : NULL;
}
