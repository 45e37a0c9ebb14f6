/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/pool/pm_exec_order.h"

#include <unistd.h>

#include "apr_strings.h"
#include "pm_core/os/pm_fds.h"
#include "pm_core/policy/pm_reload_policy.h"
#include "pm_core/pool/pm_order.h"
#include "pm_core/pool/pm_rollback.h"
#include "pm_core/spawn/pm_spawn.h"

/* Given at once: enough that the spawner is never idle, and few enough that a
 * change is not long in coming. */
#define MOST_GIVEN 32

/* A birth takes a millisecond.  A spawner that has not obeyed an order so long
 * after the one before is killed, and what it had to do is given again; the
 * second time is for a child of its that hangs. */
#define SPAWNER_TIMEOUT apr_time_from_sec(2)
#define CHILD_TIMEOUT   apr_time_from_sec(10)

/* Given so many times, and died each time before it was born. */
#define TRIES 4

typedef struct exec_order {
    pm_order_t order;
    int fork_fd;
    pm_exec_ended_t *ended;
    void *ctx;               /* given to that */
    pm_worker_origin_t from; /* when it was given; its specification is kept, as
                              * a definition can go before its worker comes */
    int given;
    int stale;   /* its pool was reloaded since */
    int obeyed;  /* or the spawner that has it was killed */
    int excused; /* another one of its pool has failed meanwhile */
    int tries;
    pid_t group; /* its child's, until that has said that it is born */
    pid_t pid;   /* 0: not born yet; -1: will not be */
    int error;   /* why not */
} exec_order_t;

struct pm_exec_orders {
    struct pm_orders waiting;
    struct pm_orders given;
    int ngiven;
};

static exec_order_t *exec_of(pm_order_t *order)
{
    return (exec_order_t *)(void *)order; /* whose first member it is */
}

static pm_pool_t *exec_pool(const exec_order_t *o)
{
    return o->order.group->pool;
}

static struct pm_exec_orders *exec_all(const exec_order_t *o)
{
    return o->order.group->context->exec_orders;
}

static pm_spawner_t *exec_spawner(const exec_order_t *o)
{
    return &o->order.group->context->spawner;
}

static void exec_set_deadline(exec_order_t *o)
{
    pm_loop_at(o->order.group->context->loop, &o->order.timer,
               pm_time_now() + (o->obeyed ? CHILD_TIMEOUT : SPAWNER_TIMEOUT));
}

/* An order was answered.  The spawner obeys one after the other: those before
 * have had their turn, those behind have it from now on. */
static void exec_turn_of_next(const exec_order_t *answered)
{
    pm_order_t *order = NULL;
    int before = 1;

    APR_RING_FOREACH(order, &exec_all(answered)->given, pm_order, link)
    {
        exec_order_t *o = exec_of(order);

        if (o == answered) {
            before = 0;
        }
        else if (!o->obeyed && !o->pid) {
            o->obeyed = before;
            exec_set_deadline(o);
        }
    }
}

/* It is answered, and its place is free for another. */
static void exec_ungive(exec_order_t *o)
{
    struct pm_exec_orders *all = exec_all(o);

    if (o->given) {
        o->given = 0;
        all->ngiven--;
        exec_turn_of_next(o);
    }
}

/* The pool may have been stopped or removed, or be about to end, since its plan
 * has ordered it. */
static int exec_is_wanted(const exec_order_t *o)
{
    const pm_pool_t *pool = exec_pool(o);

    return pool->phase != PM_POOL_CLOSING && !pm_pool_held(pool);
}

/* --- the end -------------------------------------------------------------- */

static void exec_end(exec_order_t *o, pm_exec_end_t how)
{
    pm_pool_t *pool = exec_pool(o);
    pm_exec_ended_t *ended = o->ended;
    void *ctx = o->ctx;

    exec_ungive(o);
    pm_fds_close(&o->fork_fd);
    pm_order_end(&o->order);
    ended(pool, how, NULL, ctx);
}

static void exec_fail(exec_order_t *o, const char *why)
{
    pm_pool_error(exec_pool(o), PM_ERROR, "cannot start a worker: %s", why);
    exec_end(o, PM_EXEC_FAILED);
}

