/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/pool/pm_slow_log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "apr_strings.h"
#include "pm_core/os/pm_fds.h"
#include "pm_core/pool/pm_output.h"
#include "pm_core/os/pm_procinfo.h"
#include "pm_core/os/pm_reap.h"

/* Clocks of two processes, read one after the other, and a connection's way
 * through the socket's queue. */
#define SOON apr_time_from_msec(50)

/* A command that runs. */
struct pm_slow_log {
    pm_pool_t *pool;
    apr_pool_t *p;
    pm_launch_spec_t birth; /* with its own argv */
    pid_t pid;
    pid_t worker; /* it was started for */
    int reaped;
    int lines; /* it has said */
    int birth_fd, output_fd;
    pm_watch_t birth_watch, output_watch;
    pm_timer_t timer;
    pm_lines_t text;
};

/* --- its definition ------------------------------------------------------- */

/* The same as the workers', but for the program.  The guard is not for it. */
apr_status_t pm_slow_log_prepare(pm_launch_spec_t **birth,
                                 const pm_conf_t *conf, apr_pool_t *p,
                                 pm_reason_t *why)
{
    static const char ours[] = "FcgiPMCommand";
    pm_conf_t *copy;
    apr_status_t rv;
    pm_reason_t cause;

    *birth = NULL;
    if (!conf->slow_log.time || !conf->slow_log.command) {
        return APR_SUCCESS;
    }
    copy = apr_pmemdup(p, conf, sizeof(*conf));
    copy->command = conf->slow_log.command;
    copy->process_name = NULL;
    copy->guard = 0;
    rv = pm_launch_spec_prepare(birth, copy, p, &cause);
    if (rv == APR_SUCCESS) {
        return rv;
    }
    return strncmp(cause.text, ours, sizeof(ours) - 1)
               ? pm_fail(why, rv, "FcgiPMSlowLog: %s", cause.text)
               : pm_fail(why, rv, "FcgiPMSlowLog%s",
                         cause.text + sizeof(ours) - 1);
}

/* "%p" is the worker's pid; without one it comes last. */
static char *const *argv_for(const pm_launch_spec_t *birth, pid_t worker,
                             apr_pool_t *p)
{
    const char *pid = apr_itoa(p, (int)worker);
    apr_array_header_t *argv = apr_array_make(p, 16, sizeof(const char *));
    int given = 0;
    int i;

    for (i = 0; birth->argv[i]; i++) {
        int is_pid = !strcmp(birth->argv[i], "%p");

        given |= is_pid;
        *(const char **)apr_array_push(argv) = is_pid ? pid : birth->argv[i];
    }
    if (!given) {
        *(const char **)apr_array_push(argv) = pid;
    }
    *(const char **)apr_array_push(argv) = NULL;
    return (char *const *)(void *)argv->elts;
}

/* --- a command that runs -------------------------------------------------- */

static void on_line(void *ctx, const char *line)
{
    pm_slow_log_t *slow = ctx;

    if (slow->lines++ < PM_SLOW_LINES) {
        pm_output_say(slow->pool, slow->worker, "slow: ", line);
    }
}

static void unwatch(pm_slow_log_t *slow, pm_watch_t *watch, int *fd)
{
    pm_loop_unwatch(slow->pool->world->loop, watch);
    pm_fds_close(fd);
}

/* Both its end has been seen and all that it had to say. */
static void free_if_over(pm_slow_log_t *slow)
{
    pm_pool_t *pool = slow->pool;

    if (!slow->reaped || slow->output_fd >= 0) {
        return;
    }
    pm_loop_at(pool->world->loop, &slow->timer, PM_TIME_NEVER);
    unwatch(slow, &slow->birth_watch, &slow->birth_fd);
    if (slow->lines > PM_SLOW_LINES) {
        pm_log(pool->world->log, PM_WARNING,
               "pool %s: pid %d: slow: %d more "
               "lines of %s are left out",
               pool->conf->name, (int)slow->worker, slow->lines - PM_SLOW_LINES,
               slow->birth.program);
    }
    pool->slow = NULL;
    apr_pool_destroy(slow->p);
}

