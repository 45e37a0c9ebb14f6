/* SPDX-License-Identifier: Apache-2.0 */
/* The hooks of httpd's parent, and how a new configuration takes over from
 * the one before. */
#include "httpd/server/hpm_parent.h"

#include <errno.h>
#include <unistd.h>

#include "ap_mpm.h"
#include "apr_strings.h"
#include "http_core.h"
#include "unixd.h"

#include "httpd/config/hpm_config_check.h"
#include "httpd/config/hpm_sizing.h"
#include "httpd/request/hpm_keepalive_wait.h"
#include "httpd/request/hpm_park.h"
#include "httpd/request/hpm_script.h"
#include "httpd/server/hpm_file.h"
#include "httpd/server/hpm_keeper.h"
#include "httpd/server/hpm_log.h"
#include "httpd/upstream/hpm_kept.h"
#include "pm_core/os/pm_sock_diag.h"
#include "pm_core/ipc/pm_slow_report.h"
#include "pm_core/ipc/pm_wakeup.h"
#include "pm_core/os/pm_futex.h"
#include "pm_core/os/pm_lockfile.h"
#include "pm_core/os/pm_pidfile.h"
#include "pm_core/pool/pm_script_pools.h"

APLOG_USE_MODULE(fcgipm);

/* --- a new configuration -------------------------------------------------- */

/* Requests in one pool for each of a child's threads, at most: HTTP/2's streams
 * have threads of their own, and a subrequest comes beside its request. */
#define REQUESTS 16

static apr_status_t parent_open_board(hpm_retained_t *r, server_rec *server,
                                      pm_reason_t *why)
{
    int rows = 0;
    int threads = 0;
    apr_status_t rv;

    if (r->board) {
        return APR_SUCCESS;
    }
    ap_mpm_query(AP_MPMQ_HARD_LIMIT_DAEMONS, &rows);
    ap_mpm_query(AP_MPMQ_HARD_LIMIT_THREADS, &threads);
    rv = apr_pool_create(&r->board_pool, server->process->pool);
    if (rv != APR_SUCCESS) {
        return pm_fail_os(why, rv, "no memory");
    }
    rv = pm_scoreboard_create(&r->board, rows > 0 ? rows : 1,
                              (threads > 0 ? threads : 1) * REQUESTS,
                              r->board_pool, why);
    if (rv == APR_SUCCESS && r->board_is_left) {
        pm_script_pools_follow(r->board, (apr_uint32_t)r->config);
    }
    /* without threads as many requests may be queued as it can count */
    if (rv == APR_SUCCESS && hpm_park_is_possible()) {
        pm_scoreboard_set_parking(r->board, PM_ADMISSION_WAITING(~0U));
    }
    if (rv == APR_SUCCESS && !pm_scoreboard_is_protected(r->board)) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, server,
                     "%s: httpd's children can write what only the manager is "
                     "to write",
                     why->text);
    }
    return rv;
}

/* @param without what is missing when there is none, for the log */
static void parent_open_pipe(hpm_parent_t *me, hpm_pipe_t *pipe,
                             apr_status_t (*create)(int fd[2],
                                                    pm_reason_t *why),
                             const char *without)
{
    pm_reason_t why;
    int fd[2];

    if (pipe->manager_end && pipe->children_end) {
        return;
    }
    if (create(fd, &why) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, me->s, "%s: %s", why.text,
                     without);
        return;
    }
    hpm_file_close(&pipe->manager_end);
    hpm_file_close(&pipe->children_end);
    hpm_file_hold(&pipe->manager_end, fd[0], me->plog);
    hpm_file_hold(&pipe->children_end, fd[1], me->plog);
}

static void parent_fail_all(hpm_server_t *server, const char *reason)
{
    int i;

    for (i = 0; i < server->pool_list->nelts; i++) {
        hpm_pool_t *pool = hpm_server_pool_at(server, i);

        pool->failed = pool->failed ? pool->failed : reason;
    }
}

/* The definition the pool's workers were started with.  Another build may
 * have written it: what this one cannot read must not go to the manager,
 * which would refuse the set. */