/* Several that could not be forked in the same moment are one failure. */
static void exec_excuse_others(const exec_order_t *o)
{
    pm_order_t *order = NULL;

    APR_RING_FOREACH(order, &exec_all(o)->given, pm_order, link)
    {
        if (order->group == o->order.group) {
            exec_of(order)->excused = 1;
        }
    }
}

static void exec_fork_failed(exec_order_t *o)
{
    char text[120];

    if (o->excused) {
        exec_end(o, PM_EXEC_RECALLED);
        return;
    }
    exec_excuse_others(o);
    exec_fail(o, apr_psprintf(o->order.p, "cannot fork: %s",
                              apr_strerror(o->error, text, sizeof(text))));
}

static void exec_adopt(exec_order_t *o)
{
    pm_pool_t *pool = exec_pool(o);
    pm_exec_ended_t *ended = o->ended;
    void *ctx = o->ctx;
    int fd = o->order.birth_fd, stale = o->stale;
    pm_worker_t *w;

    setpgid(o->pid, o->pid); /* as the child does: whichever is first */
    exec_ungive(o);
    pm_fds_close(&o->fork_fd);
    pm_loop_unwatch(pool->context->loop, &o->order.watch);
    o->order.birth_fd = -1;
    w = pm_order_adopt(&o->order, &o->from, o->pid, fd);
    if (stale) {
        pm_worker_set_due(
            w, pm_reload_policy_due(pool->conf->reload, 0, PM_DUE_NOT));
    }
    ended(pool, PM_EXEC_BORN, w, ctx);
}

/* The spawner has gone before it was at it. */
static void exec_again(exec_order_t *o)
{
    struct pm_exec_orders *all = exec_all(o);

    if (++o->tries >= TRIES) {
        exec_fail(o, "its process ended before it was set up");
        return;
    }
    pm_pool_touch(exec_pool(o)); /* it may not be needed any more */
    exec_ungive(o);
    pm_order_close(&o->order);
    o->obeyed = o->stale = o->excused = o->error = 0;
    o->pid = 0;
    APR_RING_REMOVE(&o->order, link);
    APR_RING_INSERT_HEAD(&all->waiting, &o->order, pm_order, link);
}

/* --- what a child says ---------------------------------------------------- */

static pid_t exec_listen(exec_order_t *o)
{
    if (!o->pid) {
        o->pid = pm_spawn_born(o->order.birth_fd, &o->error);
    }
    return o->pid;
}

static void exec_hear(exec_order_t *o)
{
    pid_t pid = exec_listen(o);

    if (pid > 0) {
        exec_adopt(o);
    }
    else if (pid < 0
             && (!o->error || pm_spawner_refused(exec_spawner(o), o->error))) {
        exec_again(o);
    }
    else if (pid < 0) {
        exec_fork_failed(o);
    }
}

static void exec_on_birth(void *ctx, int events)
{
    (void)events;
    exec_hear(ctx);
}

static void exec_on_deadline(void *ctx, apr_time_t now)
{
    exec_order_t *o = ctx;

    (void)now;
    if (exec_listen(o)) {
        exec_hear(o); /* pm_exec_orders_has() has read of it, perhaps */
    }
    else if (o->obeyed) {
        exec_fail(o, "its process was not made in time");
    }
    else {
        o->obeyed = 1;
        exec_set_deadline(o);
        pm_spawner_kill(exec_spawner(o), "has not made a worker in 2 s");
    }
}

/* --- give ----------------------------------------------------------------- */

static apr_status_t exec_spawn(exec_order_t *o, pm_reason_t *why)
{
    pm_order_t *order = &o->order;
    pm_pool_t *pool = exec_pool(o);
    pm_birth_t birth = {.listen_fd = pool->listener.fd,
                        .shm_fd = pm_worker_shm_fd(pool->workers.shm),
                        .shm_index = order->shm_index,
                        .fork_fd = o->fork_fd};
    pm_spawned_t out;
    apr_status_t rv;

    o->from = pm_rollback_origin(pool);
    birth.spec = o->from.spec;
    rv = pm_spawn(&out, exec_spawner(o), &birth, why);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    o->from.spec = pm_launch_spec_keep(birth.spec, order->p);
    order->birth_fd = out.exec_fd;
    order->output_fd = out.output_fd;
    o->pid = out.pid; /* the manager has forked it itself */
    (void)pm_loop_watch(pool->context->loop, &order->watch, order->birth_fd,
                        APR_POLLIN, order->p, why); /* else at the deadline */
    return APR_SUCCESS;
}

