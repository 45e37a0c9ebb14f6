/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/pool/pm_fork_server.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apr_strings.h"
#include "pm_core/ipc/pm_fork_client.h"
#include "pm_core/os/pm_fds.h"
#include "pm_core/os/pm_listen_state.h"
#include "pm_core/os/pm_reap.h"
#include "pm_core/policy/pm_reload_policy.h"
#include "pm_core/pool/pm_exec_order.h"
#include "pm_core/pool/pm_leftovers.h"
#include "pm_core/pool/pm_order.h"
#include "pm_core/pool/pm_pool_exit.h"
#include "pm_core/pool/pm_rollback.h"
#include "pm_core/pool/pm_warmup.h"
#include "pm_core/spawn/pm_spawn.h"

/* A fork takes a millisecond. */
#define ORDER_TIMEOUT apr_time_from_sec(10)

/* At once: the next answer touches the pool. */
#define MOST_ORDERS 64

/* A process with the manager's end of its socket: a candidate, or the fork
 * server. */
typedef struct fork_process {
    apr_pool_t *p;
    pm_worker_t *w; /* NULL: it was ordered */
    int fd;
    pm_watch_t watch;
    int proven; /* a worker that it has forked has worked */
} fork_process_t;

typedef struct fork_order {
    pm_order_t order;
    struct pm_fork_server *fs;
    uint32_t serial;
    int said; /* a newborn that has died, why */
} fork_order_t;

struct pm_fork_server {
    pm_pool_t *pool;
    fork_process_t *server; /* NULL: there is none */
    fork_process_t *next;   /* the candidate; NULL: none is loading */
    int renew;              /* the server has loaded the code before a reload */
    int kept;  /* of the definition before, as the new code does not load */
    int sweep; /* children that were not ordered may have been left */
    int again; /* a reload came while the candidate loaded */
    apr_uint64_t blamed; /* number of the last one that could make none */
    char why[PM_FORK_TEXT + 40]; /* this code cannot be preloaded; "" */
    uint32_t serial;
    struct pm_orders orders;
    int full;        /* the kernel takes no more of them until one has ended */
    pm_timer_t idle; /* a server without workers ends */
};

static fork_order_t *fs_of(pm_order_t *order)
{
    return (fork_order_t *)(void *)order; /* whose first member it is */
}

static int fs_wants(const pm_pool_t *pool)
{
    return pool->conf->preload != PM_PRELOAD_OFF;
}

/* --- orders --------------------------------------------------------------- */

static void fs_order_leave(const fork_order_t *o)
{
    o->fs->pool->workers.forking--;
    o->fs->full = 0;
}

static void fs_order_end(fork_order_t *o)
{
    fs_order_leave(o);
    pm_order_end(&o->order);
}

/* An order was answered.  The fork server obeys one after the other: the next
 * ones have had their turn from now on, the ones before have had it. */
static void fs_turn_of_next(const fork_order_t *answered)
{
    struct pm_fork_server *fs = answered->fs;
    apr_time_t by = pm_time_now() + ORDER_TIMEOUT;
    pm_order_t *order = NULL;

    APR_RING_FOREACH(order, &fs->orders, pm_order, link)
    {
        if (fs_of(order)->serial > answered->serial) {
            pm_loop_at(fs->pool->context->loop, &order->timer, by);
        }
    }
}

static void fs_order_answered(fork_order_t *o)
{
    fs_turn_of_next(o);
    fs_order_end(o);
}

/* A newborn that is on its way is not welcomed, and ends. */
static void fs_orders_end(struct pm_fork_server *fs)
{
    while (!APR_RING_EMPTY(&fs->orders, pm_order, link)) {
        fs_order_end(fs_of(APR_RING_FIRST(&fs->orders)));
    }
}

static void fs_hush(struct pm_fork_server *fs, fork_process_t *process)
{
    pm_loop_unwatch(fs->pool->context->loop, &process->watch);
    pm_fds_close(&process->fd);
}

/* From now on it is a worker as any other, or will be none.  NULL: there is
 * no process.  @return its worker */
