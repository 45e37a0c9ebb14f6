/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/manager/pm_manager.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "apr_strings.h"
#include "pm_core/ipc/pm_wakeup.h"
#include "pm_core/control/pm_control_commands.h"
#include "pm_core/control/pm_control_report.h"
#include "pm_core/control/pm_probe.h"
#include "pm_core/ipc/pm_http_server.h"
#include "pm_core/ipc/pm_control_server.h"
#include "pm_core/os/pm_fds.h"
#include "pm_core/pool/pm_exec_order.h"
#include "pm_core/pool/pm_filewatch.h"
#include "pm_core/pool/pm_fork_server.h"
#include "pm_core/pool/pm_leftovers.h"
#include "pm_core/pool/pm_output.h"
#include "pm_core/os/pm_pidfile.h"
#include "pm_core/pool/pm_pool.h"
#include "pm_core/pool/pm_reload.h"
#include "pm_core/pool/pm_script_pools.h"
#include "pm_core/os/pm_privs.h"
#include "pm_core/os/pm_reap.h"
#include "pm_core/policy/pm_signal_map.h"
#include "pm_core/os/pm_signals.h"
#include "pm_core/manager/pm_adoption.h"
#include "pm_core/manager/pm_service.h"
#include "pm_core/manager/pm_survivor.h"
#include "pm_core/pool/pm_slow_log.h"
#include "pm_core/pool/pm_warmup.h"
#include "pm_core/pool/pm_overload.h"
#include "pm_core/pool/pm_socket_check.h"
#include "pm_core/os/pm_title.h"
#include "pm_core/os/pm_futex.h"

/* Beyond the die timeout: a process that SIGKILL does not end at once hangs
 * in the kernel, and nothing is gained by waiting for it. */
#define LAST_WAIT apr_time_from_sec(1)

/* To look for what workers have left, when no time is left. */
#define LAST_LOOK apr_time_from_msec(100)

/* A round does each of these for about so long, a step in any case: it adopts
 * and plans pools and orders workers; it receives; it reaps; it runs
 * deadlines. */
#define SLICE apr_time_from_msec(5)

/* Deadlines wait for it. */
#define LONGEST_REAPING apr_time_from_sec(1)

/* Connections to the control socket that the kernel queues. */
#define CONTROL_BACKLOG 64

struct pm_manager {
    apr_pool_t *p;
    pm_manager_opts_t opts;
    pm_context_t context;
    pm_scoreboard_header_t *head;
    pm_signals_t *signals;
    pm_watch_t signal_watch;
    pm_watch_t channel_watch;
    pm_watch_t wakeup_watch;
    pm_watch_t slow_report_watch;
    pm_timer_t grace_timer; /* the drain grace is over */
    pm_timer_t last_timer;  /* the end of all waiting */
    pm_timer_t next_slice;  /* set: something is left for the next round */
    apr_time_t reaping;     /* since when children that have ended are left,
                             * likewise; 0: none are */
    int given_up;
    pm_phase_t phase;
    pm_pool_set_t *taking; /* being received */
    pm_pool_set_t *staged; /* whole, to be adopted at SIGHUP */
    int rereads; /* 1: the program reads its configuration anew, 2: and once
                  * more then */
    pm_adoption_t adoption;
    pm_control_server_t *control;
    pm_listener_t control_listener;
    apr_pool_t *pcontrol; /* its strings */
    pm_pidfile_t pid_file;
    pm_survivor_t survivor;
    pm_service_t service;
    pm_http_server_t *http; /* NULL: there is none */
};

/* --- all pools ------------------------------------------------------------ */

static void mgr_each_pool(pm_manager_t *m, void (*act)(pm_pool_t *pool))
{
    apr_hash_index_t *hi;

    for (hi = apr_hash_first(NULL, m->context.pools); hi;
         hi = apr_hash_next(hi)) {
        act(apr_hash_this_val(hi));
    }
}

static void mgr_plan_touched(pm_manager_t *m, apr_time_t end)
{
    apr_time_t now = pm_time_now();

    while (!APR_RING_EMPTY(&m->context.touched, pm_pool, touched)) {
        pm_pool_t *pool = APR_RING_FIRST(&m->context.touched);

        pm_pool_plan(pool, now);
        if (pm_pool_is_gone(pool) && m->phase == PM_PHASE_RUNNING) {
            apr_hash_set(m->context.pools, &pool->generation,
                         sizeof(pool->generation), NULL);
            pm_pool_destroy(pool);
        }
        now = pm_time_now();
        if (now >= end) {
            return;
        }
    }
}