static void on_output(void *ctx, int events)
{
    pm_slow_log_t *slow = ctx;
    char bytes[8192];
    ssize_t n = read(slow->output_fd, bytes, sizeof(bytes));

    (void)events;
    if (n > 0) {
        pm_lines_feed(&slow->text, bytes, (apr_size_t)n, on_line, slow);
    }
    else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        pm_lines_end(&slow->text, on_line, slow);
        unwatch(slow, &slow->output_watch, &slow->output_fd);
        free_if_over(slow);
    }
}

static void on_birth(void *ctx, int events)
{
    pm_slow_log_t *slow = ctx;
    pm_reason_t why;
    int guarded;
    apr_status_t rv =
        pm_spawn_verdict(slow->birth_fd, &slow->birth, &guarded, &why);

    (void)events;
    if (APR_STATUS_IS_EAGAIN(rv)) {
        return;
    }
    unwatch(slow, &slow->birth_watch, &slow->birth_fd);
    if (rv != APR_SUCCESS) {
        pm_log(slow->pool->world->log, PM_ERROR,
               "pool %s: FcgiPMSlowLog: "
               "%s; requests go on",
               slow->pool->conf->name, why.text);
    }
}

static void on_timer(void *ctx, apr_time_t now)
{
    pm_slow_log_t *slow = ctx;

    (void)now;
    pm_log(slow->pool->world->log, PM_WARNING,
           "pool %s: pid %d: slow: %s "
           "(pid %d) takes longer than %d s: SIGKILL",
           slow->pool->conf->name, (int)slow->worker, slow->birth.program,
           (int)slow->pid, (int)apr_time_sec(PM_SLOW_TIME));
    pm_reap_group(slow->pid, SIGKILL);
}

static int watch(pm_slow_log_t *slow, pm_watch_t *watch, int fd,
                 void (*ready)(void *ctx, int events), pm_reason_t *why)
{
    watch->ready = ready;
    watch->ctx = slow;
    return pm_loop_watch(slow->pool->world->loop, watch, fd, APR_POLLIN,
                         slow->p, why)
           == APR_SUCCESS;
}

static pm_slow_log_t *create(pm_pool_t *pool, pid_t worker)
{
    pm_slow_log_t *slow;
    apr_pool_t *p;

    p = pm_subpool_create(pool->p);
    slow = apr_pcalloc(p, sizeof(*slow));
    slow->p = p;
    slow->pool = pool;
    slow->worker = worker;
    slow->birth = *pool->slow_birth;
    slow->birth.program = apr_pstrdup(p, slow->birth.program);
    slow->birth.argv = argv_for(pool->slow_birth, worker, p);
    slow->timer = (pm_timer_t){.due = on_timer, .ctx = slow};
    return slow;
}

/* Its standard input is empty. */
static apr_status_t spawn(pm_slow_log_t *slow, pm_reason_t *why)
{
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    pm_spawned_t born;
    apr_status_t rv = null < 0 ? errno : APR_SUCCESS;

    if (rv != APR_SUCCESS) {
        return pm_fail_os(why, rv, "/dev/null");
    }
    rv = pm_spawn(&born, &slow->birth, null, -1, -1, why);
    close(null);
    if (rv == APR_SUCCESS) {
        slow->pid = born.pid;
        slow->birth_fd = born.birth_fd;
        slow->output_fd = born.stderr_fd;
    }
    return rv;
}

static void run(pm_pool_t *pool, pid_t worker)
{
    pm_context_t *world = pool->world;
    pm_slow_log_t *slow = create(pool, worker);
    pm_reason_t why;

    if (spawn(slow, &why) != APR_SUCCESS) {
        pm_log(world->log, PM_ERROR,
               "pool %s: FcgiPMSlowLog: %s; requests "
               "go on",
               pool->conf->name, why.text);
        apr_pool_destroy(slow->p);
        return;
    }
    pool->slow = slow;
    apr_hash_set(world->commands, &slow->pid, sizeof(slow->pid), slow);
    pm_loop_at(world->loop, &slow->timer, pm_time_now() + PM_SLOW_TIME);
    if (!watch(slow, &slow->birth_watch, slow->birth_fd, on_birth, &why)
        || !watch(slow, &slow->output_watch, slow->output_fd, on_output,
                  &why)) {
        pm_log(world->log, PM_ERROR, "pool %s: FcgiPMSlowLog: %s",
               pool->conf->name, why.text);
    }
}

