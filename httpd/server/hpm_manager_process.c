/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/server/hpm_manager_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ap_mpm.h"
#include "apr_portable.h"
#include "apr_strings.h"
#include "unixd.h"

#include "httpd/server/hpm_file.h"
#include "httpd/server/hpm_log.h"
#include "httpd/server/hpm_parent.h"
#include "pm_core/ipc/pm_channel.h"
#include "pm_core/os/pm_fds.h"
#include "pm_core/manager/pm_manager.h"
#include "pm_core/os/pm_pdeath.h"
#include "pm_core/os/pm_signals.h"

APLOG_USE_MODULE(fcgipm);

/* For the whole set of pools. */
#define MANAGER_SEND_TIMEOUT apr_time_from_sec(5)

/* A manager that dies younger than that dies early.  So many in a row are
 * replaced at once, the next ones after a delay. */
#define MANAGER_EARLY     apr_time_from_sec(2)
#define MANAGER_AT_ONCE   3
#define MANAGER_RETRY_MIN apr_time_from_sec(1)
#define MANAGER_RETRY_MAX apr_time_from_sec(10)

/* A running manager can take a new configuration if it is of this build, with
 * this scoreboard, and logs in the same way: the parent can hand it another
 * file, but it cannot change from a file to syslog. */
static const char *manager_identity(const hpm_parent_t *me, apr_pool_t *p)
{
    return apr_pstrcat(p, pm_build(), " ", me->retained->board_name, " ",
                       me->s->error_log ? "file" : me->s->error_fname, NULL);
}

/* --- in the manager process ----------------------------------------------- */

/* The manager writes to the descriptor that was httpd's error log when it was
 * forked; a new log replaces that descriptor. */
static void manager_relog(void *ctx, int fd)
{
    server_rec *s = ctx;

    if (s->error_log) {
        dup2(fd, hpm_file_fd(s->error_log));
    }
    dup2(fd, STDERR_FILENO);
    close(fd);
}

static void manager_close_terminal(void)
{
    int null = open("/dev/null", O_RDWR);

    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
    }
}

/* Let go of everything of httpd's but its error log. */
static void manager_detach(const hpm_parent_t *me, int channel)
{
    int keep[4] = {channel, hpm_file_fd(me->s->error_log),
                   hpm_file_fd(me->retained->wakeup.manager_end),
                   hpm_file_fd(me->retained->slow_report.manager_end)};

    setsid();
    if (!pm_pdeath_set(SIGTERM, me->retained->parent)) {
        _exit(0);
    }
    manager_close_terminal();
    hpm_log_detach(me->s);
    pm_fds_close_others(keep, 4);
}

__attribute__((noreturn)) static void manager_main(hpm_parent_t *me,
                                                   int channel)
{
    pm_manager_opts_t opts = {0};
    pm_log_t log;
    pm_manager_t *manager;
    pm_reason_t why;
    apr_pool_t *p;

    hpm_log_open(&log, me->s);
    manager_detach(me, channel);
    opts.log = &log;
    opts.scoreboard = me->retained->board;
    opts.channel = channel;
    opts.wakeup = hpm_file_fd(me->retained->wakeup.manager_end);
    opts.slow_report = hpm_file_fd(me->retained->slow_report.manager_end);
    opts.log_fd = hpm_file_fd(me->s->error_log);
    opts.httpd = me->retained->parent;
    opts.peer_uid = geteuid() ? geteuid() : ap_unixd_config.user_id;
    opts.peer_gid = geteuid() ? getegid() : ap_unixd_config.group_id;
    opts.relog = manager_relog;
    opts.ctx = me->s;
    pm_fail(&why, 0, "no memory");
    if (apr_pool_create(&p, NULL) != APR_SUCCESS
        || pm_manager_create(&manager, &opts, p, &why) != APR_SUCCESS) {
        pm_log(&log, PM_CRIT, "the manager cannot start: %s", why.text);
        _exit(1);
    }
    _exit(pm_manager_run(manager));
}