/* --- the settings of the manager itself ------------------------------------
 */

static void mgr_close_control(pm_manager_t *m)
{
    pm_control_server_destroy(m->control);
    m->control = NULL;
    pm_listen_unlink(&m->control_listener);
    m->control_listener.path = NULL;
}

/* If the socket there is does for this set too, connections stay. */
static int mgr_keeps_control(pm_manager_t *m, const pm_listen_opts_t *opts)
{
    const char *path = m->context.global->socket;

    return m->control && path && !strcmp(path, m->control_listener.path)
           && pm_listen_is_there(&m->control_listener)
           && pm_listen_adjust(&m->control_listener, opts, NULL) == APR_SUCCESS;
}

/* The control socket of the set.  The manager goes on without one when it
 * cannot be opened. */
static void mgr_open_control(pm_manager_t *m)
{
    const char *path = m->context.global->socket;
    pm_listen_opts_t opts = {CONTROL_BACKLOG,
                             (mode_t)m->context.global->socket_mode,
                             m->opts.peer_uid,
                             m->opts.peer_gid,
                             0,
                             0};
    pm_reason_t why;
    apr_status_t rv;

    if (mgr_keeps_control(m, &opts)) {
        return;
    }
    mgr_close_control(m);
    if (!path) {
        return;
    }
    apr_pool_clear(m->pcontrol);
    rv = pm_listen_open(&m->control_listener,
                        apr_pstrcat(m->pcontrol, "unix:", path, NULL), &opts,
                        m->pcontrol, &why);
    if (rv == APR_SUCCESS) {
        rv = pm_control_server_create(
            &m->control, m->context.loop, m->control_listener.fd,
            pm_control_commands_run, &m->context, m->p, &why);
    }
    if (rv != APR_SUCCESS) {
        pm_log(m->opts.log, PM_ERROR,
               "manager (pid %d): no control socket, "
               "it cannot be asked: %s",
               (int)getpid(), why.text);
    }
}

/* The same path gets another file in one step: it is there at any moment. */
static void mgr_write_pid_file(pm_manager_t *m, const pm_pool_set_t *set)
{
    const char *path = set->global->pid_file;
    pm_pidfile_t former = m->pid_file;
    pm_reason_t why;

    if (!path || !former.path || strcmp(path, former.path)) {
        pm_pidfile_remove(&m->pid_file);
        former.fd = -1;
    }
    if (path
        && pm_pidfile_write(&m->pid_file, path, set->members->pool, &why)
               != APR_SUCCESS) {
        pm_log(m->opts.log, PM_ERROR, "manager (pid %d): no pid file: %s",
               (int)getpid(), why.text);
    }
    pm_fds_close(&former.fd);
}

/* The new error log.  It is used at once: when httpd's log goes to a program,
 * the program that reads the old one has ended. */
static void mgr_take_log(pm_manager_t *m, pm_pool_set_t *set)
{
    if (set->log_fd >= 0 && m->opts.relog) {
        m->opts.relog(m->opts.ctx, set->log_fd);
        set->log_fd = -1;
    }
}

/* It can be another one, since the one before has died. */
static void mgr_take_store(pm_manager_t *m, pm_pool_set_t *set)
{
    pm_fds_close(&m->context.store_fd);
    m->context.store_fd = set->store_fd;
    set->store_fd = -1;
}

/* The pid file is written each time: the text of its path goes with the former
 * set. */
static void mgr_adopt_global(pm_manager_t *m, pm_pool_set_t *set)
{
    m->opts.log->level = set->log_level;
    m->context.die_timeout = set->global->die_timeout;
    m->context.global = set->global;
    m->context.max_alive = (int)set->global->max_processes;
    mgr_take_log(m, set);
    mgr_take_store(m, set);
    m->survivor.die_timeout = m->context.die_timeout;
    pm_survivor_renew(&m->survivor);
    pm_title_set(set->global->manager_name);
    mgr_open_control(m);
    mgr_write_pid_file(m, set);
}

