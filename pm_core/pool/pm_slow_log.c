/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/pool/pm_slow_log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "apr_strings.h"
#include "pm_core/os/pm_fds.h"
#include "pm_core/pool/pm_leftovers.h"
#include "pm_core/pool/pm_output.h"
#include "pm_core/os/pm_procinfo.h"
#include "pm_core/os/pm_reap.h"
#include "pm_core/spawn/pm_spawn.h"

/* Clocks of two processes, read one after the other, and a connection's way
 * through the socket's queue. */
#define SOON apr_time_from_msec(50)

typedef struct pm_slow_log pm_slow_log_t;

/* A command that runs; pool->slow. */
struct pm_slow_log {
    pm_pool_t *pool;
    apr_pool_t *p;
    const pm_launch_spec_t *spec; /* kept */
    pid_t pid;
    pid_t worker; /* the one it looks at */
    int reaped;
    int late;  /* it has had its time: nobody waits for its output */
    int lines; /* it has written */
    int exec_fd, output_fd;
    pm_watch_t exec_watch, output_watch;
    pm_timer_t timer;
    pm_lines_t text;
};

/* --- the command ---------------------------------------------------------- */

/* "%p" is the worker's pid; without one it comes last. */
static char *const *slow_argv(const pm_launch_spec_t *spec, pid_t worker,
                              apr_pool_t *p)
{
    const char *pid = apr_itoa(p, (int)worker);
    apr_array_header_t *argv = apr_array_make(p, 16, sizeof(const char *));
    int given = 0;
    int i;

    for (i = 0; spec->argv[i]; i++) {
        int is_pid = !strcmp(spec->argv[i], "%p");

        given |= is_pid;
        *(const char **)apr_array_push(argv) = is_pid ? pid : spec->argv[i];
    }
    if (!given) {
        *(const char **)apr_array_push(argv) = pid;
    }
    *(const char **)apr_array_push(argv) = NULL;
    return (char *const *)(void *)argv->elts;
}

/* --- while it runs -------------------------------------------------------- */

static void slow_on_line(void *ctx, const char *line)
{
    pm_slow_log_t *slow = ctx;

    if (slow->lines++ < PM_SLOW_LINES) {
        pm_output_say(slow->pool, slow->worker, "slow: ", line);
    }
}

static void slow_unwatch(pm_slow_log_t *slow, pm_watch_t *watch, int *fd)
{
    pm_loop_unwatch(slow->pool->context->loop, watch);
    pm_fds_close(fd);
}

/* When it was reaped and its output has ended.  What it has started can hold
 * the output open for as long as it likes. */
static void slow_free_if_over(pm_slow_log_t *slow)
{
    pm_pool_t *pool = slow->pool;

    if (!slow->reaped || (slow->output_fd >= 0 && !slow->late)) {
        return;
    }
    slow_unwatch(slow, &slow->output_watch, &slow->output_fd);
    pm_loop_at(pool->context->loop, &slow->timer, PM_TIME_NEVER);
    slow_unwatch(slow, &slow->exec_watch, &slow->exec_fd);
    if (slow->lines > PM_SLOW_LINES) {
        pm_log(pool->context->log, PM_WARNING,
               "pool %s: pid %d: slow: %d more "
               "lines of %s are left out",
               pool->conf->name, (int)slow->worker, slow->lines - PM_SLOW_LINES,
               slow->spec->program);
    }
    pool->slow = NULL;
    apr_pool_destroy(slow->p);
}

static void slow_on_output(void *ctx, int events)
{
    pm_slow_log_t *slow = ctx;
    char bytes[8192];
    ssize_t n = read(slow->output_fd, bytes, sizeof(bytes));

    (void)events;
    if (n > 0) {
        pm_lines_feed(&slow->text, bytes, (apr_size_t)n, slow_on_line, slow);
    }
    else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        pm_lines_end(&slow->text, slow_on_line, slow);
        slow_unwatch(slow, &slow->output_watch, &slow->output_fd);
        slow_free_if_over(slow);
    }
}

static void slow_on_exec(void *ctx, int events)
{
    pm_slow_log_t *slow = ctx;
    pm_reason_t why;
    int guarded;
    apr_status_t rv =
        pm_spawn_verdict(slow->exec_fd, slow->spec, &guarded, &why);

    (void)events;
    if (APR_STATUS_IS_INCOMPLETE(rv)) {
        return;
    }
    slow_unwatch(slow, &slow->exec_watch, &slow->exec_fd);
    if (rv != APR_SUCCESS) {
        pm_log(slow->pool->context->log, PM_ERROR,
               "pool %s: FcgiPMSlowLog: "
               "%s; requests go on",
               slow->pool->conf->name, why.text);
    }
}