int pm_slow_log_reaped(pm_context_t *world, pid_t pid, int status)
{
    pm_slow_log_t *slow = apr_hash_get(world->commands, &pid, sizeof(pid));
    char how[80];

    if (!slow) {
        return 0;
    }
    if (slow->birth_fd >= 0) {
        on_birth(slow, 0);
    }
    pm_log(world->log, PM_INFO,
           "pool %s: pid %d: slow: %s (pid %d) has "
           "ended: %s",
           slow->pool->conf->name, (int)slow->worker, slow->birth.program,
           (int)pid, pm_reap_text(status, how, sizeof(how)));
    apr_hash_set(world->commands, &slow->pid, sizeof(slow->pid), NULL);
    pm_reap_group(slow->pid, SIGKILL);
    slow->reaped = 1;
    free_if_over(slow);
    return 1;
}

/* Only its pid is remembered now, for the one who reaps it. */
void pm_slow_log_end(pm_pool_t *pool)
{
    pm_slow_log_t *slow = pool->slow;

    if (!slow) {
        return;
    }
    if (!slow->reaped) {
        pm_reap_group(slow->pid, SIGKILL);
        apr_hash_set(pool->world->commands, &slow->pid, sizeof(slow->pid),
                     NULL);
        slow->reaped = 1;
    }
    if (slow->output_fd >= 0) {
        unwatch(slow, &slow->output_watch, &slow->output_fd);
    }
    free_if_over(slow);
}

/* --- which worker --------------------------------------------------------- */

/* Is it this worker, or a child of it that serves in its place? */
static pid_t holder(const pm_worker_t *w, apr_uint64_t inode)
{
    pid_t child[64];
    int n, i;

    if (pm_procinfo_has_socket(w->pid, inode)) {
        return w->pid;
    }
    n = pm_procinfo_children(w->pid, child, 64);
    for (i = 0; i < n; i++) {
        if (pm_procinfo_has_socket(child[i], inode)) {
            return child[i];
        }
    }
    return 0;
}

/* How likely is it, as far as its page tells? */
enum { LIKELY, POSSIBLE, IMPOSSIBLE };

static int judge(const pm_worker_t *w, apr_time_t since, apr_time_t now)
{
    pm_worker_facts_t page = pm_worker_read_facts(w, now);

    return page.idle || !w->runs ? IMPOSSIBLE
           : !page.busy          ? POSSIBLE
           : page.busy_since < since - SOON || page.busy_since > since + SOON
               ? POSSIBLE
               : LIKELY;
}

/* Who has that socket?  The likely ones are asked first. */
static pm_worker_t *find_holder(pm_pool_t *pool, const pm_slow_report_t *note,
                                apr_uint64_t inode, apr_time_t now, pid_t *pid)
{
    pm_worker_t *w = NULL;
    int like;

    for (like = LIKELY; like < IMPOSSIBLE; like++) {
        APR_RING_FOREACH(w, &pool->workers, pm_worker, link)
        {
            if (judge(w, note->since, now) == like
                && (*pid = holder(w, inode))) {
                return w;
            }
        }
    }
    return NULL;
}

/* Where sockets cannot be looked up: if just one can be meant it is that. */
static pm_worker_t *guess(pm_pool_t *pool, const pm_slow_report_t *note,
                          apr_time_t now)
{
    pm_worker_t *w = NULL, *found = NULL;
    int n = 0;

    APR_RING_FOREACH(w, &pool->workers, pm_worker, link)
    {
        if (judge(w, note->since, now) == LIKELY) {
            found = w;
            n++;
        }
    }
    return n == 1 ? found : NULL;
}