/* --- a manager's life ----------------------------------------------------- */

static void manager_on_exit(int reason, void *data, int status);

/* Keep nothing of a manager that has gone or is to go. */
static void manager_forget(hpm_parent_t *me)
{
    hpm_manager_process_t *manager = &me->retained->manager;

    hpm_file_close(&manager->channel);
    manager->pid = 0;
}

/* @param pid the manager's, or the timer's while there is no manager */
static void manager_watch(hpm_parent_t *me, pid_t pid)
{
    me->proc.pid = pid;
    apr_proc_other_child_register(&me->proc, manager_on_exit, me, NULL,
                                  me->pconf);
}

static void manager_unwatch(hpm_parent_t *me)
{
    if (me->proc.pid) {
        me->proc.pid = 0;
        apr_proc_other_child_unregister(me);
    }
}

/* Is that process still the manager?  The manager leads a session, which no
 * other child of httpd does that could have got its pid. */
static int manager_is_running(pid_t pid)
{
    return pid > 0 && getsid(pid) == pid && waitpid(pid, NULL, WNOHANG) == 0;
}

int hpm_manager_process_alive(hpm_parent_t *me)
{
    hpm_manager_process_t *manager = &me->retained->manager;
    struct pollfd pfd = {hpm_file_fd(manager->channel), 0, 0};

    /* no process but the manager has the other end of the channel */
    return manager_is_running(manager->pid) && manager->channel
           && poll(&pfd, 1, 0) == 0;
}

static apr_status_t manager_start(hpm_parent_t *me, pm_reason_t *why)
{
    hpm_manager_process_t *manager = &me->retained->manager;
    int channel[2];
    apr_status_t rv = pm_channel_pair(channel, why);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    manager->pid = pm_signals_fork();
    if (manager->pid == 0) {
        manager_main(me, channel[1]); /* its handlers come with the loop */
    }
    if (manager->pid < 0) {
        rv = errno;
        manager->pid = 0;
        close(channel[0]);
        close(channel[1]);
        return pm_fail_os(why, rv, "cannot fork");
    }
    close(channel[1]);
    manager->born = pm_time_now();
    apr_cpystrn(manager->identity, manager_identity(me, me->pconf),
                sizeof(manager->identity));
    rv = hpm_file_hold(&manager->channel, channel[0], me->plog);
    if (rv != APR_SUCCESS) {
        return pm_fail_os(why, rv, "cannot keep the channel");
    }
    return APR_SUCCESS;
}

static apr_status_t manager_send_set(hpm_parent_t *me, pm_reason_t *why)
{
    apr_pool_t *p;
    apr_status_t rv = apr_pool_create(&p, me->s->process->pool);

    if (rv != APR_SUCCESS) {
        return pm_fail_os(why, rv, "no memory");
    }
    rv = pm_pool_set_send(hpm_file_fd(me->retained->manager.channel), me->set,
                          pm_time_now() + MANAGER_SEND_TIMEOUT, p, why);
    apr_pool_destroy(p);
    return rv;
}

/* SIGKILL loses no request: at the death of its parent a worker gets SIGTERM,
 * and finishes the request it has. */
static void manager_kill(hpm_parent_t *me)
{
    pid_t pid = me->retained->manager.pid;

    manager_unwatch(me);
    if (manager_is_running(pid)) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
    }
    manager_forget(me);
}

/* httpd calls its monitor hook once in ten seconds only, but at once when a
 * child of its dies: a process that does nothing but wait is the timer. */
static void manager_start_timer(hpm_parent_t *me, apr_interval_time_t delay)
{
    pid_t pid = fork();

    if (pid == 0) {
        pm_signals_reset();
        pm_fds_close_others(NULL, 0);
        if (pm_pdeath_set(SIGKILL, me->retained->parent)) {
            apr_sleep(delay);
        }
        _exit(0);
    }
    if (pid > 0) {
        manager_watch(me, pid);
    }
}

