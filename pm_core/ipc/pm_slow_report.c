/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/ipc/pm_slow_report.h"

#include <errno.h>
#include <poll.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>

/* "slow" and the size of the report, so that another layout is noticed. */
#define MARK (0x736c6f77U ^ (apr_uint32_t)sizeof(pm_slow_report_t))

typedef struct message {
    apr_uint32_t mark;
    pm_slow_report_t report; /* its URL only as far as it is used */
} message_t;

#define FIXED offsetof(message_t, report.url)

apr_status_t pm_slow_report_create(int fd[2], pm_reason_t *why)
{
    return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                      fd)
               ? pm_fail_os(why, errno, "cannot make a socketpair")
               : APR_SUCCESS;
}

int pm_slow_report_send(int fd, const pm_slow_report_t *report)
{
    message_t m;
    size_t len = FIXED + strnlen(report->url, PM_SLOW_REPORT_URL);
    ssize_t n;

    if (fd < 0) {
        return 0;
    }
    memset(&m, 0, FIXED);
    m.mark = MARK;
    m.report = *report;
    do {
        n = send(fd, &m, len, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)len;
}

/* recv() has returned 0: an empty message, or are all other ends closed? */
static int is_end(int fd)
{
    struct pollfd pfd = {fd, 0, 0};

    return poll(&pfd, 1, 0) == 1; /* POLLHUP, which is always looked for */
}

pm_slow_report_result_t pm_slow_report_receive(int fd, pm_slow_report_t *report)
{
    message_t m;
    ssize_t n;

    do {
        memset(&m, 0, sizeof(m));
        n = recv(fd, &m, sizeof(m), MSG_DONTWAIT);
    } while (
        (n < 0 && errno == EINTR) || (n == 0 && !is_end(fd))
        || (n > 0
            && (n < (ssize_t)FIXED || m.mark != MARK || m.report.since <= 0)));
    if (n <= 0) {
        return n == 0 || errno != EAGAIN ? PM_SLOW_REPORT_CLOSED
                                         : PM_SLOW_REPORT_NONE;
    }
    *report = m.report;
    report->method[PM_SLOW_REPORT_METHOD - 1] = '\0';
    report->url[PM_SLOW_REPORT_URL - 1] = '\0';
    return PM_SLOW_REPORT_RECEIVED;
}