/* --- a set of pools is put in force --------------------------------------- */

static void mgr_reply(pm_manager_t *m, char *text)
{
    pm_message_t msg = {.text = text};
    pm_reason_t why;

    if (pm_channel_send(m->opts.channel, &msg, &why) != APR_SUCCESS) {
        pm_log(m->opts.log, PM_ERROR,
               "manager (pid %d): cannot answer "
               "httpd, which will replace it: %s",
               (int)getpid(), why.text);
    }
}

static void mgr_begin_adoption(pm_manager_t *m, pm_pool_set_t *set)
{
    mgr_adopt_global(m, set);
    pm_adoption_begin(&m->adoption, set);
}

/* A reload is over when nothing of it, or of one that came meanwhile, is left
 * to be read or put in force. */
static void mgr_tell_ready(pm_manager_t *m)
{
    if (!m->rereads && m->adoption.phase == PM_ADOPTION_NONE) {
        pm_service_ready(&m->service);
    }
}

/* A set that has come into force wakes httpd's children that wait for it. */
static void mgr_go_on_adopting(pm_manager_t *m, apr_time_t end)
{
    if (!pm_adoption_go_on(&m->adoption, end)) {
        return;
    }
    __atomic_add_fetch(&m->head->adopted, 1, __ATOMIC_SEQ_CST);
    pm_futex_wake(&m->head->adopted, INT_MAX);
    pm_log(m->opts.log, PM_NOTICE, "manager (pid %d): pools in force: %d",
           (int)getpid(), m->adoption.set->members->nelts);
    mgr_tell_ready(m);
}

void pm_manager_adopt(pm_manager_t *m, pm_pool_set_t *set)
{
    mgr_begin_adoption(m, set);
    mgr_go_on_adopting(m, PM_TIME_NEVER);
}

static void mgr_replace(pm_manager_t *m, pm_pool_set_t *set)
{
    m->head->reloads++;
    pm_log(m->opts.log, PM_NOTICE,
           "manager (pid %d): reload: a new configuration is put in force",
           (int)getpid());
    mgr_begin_adoption(m, set);
}

static void mgr_go_on_rereading(pm_manager_t *m, apr_time_t end)
{
    pm_pool_set_t *set = NULL;

    if (!m->rereads || !m->opts.reread(m->opts.ctx, end, &set)) {
        return;
    }
    m->rereads--;
    if (set) {
        mgr_replace(m, set);
    }
    else {
        mgr_open_control(m); /* its file may have been removed */
        mgr_tell_ready(m);
    }
}

/* --- commands ------------------------------------------------------------- */

static void mgr_reload(pm_manager_t *m)
{
    pm_reload_t how = {.origin = PM_RELOAD_SIGNAL};
    pm_pool_set_t *set = m->staged;

    if (!m->context.global || m->context.leaving) {
        return;
    }
    pm_service_reloading(&m->service);
    if (m->opts.reread) {
        m->rereads = m->rereads ? 2 : 1; /* mgr_go_on_rereading() */
        return;
    }
    if (!set) {
        mgr_open_control(m); /* its file may have been removed */
        pm_reload_run(&m->context, NULL, &how);
        pm_service_ready(&m->service);
        return;
    }
    m->staged = NULL;
    mgr_replace(m, set);
}

static void mgr_die(pm_manager_t *m, const char *why)
{
    pm_log(m->opts.log, PM_NOTICE,
           "manager (pid %d): %s: every worker is "
           "told to go",
           (int)getpid(), why);
    m->phase = PM_PHASE_DYING;
    m->context.leaving = 1;
    pm_loop_at(m->context.loop, &m->grace_timer, PM_TIME_NEVER);
    m->context.dying_at = pm_time_now();
    m->context.end_by =
        m->context.dying_at + m->context.die_timeout + LAST_WAIT;
    pm_loop_at(m->context.loop, &m->last_timer, m->context.end_by);
    pm_service_stopping(&m->service, 0);
    pm_spawner_kill(&m->context.spawner, NULL); /* takes back what it has not
                                                 * begun */
    /* httpd keeps the sockets of its pools for the next manager */
    mgr_each_pool(m, m->opts.channel < 0 ? pm_pool_finish : pm_pool_close);
}

