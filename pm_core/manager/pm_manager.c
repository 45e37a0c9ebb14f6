/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/manager/pm_manager.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "apr_strings.h"
#include "pm_core/ipc/pm_wakeup.h"
#include "pm_core/control/pm_control_commands.h"
#include "pm_core/ipc/pm_control_server.h"
#include "pm_core/policy/pm_reload_policy.h"
#include "pm_core/os/pm_fds.h"
#include "pm_core/pool/pm_filewatch.h"
#include "pm_core/pool/pm_output.h"
#include "pm_core/os/pm_pidfile.h"
#include "pm_core/pool/pm_pool.h"
#include "pm_core/os/pm_privs.h"
#include "pm_core/os/pm_reap.h"
#include "pm_core/policy/pm_signal_map.h"
#include "pm_core/os/pm_signals.h"
#include "pm_core/pool/pm_slow_log.h"
#include "pm_core/os/pm_title.h"
#include "pm_core/os/pm_futex.h"

/* Beyond the die timeout: a process that SIGKILL does not end at once hangs
 * in the kernel, and nothing is gained by waiting for it. */
#define LAST_WAIT apr_time_from_sec(1)

/* Who connects while as many wait has to wait for that. */
#define CONTROL_BACKLOG 64

struct pm_manager {
    apr_pool_t *p;
    pm_manager_opts_t opts;
    pm_context_t world;
    pm_scoreboard_header_t *head;
    pm_signals_t *signals;
    pm_watch_t signal_watch;
    pm_watch_t channel_watch;
    pm_watch_t bell_watch;
    pm_watch_t wire_watch;
    pm_timer_t last_timer; /* the end of all waiting */
    int given_up;
    int orphaned; /* httpd has gone: its sockets are ours to
                   * clear away */
    pm_phase_t phase;
    pm_pool_set_t *set;    /* in force; NULL: none yet */
    pm_pool_set_t *taking; /* being received */
    pm_pool_set_t *staged; /* whole, to be adopted at SIGHUP */
    pm_control_server_t *control;
    pm_listener_t control_listener;
    apr_pool_t *pcontrol; /* its strings */
    const char *pid_file;
};

/* --- all pools ------------------------------------------------------------ */

static void each_pool(pm_manager_t *m, void (*act)(pm_pool_t *pool))
{
    apr_hash_index_t *hi;

    for (hi = apr_hash_first(NULL, m->world.pools); hi;
         hi = apr_hash_next(hi)) {
        act(apr_hash_this_val(hi));
    }
}

static void plan_touched(pm_manager_t *m)
{
    apr_time_t now = pm_time_now();

    while (!APR_RING_EMPTY(&m->world.touched, pm_pool, touched)) {
        pm_pool_t *pool = APR_RING_FIRST(&m->world.touched);

        pm_pool_plan(pool, now);
        if (pm_pool_is_gone(pool) && m->phase == PM_PHASE_RUNNING) {
            apr_hash_set(m->world.pools, &pool->generation,
                         sizeof(pool->generation), NULL);
            pm_pool_destroy(pool);
        }
    }
}

/* --- a set of pools is put in force --------------------------------------- */

static void adopt_member(pm_manager_t *m, pm_member_t *member)
{
    pm_pool_t *pool = apr_hash_get(m->world.pools, &member->generation,
                                   sizeof(member->generation));
    pm_graceful_t graceful = (pm_graceful_t)m->set->global->graceful;

    switch (pm_reload_policy_plan(graceful, pool ? pool->conf : NULL,
                                  member->conf)) {
    case PM_RELOAD_POLICY_RELOAD:
        pm_pool_define(pool, member);
        pm_pool_reload(pool);
        break;
    case PM_RELOAD_POLICY_KEEP:
        pm_pool_define(pool, member);
        break;
    case PM_RELOAD_POLICY_START:
    default:
        pool = pm_pool_create(&m->world, member);
        apr_hash_set(m->world.pools, &pool->generation,
                     sizeof(pool->generation), pool);
        break;
    }
}

