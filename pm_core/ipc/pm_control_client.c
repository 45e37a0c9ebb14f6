/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/ipc/pm_control_client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

#include "apr_strings.h"
#include "pm_core/os/pm_listen.h"

/* A line longer than this is an error: the status of all pools there can be,
 * with some thousand workers, is shorter. */
#define LINE_MOST ((apr_size_t)64 << 20)

/* connect(2) waits while the queue of the listening socket is full; its timeout
 * is that of sending. */
static apr_status_t client_connect(int fd, const pm_addr_t *addr,
                                   apr_time_t until)
{
    int rc;

    do {
        apr_time_t left = until - pm_time_now();
        struct timeval tv = {(time_t)apr_time_sec(left),
                             (suseconds_t)apr_time_usec(left)};

        if (left <= 0) {
            return APR_TIMEUP;
        }
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
        rc = connect(fd, (const struct sockaddr *)&addr->sa, addr->len);
    } while (rc && errno == EINTR);
    return rc == 0 ? APR_SUCCESS : errno == EAGAIN ? APR_TIMEUP : errno;
}

apr_status_t pm_control_client_open(pm_control_client_t *a, const char *path,
                                    apr_time_t until, apr_pool_t *p,
                                    pm_reason_t *why)
{
    pm_addr_t addr;
    apr_status_t rv;

    memset(a, 0, sizeof(*a));
    a->fd = -1;
    a->p = p;
    rv = pm_listen_parse(apr_pstrcat(p, "unix:", path, NULL), &addr, why);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    a->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    rv = a->fd < 0 ? errno : client_connect(a->fd, &addr, until);
    if (rv != APR_SUCCESS) {
        pm_control_client_close(a);
        return pm_fail_os(why, rv, "cannot reach the manager at %s", path);
    }
    return APR_SUCCESS;
}

void pm_control_client_close(pm_control_client_t *a)
{
    if (a->fd >= 0) {
        close(a->fd);
        a->fd = -1;
    }
}

/* A line is short: it is sent at once, or something is wrong. */
apr_status_t pm_control_client_send(pm_control_client_t *a, const char *line,
                                    pm_reason_t *why)
{
    struct iovec part[2] = {{(void *)(apr_uintptr_t)line, strlen(line)},
                            {(void *)(apr_uintptr_t) "\n", 1}};
    struct msghdr msg = {.msg_iov = part, .msg_iovlen = 2};
    ssize_t n = sendmsg(a->fd, &msg, MSG_NOSIGNAL);

    if (n != (ssize_t)part[0].iov_len + 1) {
        return pm_fail_os(why, n < 0 ? errno : EAGAIN,
                          "cannot ask the manager");
    }
    return APR_SUCCESS;
}

/* Makes room for more bytes.  The former buffers stay in the pool; as each is
 * twice as long as the one before, together they are not longer than the last.
 * @return 0: the line is too long */
static int client_grow(pm_control_client_t *a)
{
    apr_size_t size = a->size ? a->size * 2 : 8192;
    char *text;

    if (a->len < a->size) {
        return 1;
    }
    if (size > LINE_MOST) {
        return 0;
    }
    text = apr_palloc(a->p, size);
    if (a->len) {
        memcpy(text, a->text, a->len);
    }
    a->text = text;
    a->size = size;
    return 1;
}

/* Waits once, and appends what has come: some bytes or none. */
static apr_status_t client_read(pm_control_client_t *a, apr_time_t until,
                                pm_reason_t *why)
{
    struct pollfd pfd = {a->fd, POLLIN, 0};
    apr_time_t left = until - pm_time_now();
    ssize_t n;

    if (!client_grow(a)) {
        return pm_fail(why, APR_EGENERAL, "the manager's answer is too long");
    }
    if (left <= 0) {
        return pm_fail(why, APR_TIMEUP, "the manager has not answered in time");
    }
    n = poll(&pfd, 1, until == PM_TIME_NEVER ? -1 : (int)(left / 1000 + 1));
    if (n > 0) {
        n = recv(a->fd, a->text + a->len, a->size - a->len, MSG_DONTWAIT);
        if (n == 0) {
            return pm_fail(why, APR_EOF, "the manager closed the connection");
        }
    }
    if (n < 0 && errno != EINTR && errno != EAGAIN) {
        return pm_fail_os(why, errno, "cannot read the manager's answer");
    }
    a->len += n > 0 ? (apr_size_t)n : 0;
    return APR_SUCCESS;
}

apr_status_t pm_control_client_receive(pm_control_client_t *a, apr_time_t until,
                                       char **line, pm_reason_t *why)
{
    apr_size_t seen = 0;
    apr_status_t rv;
    char *end;

    if (a->used) {
        a->len -= a->used;
        memmove(a->text, a->text + a->used, a->len);
        a->used = 0;
    }
    while (!(end = a->len > seen ? memchr(a->text + seen, '\n', a->len - seen)
                                 : NULL)) {
        seen = a->len;
        rv = client_read(a, until, why);
        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    *end = '\0';
    a->used = (apr_size_t)(end + 1 - a->text);
    *line = a->text;
    return APR_SUCCESS;
}

apr_status_t pm_control_client_ask(const char *path, const char *line,
                                   apr_time_t until, apr_pool_t *p,
                                   char **answer, pm_reason_t *why)
{
    pm_control_client_t a;
    apr_status_t rv = pm_control_client_open(&a, path, until, p, why);

    if (rv == APR_SUCCESS) {
        rv = pm_control_client_send(&a, line, why);
    }
    if (rv == APR_SUCCESS) {
        rv = pm_control_client_receive(&a, until, answer, why);
    }
    pm_control_client_close(&a);
    return rv;
}