/* The delay doubles with each manager in a row that dies early. */
static void manager_put_off(hpm_parent_t *me)
{
    hpm_manager_process_t *manager = &me->retained->manager;
    apr_time_t delay = MANAGER_RETRY_MIN;
    int i;

    for (i = MANAGER_AT_ONCE + 1;
         i < manager->early && delay < MANAGER_RETRY_MAX; i++) {
        delay *= 2;
    }
    delay = pm_time_min(delay, MANAGER_RETRY_MAX);
    manager->retry_at = pm_time_now() + delay;
    ap_log_error(APLOG_MARK, APLOG_WARNING, 0, me->s,
                 "the next manager is started in %d s",
                 (int)apr_time_sec(delay));
    manager_start_timer(me, delay);
}

static int manager_try_start(hpm_parent_t *me)
{
    pm_reason_t why;
    apr_status_t rv = manager_start(me, &why);

    if (rv == APR_SUCCESS) {
        rv = manager_send_set(me, &why);
    }
    if (rv == APR_SUCCESS) {
        manager_watch(me, me->retained->manager.pid);
        ap_log_error(APLOG_MARK, APLOG_DEBUG, 0, me->s,
                     "manager %" APR_PID_T_FMT " has taken %d pools",
                     me->retained->manager.pid, me->set->members->nelts);
        return 1;
    }
    manager_kill(me);
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, me->s,
                 "cannot start a manager, "
                 "no pool can answer: %s",
                 why.text);
    return 0;
}

/* A manager that dies while it is given its pools is one that dies early. */
static void manager_start_or_put_off(hpm_parent_t *me)
{
    hpm_manager_process_t *manager = &me->retained->manager;

    manager->retry_at = 0;
    while (!manager_try_start(me)) {
        manager->early++;
        if (manager->early > MANAGER_AT_ONCE) {
            manager_put_off(me);
            return;
        }
    }
}

static int manager_httpd_stops(void)
{
    int state;

    return ap_mpm_query(AP_MPMQ_MPM_STATE, &state) == APR_SUCCESS
           && state == AP_MPMQ_STOPPING;
}

/* @param how an exit status or the number of a signal, as APR gives it; -1:
 *            not known */
static void manager_log_death(hpm_parent_t *me, int how)
{
    char text[64] = "";

    if (how >= 0) {
        apr_snprintf(text, sizeof(text), " (exit status or signal %d)", how);
    }
    __atomic_add_fetch(&pm_scoreboard_header(me->retained->board)->restarts, 1,
                       __ATOMIC_RELAXED);
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, me->s,
                 "manager %" APR_PID_T_FMT
                 " has died%s; it is replaced, requests wait in the pools' "
                 "queues",
                 me->retained->manager.pid, text);
}

static void manager_replace(hpm_parent_t *me, int how)
{
    hpm_manager_process_t *manager = &me->retained->manager;
    apr_time_t age = pm_time_now() - manager->born;

    manager_log_death(me, how);
    manager_forget(me);
    manager->early = age < MANAGER_EARLY ? manager->early + 1 : 0;
    if (manager->early > MANAGER_AT_ONCE) {
        manager_put_off(me);
    }
    else {
        manager_start_or_put_off(me);
    }
}

/* APR calls this for the process given to manager_watch():
 * DEATH when httpd's main loop has reaped it; LOST when other code had reaped
 * it; RESTART, again and again, while a restart or the end waits for httpd's
 * children; UNREGISTER from manager_unwatch() and when pconf is cleared.
 * A manager outlives restarts, so only the first two matter.  A process that
 * has gone must not stay in APR's list. */
static void manager_on_exit(int reason, void *data, int status)
{
    hpm_parent_t *me = data;

    if (reason != APR_OC_REASON_DEATH && reason != APR_OC_REASON_LOST) {
        return;
    }
    manager_unwatch(me);
    if (manager_httpd_stops()) {
        /* the next configuration starts one, or httpd ends */
        manager_forget(me);
    }
    else if (me->retained->manager.pid) {
        manager_replace(me, reason == APR_OC_REASON_DEATH ? status : -1);
    }
    else {
        hpm_manager_process_retry(me);
    }
}

