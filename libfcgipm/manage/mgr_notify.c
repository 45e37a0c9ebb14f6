/* SPDX-License-Identifier: Apache-2.0 */
#include "libfcgipm/manage/mgr_notify.h"

#include <ctype.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "libfcgipm/manage/mgr_object.h"
#include "libfcgipm/preload/guard.h"

static const char *const notify_role[] = {
    [FCGIPM_MANAGER] = "manager", [FCGIPM_SERVER] = "server"};

/* A reader of standard error that has stopped reading must not stop a manager:
 * what would have to wait is dropped.  poll(2) promises room for PIPE_BUF
 * bytes. When another process takes that room first, write() waits, and the
 * next signal ends it. */
static void notify_write(const char *text, size_t len)
{
    while (len > 0) {
        struct pollfd p = {STDERR_FILENO, POLLOUT, 0};
        ssize_t n;

        if (guard_libc()->poll(&p, 1, 0) != 1) {
            return;
        }
        n = write(STDERR_FILENO, text, len < PIPE_BUF ? len : PIPE_BUF);
        if (n < 0) {
            return;
        }
        text += n;
        len -= (size_t)n;
    }
}

/* A line up to PIPE_BUF bytes is one write(), so that lines of several
 * processes do not mix. */
static void notify_line(const fcgipm_t *pm, const char *level, const char *fmt,
                        va_list ap) FCGIPM_PRINTF(3, 0);
static void notify_line(const fcgipm_t *pm, const char *level, const char *fmt,
                        va_list ap)
{
    char *text, *line;
    size_t len;
    int n = vasprintf(&text, fmt, ap);

    if (n < 0) {
        return;
    }
    for (len = (size_t)n; len && isspace((unsigned char)text[len - 1]);) {
        text[--len] = '\0';
    }
    n = asprintf(&line, "%sFastCGI: %s (pid %d): %s\n", level,
                 notify_role[pm->role], (int)getpid(), text);
    free(text);
    if (n > 0) {
        notify_write(line, (size_t)n);
        free(line);
    }
}

void fcgipm_notify(const fcgipm_t *pm, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    notify_line(pm, "", fmt, ap);
    va_end(ap);
}

/* The manager of a pool takes what a worker says for a warning, unless the line
 * begins with a level as sd-daemon(3) has it. */
void mgr_notify_info(const fcgipm_t *pm, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    notify_line(pm, pm->managed ? "<6>" : "", fmt, ap);
    va_end(ap);
}