static pm_worker_t *fs_release(struct pm_fork_server *fs,
                               fork_process_t **which)
{
    fork_process_t *process = *which;
    pm_worker_t *w = process ? process->w : NULL;

    if (!process) {
        return NULL;
    }
    if (which == &fs->server) {
        fs_orders_end(fs);
    }
    *which = NULL;
    fs_hush(fs, process);
    apr_pool_destroy(process->p);
    return w;
}

static void fs_stop(struct pm_fork_server *fs, fork_process_t **which)
{
    pm_worker_t *w = fs_release(fs, which);

    if (w) {
        pm_worker_handle(w, PM_WORKER_EVENT_STOP);
    }
}

static void fs_note(struct pm_fork_server *fs, const char *why)
{
    pm_pool_t *pool = fs->pool;

    apr_cpystrn(fs->why, why, sizeof(fs->why));
    pm_log(pool->context->log,
           pool->conf->preload == PM_PRELOAD_ON ? PM_WARNING : PM_INFO,
           "pool %s: FcgiPMPreload: each worker loads the program by itself: "
           "%s",
           pool->conf->name, why);
}

/* Executed ones may well work. */
static void fs_note_failed(struct pm_fork_server *fs, const char *why)
{
    fs_note(fs, why);
    pm_restart_policy_forget(&fs->pool->restart);
    pm_pool_touch(fs->pool);
}

/* A reload has begun, which does not depend on the fork server of before. */
static int fs_is_former(struct pm_fork_server *fs)
{
    int former = fs->renew;

    fs->renew = 0;
    return former;
}

/* It has not done what it was to do: until the next reload each worker executes
 * the program. */
static void fs_kill(struct pm_fork_server *fs, const char *what)
{
    pm_worker_t *w = fs_release(fs, &fs->server);
    pm_pool_t *pool = fs->pool;

    if (!w) {
        return;
    }
    pm_pool_error(pool, PM_ERROR, "fork server %d %s and is ended", (int)w->pid,
                  what);
    w->killed_for = what;
    pm_worker_handle(w, PM_WORKER_EVENT_KILL);
    if (!fs_is_former(fs)) {
        fs_note_failed(fs, what);
    }
}

static void fs_on_deadline(void *ctx, apr_time_t now)
{
    (void)now;
    fs_kill(((fork_order_t *)ctx)->fs, "has not made a worker in 10 s");
}

/* --- a newborn ------------------------------------------------------------ */

/* What has said so may be any process that has the socket. */
static int fs_is_newborn(const pm_pool_t *pool, pid_t pid)
{
    const pm_context_t *context = pool->context;
    const pm_worker_t *known =
        apr_hash_get(context->workers, &pid, sizeof(pid));

    return pm_reap_is_child(pid) && pm_reap_leads_group(pid)
           && (!known || known->state == PM_WORKER_LEFT)
           && !apr_hash_get(context->slow_commands, &pid, sizeof(pid));
}

static void fs_adopt(fork_order_t *o, pid_t pid)
{
    struct pm_fork_server *fs = o->fs;
    pm_pool_t *pool = fs->pool;
    const fork_process_t *server = fs->server;
    pm_worker_origin_t from = {server->w->spec, server->w->definition,
                               server->w->at, server->w->number};
    pm_worker_t *w;

    pm_fork_client_welcome(o->order.birth_fd, o->serial);
    fs_turn_of_next(o);
    fs_order_leave(o);
    w = pm_order_adopt(&o->order, &from, pid, -1);
    if (fs->renew) {
        pm_worker_set_due(
            w, pm_reload_policy_due(pool->conf->reload, 0, PM_DUE_NOT));
    }
}

/* --- workers that fail ---------------------------------------------------- */

static int fs_is_of_server(const struct pm_fork_server *fs,
                           const pm_worker_t *w)
{
    return fs->server && w->forked == fs->server->w->number;
}

/* That it has waited for a request is no proof: it can end when it has waited,
 * as one that finds its pid changed. */