static void mgr_on_grace(void *ctx, apr_time_t now)
{
    (void)now;
    mgr_die(ctx, "the drain grace is over");
}

/* SIGTERM: the drain grace comes first, if it has not begun.  httpd needs none:
 * its children finish before it ends the manager. */
static void mgr_leave(void *ctx, const char *why)
{
    pm_manager_t *m = ctx;
    apr_interval_time_t grace = m->context.global && m->opts.channel < 0
                                    ? m->context.global->drain_grace
                                    : 0;

    if (!grace || m->context.leaving) {
        mgr_die(m, why);
        return;
    }
    pm_log(m->opts.log, PM_NOTICE,
           "manager (pid %d): %s: not ready any more, ends in %.3f s",
           (int)getpid(), why, (double)grace / APR_USEC_PER_SEC);
    m->context.leaving = 1;
    pm_service_stopping(&m->service, grace);
    pm_loop_at(m->context.loop, &m->grace_timer, pm_time_now() + grace);
}

static pm_worker_t *mgr_worker(const pm_manager_t *m, const pid_t *pid)
{
    return apr_hash_get(m->context.workers, pid, sizeof(*pid));
}

/* A worker that has died may have been born a moment ago, and has said so. */
static pm_worker_t *mgr_dead_worker(pm_manager_t *m, const pid_t *pid)
{
    pm_worker_t *w = mgr_worker(m, pid);

    if (!w || w->state == PM_WORKER_LEFT) {
        pm_exec_orders_hear(&m->context);
        w = mgr_worker(m, pid);
    }
    return w;
}

static void mgr_reap_one(pm_manager_t *m, const pm_reaped_t *dead)
{
    pm_worker_t *w = mgr_dead_worker(m, &dead->pid);
    pm_worker_t *leader = mgr_worker(m, &dead->group);

    if (w && w->state != PM_WORKER_LEFT) {
        pm_worker_reaped(w, dead->status);
    }
    else if (!pm_slow_log_reaped(&m->context, dead->pid, dead->status)
             && !pm_survivor_reaped(&m->survivor, dead->pid)
             && !pm_spawner_reaped(&m->context.spawner, dead->pid) && leader) {
        pm_worker_leftover_reaped(leader);
    }
}

static void mgr_reap(pm_manager_t *m)
{
    apr_time_t begin = pm_time_now();
    pm_reaped_t dead;

    while (pm_reap_next(&dead)) {
        mgr_reap_one(m, &dead);
        if (pm_time_now() - begin >= SLICE) {
            m->reaping = m->reaping ? m->reaping : begin;
            return;
        }
    }
    m->reaping = 0;
}

static void mgr_run_signals(pm_manager_t *m)
{
    apr_uint64_t come = pm_signals_take(m->signals);
    const int *sig;

    if (m->reaping) {
        come |= APR_UINT64_C(1) << SIGCHLD;
    }
    for (sig = pm_signal_map_taken; *sig; sig++) {
        if (!(come & (APR_UINT64_C(1) << *sig))) {
            continue;
        }
        switch (pm_signal_map(*sig, m->phase)) {
        case PM_SIGNAL_RELOAD:
            mgr_reload(m);
            break;
        case PM_SIGNAL_DIE:
            mgr_leave(m, strsignal(*sig));
            break;
        case PM_SIGNAL_REAP:
            mgr_reap(m);
            break;
        case PM_SIGNAL_NONE:
        default:
            break;
        }
    }
}

/* --- the channel ---------------------------------------------------------- */

/* The answer lets httpd serve: requests wait for a pool that is not in force
 * yet, as for one that starts. */
static void mgr_take_set(pm_manager_t *m)
{
    if (m->context.global) {
        mgr_take_log(m, m->taking);
        pm_pool_set_destroy(m->staged);
        m->staged = m->taking;
    }
    else {
        mgr_begin_adoption(m, m->taking);
    }
    m->taking = NULL;
}

static void mgr_take_message(pm_manager_t *m, const pm_message_t *msg,
                             apr_pool_t *p)
{
    pm_reason_t why;
    int whole;
    apr_status_t rv = pm_pool_set_receive(&m->taking, msg, &whole, m->p, &why);

    if (whole) {
        mgr_take_set(m);
    }
    mgr_reply(m, rv == APR_SUCCESS ? apr_pstrdup(p, "ok")
                                   : apr_pstrcat(p, "error ", why.text, NULL));
}