static void slow_on_timer(void *ctx, apr_time_t now)
{
    pm_slow_log_t *slow = ctx;

    (void)now;
    pm_log(slow->pool->context->log, PM_WARNING,
           "pool %s: pid %d: slow: %s "
           "(pid %d) takes longer than %d s: %s",
           slow->pool->conf->name, (int)slow->worker, slow->spec->program,
           (int)slow->pid, (int)apr_time_sec(PM_SLOW_TIME),
           slow->reaped ? "the output of what it has left is no longer read"
                        : "SIGKILL");
    slow->late = 1;
    if (!slow->reaped) {
        pm_leftovers_kill_all(slow->pid);
    }
    slow_free_if_over(slow);
}

static int slow_watch(pm_slow_log_t *slow, pm_watch_t *watch, int fd,
                      void (*ready)(void *ctx, int events), pm_reason_t *why)
{
    watch->ready = ready;
    watch->ctx = slow;
    return pm_loop_watch(slow->pool->context->loop, watch, fd, APR_POLLIN,
                         slow->p, why)
           == APR_SUCCESS;
}

static pm_slow_log_t *slow_create(pm_pool_t *pool, pid_t worker)
{
    pm_slow_log_t *slow;
    apr_pool_t *p;

    p = pm_subpool_create(pool->p);
    slow = apr_pcalloc(p, sizeof(*slow));
    slow->p = p;
    slow->pool = pool;
    slow->worker = worker;
    slow->spec = pm_launch_spec_keep(pool->slow_spec, p);
    slow->timer = (pm_timer_t){.due = slow_on_timer, .ctx = slow};
    return slow;
}

/* Its standard input is empty. */
static apr_status_t slow_spawn(pm_slow_log_t *slow, pm_reason_t *why)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    pm_launch_spec_t spec = *slow->pool->slow_spec;
    pm_birth_t birth = {.spec = &spec,
                        .listen_fd = null,
                        .shm_fd = -1,
                        .shm_index = -1,
                        .fork_fd = -1};
    pm_spawned_t spawned;
    apr_status_t rv = null < 0 ? errno : APR_SUCCESS;

    if (rv != APR_SUCCESS) {
        return pm_fail_os(why, rv, "/dev/null");
    }
    spec.argv = slow_argv(&spec, slow->worker, slow->p);
    rv = pm_spawn(&spawned, NULL, &birth, why);
    close(null);
    if (rv == APR_SUCCESS) {
        slow->pid = spawned.pid;
        slow->exec_fd = spawned.exec_fd;
        slow->output_fd = spawned.output_fd;
    }
    return rv;
}

static void slow_run(pm_pool_t *pool, pid_t worker)
{
    pm_context_t *context = pool->context;
    pm_slow_log_t *slow = slow_create(pool, worker);
    pm_reason_t why;

    if (slow_spawn(slow, &why) != APR_SUCCESS) {
        pm_log(context->log, PM_ERROR,
               "pool %s: FcgiPMSlowLog: %s; requests "
               "go on",
               pool->conf->name, why.text);
        apr_pool_destroy(slow->p);
        return;
    }
    pool->slow = slow;
    apr_hash_set(context->slow_commands, &slow->pid, sizeof(slow->pid), slow);
    pm_loop_at(context->loop, &slow->timer, pm_time_now() + PM_SLOW_TIME);
    if (!slow_watch(slow, &slow->exec_watch, slow->exec_fd, slow_on_exec, &why)
        || !slow_watch(slow, &slow->output_watch, slow->output_fd,
                       slow_on_output, &why)) {
        pm_log(context->log, PM_ERROR, "pool %s: FcgiPMSlowLog: %s",
               pool->conf->name, why.text);
    }
}

int pm_slow_log_reaped(pm_context_t *context, pid_t pid, int status)
{
    pm_slow_log_t *slow =
        apr_hash_get(context->slow_commands, &pid, sizeof(pid));
    char how[80];

    if (!slow) {
        return 0;
    }
    if (slow->exec_fd >= 0) {
        slow_on_exec(slow, 0);
    }
    pm_log(context->log, PM_INFO,
           "pool %s: pid %d: slow: %s (pid %d) has "
           "ended: %s",
           slow->pool->conf->name, (int)slow->worker, slow->spec->program,
           (int)pid, pm_reap_text(status, how, sizeof(how)));
    apr_hash_set(context->slow_commands, &slow->pid, sizeof(slow->pid), NULL);
    pm_reap_group(slow->pid, SIGKILL);
    slow->reaped = 1;
    slow_free_if_over(slow);
    return 1;
}