static void fs_look_for_proof(pm_worker_t *w, void *ctx)
{
    struct pm_fork_server *fs = ctx;
    apr_time_t now = pm_time_now();
    pm_worker_facts_t seen = pm_worker_read_facts(w, now);

    if (fs_is_of_server(fs, w) && seen.known
        && (seen.requests || now - w->started_at >= PM_RESTART_POLICY_SETTLE)) {
        fs->server->proven = 1;
    }
}

/* A worker could not be made, or has failed: where none has worked the program
 * may well work when it is executed.  A rolling reload ends at the first that
 * fails.  @return 1: the fork server is ended for that */
static int fs_give_up(struct pm_fork_server *fs)
{
    pm_pool_t *pool = fs->pool;

    pm_pool_each_worker(pool, fs_look_for_proof, fs);
    if (fs->server->proven || fs->renew || fs->kept
        || !(pool->restart.failures || pool->workers.due[PM_DUE_ROLL])) {
        return 0;
    }
    fs->blamed = fs->server->w->number;
    fs_stop(fs, &fs->server);
    fs_note_failed(fs, "forked workers fail at birth");
    return 1;
}

int pm_fork_server_is_blamed(pm_pool_t *pool, const pm_worker_t *w)
{
    struct pm_fork_server *fs = pool->fork_server;

    return w && w->forked
           && (w->forked == fs->blamed
               || (fs_is_of_server(fs, w) && fs_give_up(fs)));
}

static int fs_hear(struct pm_fork_server *fs, fork_process_t *process);
static fork_order_t *fs_find(const struct pm_fork_server *fs, uint32_t serial);

static void fs_on_line(void *ctx, const char *line)
{
    fork_order_t *order = ctx;

    pm_pool_error(order->fs->pool, PM_WARNING,
                  "a worker has died before it was set up: %s", line);
    order->said = 1;
}

/* It has died, and may have written why. */
static void fs_report_death(fork_order_t *order)
{
    pm_lines_t *lines = apr_pcalloc(order->order.p, sizeof(*lines));
    char bytes[512];
    ssize_t n = read(order->order.output_fd, bytes, sizeof(bytes));

    if (n > 0) {
        pm_lines_feed(lines, bytes, (apr_size_t)n, fs_on_line, order);
        pm_lines_end(lines, fs_on_line, order);
    }
    if (!order->said) {
        pm_pool_error(order->fs->pool, PM_WARNING,
                      "a worker has died before it was set up");
    }
}

/* The fork server may have said that there is none, and why. */
static void fs_no_newborn(struct pm_fork_server *fs, uint32_t serial)
{
    fork_order_t *order;

    while (fs->server && fs_hear(fs, fs->server)) {
        ;
    }
    order = fs_find(fs, serial);
    if (order) {
        fs_report_death(order);
        fs_order_answered(order);
        if (!fs_give_up(fs)) {
            pm_pool_exit_failed(fs->pool, NULL, pm_time_now());
        }
    }
}

static void fs_on_newborn(void *ctx, int events)
{
    fork_order_t *order = ctx;
    struct pm_fork_server *fs = order->fs;
    pid_t pid = pm_fork_client_born(order->order.birth_fd, order->serial);

    (void)events;
    if (!pid) {
        return;
    }
    if (pid > 0 && fs_is_newborn(fs->pool, pid)) {
        fs_adopt(order, pid);
    }
    else if (pid > 0 && kill(pid, 0) == 0) {
        fs_kill(fs, "has named a process that is no child of the manager's");
    }
    else {
        fs_no_newborn(fs, order->serial);
    }
}

/* @return an errno; the order's descriptors are there, or not */
static int fs_order_open(fork_order_t *o)
{
    pm_order_t *order = &o->order;
    pm_fork_order_t say = {o->serial, order->shm_index};
    int output[2], newborn[2];
    int err = pm_spawn_output(output);
    pm_reason_t why;

    if (err) {
        return err;
    }
    order->output_fd = output[0];
    err = pm_fork_client_newborn(newborn);
    if (!err) {
        order->birth_fd = newborn[0];
        err = pm_fork_client_order(o->fs->server->fd, &say, output[1],
                                   newborn[1]);
        close(newborn[1]);
    }
    close(output[1]);
    if (!err
        && pm_loop_watch(order->group->context->loop, &order->watch,
                         order->birth_fd, APR_POLLIN, order->p, &why)
               != APR_SUCCESS) {
        err = ENOMEM;
    }
    return err;
}

