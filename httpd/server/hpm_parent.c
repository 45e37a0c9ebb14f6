/* SPDX-License-Identifier: Apache-2.0 */
/* The httpd parent's part: what happens in which hook. */
#include "httpd/server/hpm_parent.h"

#include <unistd.h>

#include "apr_strings.h"
#include "http_core.h"
#include "mpm_common.h"

#include "httpd/request/hpm_keepalive_wait.h"
#include "httpd/request/hpm_script.h"
#include "pm_core/ipc/pm_wakeup.h"
#include "pm_core/ipc/pm_slow_report.h"

APLOG_USE_MODULE(fcgipm);

/* --- what is kept --------------------------------------------------------- */

/* A build that lays these out differently finds nothing and starts afresh;
 * what the other one kept is closed by APR (see hpm_parent.h). */
static const char *retained_key(apr_pool_t *p)
{
    return apr_psprintf(
        p, "mod_fcgipm 1 %d %d %d %d %d %d %d %d", (int)sizeof(hpm_retained_t),
        (int)sizeof(hpm_listener_t), (int)sizeof(pm_scoreboard_header_t),
        (int)sizeof(pm_scoreboard_slot_t), (int)sizeof(pm_admission_t),
        (int)sizeof(pm_scoreboard_cell_t), (int)pm_scoreboard_size(0),
        PM_SCOREBOARD_SLOTS);
}

/* Were we there in the configuration before this one? */
static int is_next(const hpm_retained_t *r)
{
    return r->config + 1 == ap_state_query(AP_SQ_CONFIG_GEN);
}

/* The module was away for a while: its files have been closed, children have
 * come and gone unnoticed. */
static void start_afresh(hpm_retained_t *r)
{
    if (r->board_pool) {
        apr_pool_destroy(r->board_pool);
    }
    if (r->pool) {
        apr_pool_destroy(r->pool);
    }
    memset(r, 0, sizeof(*r));
}

static hpm_retained_t *retained_get(apr_pool_t *ptemp)
{
    const char *key = retained_key(ptemp);
    hpm_retained_t *r = ap_retained_data_get(key);

    if (!r) {
        r = ap_retained_data_create(key, sizeof(*r));
    }
    else if (!is_next(r)) {
        start_afresh(r);
    }
    r->config = ap_state_query(AP_SQ_CONFIG_GEN);
    r->parent = getpid();
    return r;
}

/* The ways from httpd's children to the manager. */
static void move_calls(hpm_retained_t *r, apr_pool_t *p)
{
    int i;

    for (i = 0; i < 2; i++) {
        hpm_move(&r->bell[i], p);
        hpm_move(&r->wire[i], p);
    }
}

/* Before httpd's log pool is cleared: see hpm_parent.h. */
int hpm_parent_check_config(apr_pool_t *pconf, apr_pool_t *plog,
                            apr_pool_t *ptemp, server_rec *s)
{
    hpm_retained_t *r = ap_retained_data_get(retained_key(ptemp));
    int i;

    (void)pconf;
    (void)plog;
    (void)s;
    if (!r || !is_next(r) || !r->pool) {
        return OK;
    }
    hpm_move(&r->boss.channel, r->pool);
    move_calls(r, r->pool);
    for (i = 0; i < r->places->nelts; i++) {
        hpm_move(&APR_ARRAY_IDX(r->places, i, hpm_listener_t).file, r->pool);
    }
    return OK;
}

/* --- a new configuration -------------------------------------------------- */

static apr_status_t board_ready(hpm_retained_t *r, apr_pool_t *process,
                                pm_reason_t *why)
{
    int rows = 0;
    apr_status_t rv;

    if (r->board) {
        return APR_SUCCESS;
    }
    ap_mpm_query(AP_MPMQ_HARD_LIMIT_DAEMONS, &rows);
    rv = apr_pool_create(&r->board_pool, process);
    if (rv != APR_SUCCESS) {
        return pm_fail_os(why, rv, "no memory");
    }
    return pm_scoreboard_create(&r->board, rows > 0 ? rows : 1, r->board_pool,
                                why);
}

/* @param create of pm_wakeup.h, pm_slow_report.h */
static void call_ready(hpm_parent_t *me, apr_file_t *call[2],
                       apr_status_t (*create)(int fd[2], pm_reason_t *why),
                       const char *without)
{
    pm_reason_t why;
    int fd[2];
    int i;

    if (call[0] && call[1]) {
        return;
    }
    if (create(fd, &why) != APR_SUCCESS) {
        ap_log_error(APLOG_MARK, APLOG_ERR, 0, me->s, "%s: %s", why.text,
                     without);
        return;
    }
    for (i = 0; i < 2; i++) {
        hpm_drop(&call[i]);
        hpm_hold(&call[i], fd[i], me->plog);
    }
}

static void calls_ready(hpm_parent_t *me)
{
    call_ready(me, me->retained->bell, pm_wakeup_create,
               "pools grow as their sockets' queues do");
    call_ready(me, me->retained->wire, pm_slow_report_create,
               "what slow requests wait for will not be known");
}

static void fail_all(hpm_server_t *server, const char *reason)
{
    int i;

    for (i = 0; i < server->order->nelts; i++) {
        hpm_pool_t *pool = APR_ARRAY_IDX(server->order, i, hpm_pool_t *);

        pool->failed = pool->failed ? pool->failed : reason;
    }
}

/* The definition the place was run with before; it was good then. */
static const pm_conf_t *former_conf(const hpm_pool_t *pool,
                                    const hpm_listener_t *place, apr_pool_t *p)
{
    pm_conf_t *conf = pm_conf_create(p, pool->name);

    return pm_conf_read(conf, 0, place->settings, p, NULL) == APR_SUCCESS
               ? conf
               : pool->conf;
}

