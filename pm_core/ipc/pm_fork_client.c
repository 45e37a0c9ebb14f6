/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/ipc/pm_fork_client.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pm_core/os/pm_fd_pass.h"
#include "pm_core/os/pm_peer_pid.h"

static int fork_pair(int fd[2])
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd)
                   || fcntl(fd[0], F_SETFL, O_NONBLOCK)
               ? errno
               : 0;
}

int pm_fork_client_pair(int fd[2])
{
    int err = fork_pair(fd);
    int high;

    if (err) {
        return err;
    }
    high = fcntl(fd[1], F_DUPFD_CLOEXEC, PM_FORK_FD + 1);
    err = high < 0 ? errno : 0;
    close(fd[1]);
    fd[1] = high;
    if (err) {
        close(fd[0]);
    }
    return err;
}

int pm_fork_client_newborn(int fd[2])
{
    int err = fork_pair(fd);

    if (!err && !pm_peer_pid_enable(fd[0])) {
        err = ENOSYS;
        close(fd[0]);
        close(fd[1]);
    }
    return err;
}

int pm_fork_client_order(int fd, const pm_fork_order_t *order, int output,
                         int newborn)
{
    int along[2] = {output, newborn};

    return pm_fd_pass_send(fd, order, sizeof(*order), along, 2) < 0 ? errno : 0;
}

int pm_fork_client_warmup(int fd, int conn)
{
    pm_fork_order_t none = {0, -1};

    return pm_fd_pass_send(fd, &none, sizeof(none), &conn, 1) < 0 ? errno : 0;
}

/* A text that goes into the log. */
static void fork_print(char *text)
{
    char *c;

    text[PM_FORK_TEXT - 1] = '\0';
    for (c = text; *c; c++) {
        *c = *c >= ' ' && *c < 0x7f ? *c : '?';
    }
}

int pm_fork_client_hear(int fd, pm_fork_message_t *message)
{
    ssize_t n = recv(fd, message, sizeof(*message), MSG_DONTWAIT);

    if (n != (ssize_t)sizeof(*message)) {
        return n < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
    }
    fork_print(message->text);
    return 1;
}

pid_t pm_fork_client_born(int fd, uint32_t serial)
{
    pm_fork_born_t born;
    pid_t pid = 0;
    ssize_t n = pm_peer_pid_recv(fd, &born, sizeof(born), &pid);

    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return 0;
    }
    return n == (ssize_t)sizeof(born) && born.serial == serial && pid > 0 ? pid
                                                                          : -1;
}

void pm_fork_client_welcome(int fd, uint32_t serial)
{
    pm_fork_born_t welcome = {serial};

    /* where it has gone, its exit tells */
    (void)!send(fd, &welcome, sizeof(welcome), MSG_DONTWAIT | MSG_NOSIGNAL);
}