/* Pools the set does not have are removed. */
static void remove_others(pm_manager_t *m)
{
    apr_hash_index_t *hi;
    int i;

    for (hi = apr_hash_first(NULL, m->world.pools); hi;
         hi = apr_hash_next(hi)) {
        pm_pool_t *pool = apr_hash_this_val(hi);

        if (pool->script) {
            continue;
        }
        for (i = 0; i < m->set->members->nelts; i++) {
            if (APR_ARRAY_IDX(m->set->members, i, pm_member_t).generation
                == pool->generation) {
                break;
            }
        }
        if (i == m->set->members->nelts) {
            pm_pool_remove(pool);
        }
    }
}

static void close_control(pm_manager_t *m)
{
    pm_control_server_destroy(m->control);
    m->control = NULL;
    pm_listen_unlink(&m->control_listener);
    m->control_listener.path = NULL;
}

/* The one there is does for this set, too: who is connected stays so. */
static int keeps_control(pm_manager_t *m, const pm_listen_opts_t *opts)
{
    const char *path = m->set->global->socket;

    return m->control && path && !strcmp(path, m->control_listener.path)
           && pm_listen_is_there(&m->control_listener)
           && pm_listen_adjust(&m->control_listener, opts, NULL) == APR_SUCCESS;
}

/* The control socket of the set; a manager without one is still a manager. */
static void open_control(pm_manager_t *m)
{
    const char *path = m->set->global->socket;
    pm_listen_opts_t opts = {CONTROL_BACKLOG,
                             (mode_t)m->set->global->socket_mode,
                             m->opts.peer_uid, m->opts.peer_gid};
    pm_reason_t why;
    apr_status_t rv;

    if (keeps_control(m, &opts)) {
        return;
    }
    close_control(m);
    if (!path) {
        return;
    }
    apr_pool_clear(m->pcontrol);
    rv = pm_listen_open(&m->control_listener,
                        apr_pstrcat(m->pcontrol, "unix:", path, NULL), &opts,
                        m->pcontrol, &why);
    if (rv == APR_SUCCESS) {
        rv = pm_control_server_create(
            &m->control, m->world.loop, m->control_listener.fd,
            pm_control_commands_run, &m->world, m->p, &why);
    }
    if (rv != APR_SUCCESS) {
        pm_log(m->opts.log, PM_ERROR,
               "manager (pid %d): no control socket, "
               "it cannot be asked: %s",
               (int)getpid(), why.text);
    }
}

static void write_pid_file(pm_manager_t *m)
{
    pm_reason_t why;

    if (m->pid_file) {
        pm_pidfile_remove(m->pid_file);
    }
    m->pid_file = m->set->global->pid_file;
    if (m->pid_file
        && pm_pidfile_write(m->pid_file, m->set->members->pool, &why)
               != APR_SUCCESS) {
        pm_log(m->opts.log, PM_ERROR, "manager (pid %d): no pid file: %s",
               (int)getpid(), why.text);
        m->pid_file = NULL;
    }
}

/* The new error log.  As soon as it is there: when httpd's log goes to a
 * program, nobody reads what still goes to the old one. */
static void take_log(pm_manager_t *m, pm_pool_set_t *set)
{
    if (set->log_fd >= 0 && m->opts.relog) {
        m->opts.relog(m->opts.ctx, set->log_fd);
        set->log_fd = -1;
    }
}

/* The part of the set that is not pools.  The pid file is made anew each
 * time: its path goes with the former set. */
static void adopt_global(pm_manager_t *m)
{
    m->opts.log->level = m->set->log_level;
    m->world.die_timeout = m->set->global->die_timeout;
    m->world.config = m->set->config;
    m->world.global = m->set->global;
    m->world.max_alive = (int)m->set->global->max_processes;
    take_log(m, m->set);
    pm_title_set(m->set->global->manager_name);
    open_control(m);
    write_pid_file(m);
}