static pm_fork_birth_t fs_order(struct pm_fork_server *fs, apr_time_t now)
{
    pm_pool_t *pool = fs->pool;
    fork_order_t *o = fs_of(pm_order_create(&pool->workers, sizeof(*o)));
    char text[120];
    int err;

    o->fs = fs;
    o->serial = ++fs->serial;
    o->order.watch.ready = fs_on_newborn;
    o->order.timer.due = fs_on_deadline;
    pool->workers.forking++;
    APR_RING_INSERT_TAIL(&fs->orders, &o->order, pm_order, link);
    pm_loop_at(pool->context->loop, &o->order.timer, now + ORDER_TIMEOUT);
    err = fs_order_open(o);
    if (!err) {
        return PM_FORK_BEGUN;
    }
    fs_order_end(o);
    if ((err == EAGAIN || err == ETOOMANYREFS)
        && !APR_RING_EMPTY(&fs->orders, pm_order, link)) {
        fs->full = 1;
        return PM_FORK_LATER;
    }
    pm_pool_error(pool, PM_ERROR, "cannot order a worker: %s",
                  apr_strerror(err, text, sizeof(text)));
    return PM_FORK_NOT;
}

/* --- what a candidate and a server say ------------------------------------ */

/* The candidate is a worker as any other. */
static void fs_refuse(struct pm_fork_server *fs, const char *why)
{
    fs_note(fs, why);
    fs_release(fs, &fs->next);
    fs_stop(fs, &fs->server);
    if (fs->again) { /* there is newer code */
        fs->why[0] = '\0';
    }
    fs->renew = fs->again = 0;
    pm_pool_tell_former(fs->pool);
    pm_pool_touch(fs->pool);
}

static void fs_serve(struct pm_fork_server *fs)
{
    pm_pool_t *pool = fs->pool;
    fork_process_t *now = fs->next;
    int again = fs->again;

    fs->again = 0;
    pool->last_start = 0; /* a worker is still to come */
    if (again && pool->workers.count[PM_WORKER_READY]) {
        fs_stop(fs, &fs->next);
        fs->renew = fs->server != NULL;
        return;
    }
    fs_stop(fs, &fs->server);
    fs->next = NULL;
    fs->server = now;
    fs->renew = 0;
    fs->why[0] = '\0';
    fs->kept = 0;
    pool->restart.trial_at = 0; /* that it has loaded proves no worker */
    pm_loop_at(pool->context->loop, &now->w->timer, PM_TIME_NEVER);
    pm_log(pool->context->log, PM_INFO,
           "pool %s: worker %d has loaded the program and is the fork server",
           pool->conf->name, (int)now->w->pid);
    now->w->runs = now->w->forks = 1; /* the pipe may not have said so yet */
    pm_worker_handle(now->w, PM_WORKER_EVENT_RUNS);
    pm_worker_handle(now->w, PM_WORKER_EVENT_FORKS);
    if (again) {
        pm_pool_reload(pool);
    }
}

static fork_order_t *fs_find(const struct pm_fork_server *fs, uint32_t serial)
{
    pm_order_t *order = NULL;

    APR_RING_FOREACH(order, &fs->orders, pm_order, link)
    {
        fork_order_t *o = fs_of(order);

        if (o->serial == serial) {
            return o;
        }
    }
    return NULL;
}

/* Is it an error that may be gone the next time? */
static int fs_passes(int error)
{
    return error == EAGAIN || error == ENOMEM || error == EMFILE
           || error == ENFILE;
}