/* --- a death is noticed at once ------------------------------------------- */

static void manager_on_sigchld(int sig)
{
    (void)sig;
}

void hpm_manager_process_wake(int on)
{
    struct sigaction sa = {0};

    sigaction(SIGCHLD, NULL, &sa);
    if (sa.sa_flags & SA_SIGINFO
        || sa.sa_handler != (on ? SIG_DFL : manager_on_sigchld)) {
        return; /* other code's */
    }
    sa.sa_handler = on ? manager_on_sigchld : SIG_DFL;
    sa.sa_flags = SA_RESTART | SA_NOCLDSTOP;
    sigaction(SIGCHLD, &sa, NULL);
}

/* --- what the hooks ask for ----------------------------------------------- */

/* Give the running manager the new set; it acts on it at SIGHUP. */
static int manager_update(hpm_parent_t *me)
{
    hpm_manager_process_t *manager = &me->retained->manager;
    pm_reason_t why;
    apr_status_t rv = manager_send_set(me, &why);

    if (rv == APR_SUCCESS && kill(manager->pid, SIGHUP)) {
        rv = pm_fail_os(&why, errno, "SIGHUP");
    }
    if (rv == APR_SUCCESS) {
        manager_watch(me, manager->pid);
        return 1;
    }
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, me->s,
                 "manager %" APR_PID_T_FMT
                 " does not take the new configuration and is replaced: %s",
                 manager->pid, why.text);
    manager_kill(me);
    return 0;
}

void hpm_manager_process_renew(hpm_parent_t *me)
{
    hpm_manager_process_t *manager = &me->retained->manager;

    if (!hpm_manager_process_alive(me)) {
        if (manager->pid) {
            manager_log_death(me, -1);
        }
        manager_kill(me);
    }
    else if (strcmp(manager->identity, manager_identity(me, me->pconf))) {
        ap_log_error(APLOG_MARK, APLOG_NOTICE, 0, me->s,
                     "manager %" APR_PID_T_FMT
                     " is of another build or log and is "
                     "replaced",
                     manager->pid);
        manager_kill(me);
    }
    else if (manager_update(me)) {
        return;
    }
    manager->early = 0;
    manager_start_or_put_off(me);
}

void hpm_manager_process_retry(hpm_parent_t *me)
{
    apr_time_t at = me->retained->manager.retry_at;

    if (at && at <= pm_time_now()) {
        manager_start_or_put_off(me);
    }
}

/* Wait until the manager has closed its end of the channel. */
static int manager_wait_gone(int channel, apr_time_t deadline)
{
    struct pollfd pfd = {channel, 0, 0};
    apr_time_t left;

    while ((left = deadline - pm_time_now()) > 0) {
        if (poll(&pfd, 1, (int)(left / 1000 + 1)) > 0) {
            return 1;
        }
    }
    return 0;
}

void hpm_manager_process_stop(hpm_parent_t *me)
{
    hpm_manager_process_t *manager = &me->retained->manager;
    apr_time_t most = me->set->global->die_timeout + apr_time_from_sec(1);

    manager->retry_at = 0;
    manager_unwatch(me);
    if (!manager_is_running(manager->pid) || kill(manager->pid, SIGTERM)) {
        manager_forget(me); /* httpd -X may not signal it as it is not root any
                             * more: the end of the channel stops it */
        return;
    }
    if (manager_wait_gone(hpm_file_fd(manager->channel),
                          pm_time_now() + most)) {
        waitpid(manager->pid, NULL, 0);
        manager_forget(me);
        return;
    }
    ap_log_error(APLOG_MARK, APLOG_ERR, 0, me->s,
                 "manager %" APR_PID_T_FMT " did not end in time and is killed",
                 manager->pid);
    manager_kill(me);
}