/* Places are in the order of the pools that have one. */
static void add_member(pm_pool_set_t *set, const hpm_pool_t *pool,
                       const apr_array_header_t *places, apr_pool_t *p)
{
    const hpm_listener_t *place =
        &APR_ARRAY_IDX(places, set->members->nelts, hpm_listener_t);
    pm_member_t *m = apr_array_push(set->members);

    m->conf = pool->former ? former_conf(pool, place, p) : pool->conf;
    m->slot = pool->slot;
    m->generation = pool->generation;
    m->failed = pool->failed;
    m->fd = pool->failed ? -1 : place->listener.fd;
    m->log_fd = pool->failed ? -1 : pool->log_fd;
}

static pm_pool_set_t *make_set(const hpm_parent_t *me)
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
    set->log_fd = hpm_fd(me->s->error_log);
    for (i = 0; i < me->server->order->nelts; i++) {
        const hpm_pool_t *pool =
            APR_ARRAY_IDX(me->server->order, i, hpm_pool_t *);

        if (pool->slot >= 0) {
            add_member(set, pool, me->retained->places, me->pconf);
        }
    }
    return set;
}

/* From the former configuration's sockets to this one's, and the manager
 * along with them. */
static void renew(hpm_parent_t *me, apr_pool_t *ptemp)
{
    hpm_retained_t *r = me->retained;
    apr_pool_t *former_pool = r->pool;
    apr_array_header_t *former;
    int alive = hpm_manager_process_alive(me);

    apr_pool_create(&r->pool, me->s->process->pool);
    hpm_move(&r->boss.channel, me->plog);
    move_calls(r, me->plog);
    former = hpm_listeners_renew(me, ptemp);
    hpm_log_open_pools(me->server, me->pconf, me->s);
    hpm_config_report(me->s);
    me->set = make_set(me);
    if (alive || me->set->members->nelts || me->set->templates->nelts) {
        hpm_manager_process_renew(me);
    }
    hpm_listeners_close(former, !alive);
    if (former_pool) {
        apr_pool_destroy(former_pool);
    }
}

/* --- the end -------------------------------------------------------------- */

/* httpd ends.  Registered with the process's pool, to be run before anything
 * in it is gone: logs, what is retained, this generation. */
static apr_status_t end(void *data)
{
    hpm_parent_t *me = data;
    hpm_retained_t *r = me->retained;

    if (r->parent == getpid()) {
        hpm_manager_process_stop(me);
        hpm_listeners_close(r->places, 1);
    }
    return APR_SUCCESS;
}

/* A restart, before this code is unloaded: httpd's end is not ours to see to
 * any more. */
static apr_status_t stand_down(void *data)
{
    hpm_parent_t *me = data;

    apr_pool_cleanup_kill(me->s->process->pool, me, end);
    return APR_SUCCESS;
}

/* --- hooks ---------------------------------------------------------------- */

int hpm_parent_post_config(apr_pool_t *pconf, apr_pool_t *plog,
                           apr_pool_t *ptemp, server_rec *s)
{
    hpm_parent_t *me;
    pm_reason_t why;
    server_rec *v;

    if (ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG) {
        return OK;
    }
    me = apr_pcalloc(pconf, sizeof(*me));
    me->s = s;
    me->server = hpm_server(s);
    me->pconf = pconf;
    me->plog = plog;
    me->retained = retained_get(ptemp);
    if (board_ready(me->retained, s->process->pool, &why) != APR_SUCCESS) {
        fail_all(me->server, apr_pstrdup(pconf, why.text));
        hpm_config_report(s);
        return OK;
    }
    calls_ready(me);
    renew(me, ptemp);
    for (v = s; v; v = v->next) {
        hpm_server(v)->board = me->retained->board;
        hpm_server(v)->bell = hpm_fd(me->retained->bell[1]);
        hpm_server(v)->wire = hpm_fd(me->retained->wire[1]);
        hpm_server(v)->parent = me;
    }
    apr_pool_pre_cleanup_register(s->process->pool, me, end);
    apr_pool_cleanup_register(pconf, me, stand_down, apr_pool_cleanup_null);
    return OK;
}

int hpm_parent_monitor(apr_pool_t *p, server_rec *s)
{
    hpm_parent_t *me = hpm_server(s)->parent;

    (void)p;
    if (me) {
        hpm_manager_process_due(me);
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

static void close_parents_own(hpm_parent_t *me)
{
    hpm_retained_t *r = me->retained;

    hpm_drop(&r->boss.channel);
    hpm_drop(&r->bell[0]);
    hpm_drop(&r->wire[0]);
    hpm_listeners_close(r->places, 0);
}

void hpm_parent_child_init(apr_pool_t *pchild, server_rec *s)
{
    hpm_parent_t *me = hpm_server(s)->parent;
    hpm_thread_load_t *crowd;
    server_rec *v;
    int row;

    if (!me) {
        return;
    }
    if (me->retained->parent == getpid()) {
        /* httpd -X: the only process leaves without destroying more than
         * this pool */
        apr_pool_cleanup_register(pchild, me, end, apr_pool_cleanup_null);
    }
    else {
        close_parents_own(me);
    }
    crowd = hpm_keepalive_wait_load(pchild);
    row = pm_scoreboard_row_claim(me->retained->board, (apr_uint32_t)getpid(),
                                  me->retained->config);
    for (v = s; v; v = v->next) {
        hpm_server(v)->row = row;
        hpm_server(v)->crowd = crowd;
    }
    hpm_script_init(pchild, s, me->retained->config);
}