/* Closed, or reset because an answer was not read. */
static int mgr_is_gone(apr_status_t rv)
{
    return APR_STATUS_IS_EOF(rv) || APR_STATUS_IS_ECONNRESET(rv);
}

static void mgr_unlink_socket(pm_pool_t *pool)
{
    pm_listen_unlink(&pool->listener);
}

/* httpd has gone: its paths are free for the next one, while the workers finish
 * their requests. */
static void mgr_leave_paths(pm_manager_t *m)
{
    if (m->phase == PM_PHASE_RUNNING) {
        mgr_go_on_adopting(m, PM_TIME_NEVER);
    }
    mgr_close_control(m);
    mgr_each_pool(m, mgr_unlink_socket);
    pm_pidfile_remove(&m->pid_file);
}

/* @return 1: there may be more to receive */
static int mgr_receive(pm_manager_t *m)
{
    pm_message_t msg;
    pm_reason_t why;
    apr_pool_t *p = pm_subpool_create(m->p);
    apr_status_t rv = pm_channel_recv(m->opts.channel, &msg, p, &why);

    if (rv == APR_SUCCESS) {
        mgr_take_message(m, &msg, p);
    }
    else if (mgr_is_gone(rv)) {
        pm_loop_unwatch(m->context.loop, &m->channel_watch);
        mgr_leave_paths(m);
        if (m->phase == PM_PHASE_RUNNING) {
            mgr_die(m, "httpd has gone");
        }
    }
    else if (!APR_STATUS_IS_EAGAIN(rv)) {
        /* a message that could not be received whole: httpd decides */
        mgr_reply(m, apr_pstrcat(p, "error ", why.text, NULL));
    }
    apr_pool_destroy(p);
    return rv == APR_SUCCESS;
}

/* A message for each pool comes: the parent waits for all of them. */
static void mgr_on_channel(void *ctx, int events)
{
    apr_time_t end = pm_time_now() + SLICE;

    (void)events;
    while (mgr_receive(ctx) && pm_time_now() < end) {
    }
}

/* --- wakeups from httpd's children ---------------------------------------- */

static void mgr_on_wakeup(void *ctx, int events)
{
    pm_manager_t *m = ctx;
    int slots[PM_WAKEUP_MAX];
    int n = pm_wakeup_receive(m->opts.wakeup, slots);
    int i;

    (void)events;
    for (i = 0; i < n; i++) {
        if (slots[i] >= 0 && slots[i] < PM_SCOREBOARD_SLOTS) {
            pm_admission_t admission =
                pm_scoreboard_admission(m->context.scoreboard, slots[i]);

            pm_admission_reset_call(&admission);
            if (m->context.slots[slots[i]]) {
                pm_pool_touch(m->context.slots[slots[i]]);
                pm_output_attend(m->context.slots[slots[i]]);
            }
        }
    }
    if (n < 0) {
        pm_loop_unwatch(m->context.loop, &m->wakeup_watch);
    }
}

/* --- reports of slow requests --------------------------------------------- */

static void mgr_on_slow_report(void *ctx, int events)
{
    pm_manager_t *m = ctx;
    pm_slow_report_t note;
    int got = 1;
    int i;

    (void)events;
    for (i = 0;
         i < 16
         && (got = pm_slow_report_receive(m->opts.slow_report, &note)) > 0;
         i++) {
        pm_slow_log_report(&m->context, &note);
    }
    if (got < 0) {
        pm_loop_unwatch(m->context.loop, &m->slow_report_watch);
    }
}

/* --- ends ----------------------------------------------------------------- */

static void mgr_on_last(void *ctx, apr_time_t now)
{
    pm_manager_t *m = ctx;

    (void)now;
    m->given_up = 1;
}

/* It ends the wait: the rest is planned in the next round. */
static void mgr_on_slice(void *ctx, apr_time_t now)
{
    (void)ctx;
    (void)now;
}

/* Which signals have come is read later: pm_manager_run(). */
static void mgr_on_signal(void *ctx, int events)
{
    (void)events;
    pm_signals_drain(((pm_manager_t *)ctx)->signals);
}