/* Who could not be answered can be now. */
static void tell_adopted(pm_manager_t *m)
{
    __atomic_add_fetch(&m->head->adopted, 1, __ATOMIC_SEQ_CST);
    pm_futex_wake(&m->head->adopted, INT_MAX);
}

void pm_manager_adopt(pm_manager_t *m, pm_pool_set_t *set)
{
    pm_pool_set_t *former = m->set;
    int i;

    m->set = set;
    adopt_global(m);
    for (i = 0; i < set->members->nelts; i++) {
        adopt_member(m, &APR_ARRAY_IDX(set->members, i, pm_member_t));
    }
    remove_others(m);
    pm_script_pools_adopt(&m->world, set);
    pm_filewatch_renew(&m->world);
    pm_pool_set_destroy(former);
    tell_adopted(m);
    pm_log(m->opts.log, PM_NOTICE, "manager (pid %d): pools in force: %d",
           (int)getpid(), set->members->nelts);
}

/* --- commands ------------------------------------------------------------- */

static void command_reload(pm_manager_t *m)
{
    m->head->reloads++;
    pm_log(m->opts.log, PM_NOTICE, "manager (pid %d): reload: %s",
           (int)getpid(),
           m->staged ? "a new configuration is put in force"
                     : "all workers are replaced");
    if (m->staged) {
        pm_pool_set_t *set = m->staged;

        m->staged = NULL;
        pm_manager_adopt(m, set);
    }
    else {
        each_pool(m, pm_pool_reload);
    }
}

static void command_die(pm_manager_t *m, const char *why)
{
    pm_log(m->opts.log, PM_NOTICE,
           "manager (pid %d): %s: every worker is "
           "told to go",
           (int)getpid(), why);
    m->phase = PM_PHASE_DYING;
    m->world.dying_at = pm_time_now();
    pm_loop_at(m->world.loop, &m->last_timer,
               m->world.dying_at + m->world.die_timeout + LAST_WAIT);
    each_pool(m, pm_pool_close);
}

static void reap(pm_manager_t *m)
{
    pm_reaped_t dead;

    while (pm_reap_next(&dead)) {
        pm_worker_t *w =
            apr_hash_get(m->world.workers, &dead.pid, sizeof(dead.pid));
        pm_worker_t *leader =
            apr_hash_get(m->world.workers, &dead.group, sizeof(dead.group));

        if (w && w->state != PM_WORKER_LEFT) {
            pm_worker_reaped(w, dead.status);
        }
        else if (pm_slow_log_reaped(&m->world, dead.pid, dead.status)) {
            continue;
        }
        else if (leader && !pm_reap_group(dead.group, 0)) {
            pm_worker_handle(leader, PM_WORKER_EVENT_EMPTY);
        }
    }
}

static void run_signals(pm_manager_t *m)
{
    apr_uint64_t come = pm_signals_take(m->signals);
    const int *sig;

    for (sig = pm_signal_map_taken; *sig; sig++) {
        if (!(come & (APR_UINT64_C(1) << *sig))) {
            continue;
        }
        switch (pm_signal_map(*sig, m->phase)) {
        case PM_SIGNAL_RELOAD:
            command_reload(m);
            break;
        case PM_SIGNAL_DIE:
            command_die(m, strsignal(*sig));
            break;
        case PM_SIGNAL_REAP:
            reap(m);
            break;
        case PM_SIGNAL_NONE:
        default:
            break;
        }
    }
}

/* --- the channel ---------------------------------------------------------- */

static void take_whole(pm_manager_t *m)
{
    if (m->set) {
        take_log(m, m->taking);
        pm_pool_set_destroy(m->staged);
        m->staged = m->taking;
    }
    else {
        pm_manager_adopt(m, m->taking);
    }
    m->taking = NULL;
}

static void reply(pm_manager_t *m, char *text)
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