static void fs_on_server(struct pm_fork_server *fs, int heard,
                         const pm_fork_message_t *said)
{
    pm_pool_t *pool = fs->pool;
    fork_order_t *order = heard > 0 && said->kind == PM_FORK_FAILED
                              ? fs_find(fs, said->serial)
                              : NULL;
    char text[120];
    int proven;

    if (heard > 0 && !order) {
        fs_kill(fs, "says what it was not asked for");
        return;
    }
    if (order) {
        pm_pool_error(pool, PM_ERROR, "the fork server cannot fork: %s",
                      apr_strerror(said->error, text, sizeof(text)));
        fs_order_answered(order);
        if (!fs_passes(said->error)) {
            fs_kill(fs, "cannot make workers");
            return;
        }
    }
    else {
        pm_pool_error(pool, PM_WARNING, "fork server %d has gone",
                      (int)fs->server->w->pid);
        if (fs_give_up(fs)) {
            return;
        }
        proven = fs->server->proven;
        fs_stop(fs, &fs->server);
        if (fs_is_former(fs) || proven) {
            pm_pool_touch(pool);
            return;
        }
    }
    pm_pool_exit_failed(pool, NULL, pm_time_now());
}

static void fs_on_candidate(struct pm_fork_server *fs, int heard,
                            const pm_fork_message_t *said)
{
    pm_worker_t *w = fs->next->w;
    char text[sizeof(fs->why)];
    const char *why;

    /* it is going, and its exit tells; or serves without having decided */
    if (heard < 0 || !pm_worker_fsm_alive(w->state)) {
        fs_hush(fs, fs->next);
        return;
    }
    /* before another worker is started, see pool_prepare_socket() */
    fs->pool->nonblocking = pm_listen_state_is_nonblocking(&fs->pool->listener);
    if (said->kind == PM_FORK_SERVES) {
        if (pm_warmup_judge(w, 1)) {
            fs_serve(fs);
        }
        return;
    }
    why = said->kind == PM_FORK_REFUSED && said->text[0] ? said->text
                                                         : "it gives no reason";
    apr_snprintf(text, sizeof(text), "%s%s",
                 w->asked ? "after FcgiPMWarmup: " : "", why);
    if (pm_warmup_judge(w, 0) || pm_worker_fsm_alive(w->state)) {
        fs_refuse(fs, text);
    }
}

/* @return 0: it has said nothing more */
static int fs_hear(struct pm_fork_server *fs, fork_process_t *process)
{
    pm_fork_message_t said = {0};
    int heard = process && process->w && process->fd >= 0
                    ? pm_fork_client_hear(process->fd, &said)
                    : 0;

    if (heard && process == fs->next) {
        fs_on_candidate(fs, heard, &said);
    }
    else if (heard) {
        fs_on_server(fs, heard, &said);
    }
    return heard;
}

static void fs_on_message(void *ctx, int events)
{
    struct pm_fork_server *fs = ctx;

    (void)events;
    fs_hear(fs, fs->next);
    fs_hear(fs, fs->server);
}

/* --- a candidate ---------------------------------------------------------- */

static void fs_on_loading(pm_pool_t *pool, pm_exec_end_t how, pm_worker_t *w,
                          void *warmup)
{
    struct pm_fork_server *fs = pool->fork_server;
    pm_reason_t why;

    pm_warmup_begin(warmup, w);
    if (how != PM_EXEC_BORN) {
        fs_release(fs, &fs->next);
        if (how == PM_EXEC_FAILED) {
            pm_pool_start_failed(pool);
        }
        return;
    }
    fs->next->w = w;
    if (!pm_pool_has_socket(w)) {
        fs_stop(fs, &fs->next);
        return;
    }
    if (pm_loop_watch(pool->context->loop, &fs->next->watch, fs->next->fd,
                      APR_POLLIN, fs->next->p, &why)
        != APR_SUCCESS) {
        fs_refuse(fs, why.text);
    }
}