/* @param pid 0: it is not known; -1: nobody has it */
static pm_worker_t *find(pm_pool_t *pool, const pm_slow_report_t *note,
                         apr_time_t now, pid_t *pid)
{
    pm_worker_t *w =
        apr_hash_get(pool->world->workers, &note->pid, sizeof(note->pid));
    apr_uint64_t peer;

    if (w && w->pool == pool) {
        *pid = w->pid;
        return w;
    }
    if (note->inode
        && pm_sock_diag_peer(&pool->world->diag, note->inode, &peer)) {
        *pid = peer ? 0 : -1;
        return peer ? find_holder(pool, note, peer, now, pid) : NULL;
    }
    w = guess(pool, note, now);
    *pid = w ? w->pid : 0;
    return w;
}

/* --- the line ------------------------------------------------------------- */

static void say(pm_pool_t *pool, pid_t pid, const char *what, apr_time_t took)
{
    char buf[600];
    const char *doing = pid > 0    ? pm_procinfo_doing(pid, buf, sizeof(buf))
                        : pid == 0 ? "which worker has it is not known"
                                   : "no worker has accepted it yet";
    char text[PM_SLOW_REPORT_URL + 800];

    apr_snprintf(text, sizeof(text), "%s: %.3f s so far: %s", what,
                 (double)took / 1e6, doing);
    pm_output_say(pool, pid, "slow: ", text);
    if (pid > 0 && pool->slow_birth && !pool->slow
        && pool->phase != PM_POOL_CLOSING) {
        run(pool, pid);
    }
}

void pm_slow_log_told(pm_context_t *world, const pm_slow_report_t *note)
{
    apr_time_t now = pm_time_now();
    pm_pool_t *pool = note->slot >= 0 && note->slot < PM_SCOREBOARD_SLOTS
                          ? world->slots[note->slot]
                          : NULL;
    char what[PM_SLOW_REPORT_METHOD + PM_SLOW_REPORT_URL + 2];
    pm_worker_t *w;
    pid_t pid = 0;

    if (!pool || pool->generation != note->generation
        || !pool->conf->slow_log.time || note->since > now) {
        return;
    }
    w = find(pool, note, now, &pid);
    if (w) {
        pm_worker_facts_t page = pm_worker_read_facts(w, now);

        w->slow_since = page.busy ? page.busy_since : w->slow_since;
    }
    apr_snprintf(what, sizeof(what), "%s %s", note->method, note->url);
    say(pool, pid, what, now - note->since);
}

/* --- requests of others --------------------------------------------------- */

static void on_slow(void *ctx, apr_time_t now)
{
    pm_worker_t *w = ctx;
    pm_worker_facts_t page = pm_worker_read_facts(w, now);
    apr_time_t limit = w->pool->conf->slow_log.time;

    if (limit && page.busy && page.busy_since != w->slow_since
        && now - page.busy_since >= limit + PM_SLOW_GRACE) {
        w->slow_since = page.busy_since;
        w->slow_at = now;
        say(w->pool, w->pid, "a request that is not of this httpd's",
            now - page.busy_since);
    }
    pm_worker_attend(w, now);
}

void pm_slow_log_watch(pm_worker_t *w)
{
    w->slow_timer = (pm_timer_t){.due = on_slow, .ctx = w};
}

/* What stands on a page can change all the time: it is spoken of once in the
 * time that is slow, and no more. */
void pm_slow_log_attend(pm_worker_t *w, const pm_worker_facts_t *page)
{
    apr_time_t limit = w->pool->conf->slow_log.time;
    apr_time_t due = page->busy_since + limit + PM_SLOW_GRACE;

    if (w->slow_at && due < w->slow_at + limit) {
        due = w->slow_at + limit;
    }
    pm_loop_at(w->pool->world->loop, &w->slow_timer,
               limit && page->busy && page->busy_since != w->slow_since
                   ? due
                   : PM_TIME_NEVER);
}

void pm_slow_log_forget(pm_worker_t *w)
{
    pm_loop_at(w->pool->world->loop, &w->slow_timer, PM_TIME_NEVER);
}