static const pm_conf_t *parent_last_good(const hpm_pool_t *pool,
                                         const hpm_listener_t *listener,
                                         apr_pool_t *p)
{
    pm_conf_t *conf = pm_conf_create(p, pool->name);

    return pm_conf_read(conf, PM_SCOPE_POOL, listener->settings, p, NULL)
                   == APR_SUCCESS
               ? conf
               : pool->conf;
}

static void parent_add_member(pm_pool_set_t *set, const hpm_pool_t *pool,
                              const hpm_listener_t *listener, apr_pool_t *p)
{
    pm_member_t *m = apr_array_push(set->members);

    m->conf = pool->rejected ? parent_last_good(pool, listener, p) : pool->conf;
    m->slot = pool->slot;
    m->generation = pool->generation;
    m->failed = pool->failed;
    m->fd = pool->failed ? -1 : listener->socket.fd;
    m->log_fd = pool->failed ? -1 : pool->log_fd;
}

static pm_pool_set_t *parent_make_set(const hpm_parent_t *me)
{
    pm_pool_set_t *set = pm_pool_set_create(me->pconf);
    pm_log_t log;
    int i;

    hpm_log_open(&log, me->s);
    set->global = me->server->global;
    set->templates = me->server->templates;
    set->hosts = me->server->hosts;
    set->config = me->retained->config;
    set->log_level = log.level;
    set->log_fd = hpm_file_fd(me->s->error_log);
    set->store_fd = hpm_file_fd(me->retained->keeper);
    for (i = 0; i < me->server->pool_list->nelts; i++) {
        const hpm_pool_t *pool = hpm_server_pool_at(me->server, i);

        if (pool->slot >= 0) {
            /* listeners are in the order of the pools that have one */
            parent_add_member(set, pool,
                              &APR_ARRAY_IDX(me->retained->listeners,
                                             set->members->nelts,
                                             hpm_listener_t),
                              me->pconf);
        }
    }
    return set;
}

/* Take sockets and manager over from the configuration before. */
static void parent_renew(hpm_parent_t *me, apr_pool_t *ptemp)
{
    hpm_retained_t *r = me->retained;
    apr_pool_t *former_pool = r->pool;
    apr_array_header_t *former;
    int alive = hpm_manager_process_alive(me);

    apr_pool_create(&r->pool, me->s->process->pool);
    hpm_retained_move(r, me->plog);
    former = hpm_listeners_renew(me, ptemp);
    hpm_log_open_pools(me->server, me->pconf, me->s);
    hpm_config_report(me->s);
    me->set = parent_make_set(me);
    if (alive || me->set->members->nelts || me->set->templates->nelts) {
        hpm_manager_process_renew(me);
    }
    hpm_listeners_close(former, !alive);
    if (former_pool) {
        apr_pool_destroy(former_pool);
    }
}

/* --- alone ---------------------------------------------------------------- */

static void parent_unlock(hpm_retained_t *r)
{
    if (r->lock) {
        pm_lockfile_remove(hpm_file_fd(r->lock), r->lock_path,
                           ap_unixd_config.user_id, ap_unixd_config.group_id);
    }
    hpm_file_close(&r->lock);
}

/* Two servers with one runtime directory would take each other's sockets of
 * scripts, and of pools with the same name. */
static apr_status_t parent_lock(hpm_parent_t *me, pm_reason_t *why)
{
    hpm_retained_t *r = me->retained;
    const char *path = apr_pstrcat(me->pconf, me->server->global->runtime_dir,
                                   "/fcgipm.lock", NULL);
    apr_status_t rv;
    int fd = -1;

    if (r->lock && !strcmp(path, r->lock_path)) {
        return APR_SUCCESS;
    }
    rv = pm_lockfile_take(&fd, path, ap_unixd_config.user_id,
                          ap_unixd_config.group_id, why);
    if (rv == APR_SUCCESS) {
        parent_unlock(r);
        r->lock_path = apr_pstrdup(me->s->process->pool, path);
        rv = hpm_file_hold(&r->lock, fd, me->plog);
    }
    return rv;
}