/* --- life ----------------------------------------------------------------- */

static void mgr_log_start(pm_manager_t *m)
{
    m->head->pid = (apr_uint32_t)getpid();
    m->head->started = pm_time_now();
    pm_log(m->opts.log, PM_NOTICE, "manager (pid %d): started", (int)getpid());
}

static const pm_pool_feature_t *const mgr_features[] = {
    &pm_script_pools_feature, &pm_slow_log_feature,     &pm_filewatch_feature,
    &pm_reload_wait_feature,  &pm_socket_check_feature, &pm_overload_feature,
    &pm_fork_server_feature,  &pm_warmup_feature,       NULL};

static void mgr_init_context(pm_manager_t *m)
{
    pm_context_t *context = &m->context;

    context->p = m->p;
    context->log = m->opts.log;
    context->scoreboard = m->opts.scoreboard;
    context->store_fd = -1;
    context->names = m->opts.names;
    context->features = mgr_features;
    context->pools = apr_hash_make(m->p);
    context->workers = apr_hash_make(m->p);
    context->slow_commands = apr_hash_make(m->p);
    context->roster = pm_roster_create(m->p);
    context->httpd_uid = m->opts.peer_uid;
    context->sock_diag.netlink = -1;
    pm_fds_raise(&context->files);
    APR_RING_INIT(&context->touched, pm_pool, touched);
    APR_RING_INIT(&context->waiting, pm_pool, room);
    pm_script_pools_init(context);
}

/* Watches a descriptor; -1: there is none. */
static apr_status_t mgr_watch(pm_manager_t *m, pm_watch_t *watch, int fd,
                              void (*ready)(void *ctx, int events),
                              pm_reason_t *why)
{
    *watch = (pm_watch_t){.ready = ready, .ctx = m};
    return fd < 0 ? APR_SUCCESS
                  : pm_loop_watch(m->context.loop, watch, fd, APR_POLLIN, m->p,
                                  why);
}

static apr_status_t mgr_open(pm_manager_t *m, pm_reason_t *why)
{
    const pm_manager_opts_t *opts = &m->opts;
    apr_status_t rv = pm_loop_create(&m->context.loop, m->p, why);

    if (rv == APR_SUCCESS) {
        rv = pm_signals_open(&m->signals, pm_signal_map_taken,
                             pm_signal_map_ignored, m->p, why);
    }
    if (rv == APR_SUCCESS) {
        rv = mgr_watch(m, &m->signal_watch, pm_signals_fd(m->signals),
                       mgr_on_signal, why);
    }
    if (rv == APR_SUCCESS) {
        rv =
            mgr_watch(m, &m->channel_watch, opts->channel, mgr_on_channel, why);
    }
    if (rv == APR_SUCCESS) {
        rv = mgr_watch(m, &m->wakeup_watch, opts->wakeup, mgr_on_wakeup, why);
    }
    if (rv == APR_SUCCESS) {
        rv = mgr_watch(m, &m->slow_report_watch, opts->slow_report,
                       mgr_on_slow_report, why);
    }
    if (rv == APR_SUCCESS && opts->metrics) {
        rv = pm_http_server_create(
            &m->http, m->context.loop, opts->metrics, pm_probe_answer,
            pm_probe_create(&m->context, m->p), m->p, why);
    }
    return rv;
}

apr_status_t pm_manager_create(pm_manager_t **out,
                               const pm_manager_opts_t *opts, apr_pool_t *p,
                               pm_reason_t *why)
{
    pm_manager_t *m = apr_pcalloc(p, sizeof(*m));
    apr_status_t rv;

    m->p = p;
    m->opts = *opts;
    m->adoption.context = &m->context;
    m->head = pm_scoreboard_header(opts->scoreboard);
    m->control_listener.fd = -1;
    m->pid_file.fd = -1;
    m->pcontrol = pm_subpool_create(p);
    m->grace_timer = (pm_timer_t){.due = mgr_on_grace, .ctx = m};
    m->last_timer = (pm_timer_t){.due = mgr_on_last, .ctx = m};
    m->next_slice = (pm_timer_t){.due = mgr_on_slice, .ctx = m};
    mgr_init_context(m);
    m->context.leave = opts->channel < 0 ? mgr_leave : NULL;
    m->context.leave_ctx = m;
    m->survivor = (pm_survivor_t){.log = opts->log,
                                  .log_fd = opts->log_fd,
                                  .roster = m->context.roster,
                                  .httpd = opts->httpd};
    pm_service_init(&m->service, opts->notify, &m->context, p);
    rv = mgr_open(m, why);
    if (rv == APR_SUCCESS) {
        pm_reap_adopt_orphans();
        pm_privs_keep_needed();
        pm_spawner_start(&m->context.spawner, opts->log, p);
        pm_exec_orders_init(&m->context);
        pm_control_report_init(&m->context);
        mgr_log_start(m);
        *out = m;
    }
    return rv;
}