static void take_message(pm_manager_t *m, const pm_message_t *msg,
                         apr_pool_t *p)
{
    pm_reason_t why;
    int whole;
    apr_status_t rv = pm_pool_set_receive(&m->taking, msg, &whole, m->p, &why);

    if (whole) {
        take_whole(m); /* first: the answer lets httpd serve */
    }
    reply(m, rv == APR_SUCCESS ? apr_pstrdup(p, "ok")
                               : apr_pstrcat(p, "error ", why.text, NULL));
}

/* Its end closed, or reset as an answer was not read any more. */
static int is_gone(apr_status_t rv)
{
    return APR_STATUS_IS_EOF(rv) || APR_STATUS_IS_ECONNRESET(rv);
}

static void on_channel(void *ctx, int events)
{
    pm_manager_t *m = ctx;
    pm_message_t msg;
    pm_reason_t why;
    apr_pool_t *p;
    apr_status_t rv;

    (void)events;
    p = pm_subpool_create(m->p);
    rv = pm_channel_recv(m->opts.channel, &msg, p, &why);
    if (rv == APR_SUCCESS) {
        take_message(m, &msg, p);
    }
    else if (is_gone(rv)) {
        pm_loop_unwatch(m->world.loop, &m->channel_watch);
        m->orphaned = 1;
        if (m->phase == PM_PHASE_RUNNING) {
            command_die(m, "httpd has gone");
        }
    }
    else if (!APR_STATUS_IS_EAGAIN(rv)) {
        /* no descriptor for what came: httpd, which is there, decides */
        reply(m, apr_pstrcat(p, "error ", why.text, NULL));
    }
    apr_pool_destroy(p);
}

/* --- the bell ------------------------------------------------------------- */

static void on_bell(void *ctx, int events)
{
    pm_manager_t *m = ctx;
    int slots[PM_WAKEUP_MAX];
    int n = pm_wakeup_receive(m->opts.bell, slots);
    int i;

    (void)events;
    for (i = 0; i < n; i++) {
        if (slots[i] >= 0 && slots[i] < PM_SCOREBOARD_SLOTS) {
            pm_admission_reset_call(
                pm_scoreboard_admission(m->world.board, slots[i]));
            if (m->world.slots[slots[i]]) {
                pm_pool_touch(m->world.slots[slots[i]]);
                pm_output_attend(m->world.slots[slots[i]]);
            }
        }
    }
    if (n < 0) {
        pm_loop_unwatch(m->world.loop, &m->bell_watch);
    }
}

/* --- the wire ------------------------------------------------------------- */

static void on_wire(void *ctx, int events)
{
    pm_manager_t *m = ctx;
    pm_slow_report_t note;
    int got = 1;
    int i;

    (void)events;
    for (i = 0;
         i < 16 && (got = pm_slow_report_receive(m->opts.wire, &note)) > 0;
         i++) {
        pm_slow_log_told(&m->world, &note);
    }
    if (got < 0) {
        pm_loop_unwatch(m->world.loop, &m->wire_watch);
    }
}

/* --- ends ----------------------------------------------------------------- */

static void on_last(void *ctx, apr_time_t now)
{
    pm_manager_t *m = ctx;

    (void)now;
    m->given_up = 1;
}

/* What has come is looked at after the descriptors: pm_manager_run(). */
static void on_signal(void *ctx, int events)
{
    (void)events;
    pm_signals_drain(((pm_manager_t *)ctx)->signals);
}

/* --- life ----------------------------------------------------------------- */

static void introduce(pm_manager_t *m)
{
    m->head->pid = (apr_uint32_t)getpid();
    m->head->started = pm_time_now();
    pm_log(m->opts.log, PM_NOTICE, "manager (pid %d): started", (int)getpid());
}

