/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/pool/pm_leftovers.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_strings.h"
#include "pm_core/os/pm_accepted.h"
#include "pm_core/os/pm_fds.h"
#include "pm_core/os/pm_pidfd.h"
#include "pm_core/os/pm_procinfo.h"
#include "pm_core/os/pm_reap.h"
#include "pm_core/pool/pm_exec_order.h"
#include "pm_core/pool/pm_output.h"

/* Generations below a worker that are looked at, and descendants. */
#define DEPTH       16
#define DESCENDANTS 1024

/* Jobs of a pool whose output is read: each takes one of the manager's
 * descriptors for as long as it likes. */
#define JOB_OUTPUTS 64

/* A walk through the processes that the manager has adopted. */
typedef struct walk {
    const pm_context_t *context;
    pid_t group;        /* of the worker; 0: of none */
    apr_uint64_t inode; /* of the listening socket */
    int depth;
    void (*see)(struct walk *walk, const pm_process_t *process, int holds);
    int sig;
    apr_time_t until; /* it ends then at the latest; 0: when it is through */
    pm_leftovers_t found;
    pm_worker_t *worker;
} walk_t;

static int is_ours(const pm_context_t *context, pid_t pid)
{
    return apr_hash_get(context->workers, &pid, sizeof(pid))
           || apr_hash_get(context->slow_commands, &pid, sizeof(pid));
}

/* Does a fork server make a worker for this socket?  That of a pool that was
 * removed can be another pool's. */
static int is_forking(const walk_t *walk)
{
    int i;

    for (i = 0; i < PM_SCOREBOARD_SLOTS; i++) {
        const pm_pool_t *pool = walk->context->slots[i];

        if (pool && pool->workers.forking
            && pool->listener.socket == walk->inode) {
            return 1;
        }
    }
    return 0;
}

/* A child of the manager's that is on its way to be a worker.  One that the
 * fork server makes leads its own group before it says that it is there. */
static int is_newborn(const walk_t *walk, pid_t pid, pid_t group)
{
    return !walk->depth
           && (pm_exec_orders_has(walk->context, pid, group)
               || (group == pid && is_forking(walk)));
}

static int look_at(void *ctx, pid_t pid)
{
    walk_t *walk = ctx;
    pm_process_t process = {pid, 0};
    pid_t group;
    int mine, holds;

    if (walk->until && pm_time_now() >= walk->until) {
        return 0;
    }
    if (!walk->depth && is_ours(walk->context, pid)) {
        return 1;
    }
    if (walk->sig) { /* first: what is found out is of this process */
        process.started = pm_procinfo_started(pid);
    }
    group = getpgid(pid);
    mine = walk->group && group == walk->group;
    if (group < 0 || is_newborn(walk, pid, group)
        || (!mine && is_ours(walk->context, group))) {
        return 1; /* it has ended; another worker has left it */
    }
    holds = pm_procinfo_has_socket(pid, walk->inode);
    if (holds > 0 || mine) {
        walk->see(walk, &process, holds != 0);
    }
    if (++walk->depth < DEPTH) {
        pm_procinfo_each_child(pid, look_at, walk);
    }
    walk->depth--;
    return 1;
}

/* @return 0: /proc does not tell */
static int walk_run(walk_t *walk)
{
    return pm_procinfo_each_child(getpid(), look_at, walk);
}

static void see_leftover(walk_t *walk, const pm_process_t *process, int holds)
{
    if (!holds) {
        walk->found.jobs++;
        return;
    }
    walk->found.holders++;
    walk->found.holder = process->pid;
    if (walk->sig) {
        pm_pidfd_signal(process, walk->sig);
    }
}

pm_leftovers_t pm_leftovers_look(const pm_worker_t *w, int sig)
{
    walk_t walk = {.context = w->group->context,
                   .group = w->pid,
                   .inode = w->at.inode,
                   .see = see_leftover,
                   .sig = sig};

    if (!walk_run(&walk)) {
        walk.found.holders = pm_reap_group(w->pid, sig);
    }
    return walk.found;
}

static void see_busy(walk_t *walk, const pm_process_t *process, int holds)
{
    const pm_worker_t *w = walk->worker;

    walk->found.holders +=
        holds && !walk->found.holders /* one is enough */
        && pm_accepted_look(&w->group->context->sock_diag, process->pid, &w->at)
               != PM_ACCEPTED_NONE;
}

int pm_leftovers_are_idle(pm_worker_t *w)
{
    walk_t walk = {.context = w->group->context,
                   .group = w->pid,
                   .inode = w->at.inode,
                   .see = see_busy,
                   .worker = w};

    return walk_run(&walk) && !walk.found.holders;
}

