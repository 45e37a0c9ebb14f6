/* SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* F_SETPIPE_SZ */
#endif
#include "pm_core/ipc/pm_slow_report.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "pm_core/ipc/pm_wakeup.h"

/* "slow" and the size of the report, so that another layout is noticed. */
#define MARK (0x736c6f77U ^ (apr_uint32_t)sizeof(pm_slow_report_t))

/* Many requests become slow at once. */
#define ROOM 262144

/* More reads than a full pipe needs. */
#define PIECES 256

/* Written whole or not at all (pipe(7)). */
typedef struct message {
    apr_uint32_t mark;
    pm_slow_report_t report;
} message_t;

_Static_assert(sizeof(message_t) <= PIPE_BUF, "a message is written whole");

apr_status_t pm_slow_report_create(int fd[2], pm_reason_t *why)
{
    apr_status_t rv = pm_wakeup_create(fd, why);

#ifdef F_SETPIPE_SZ
    if (rv == APR_SUCCESS) {
        (void)fcntl(fd[0], F_SETPIPE_SZ, ROOM); /* a page holds three */
    }
#endif
    return rv;
}

int pm_slow_report_send(int fd, const pm_slow_report_t *report)
{
    message_t m;
    ssize_t n;

    if (fd < 0) {
        return 0;
    }
    memset(&m, 0, sizeof(m));
    m.mark = MARK;
    m.report = *report;
    do {
        n = write(fd, &m, sizeof(m));
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof(m);
}

/* What was read is no message, so nobody knows where the next one begins. */
static void skip_all(int fd)
{
    char bytes[4096];
    int i;

    for (i = 0; i < PIECES && read(fd, bytes, sizeof(bytes)) > 0; i++) {
    }
}

pm_slow_report_result_t pm_slow_report_receive(int fd, pm_slow_report_t *report)
{
    message_t m;
    ssize_t n;

    for (;;) {
        n = read(fd, &m, sizeof(m));
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            return PM_SLOW_REPORT_CLOSED;
        }
        if (n < 0 && errno == EAGAIN) {
            return PM_SLOW_REPORT_NONE;
        }
        if (n == (ssize_t)sizeof(m) && m.mark == MARK) {
            if (m.report.since > 0) {
                break;
            }
        }
        else if (n > 0) {
            skip_all(fd);
            return PM_SLOW_REPORT_NONE;
        }
    }
    *report = m.report;
    report->method[PM_SLOW_REPORT_METHOD - 1] = '\0';
    report->url[PM_SLOW_REPORT_URL - 1] = '\0';
    return PM_SLOW_REPORT_RECEIVED;
}