apr_status_t pm_manager_create(pm_manager_t **out,
                               const pm_manager_opts_t *opts, apr_pool_t *p,
                               pm_reason_t *why)
{
    pm_manager_t *m = apr_pcalloc(p, sizeof(*m));
    apr_status_t rv;

    m->p = p;
    m->opts = *opts;
    m->head = pm_scoreboard_header(opts->board);
    m->world.pools = apr_hash_make(p);
    m->control_listener.fd = -1;
    m->pcontrol = pm_subpool_create(p);
    m->world.p = p;
    m->world.log = opts->log;
    m->world.board = opts->board;
    m->world.workers = apr_hash_make(p);
    m->world.commands = apr_hash_make(p);
    m->world.asker = opts->peer_uid;
    m->world.diag.netlink = -1;
    pm_fds_raise(&m->world.files);
    pm_script_pools_init(&m->world);
    APR_RING_INIT(&m->world.touched, pm_pool, touched);
    APR_RING_INIT(&m->world.hungry, pm_pool, hungry);
    m->signal_watch = (pm_watch_t){.ready = on_signal, .ctx = m};
    m->channel_watch = (pm_watch_t){.ready = on_channel, .ctx = m};
    m->bell_watch = (pm_watch_t){.ready = on_bell, .ctx = m};
    m->wire_watch = (pm_watch_t){.ready = on_wire, .ctx = m};
    m->last_timer = (pm_timer_t){.due = on_last, .ctx = m};
    rv = pm_loop_create(&m->world.loop, p, why);
    if (rv == APR_SUCCESS) {
        rv = pm_signals_open(&m->signals, pm_signal_map_taken,
                             pm_signal_map_ignored, p, why);
    }
    if (rv == APR_SUCCESS) {
        rv = pm_loop_watch(m->world.loop, &m->signal_watch,
                           pm_signals_fd(m->signals), APR_POLLIN, p, why);
    }
    if (rv == APR_SUCCESS && opts->channel >= 0) {
        rv = pm_loop_watch(m->world.loop, &m->channel_watch, opts->channel,
                           APR_POLLIN, p, why);
    }
    if (rv == APR_SUCCESS && opts->bell >= 0) {
        rv = pm_loop_watch(m->world.loop, &m->bell_watch, opts->bell,
                           APR_POLLIN, p, why);
    }
    if (rv == APR_SUCCESS && opts->wire >= 0) {
        rv = pm_loop_watch(m->world.loop, &m->wire_watch, opts->wire,
                           APR_POLLIN, p, why);
    }
    if (rv == APR_SUCCESS) {
        pm_reap_adopt_orphans();
        pm_privs_keep_needed();
        introduce(m);
        *out = m;
    }
    return rv;
}

static int finished(const pm_manager_t *m)
{
    return m->phase == PM_PHASE_DYING
           && (m->given_up || !apr_hash_count(m->world.workers));
}

static void clear_away(pm_pool_t *pool)
{
    pm_listen_unlink(&pool->listener);
}

static void clear_script(pm_pool_t *pool)
{
    if (pool->script) {
        clear_away(pool);
    }
}

/* Sockets and the board are left as they are: while httpd lives another
 * manager goes on with them, and requests wait in the kernel till then.  But
 * those of scripts are nobody else's. */
static int end(pm_manager_t *m)
{
    int status = m->given_up || m->world.killed;

    close_control(m);
    each_pool(m, m->orphaned ? clear_away : clear_script);
    if (m->pid_file) {
        pm_pidfile_remove(m->pid_file);
    }
    pm_log(m->opts.log, PM_NOTICE, "manager (pid %d): ends with %d: %s",
           (int)getpid(), status,
           status ? "not all workers went by themselves"
                  : "all workers have gone");
    return status;
}

int pm_manager_run(pm_manager_t *m)
{
    for (;;) {
        plan_touched(m); /* what has happened, pool by pool */
        if (finished(m)) {
            return end(m);
        }
        pm_loop_turn(m->world.loop); /* births, output, questions, sets,
                                      * deadlines */
        run_signals(m);              /* then signals: when the dead are
                                      * counted, their words have been read */
    }
}
