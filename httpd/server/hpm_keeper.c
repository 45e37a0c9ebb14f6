/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/server/hpm_keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include "httpd/server/hpm_file.h"
#include "httpd/server/hpm_parent.h"
#include "pm_core/ipc/pm_fd_store.h"
#include "pm_core/os/pm_fds.h"
#include "pm_core/os/pm_pdeath.h"
#include "pm_core/os/pm_signals.h"
#include "pm_core/os/pm_title.h"

APLOG_USE_MODULE(fcgipm);

/* Let go of everything of httpd's: a program that reads a log waits for the
 * last one that has it open. */
static void keeper_detach(int fd)
{
    int null = open("/dev/null", O_RDWR);

    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
    }
    setsid();
    pm_fds_close_others(&fd, 1);
}

/* All signals stay blocked: it ends when parent and manager have. */
__attribute__((noreturn)) static void keeper_main(const hpm_parent_t *me,
                                                  int fd)
{
    struct rlimit before;
    apr_pool_t *p;

    keeper_detach(fd);
    pm_fds_raise(&before);
    pm_title_set("fcgipm-keeper");
    if (pm_pdeath_set(SIGKILL, me->retained->parent)
        && apr_pool_create(&p, NULL) == APR_SUCCESS) {
        pm_fd_store_keep(fd, p);
    }
    _exit(0);
}

static int keeper_lives(const hpm_retained_t *r)
{
    struct pollfd pfd = {hpm_file_fd(r->keeper), 0, 0};

    /* no process but the keeper has the other end */
    return r->keeper && poll(&pfd, 1, 0) == 0;
}

static apr_status_t keeper_start(hpm_parent_t *me, pm_reason_t *why)
{
    int fd[2];
    apr_status_t rv = pm_channel_pair(fd, why);
    pid_t pid;

    if (rv != APR_SUCCESS) {
        return rv;
    }
    fcntl(fd[0], F_SETFL, O_NONBLOCK);
    pid = pm_signals_fork();
    if (pid == 0) {
        keeper_main(me, fd[1]);
    }
    rv = errno;
    close(fd[1]);
    if (pid < 0) {
        close(fd[0]);
        return pm_fail_os(why, rv, "cannot fork");
    }
    return hpm_file_hold(&me->retained->keeper, fd[0], me->plog);
}

void hpm_keeper_renew(hpm_parent_t *me)
{
    hpm_retained_t *r = me->retained;
    pm_reason_t why = {"no memory"};

    if (!me->server->templates->nelts || keeper_lives(r)) {
        return;
    }
    if (r->keeper) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, me->s,
                     "the process that keeps the sockets of scripts for the "
                     "next manager has died and is replaced");
    }
    hpm_file_close(&r->keeper);
    if (keeper_start(me, &why) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, me->s,
                     "%s: requests that wait for a script are lost when the "
                     "manager dies",
                     why.text);
    }
}