static pm_fork_birth_t fs_load(struct pm_fork_server *fs)
{
    pm_pool_t *pool = fs->pool;
    fork_process_t *process;
    apr_pool_t *p;
    int fd[2];

    if (!pm_rollback_spec(pool)->guard || !pool->workers.shm) {
        fs_note(fs, "the guard is not in it (FcgiPMGuard)");
        fs_stop(fs, &fs->server);
        fs->renew = 0;
        return PM_FORK_BY_EXEC;
    }
    if (pm_fork_client_pair(fd)) {
        pm_pool_error(pool, PM_ERROR, "cannot make a pair of sockets");
        return PM_FORK_NOT;
    }
    p = pm_subpool_create(pool->p);
    process = apr_pcalloc(p, sizeof(*process));
    process->p = p;
    process->fd = fd[0];
    process->watch.ready = fs_on_message;
    process->watch.ctx = fs;
    fs->next = process;
    fs->again = 0;
    fs->why[0] = '\0';
    pm_exec_order(pool, fd[1], fs_on_loading, pm_warmup_ask(pool, fd[0]));
    return PM_FORK_BEGUN;
}

pm_fork_birth_t pm_fork_server_birth(pm_pool_t *pool, int want, apr_time_t now)
{
    struct pm_fork_server *fs = pool->fork_server;
    int missing = pm_pool_alive(pool) - (fs->next != NULL) < want;

    if (!fs_wants(pool) || fs->why[0]) {
        return PM_FORK_BY_EXEC;
    }
    if (fs->server && !fs->renew && !fs->kept
        && fs->server->w->definition != pm_rollback_number(pool)) {
        fs_stop(fs, &fs->server);
    }
    if (fs->full || pool->workers.ordered >= MOST_ORDERS) {
        return PM_FORK_LATER;
    }
    if (!fs->next && (!fs->server || fs->renew)) {
        return fs_load(fs);
    }
    return !fs->server              ? PM_FORK_LATER
           : (missing || !fs->next) ? fs_order(fs, now)
                                    : PM_FORK_ENOUGH;
}

int pm_fork_server_is_candidate(const pm_worker_t *w)
{
    const fork_process_t *next = w->pool->fork_server->next;

    return next && next->w == w;
}

/* --- events of the pool --------------------------------------------------- */

void pm_fork_server_reload(pm_pool_t *pool)
{
    struct pm_fork_server *fs = pool->fork_server;

    fs->why[0] = '\0';
    fs->kept = 0;
    fs->again = fs->next != NULL;
    fs->renew = fs->server != NULL;
    if (fs->server && !pm_pool_alive(pool)) {
        fs_stop(fs, &fs->server); /* the next request is for the new code */
        fs->renew = 0;
    }
}

void pm_fork_server_moved(pm_pool_t *pool)
{
    struct pm_fork_server *fs = pool->fork_server;

    fs_stop(fs, &fs->server);
    if (fs->next && fs->next->w) { /* else it is looked at when it comes */
        fs_stop(fs, &fs->next);
    }
    fs->renew = 0;
}

void pm_fork_server_ready(pm_pool_t *pool, const pm_worker_t *w)
{
    struct pm_fork_server *fs = pool->fork_server;

    if (fs_is_of_server(fs, w) && !fs->renew) {
        pm_pool_tell_former(pool);
    }
    if (fs->next && fs->next->w == w) {
        fs_hear(fs, fs->next); /* why it serves may be there already */
    }
    if (fs->next && fs->next->w == w) {
        fs_refuse(fs, "its first wait for a request is not seen");
    }
}

/* The new code does not load: workers and fork server stay as they are. */
static void fs_keep_former(struct pm_fork_server *fs)
{
    if (fs->server && fs->renew) {
        fs->renew = 0;
        fs->kept = 1;
        pm_log(fs->pool->context->log, PM_ERROR,
               "pool %s: the reload ends: the program does not load any more; "
               "workers go on with, and are forked from, what was loaded "
               "before",
               fs->pool->conf->name);
        pm_pool_keep_workers(fs->pool, PM_DUE_START);
    }
}

static int fs_shows_harm(int status)
{
    int sig = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

    return sig == SIGSEGV || sig == SIGABRT || sig == SIGBUS || sig == SIGILL;
}

