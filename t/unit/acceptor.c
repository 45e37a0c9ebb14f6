/* SPDX-License-Identifier: Apache-2.0 */
/* Clients are accepted, some in a turn; and sent away when no descriptor is
 * left, so that the loop does not come back for them for ever. */
#include "pm_core/os/pm_acceptor.h"
#include "tap.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "apr_general.h"

static struct sockaddr_un name;
static socklen_t name_len = sizeof(name);

static void on_client(void *ctx, int fd)
{
    ++*(int *)ctx;
    close(fd);
}

/* At an address that the kernel gives it (unix(7), autobind). */
static int listening(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_un none = {.sun_family = AF_UNIX};

    if (bind(fd, (struct sockaddr *)&none, sizeof(none.sun_family))
        || getsockname(fd, (struct sockaddr *)&name, &name_len)
        || listen(fd, 8)) {
        perror("listen");
    }
    return fd;
}

static int connected(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    ok(!connect(fd, (struct sockaddr *)&name, name_len), "a client");
    return fd;
}

static void limit_descriptors(rlim_t n)
{
    struct rlimit limit;

    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = n;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(void)
{
    int came = 0;
    pm_acceptor_t a = {.accepted = on_client, .ctx = &came, .most = 2};
    struct rlimit before;
    pm_loop_t *loop;
    apr_pool_t *p;
    pm_reason_t why;
    int fd, client, next;
    char byte;

    apr_initialize();
    apr_pool_create(&p, NULL);
    pm_loop_create(&loop, p, &why);
    fd = listening();
    ok(pm_acceptor_begin(&a, loop, fd, p, &why) == APR_SUCCESS, "begin");

    connected();
    connected();
    client = connected();
    pm_loop_turn(loop);
    is_int(came, 2, "as many as it may in a turn");
    pm_loop_turn(loop);
    is_int(came, 3, "the others in the next");
    is_int(recv(client, &byte, 1, MSG_DONTWAIT), 0, "each was there");

    client = connected();
    getrlimit(RLIMIT_NOFILE, &before);
    next = dup(fd);
    close(next);
    limit_descriptors((rlim_t)next);
    pm_loop_turn(loop);
    is_int(came, 3, "no descriptor is left: nobody comes");
    is_int(recv(client, &byte, 1, MSG_DONTWAIT), 0, "the client is sent away");
    limit_descriptors(before.rlim_cur);
    connected();
    pm_loop_turn(loop);
    is_int(came, 4, "there are some again");

    pm_acceptor_end(&a);
    ok(fcntl(fd, F_GETFD) >= 0, "the socket stays its owner's");
    apr_terminate();
    return done_testing();
}