/* @return 0: the spawner has orders enough */
static int exec_give(exec_order_t *o)
{
    struct pm_exec_orders *all = exec_all(o);
    pm_reason_t why;
    apr_status_t rv;

    if (!exec_is_wanted(o)) {
        exec_end(o, PM_EXEC_RECALLED);
        return 1;
    }
    rv = exec_spawn(o, &why);
    if (APR_STATUS_IS_INCOMPLETE(rv)) {
        return 0;
    }
    if (rv != APR_SUCCESS) {
        exec_fail(o, why.text);
        return 1;
    }
    if (o->pid) {
        exec_adopt(o);
        return 1;
    }
    APR_RING_REMOVE(&o->order, link);
    APR_RING_INSERT_TAIL(&all->given, &o->order, pm_order, link);
    o->group = exec_spawner(o)->pid;
    o->given = 1;
    all->ngiven++;
    exec_set_deadline(o);
    return 1;
}

int pm_exec_orders_give(pm_context_t *context, apr_time_t end)
{
    struct pm_exec_orders *all = context->exec_orders;

    while (!APR_RING_EMPTY(&all->waiting, pm_order, link)
           && all->ngiven < MOST_GIVEN
           && exec_give(exec_of(APR_RING_FIRST(&all->waiting)))) {
        if (pm_time_now() >= end) { /* the manager forks, which takes time */
            return 1;
        }
    }
    return 0;
}

/* --- what the pool wants -------------------------------------------------- */

void pm_exec_order(pm_pool_t *pool, int fork_fd, pm_exec_ended_t *ended,
                   void *ctx)
{
    exec_order_t *o = exec_of(pm_order_create(&pool->workers, sizeof(*o)));

    o->fork_fd = fork_fd;
    o->ended = ended;
    o->ctx = ctx;
    o->order.watch.ready = exec_on_birth;
    o->order.timer.due = exec_on_deadline;
    APR_RING_INSERT_TAIL(&exec_all(o)->waiting, &o->order, pm_order, link);
}

int pm_exec_orders_recall(pm_pool_t *pool, int n)
{
    struct pm_orders *waiting = &pool->context->exec_orders->waiting;
    pm_order_t *order, *before;
    int done = 0;

    for (order = APR_RING_LAST(waiting);
         done < n && order != APR_RING_SENTINEL(waiting, pm_order, link);
         order = before) {
        before = APR_RING_PREV(order, link);
        if (order->group->pool == pool) {
            exec_end(exec_of(order), PM_EXEC_RECALLED);
            done++;
        }
    }
    return done;
}

void pm_exec_orders_reload(pm_pool_t *pool)
{
    pm_order_t *order = NULL;

    APR_RING_FOREACH(order, &pool->context->exec_orders->given, pm_order, link)
    {
        if (order->group->pool == pool) {
            exec_of(order)->stale = 1;
        }
    }
}

void pm_exec_orders_hear(pm_context_t *context)
{
    struct pm_orders *given = &context->exec_orders->given;
    pm_order_t *order, *next;

    for (order = APR_RING_FIRST(given);
         order != APR_RING_SENTINEL(given, pm_order, link); order = next) {
        next = APR_RING_NEXT(order, link);
        exec_hear(exec_of(order));
    }
}

int pm_exec_orders_has(const pm_context_t *context, pid_t pid, pid_t group)
{
    pm_order_t *order = NULL;

    if (pid == context->spawner.pid) {
        return 1;
    }
    APR_RING_FOREACH(order, &context->exec_orders->given, pm_order, link)
    {
        exec_order_t *o = exec_of(order);
        int news = !o->pid && exec_listen(o);

        if (news) { /* the descriptor does not tell of it any more */
            pm_loop_at(context->loop, &order->timer, pm_time_now());
        }
        if (o->pid == pid || (!o->pid && o->group == group)) {
            return 1;
        }
    }
    return 0;
}

int pm_exec_orders_given(const pm_context_t *context)
{
    return context->exec_orders->ngiven;
}

void pm_exec_orders_init(pm_context_t *context)
{
    struct pm_exec_orders *all = apr_pcalloc(context->p, sizeof(*all));

    APR_RING_INIT(&all->waiting, pm_order, link);
    APR_RING_INIT(&all->given, pm_order, link);
    context->exec_orders = all;
}
