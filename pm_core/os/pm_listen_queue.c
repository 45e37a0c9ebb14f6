/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_listen_queue.h"

#include "pm_core/os/pm_listen.h"

#ifdef __linux__

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>

static int read_unix(pm_sock_diag_t *diag, int fd)
{
    struct stat st;

    return fstat(fd, &st) ? -1 : pm_sock_diag_waiting(diag, st.st_ino);
}

/* tcpi_unacked of a listening socket is the length of its queue (tcp(7)). */
static int read_tcp(int fd)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);

    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len)
               ? -1
               : (int)info.tcpi_unacked;
}

static int count_queue(pm_sock_diag_t *diag, int fd)
{
    int family = 0;
    socklen_t len = sizeof(family);

    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len)) {
        return -1;
    }
    return family == AF_UNIX ? read_unix(diag, fd) : read_tcp(fd);
}

#else

static int count_queue(pm_sock_diag_t *diag, int fd)
{
    (void)diag;
    (void)fd;
    return -1;
}

#endif

int pm_listen_queue_length(pm_sock_diag_t *diag, int fd)
{
    int n = count_queue(diag, fd);

    return n >= 0 ? n : pm_listen_pending(fd);
}