void pm_leftovers_kill_strays(const pm_pool_t *pool)
{
    walk_t walk = {.context = pool->context,
                   .see = see_leftover,
                   .sig = SIGKILL,
                   .until = pool->context->end_by};
    struct stat st;

    if (pool->listener.fd >= 0 && fstat(pool->listener.fd, &st) == 0) {
        walk.inode = st.st_ino;
        walk_run(&walk);
    }
}

/* --- jobs ----------------------------------------------------------------- */

/* What a job writes, as long as anybody can write it. */
typedef struct job_output {
    pm_context_t *context;
    apr_pool_t *p;
    apr_uint32_t generation; /* of the pool */
    pid_t pid;               /* of the worker */
    int fd;
    pm_watch_t watch;
    pm_lines_t lines;
} job_output_t;

/* @return NULL: it is no more */
static pm_pool_t *job_pool(const job_output_t *job)
{
    return apr_hash_get(job->context->pools, &job->generation,
                        sizeof(job->generation));
}

static void job_on_line(void *ctx, const char *line)
{
    job_output_t *job = ctx;
    pm_pool_t *pool = job_pool(job);

    if (pool) {
        pm_output_line(pool, job->pid, line);
    }
}

static void job_end(job_output_t *job)
{
    pm_pool_t *pool = job_pool(job);

    if (pool) {
        pool->job_outputs--;
    }
    pm_loop_unwatch(job->context->loop, &job->watch);
    close(job->fd);
    apr_pool_destroy(job->p);
}

static void job_on_output(void *ctx, int events)
{
    job_output_t *job = ctx;
    char bytes[4096];
    ssize_t n = read(job->fd, bytes, sizeof(bytes));

    (void)events;
    if (n > 0) {
        pm_lines_feed(&job->lines, bytes, (apr_size_t)n, job_on_line, job);
    }
    else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        pm_lines_end(&job->lines, job_on_line, job);
        job_end(job);
    }
}

/* Takes the worker's end of the pipe. */
static void job_watch_output(pm_worker_t *w)
{
    pm_context_t *context = w->group->context;
    apr_pool_t *p = pm_subpool_create(context->p);
    job_output_t *job = apr_pcalloc(p, sizeof(*job));
    pm_reason_t why;

    pm_loop_unwatch(context->loop, &w->output_watch);
    if (w->lines) {
        job->lines = *w->lines;
    }
    job->context = context;
    job->p = p;
    job->generation = w->pool->generation;
    job->pid = w->pid;
    job->fd = w->output_fd;
    job->watch = (pm_watch_t){.ready = job_on_output, .ctx = job};
    w->output_fd = -1;
    w->pool->job_outputs++;
    if (pm_loop_watch(context->loop, &job->watch, job->fd, APR_POLLIN, p, &why)
        != APR_SUCCESS) {
        job_end(job);
    }
}

static void see_job(walk_t *walk, const pm_process_t *process, int holds)
{
    const pm_worker_t *w = walk->worker;
    char program[256];

    if (!holds) {
        pm_log(walk->context->log, PM_INFO,
               "pool %s: worker %d has gone; process %d, which it has started, "
               "goes on: %s",
               w->group->conf->name, (int)w->pid, (int)process->pid,
               pm_procinfo_program(process->pid, program, sizeof(program)));
    }
}

void pm_leftovers_let_go(pm_worker_t *w)
{
    walk_t walk = {.context = w->group->context,
                   .group = w->pid,
                   .inode = w->at.inode,
                   .see = see_job,
                   .worker = w};

    walk_run(&walk);
    if (w->output_fd >= 0 && w->pool->job_outputs < JOB_OUTPUTS) {
        job_watch_output(w);
    }
}

/* --- everything ----------------------------------------------------------- */

typedef struct descendants {
    pm_process_t process[DESCENDANTS];
    int n;
    int depth;
    pid_t parent; /* of those that are being listed */
} descendants_t;

static int list_descendant(void *ctx, pid_t pid)
{
    descendants_t *all = ctx;
    pm_process_t process = {.pid = pid};
    pid_t parent = all->parent;

    if (all->n < DESCENDANTS
        && pm_procinfo_parent(pid, &process.started) == parent) {
        all->process[all->n++] = process;
        all->parent = pid;
        if (++all->depth < DEPTH) {
            pm_procinfo_each_child(pid, list_descendant, all);
        }
        all->depth--;
        all->parent = parent;
    }
    return all->n < DESCENDANTS;
}

/* The list first: once the worker has ended nobody knows what were its. */
void pm_leftovers_kill_all(pid_t worker)
{
    descendants_t all = {.parent = worker};
    int i;

    pm_procinfo_each_child(worker, list_descendant, &all);
    pm_reap_kill(worker);
    for (i = 0; i < all.n; i++) {
        pm_pidfd_signal(&all.process[i], SIGKILL);
    }
}
