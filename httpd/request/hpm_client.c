/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/request/hpm_client.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>

#include "apr_portable.h"
#include "http_core.h"
#include "util_filter.h"

int hpm_client_fd(conn_rec *c)
{
    apr_socket_t *sock = c->master ? NULL : ap_get_conn_socket(c);
    apr_os_sock_t fd;

    return sock && apr_os_sock_get(&fd, sock) == APR_SUCCESS ? fd : -1;
}

static int client_poll(int fd, short events, apr_interval_time_t timeout)
{
    struct pollfd pfd = {fd, events, 0};
    apr_int64_t ms = (timeout + 999) / 1000;

    return poll(&pfd, 1, ms < INT_MAX ? (int)ms : INT_MAX) > 0 ? pfd.revents
                                                               : 0;
}

#ifdef POLLRDHUP
static int client_has_closed(int fd)
{
    return client_poll(fd, POLLRDHUP, 0) != 0;
}
#else
static int client_has_closed(int fd)
{
    char byte;

    return client_poll(fd, POLLIN, 0)
           && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) <= 0
           && errno != EAGAIN;
}
#endif

int hpm_client_has_gone(conn_rec *c)
{
    int fd = hpm_client_fd(c);

    return c->aborted || (c->master && c->master->aborted)
           || (fd >= 0 && client_has_closed(fd));
}

int hpm_client_is_writable(conn_rec *c, apr_interval_time_t timeout)
{
    int fd = hpm_client_fd(c);

    return fd >= 0 && client_poll(fd, POLLOUT, timeout) != 0;
}

int hpm_client_is_readable(conn_rec *c, apr_interval_time_t timeout)
{
    int fd = hpm_client_fd(c);

    return fd >= 0 && client_poll(fd, POLLIN, timeout) != 0;
}

/* As the MPM does it when the request is done and its response is not yet
 * sent: called without a brigade the core output filter does not block. */
int hpm_client_push(conn_rec *c)
{
    ap_filter_t *f = c->output_filters;

    if (!c->data_in_output_filters) {
        return 1;
    }
    while (f->next) {
        f = f->next;
    }
    return f->frec->filter_func.out_func(f, NULL) != APR_SUCCESS
           || !c->data_in_output_filters;
}