/* Two servers with one control socket would answer for each other. */
static apr_status_t parent_check_paths(const hpm_parent_t *me, pm_reason_t *why)
{
    const pm_global_t *global = me->server->global;
    pm_listen_opts_t opts = {0};
    apr_status_t rv = APR_SUCCESS;

    if (global->socket) {
        rv = pm_listen_check_free(global->socket, &opts, why);
    }
    /* what else is wrong with the pid file the manager tells */
    return rv == APR_SUCCESS && global->pid_file
                   && pm_pidfile_check_free(global->pid_file, why) == EBUSY
               ? EBUSY
               : rv;
}

/* @return an error: httpd is not to start */
static apr_status_t parent_check_alone(hpm_parent_t *me, pm_reason_t *why)
{
    int start = hpm_retained_is_start(me->retained);
    apr_status_t rv;

    if (!me->server->pool_list->nelts && !me->server->templates->nelts) {
        return APR_SUCCESS;
    }
    rv = start ? parent_check_paths(me, why) : APR_SUCCESS;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = parent_lock(me, why);
    if (rv == APR_SUCCESS || (start && rv == EBUSY)) {
        return rv;
    }
    if (APR_STATUS_IS_ENOENT(rv)) { /* only TCP sockets, and no directory */
        return APR_SUCCESS;
    }
    ap_log_error(
        APLOG_MARK, APLOG_ERR, 0, me->s,
        "FcgiPMRuntimeDir: %s: nothing keeps another server from using it",
        why->text);
    return APR_SUCCESS;
}

/* --- the end -------------------------------------------------------------- */

/* httpd ends.  A pre-cleanup of the process's pool: it runs before anything
 * in that pool is gone, logs, retained data and this configuration
 * included. */
static apr_status_t parent_end(void *data)
{
    hpm_parent_t *me = data;
    hpm_retained_t *r = me->retained;

    if (r->parent == getpid()) {
        hpm_manager_process_stop(me);
        hpm_listeners_close(r->listeners, 1);
        if (r->board) {
            pm_script_pools_unlink(r->board, me->server->global->runtime_dir,
                                   me->pconf);
        }
        parent_unlock(r);
    }
    return APR_SUCCESS;
}

/* httpd restarts and will unload this code, so that it cannot be called at
 * httpd's end. */
static apr_status_t parent_unload(void *data)
{
    hpm_parent_t *me = data;

    hpm_manager_process_wake(0);
    apr_pool_cleanup_kill(me->s->process->pool, me, parent_end);
    return APR_SUCCESS;
}

/* --- hooks ---------------------------------------------------------------- */

int hpm_parent_check_config(apr_pool_t *pconf, apr_pool_t *plog,
                            apr_pool_t *ptemp, server_rec *s)
{
    (void)pconf;
    (void)plog;
    (void)s;
    hpm_retained_save(ptemp);
    return OK;
}

/* Virtual hosts have records of their own: let each know what the main
 * server's knows by now. */
static void parent_publish(hpm_parent_t *me)
{
    const hpm_retained_t *r = me->retained;
    server_rec *v;

    for (v = me->s; v; v = v->next) {
        hpm_server_t *server = hpm_server(v);

        server->board = r->board;
        server->wakeup_fd = hpm_file_fd(r->wakeup.children_end);
        server->slow_report_fd = hpm_file_fd(r->slow_report.children_end);
        server->parent = me;
    }
}

int hpm_parent_post_config(apr_pool_t *pconf, apr_pool_t *plog,
                           apr_pool_t *ptemp, server_rec *s)
{
    hpm_parent_t *me;
    pm_reason_t why;

    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK;
    }
    me = apr_pcalloc(pconf, sizeof(*me));
    me->s = s;
    me->server = hpm_server(s);
    me->pconf = pconf;
    me->plog = plog;
    me->retained = hpm_retained_get(ptemp);
    if (parent_check_alone(me, &why) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_STARTUP | APLOG_CRIT, 0, s,
                     "mod_fcgipm: %s; another httpd with the same "
                     "FcgiPMRuntimeDir, FcgiPMSocket or FcgiPMPidFile runs",
                     why.text);
        return HTTP_INTERNAL_SERVER_ERROR;
    }
    if (parent_open_board(me->retained, s, &why) != APR_SUCCESS) {
        parent_fail_all(me->server, apr_pstrdup(pconf, why.text));
        hpm_config_report(s);
        return OK;
    }
    parent_open_pipe(me, &me->retained->wakeup, pm_wakeup_create,
                     "pools grow as their sockets' queues do");
    parent_open_pipe(me, &me->retained->slow_report, pm_slow_report_create,
                     "what slow requests wait for will not be known");
    hpm_keeper_renew(me);
    parent_renew(me, ptemp);
    if (me->server->global->park && hpm_park_is_possible()) {
        hpm_sizing_report(s);
    }
    parent_publish(me);
    hpm_manager_process_wake(1);
    apr_pool_pre_cleanup_register(s->process->pool, me, parent_end);
    apr_pool_cleanup_register(pconf, me, parent_unload, apr_pool_cleanup_null);
    return OK;
}