static int mgr_is_finished(const pm_manager_t *m)
{
    return m->phase == PM_PHASE_DYING
           && (m->given_up
               || (!apr_hash_count(m->context.workers)
                   && !pm_exec_orders_given(&m->context)));
}

static void mgr_kill_strays(pm_pool_t *pool)
{
    pm_leftovers_kill_strays(pool);
}

/* httpd has the sockets of its newest set, and removes them when it ends; those
 * of pools that are not in it are the manager's. */
static void mgr_unlink_sockets(pm_manager_t *m)
{
    const pm_pool_set_t *set = m->staged ? m->staged : m->adoption.set;
    apr_hash_index_t *hi;

    for (hi = apr_hash_first(NULL, m->context.pools); hi;
         hi = apr_hash_next(hi)) {
        pm_pool_t *pool = apr_hash_this_val(hi);

        if (m->opts.channel < 0 || pm_adoption_removes(set, pool)) {
            mgr_unlink_socket(pool);
        }
    }
}

/* While httpd lives another manager goes on with the sockets and the
 * scoreboard, and requests wait in the kernel till then. */
static int mgr_end(pm_manager_t *m)
{
    int status = m->given_up || m->context.killed;

    pm_http_server_destroy(m->http);
    m->http = NULL;
    mgr_close_control(m);
    m->context.end_by =
        pm_time_max(m->context.end_by, pm_time_now() + LAST_LOOK);
    pm_spawner_end(&m->context.spawner);
    mgr_each_pool(m, mgr_kill_strays);
    mgr_unlink_sockets(m);
    pm_pidfile_remove(&m->pid_file);
    pm_survivor_end(&m->survivor);
    pm_log(m->opts.log, PM_NOTICE, "manager (pid %d): ends with %d: %s",
           (int)getpid(), status,
           status ? "not all workers went by themselves"
                  : "all workers have gone");
    return status;
}

/* What has happened is over: pools of a new set, plans, and births.  What does
 * not fit into a slice is for the next round, without a wait. */
static void mgr_act(pm_manager_t *m)
{
    apr_time_t end = pm_time_now() + SLICE;
    int left = 0;

    if (m->phase == PM_PHASE_RUNNING) {
        mgr_go_on_rereading(m, end);
        mgr_go_on_adopting(m, end);
        left = m->adoption.phase != PM_ADOPTION_NONE || m->rereads;
    }
    mgr_plan_touched(m, end);
    left |= pm_exec_orders_give(&m->context, end);
    if (left || m->reaping
        || !APR_RING_EMPTY(&m->context.touched, pm_pool, touched)) {
        pm_loop_at(m->context.loop, &m->next_slice, pm_time_now());
    }
}

/* Not before all that have ended are reaped: a deadline that passed while the
 * manager was stopped, or busy, is not of these.  But a program can have
 * children that end faster than that. */
static void mgr_run_timers(pm_manager_t *m)
{
    if (!m->reaping || pm_time_now() - m->reaping >= LONGEST_REAPING) {
        pm_loop_run_timers(m->context.loop, pm_time_now() + SLICE);
    }
}

int pm_manager_run(pm_manager_t *m)
{
    for (;;) {
        mgr_act(m);
        m->head->loop_max = pm_loop_longest(m->context.loop);
        if (mgr_is_finished(m)) {
            return mgr_end(m);
        }
        pm_loop_turn(m->context.loop); /* exec, output, control, sets,
                                        * wakeups */
        mgr_run_signals(m); /* now what a process that ended has written has
                             * been read */
        mgr_run_timers(m);
    }
}
