/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The next request of libfcgi.
 *
 * FCGX_Accept_r() drops a connection when a signal comes between accept(2) and
 * the first bytes (it waits for these in select(2)).  So the connection is
 * accepted here and given to libfcgi as one it has kept; from the first byte
 * on signals restart what they interrupt.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fcgiapp.h>

#include "libfcgipm/manage/mgr_listener.h"
#include "libfcgipm/manage/mgr_object.h"
#include "libfcgipm/manage/mgr_signals.h"
#include "libfcgipm/manage/mgr_wait.h"
#include "libfcgipm/preload/guard.h"

/* Weak, so that libfcgi comes with the program that uses this and not with
 * every program the library is preloaded into. */
#pragma weak FCGX_Accept_r
#pragma weak FCGX_Finish_r

/* What libfcgi gives a client on a Unix socket to begin with its request. */
#define ACCEPT_PATIENCE (2 * (apr_time_t)1000000)

static int accept_is_unix(int fd)
{
    struct sockaddr_storage addr = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(addr);

    return getsockname(fd, (struct sockaddr *)&addr, &len) == 0
           && addr.ss_family == AF_UNIX;
}

/* poll() for bytes with the worker's signals unblocked.  It is libc's, as the
 * guard's goes on waiting after SIGTERM. */
static int accept_poll(int fd, apr_time_t until, const sigset_t *unblocked)
{
    struct pollfd p = {fd, POLLIN, 0};
    apr_time_t left = until - mgr_wait_now();
    struct timespec ts;

    if (until == PM_TIME_NEVER) {
        return guard_libc()->ppoll(&p, 1, NULL, unblocked);
    }
    left = left > 0 ? left : 0;
    ts.tv_sec = (time_t)(left / 1000000);
    ts.tv_nsec = (long)(left % 1000000) * 1000;
    return guard_libc()->ppoll(&p, 1, &ts, unblocked);
}

/* Does the client begin with a request?  It has until then, and after the
 * worker was told to go no longer than the grace. */
static int accept_speaks(const fcgipm_t *pm, int fd, apr_time_t until,
                         apr_time_t grace)
{
    sigset_t before;
    int told = 0, rc;
    char byte;

    mgr_signals_block(&before);
    do {
        if (!told && mgr_signals_told(pm)) {
            told = 1;
            until = pm_time_min(until, mgr_wait_now() + grace);
        }
        rc = accept_poll(fd, until, &before);
    } while (rc < 0 && errno == EINTR);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return rc > 0 && recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 1;
}

/* Errors that are a client's: accept(2).  EINTR ends the wait only when the
 * program wants it to.  Whether the worker was told is the caller's question.
 */
static int accept_is_transient(int err, const FCGX_Request *request)
{
    return err == ECONNABORTED || err == EPROTO || err == EPERM
           || (err == EINTR && !(request->flags & FCGI_FAIL_ACCEPT_ON_INTR));
}

/* A connection whose client has begun a request; -1: no further one. */
static int accept_next(fcgipm_t *pm, const FCGX_Request *request)
{
    while (!mgr_signals_told(pm)) {
        int fd = accept4(request->listen_sock, NULL, NULL, SOCK_CLOEXEC);

        if (fd < 0) {
            if (!accept_is_transient(errno, request)) {
                return -1;
            }
            continue;
        }
        if (accept_speaks(pm, fd,
                          accept_is_unix(fd) ? mgr_wait_now() + ACCEPT_PATIENCE
                                             : PM_TIME_NEVER,
                          ACCEPT_PATIENCE)) {
            return fd;
        }
        close(fd);
    }
    return -1;
}

/* A kept connection that does not go on is closed, at once when the worker
 * was told; else a new one is taken. */
static int accept_connection(fcgipm_t *pm, FCGX_Request *request)
{
    if (request->ipcFd >= 0) {
        if (accept_speaks(pm, request->ipcFd, PM_TIME_NEVER, 0)) {
            return 0;
        }
        close(request->ipcFd);
        request->ipcFd = -1;
    }
    request->ipcFd = accept_next(pm, request);
    request->keepConnection = request->ipcFd >= 0;
    return request->ipcFd >= 0 ? 0 : -1;
}

int fcgipm_accept(fcgipm_t *pm, struct FCGX_Request *request)
{
    if (!FCGX_Accept_r || !FCGX_Finish_r) {
        errno = ENOSYS;
        return -1;
    }
    mgr_listener_name(pm, request->listen_sock);
    if (pm->in_request) {
        pm->in_request = 0;
        FCGX_Finish_r(request);
        fcgipm_post_dispatch(pm);
    }
    /* libfcgi looks at the client's address when it has that variable. */
    if (!pm->no_signals && !getenv("FCGI_WEB_SERVER_ADDRS")) {
        if (accept_connection(pm, request)) {
            return -1;
        }
        fcgipm_setup_signal_actions(pm, 1);
    }
    if (FCGX_Accept_r(request) < 0) {
        return -1;
    }
    pm->in_request = 1;
    fcgipm_pre_dispatch(pm);
    return 0;
}
