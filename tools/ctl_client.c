/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl_client.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "apr_file_info.h"
#include "apr_strings.h"
#include "pm_listen.h"
#include "pm_proto.h"

int ctl_client_open(ctl_client_t *c, const char *path, apr_pool_t *p,
                    pm_reason_t *why)
{
    /* for connect(2) too, when more wait than the socket's queue holds */
    struct timeval patience = {apr_time_sec(CTL_PATIENCE), 0};
    pm_addr_t addr;
    char *full;

    memset(c, 0, sizeof(*c));
    c->fd = -1;
    if (apr_filepath_merge(&full, NULL, path, 0, p) != APR_SUCCESS) {
        pm_fail(why, APR_EINVAL, "\"%s\" is not a path", path);
        return 0;
    }
    if (pm_listen_parse(apr_pstrcat(p, "unix:", full, NULL), &addr, why)
        != APR_SUCCESS) {
        return 0;
    }
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd >= 0) {
        setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
                   sizeof(patience));
    }
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&addr.sa, addr.len)) {
        pm_fail_os(why, errno, "cannot reach the manager at %s", path);
        ctl_client_close(c);
        return 0;
    }
    return 1;
}

void ctl_client_close(ctl_client_t *c)
{
    if (c->fd >= 0) {
        close(c->fd);
        c->fd = -1;
    }
    free(c->bytes);
    c->bytes = NULL;
    c->len = c->size = 0;
}

static int send_line(ctl_client_t *c, const char *request, pm_reason_t *why)
{
    size_t len = strlen(request);
    size_t sent = 0;
    char *line = malloc(len + 1);

    if (!line) {
        pm_fail(why, APR_ENOMEM, "no memory");
        return 0;
    }
    memcpy(line, request, len);
    line[len++] = '\n';
    while (sent < len) {
        ssize_t n = send(c->fd, line + sent, len - sent, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR) {
            pm_fail_os(why, errno, "cannot ask the manager");
            break;
        }
        sent += n > 0 ? (size_t)n : 0;
    }
    free(line);
    return sent == len;
}

/* Room for more bytes.  @return 0 when the answer is too long */
static int grow(ctl_client_t *c, pm_reason_t *why)
{
    size_t size = c->size ? c->size * 2 : 65536;
    char *bytes;

    if (c->len < c->size) {
        return 1;
    }
    bytes = size <= CTL_LINE_MAX ? realloc(c->bytes, size) : NULL;
    if (!bytes) {
        pm_fail(why, APR_ENOMEM, "the manager's answer is too long");
        return 0;
    }
    c->bytes = bytes;
    c->size = size;
    return 1;
}

/* More bytes.  @return 0 with a reason */
static int receive(ctl_client_t *c, apr_time_t deadline, pm_reason_t *why)
{
    struct pollfd pfd = {c->fd, POLLIN, 0};
    apr_time_t left = deadline ? deadline - pm_time_now() : -1;
    ssize_t n;

    if (!grow(c, why)) {
        return 0;
    }
    if (deadline && left <= 0) {
        pm_fail(why, APR_TIMEUP, "the manager does not answer");
        return 0;
    }
    if (poll(&pfd, 1, left < 0 ? -1 : (int)(left / 1000 + 1)) <= 0) {
        return 1;   /* the time is looked at again */
    }
    n = recv(c->fd, c->bytes + c->len, c->size - c->len, 0);
    if (n < 0 && errno == EINTR) {
        return 1;
    }
    if (n <= 0) {
        pm_fail(why, APR_EOF, "the manager closed the connection");
        return 0;
    }
    c->len += (size_t)n;
    return 1;
}

/* The first n bytes have been read. */
static void drop(ctl_client_t *c, size_t n)
{
    c->len -= n;
    memmove(c->bytes, c->bytes + n, c->len);
}

const char *ctl_client_ask(ctl_client_t *c, const char *request,
                           apr_time_t patience,
                           void (*tell)(void *ctx, const char *line),
                           void *ctx, pm_reason_t *why)
{
    apr_time_t deadline = patience ? pm_time_now() + patience : 0;
    size_t seen = 0;

    c->len = 0;   /* of the former answer */
    if (!send_line(c, request, why)) {
        return NULL;
    }
    for (;;) {
        char *end = c->len > seen ? memchr(c->bytes + seen, '\n',
                                           c->len - seen) : NULL;

        if (!end) {
            seen = c->len;
            if (!receive(c, deadline, why)) {
                return NULL;
            }
            continue;
        }
        *end = '\0';
        if (pm_proto_is_last(c->bytes)) {
            return c->bytes;
        }
        if (tell) {
            tell(ctx, c->bytes);
        }
        drop(c, (size_t)(end + 1 - c->bytes));
        seen = 0;
    }
}