int hpm_parent_monitor(apr_pool_t *p, server_rec *s)
{
    hpm_parent_t *me = hpm_server(s)->parent;

    (void)p;
    if (me) {
        hpm_manager_process_retry(me);
    }
    return DECLINED;
}

void hpm_parent_child_status(server_rec *s, pid_t pid, ap_generation_t gen,
                             int slot, mpm_child_status state)
{
    hpm_server_t *server = hpm_server(s);

    (void)gen;
    (void)slot;
    if (state == MPM_CHILD_EXITED && server->board) {
        pm_scoreboard_row_release(server->board, (apr_uint32_t)pid);
    }
}

/* In a child. */
static void child_close_parents(hpm_retained_t *r)
{
    hpm_file_close(&r->manager.channel);
    hpm_file_close(&r->wakeup.manager_end);
    hpm_file_close(&r->slow_report.manager_end);
    hpm_file_close(&r->keeper);
    hpm_listeners_close(r->listeners, 0);
}

static apr_status_t child_close_kept(void *kept)
{
    hpm_kept_stop(kept);
    return APR_SUCCESS;
}

/* Without threads there is none that could give a connection up while the
 * child waits for its client, and without sock_diag(7) none could tell a worker
 * that does not read on. */
static void child_keep_connections(apr_pool_t *pchild, server_rec *s)
{
    hpm_server_t *server = hpm_server(s);
    int threaded = 0;

    ap_mpm_query(AP_MPMQ_IS_THREADED, &threaded);
    if (threaded == AP_MPMQ_NOT_SUPPORTED || !PM_FUTEX_WORKS
        || !pm_scoreboard_row_is_own(server->board, server->row)) {
        return;
    }
    if (!pm_sock_diag_tells_unread()) {
        ap_log_error(APLOG_MARK, APLOG_INFO, 0, s,
                     "FcgiPMKeepConnections has no effect: the kernel does not "
                     "say what a socket has not read (sock_diag(7), "
                     "AF_NETLINK)");
        return;
    }
    server->kept = hpm_kept_create(server->board, server->row, &hpm_keep_limits,
                                   s->process->pool);
    apr_pool_pre_cleanup_register(pchild, server->kept, child_close_kept);
}

void hpm_parent_child_init(apr_pool_t *pchild, server_rec *s)
{
    hpm_server_t *server = hpm_server(s);
    hpm_parent_t *me = server->parent;

    if (!me) {
        return;
    }
    if (me->retained->parent == getpid()) {
        /* httpd -X: the only process leaves without destroying more than
         * this pool */
        apr_pool_cleanup_register(pchild, me, parent_end,
                                  apr_pool_cleanup_null);
    }
    else {
        hpm_manager_process_wake(0);
        child_close_parents(me->retained);
    }
    server->row = pm_scoreboard_row_claim(
        me->retained->board, (apr_uint32_t)getpid(), me->retained->config);
    if (me->retained->parent != getpid()) {
        pm_scoreboard_restrict(me->retained->board, server->row);
    }
    child_keep_connections(pchild, s);
    hpm_script_init(pchild, s, me->retained->config);
    hpm_park_start(pchild, s);
    /* without a queue a request that waits has its thread in either case */
    server->thread_load = hpm_keepalive_wait_load(
        server->queue ? pm_scoreboard_rows(me->retained->board) : NULL, pchild,
        s->process->pool);
    hpm_server_share_child(s);
}
