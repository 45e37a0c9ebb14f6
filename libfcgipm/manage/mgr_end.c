/* SPDX-License-Identifier: Apache-2.0 */
/* Messages, and the ways to end. */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libfcgipm/manage/mgr_object.h"
#include "libfcgipm/manage/mgr_pidfile.h"
#include "libfcgipm/manage/mgr_signals.h"
#include "libfcgipm/manage/mgr_wait.h"
#include "libfcgipm/preload/guard.h"
#include "pm_core/policy/pm_stop_policy.h"

static const char *const end_role_name[] = {
    [FCGIPM_MANAGER] = "manager", [FCGIPM_SERVER] = "server"};

/* A reader of standard error that has stopped reading must not stop a manager:
 * what would have to wait is dropped.  poll(2) promises room for PIPE_BUF
 * bytes. When another process takes that room first, write() waits, and the
 * next signal ends it. */
static void end_write(const char *text, size_t len)
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
void fcgipm_notify(const fcgipm_t *pm, const char *fmt, ...)
{
    char *text, *line;
    size_t len;
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vasprintf(&text, fmt, ap);
    va_end(ap);
    if (n < 0) {
        return;
    }
    for (len = (size_t)n; len && isspace((unsigned char)text[len - 1]);) {
        text[--len] = '\0';
    }
    n = asprintf(&line, "FastCGI: %s (pid %d): %s\n", end_role_name[pm->role],
                 (int)getpid(), text);
    free(text);
    if (n > 0) {
        end_write(line, (size_t)n);
        free(line);
    }
}

void fcgipm_exit(fcgipm_t *pm, const char *msg, int n)
{
    size_t i;

    for (i = 0; i < pm->pids.count; i++) {
        kill(pm->pids.pid[i], SIGKILL);
    }
    fcgipm_notify(pm, "%s", msg ? msg : "");
    exit(n);
}

void fcgipm_abort(fcgipm_t *pm, const char *msg, int n)
{
    fcgipm_exit(pm, msg, n ? n : 1);
}

/* Those who have not gone when the die timeout is over are killed: there is
 * no other step, as who is idle is not known here. */
static void end_wait(fcgipm_t *pm)
{
    const pm_stop_policy_conf_t conf = {(apr_time_t)pm->die_timeout * 1000000,
                                        0};
    const apr_time_t now = mgr_wait_now();
    const pm_stop_policy_facts_t facts = {now, now, pm->die_timeout ? now : 0,
                                          0};

    while (pm->pids.count) {
        pm_stop_policy_plan_t plan =
            pm_stop_policy_plan(&conf, &facts, mgr_wait_now());

        if (plan.act == PM_STOP_KILL) {
            fcgipm_abort(pm, "wait timeout", 1);
        }
        if (mgr_wait_until(pm, plan.next) < 0 && errno == ECHILD) {
            fcgipm_forget_all_pids(pm); /* the program has waited for them */
        }
    }
}

void fcgipm_die(fcgipm_t *pm, const char *msg, int n)
{
    char why[512];

    pm->phase = PM_PHASE_DYING;
    mgr_pidfile_remove(pm);
    mgr_signals_tell_all(pm);
    end_wait(pm);
    snprintf(why, sizeof(why), "dying: %s", msg ? msg : "");
    fcgipm_exit(pm, why, n);
}
