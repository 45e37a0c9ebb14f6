/* SPDX-License-Identifier: Apache-2.0 */
/* A connection that is to be refused, and that another process takes: the
 * manager does not wait for the next one. */
#undef _FORTIFY_SOURCE /* poll() is a function here */
#include "tap.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "pm_core/os/pm_listen.h"

static pm_listener_t l;
static int steals;

/* In place of poll(2): what it finds has gone when it returns. */
int poll(struct pollfd *pfd, nfds_t n, int timeout)
{
    struct timeval at_once = {0, 0};
    fd_set ready;
    int found;

    (void)n;
    (void)timeout;
    FD_ZERO(&ready);
    FD_SET(l.fd, &ready);
    found = select(l.fd + 1, &ready, NULL, NULL, &at_once);
    pfd->revents = found > 0 ? POLLIN : 0;
    while (steals && select(l.fd + 1, &ready, NULL, NULL, &at_once) > 0) {
        close(accept(l.fd, NULL, NULL));
    }
    return found;
}

static int is_refused(void)
{
    const struct timespec most = {20, 0};
    sigset_t gone;
    pid_t child;
    int in_time;

    sigemptyset(&gone);
    sigaddset(&gone, SIGCHLD);
    sigprocmask(SIG_BLOCK, &gone, NULL);
    child = fork();
    if (!child) {
        pm_listen_refuse(l.fd);
        _exit(0);
    }
    in_time = sigtimedwait(&gone, NULL, &most) == SIGCHLD;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return in_time;
}

int main(void)
{
    pm_listen_opts_t opts = {16, 0600, (uid_t)-1, (gid_t)-1, 0, 0};
    char dir[] = "/tmp/fcgipm-unit-XXXXXX";
    pm_addr_t addr;
    pm_reason_t why;
    apr_pool_t *p;
    char byte;
    int fd[3];
    int i;

    apr_initialize();
    apr_pool_create(&p, NULL);
    if (!mkdtemp(dir)
        || pm_listen_open(&l, apr_pstrcat(p, "unix:", dir, "/sock", NULL),
                          &opts, p, &why)
               != APR_SUCCESS) {
        ok(0, "a socket");
        return done_testing();
    }
    pm_listen_parse(l.text, &addr, &why);
    for (steals = 0; steals < 2; steals++) {
        for (i = 0; i < 3; i++) {
            fd[i] = socket(AF_UNIX, SOCK_STREAM, 0);
            (void)connect(fd[i], (struct sockaddr *)&addr.sa, addr.len);
        }
        ok(is_refused(), "it returns, steals %d", steals);
        for (i = 0; i < 3; i++) {
            if (!steals) {
                is_int(read(fd[i], &byte, 1), 0, "a client was refused");
            }
            close(fd[i]);
        }
    }
    pm_listen_unlink(&l);
    rmdir(dir);
    return done_testing();
}