/* Its definition goes: the command is killed, and not missed when it is
 * reaped. */
static void slow_end(pm_pool_t *pool)
{
    pm_slow_log_t *slow = pool->slow;

    if (!slow) {
        return;
    }
    if (!slow->reaped) {
        pm_leftovers_kill_all(slow->pid);
        apr_hash_set(pool->context->slow_commands, &slow->pid,
                     sizeof(slow->pid), NULL);
        slow->reaped = 1;
    }
    slow->late = 1;
    slow_free_if_over(slow);
}

/* --- which worker --------------------------------------------------------- */

/* The process that has the socket: the worker, or a child of it that serves in
 * its place; 0: neither. */
static pid_t slow_holder(const pm_worker_t *w, apr_uint64_t inode)
{
    pid_t child[64];
    int n, i;

    if (pm_procinfo_has_socket(w->pid, inode) > 0) {
        return w->pid;
    }
    n = pm_procinfo_children(w->pid, child, 64);
    for (i = 0; i < n; i++) {
        if (pm_procinfo_has_socket(child[i], inode) > 0) {
            return child[i];
        }
    }
    return 0;
}

/* Can this worker have the request, by the status it reports? */
typedef enum slow_chance { LIKELY, POSSIBLE, IMPOSSIBLE } slow_chance_t;

static slow_chance_t slow_judge(const pm_worker_t *w, apr_time_t since,
                                apr_time_t now)
{
    pm_worker_facts_t facts = pm_worker_read_facts(w, now);

    return facts.idle || !w->runs ? IMPOSSIBLE
           : !facts.busy          ? POSSIBLE
           : facts.busy_since < since - SOON || facts.busy_since > since + SOON
               ? POSSIBLE
               : LIKELY;
}

/* The worker that has that socket.  Likely ones are looked at first. */
static pm_worker_t *slow_find_holder(pm_pool_t *pool,
                                     const pm_slow_report_t *note,
                                     apr_uint64_t inode, apr_time_t now,
                                     pid_t *pid)
{
    pm_worker_t *w = NULL;
    slow_chance_t like;

    for (like = LIKELY; like < IMPOSSIBLE; like++) {
        APR_RING_FOREACH(w, &pool->workers.list, pm_worker, link)
        {
            if (slow_judge(w, note->since, now) == like
                && (*pid = slow_holder(w, inode))) {
                return w;
            }
        }
    }
    return NULL;
}

/* Where sockets cannot be looked up: the only worker that is likely, if there
 * is just one. */
static pm_worker_t *slow_guess(pm_pool_t *pool, const pm_slow_report_t *note,
                               apr_time_t now)
{
    pm_worker_t *w = NULL, *found = NULL;
    int n = 0;

    APR_RING_FOREACH(w, &pool->workers.list, pm_worker, link)
    {
        if (slow_judge(w, note->since, now) == LIKELY) {
            found = w;
            n++;
        }
    }
    return n == 1 ? found : NULL;
}

/* @param pid set to 0: not known; to -1: no worker has accepted it yet */
static pm_worker_t *slow_find(pm_pool_t *pool, const pm_slow_report_t *note,
                              apr_time_t now, pid_t *pid)
{
    pm_worker_t *w =
        apr_hash_get(pool->context->workers, &note->pid, sizeof(note->pid));
    apr_uint64_t peer;

    if (w && w->pool == pool) {
        *pid = w->pid;
        return w;
    }
    if (note->inode
        && pm_sock_diag_peer(&pool->context->sock_diag, note->inode, &peer)) {
        *pid = peer ? 0 : -1;
        return peer ? slow_find_holder(pool, note, peer, now, pid) : NULL;
    }
    w = slow_guess(pool, note, now);
    *pid = w ? w->pid : 0;
    return w;
}

/* Can the worker have several requests?  Then its status tells of the oldest,
 * and the requests that began up to slow.since count as reported. */
static int slow_has_several(const pm_worker_t *w)
{
    return w->group->conf->requests_per_worker > 1;
}

/* --- the line ------------------------------------------------------------- */

static void slow_say(pm_pool_t *pool, pid_t pid, const char *what,
                     apr_time_t took)
{
    char buf[600];
    const char *doing = pid > 0    ? pm_procinfo_doing(pid, buf, sizeof(buf))
                        : pid == 0 ? "which worker has it is not known"
                                   : "no worker has accepted it yet";
    char text[PM_SLOW_REPORT_URL + 800];

    apr_snprintf(text, sizeof(text), "%s: %.3f s so far: %s", what,
                 (double)took / 1e6, doing);
    pm_output_say(pool, pid, "slow: ", text);
    if (pid > 0 && pool->slow_spec && !pool->slow
        && pool->phase != PM_POOL_CLOSING) {
        slow_run(pool, pid);
    }
}

