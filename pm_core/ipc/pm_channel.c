/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/ipc/pm_channel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "pm_core/os/pm_fd_pass.h"

apr_status_t pm_channel_pair(int fd[2], pm_reason_t *why)
{
    int size = PM_CHANNEL_MAX * 2;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd)) {
        return pm_fail_os(why, errno, "cannot make a socket pair");
    }
    setsockopt(fd[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
    fcntl(fd[1], F_SETFL, O_NONBLOCK);
    return APR_SUCCESS;
}

apr_status_t pm_channel_send(int fd, const pm_message_t *msg, pm_reason_t *why)
{
    return pm_fd_pass_send(fd, msg->text, strlen(msg->text), msg->fds,
                           msg->nfds)
                   < 0
               ? pm_fail_os(why, errno, "cannot send to the manager")
               : APR_SUCCESS;
}

apr_status_t pm_channel_recv(int fd, pm_message_t *msg, apr_pool_t *p,
                             pm_reason_t *why)
{
    char *text = apr_palloc(p, PM_CHANNEL_MAX + 1);
    ssize_t n = pm_fd_pass_recv(fd, text, PM_CHANNEL_MAX, msg->fds, &msg->nfds,
                                MSG_DONTWAIT);

    if (n < 0 && errno == EMSGSIZE) {
        return pm_fail(why, APR_EGENERAL, "a message was too long");
    }
    if (n < 0 && errno == EMFILE) {
        return pm_fail(why, APR_EGENERAL,
                       "there is no descriptor free for what came");
    }
    if (n < 0) {
        return pm_fail_os(why, errno, "cannot receive");
    }
    if (n == 0) {
        return pm_fail(why, APR_EOF, "the other end is gone");
    }
    text[n] = '\0';
    msg->text = text;
    return APR_SUCCESS;
}

/* Wait until fd can be read or written. */
static apr_status_t wait_for(int fd, short events, apr_time_t deadline,
                             pm_reason_t *why)
{
    struct pollfd pfd = {fd, events, 0};

    for (;;) {
        apr_time_t left = deadline - pm_time_now();
        int n = left > 0 ? poll(&pfd, 1, (int)(left / 1000 + 1)) : 0;

        if (n > 0) {
            return APR_SUCCESS;
        }
        if (n == 0) {
            return pm_fail(why, APR_TIMEUP, "the manager does not answer");
        }
        if (errno != EINTR) {
            return pm_fail_os(why, errno, "cannot wait for the manager");
        }
    }
}

static apr_status_t channel_take_answer(pm_channel_calls_t *calls,
                                        apr_pool_t *p, pm_reason_t *why)
{
    pm_message_t answer = {0};
    apr_pool_t *ptemp = pm_subpool_create(p);
    apr_status_t rv = wait_for(calls->fd, POLLIN, calls->deadline, why);

    if (rv == APR_SUCCESS) {
        rv = pm_channel_recv(calls->fd, &answer, ptemp, why);
    }
    if (rv == APR_SUCCESS && strcmp(answer.text, "ok") != 0) {
        rv =
            pm_fail(why, APR_EGENERAL, "the manager says: %.300s", answer.text);
    }
    apr_pool_destroy(ptemp);
    calls->unanswered--;
    return rv;
}

apr_status_t pm_channel_call(pm_channel_calls_t *calls, const pm_message_t *msg,
                             apr_pool_t *p, pm_reason_t *why)
{
    apr_status_t rv = calls->unanswered < PM_CHANNEL_AHEAD
                          ? APR_SUCCESS
                          : channel_take_answer(calls, p, why);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    do {
        rv = wait_for(calls->fd, POLLOUT, calls->deadline, why);
        if (rv == APR_SUCCESS) {
            rv = pm_channel_send(calls->fd, msg, why);
        }
    } while (APR_STATUS_IS_EAGAIN(rv));
    calls->unanswered += rv == APR_SUCCESS;
    return rv;
}

apr_status_t pm_channel_settle(pm_channel_calls_t *calls, apr_pool_t *p,
                               pm_reason_t *why)
{
    apr_status_t rv = APR_SUCCESS;

    while (rv == APR_SUCCESS && calls->unanswered) {
        rv = channel_take_answer(calls, p, why);
    }
    return rv;
}