void pm_fork_server_failed(pm_pool_t *pool, const pm_worker_t *w, int by_code)
{
    struct pm_fork_server *fs = pool->fork_server;

    if (!fs->next || fs->next->w != w) {
        return;
    }
    fs_release(fs, &fs->next);
    if (!fs->again && by_code) {
        fs_keep_former(fs);
    }
    fs->again = 0; /* else the reload goes on with another candidate */
    pm_pool_touch(pool);
}

void pm_fork_server_exited(pm_pool_t *pool, pm_worker_t *w, int status)
{
    struct pm_fork_server *fs = pool->fork_server;

    pm_fork_server_failed(pool, w, !w->term_at || w->overdue);
    fs_look_for_proof(w, fs);
    if (fs_is_of_server(fs, w) && !w->term_at && fs_shows_harm(status)) {
        pm_log(pool->context->log, PM_WARNING,
               "pool %s: worker %d has crashed: the fork server %d, which "
               "shares its memory, is replaced as well",
               pool->conf->name, (int)w->pid, (int)fs->server->w->pid);
        fs_stop(fs, &fs->server);
    }
}

static void fs_worker_gone(pm_worker_t *w)
{
    struct pm_fork_server *fs = w->pool->fork_server;

    if (fs->server && fs->server->w == w) {
        fs_release(fs, &fs->server);
    }
    fs->sweep |= w->forks;
}

static void fs_on_idle(void *ctx, apr_time_t now)
{
    struct pm_fork_server *fs = ctx;

    (void)now;
    if (fs->server && !pm_pool_alive(fs->pool)) {
        fs_stop(fs, &fs->server);
    }
}

/* Without workers, and not wanted for new ones soon. */
static void fs_planned(pm_pool_t *pool)
{
    struct pm_fork_server *fs = pool->fork_server;
    pm_loop_t *loop = pool->context->loop;

    if (fs->server
        && (pool->phase == PM_POOL_CLOSING || pm_pool_held(pool)
            || !fs_wants(pool)
            || (fs->renew && !fs->next && !pm_pool_alive(pool)))) {
        fs_stop(fs, &fs->server);
        fs->renew = 0;
    }
    if (fs->sweep && !pool->workers.ordered) {
        fs->sweep = 0;
        pm_leftovers_kill_strays(pool);
    }
    if (!fs->server || pm_pool_alive(pool) || !pool->conf->idle_timeout) {
        pm_loop_at(loop, &fs->idle, PM_TIME_NEVER);
    }
    else if (!fs->idle.when) {
        pm_loop_at(loop, &fs->idle, pm_time_now() + pool->conf->idle_timeout);
    }
}

static apr_status_t fs_cleanup(void *ctx)
{
    struct pm_fork_server *fs = ctx;

    pm_loop_at(fs->pool->context->loop, &fs->idle, PM_TIME_NEVER);
    fs_orders_end(fs);
    return APR_SUCCESS;
}

static void fs_create(pm_pool_t *pool)
{
    struct pm_fork_server *fs = apr_pcalloc(pool->p, sizeof(*fs));

    fs->pool = pool;
    fs->idle = (pm_timer_t){.due = fs_on_idle, .ctx = fs};
    APR_RING_INIT(&fs->orders, pm_order, link);
    pool->fork_server = fs;
    apr_pool_pre_cleanup_register(pool->p, fs, fs_cleanup);
}

const char *pm_fork_server_state(const pm_pool_t *pool)
{
    const struct pm_fork_server *fs = pool->fork_server;

    return !fs_wants(pool) ? "off"
           : fs->server    ? "on"
           : fs->why[0]    ? fs->why
                           : "loading";
}

pid_t pm_fork_server_pid(const pm_pool_t *pool)
{
    const fork_process_t *server = pool->fork_server->server;

    return server ? server->w->pid : 0;
}

int pm_fork_server_is_kept(const pm_pool_t *pool)
{
    return pool->fork_server->kept;
}

const pm_pool_feature_t pm_fork_server_feature = {
    .create = fs_create, .planned = fs_planned, .worker_gone = fs_worker_gone};
