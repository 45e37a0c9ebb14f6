/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_acceptor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "pm_core/os/pm_fds.h"

static int acc_accept(const pm_acceptor_t *a)
{
    return accept4(a->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
}

static int acc_open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void acc_send_away(pm_acceptor_t *a)
{
    int fd;

    pm_fds_close(&a->spare);
    fd = acc_accept(a);
    pm_fds_close(&fd);
    a->spare = acc_open_spare();
}

static void acc_on_connect(void *ctx, int events)
{
    pm_acceptor_t *a = ctx;
    int fd = 0;
    int i;

    (void)events;
    for (i = 0; i < a->most && fd >= 0; i++) {
        fd = acc_accept(a);
        if (fd >= 0) {
            a->accepted(a->ctx, fd);
        }
        else if (errno == EMFILE || errno == ENFILE) {
            acc_send_away(a);
        }
    }
}

apr_status_t pm_acceptor_begin(pm_acceptor_t *a, pm_loop_t *loop, int fd,
                               apr_pool_t *p, pm_reason_t *why)
{
    a->loop = loop;
    a->fd = fd;
    a->spare = acc_open_spare();
    a->watch = (pm_watch_t){.ready = acc_on_connect, .ctx = a};
    return pm_loop_watch(loop, &a->watch, fd, APR_POLLIN, p, why);
}

void pm_acceptor_end(pm_acceptor_t *a)
{
    pm_loop_unwatch(a->loop, &a->watch);
    pm_fds_close(&a->spare);
}