void pm_slow_log_report(pm_context_t *context, const pm_slow_report_t *note)
{
    apr_time_t now = pm_time_now();
    pm_pool_t *pool = note->slot >= 0 && note->slot < PM_SCOREBOARD_SLOTS
                          ? context->slots[note->slot]
                          : NULL;
    char what[PM_SLOW_REPORT_METHOD + PM_SLOW_REPORT_URL + 2];
    pm_worker_t *w;
    pid_t pid = 0;

    if (!pool || pool->generation != note->generation
        || !pool->conf->slow_log.time || note->since > now) {
        return;
    }
    w = slow_find(pool, note, now, &pid);
    if (w) {
        pm_worker_facts_t facts = pm_worker_read_facts(w, now);

        w->slow.since = facts.busy ? facts.busy_since : w->slow.since;
        if (slow_has_several(w) && w->slow.since < note->since + SOON) {
            w->slow.since = note->since + SOON; /* it is not the oldest one */
        }
    }
    apr_snprintf(what, sizeof(what), "%s %s", note->method, note->url);
    slow_say(pool, pid, what, now - note->since);
}

/* --- requests of others --------------------------------------------------- */

/* Is it one of httpd's, which are reported by httpd?  Of several nobody knows
 * which it is: if the pool has only requests of httpd's, it is. */
static int slow_is_httpds(const pm_worker_t *worker, apr_time_t now)
{
    const pm_pool_t *pool = worker->pool;
    const pm_worker_t *w = NULL;
    apr_uint64_t n = 0;

    if (!slow_has_several(worker)) {
        return 0;
    }
    APR_RING_FOREACH(w, &pool->workers.list, pm_worker, link)
    {
        n += (apr_uint64_t)pm_worker_read_facts(w, now).requests_now;
    }
    return n <= pm_scoreboard_sum(pool->context->scoreboard, pool->slot)
                    .in_flight;
}

static void slow_on_slow(void *ctx, apr_time_t now)
{
    pm_worker_t *w = ctx;
    pm_worker_facts_t facts = pm_worker_read_facts(w, now);
    apr_time_t limit = w->pool->conf->slow_log.time;
    int is_due = limit && facts.busy && facts.busy_since > w->slow.since
                 && now - facts.busy_since >= limit + PM_SLOW_GRACE;

    w->slow.since = is_due ? facts.busy_since : w->slow.since;
    if (is_due && !slow_is_httpds(w, now)) {
        w->slow.reported_at = now;
        slow_say(w->pool, w->pid, "a request that is not of this httpd's",
                 now - facts.busy_since);
    }
    pm_worker_attend(w, now);
}

/* When is the worker to be looked at?  When its oldest request becomes slow; if
 * that was reported, its end is notified of, or, when there are several, one of
 * the others can be slow then at the earliest.  A worker's status is a claim
 * and may change all the time: at most one report within the time that counts
 * as slow. */
static apr_time_t slow_due(const pm_worker_t *w, const pm_worker_facts_t *facts)
{
    apr_time_t limit = w->pool->conf->slow_log.time;
    apr_time_t due = facts->busy_since + limit + PM_SLOW_GRACE;

    if (!limit || !facts->busy) {
        return PM_TIME_NEVER;
    }
    if (facts->busy_since <= w->slow.since) {
        return slow_has_several(w) ? pm_time_now() + limit + PM_SLOW_GRACE
                                   : PM_TIME_NEVER;
    }
    return w->slow.reported_at && due < w->slow.reported_at + limit
               ? w->slow.reported_at + limit
               : due;
}

static void slow_status(pm_worker_t *w, const pm_worker_facts_t *facts)
{
    w->slow.timer.due = slow_on_slow;
    w->slow.timer.ctx = w;
    pm_loop_at(w->pool->context->loop, &w->slow.timer, slow_due(w, facts));
}

static void slow_worker_gone(pm_worker_t *w)
{
    pm_loop_at(w->pool->context->loop, &w->slow.timer, PM_TIME_NEVER);
}

static apr_status_t slow_cleanup(void *pool)
{
    slow_end(pool);
    return APR_SUCCESS;
}

static void slow_created(pm_pool_t *pool)
{
    apr_pool_pre_cleanup_register(pool->p, pool, slow_cleanup);
}

const pm_pool_feature_t pm_slow_log_feature = {.create = slow_created,
                                               .ended = slow_end,
                                               .status = slow_status,
                                               .worker_gone = slow_worker_gone};
