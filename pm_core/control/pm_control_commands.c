/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/control/pm_control_commands.h"

#include <string.h>
#include <unistd.h>

#include "apr_strings.h"
#include "pm_core/control/pm_control_report.h"
#include "pm_core/policy/pm_control_protocol.h"
#include "pm_core/pool/pm_reload.h"
#include "pm_core/pool/pm_script_pools.h"

/* A request, and what carries it out. */
typedef struct command_request {
    pm_context_t *context;
    pm_control_caller_t *caller;
    const pm_request_t *req;
    apr_pool_t *p; /* destroyed when the answer has been sent */
} command_request_t;

/* @return the answer; NULL: it comes later, through pm_control_server_answer()
 */
typedef const char *command_fn(command_request_t *a);

static pm_right_t command_right(const pm_context_t *context, uid_t peer)
{
    return peer == 0 || peer == geteuid() ? PM_RIGHT_ALL
           : peer == context->httpd_uid   ? PM_RIGHT_ASK
                                          : PM_RIGHT_NONE;
}

/* --- pools by name -------------------------------------------------------- */

/* A pool that drains may have a successor of the same name: that one counts.
 * @return NULL: there is none */
static pm_pool_t *command_look_up(const command_request_t *a)
{
    pm_pool_t *found = NULL;
    apr_hash_index_t *hi;

    for (hi = apr_hash_first(NULL, a->context->pools); hi;
         hi = apr_hash_next(hi)) {
        pm_pool_t *pool = apr_hash_this_val(hi);

        if (!strcmp(pool->conf->name, a->req->pool)
            && (pool->phase == PM_POOL_RUNNING
                || pool->phase == PM_POOL_FAILED)) {
            found = pool;
        }
    }
    return found;
}

/* The pool that was named.  @return NULL: nothing can be done to it, and *wrong
 * is the answer */
static pm_pool_t *command_find_pool(command_request_t *a, const char **wrong)
{
    pm_pool_t *pool = command_look_up(a);

    if (a->context->dying_at) {
        *wrong = "error the manager is about to end";
        return NULL;
    }
    if (!pool) {
        *wrong =
            apr_psprintf(a->p, "error there is no pool \"%s\"", a->req->pool);
    }
    else if (pool->phase != PM_POOL_RUNNING) {
        *wrong = apr_psprintf(a->p, "error pool %s has failed: %s",
                              pool->conf->name, pool->last_error);
        pool = NULL;
    }
    return pool;
}

/* --- verbs that ask ------------------------------------------------------- */

static const char *command_ping(command_request_t *a)
{
    return apr_psprintf(a->p, "ok %d " PM_VERSION, (int)getpid());
}

static const char *command_status(command_request_t *a)
{
    pm_control_report_begin(a->context, a->caller, PM_CONTROL_REPORT_STATUS,
                            a->req->pool);
    return NULL;
}

static const char *command_config(command_request_t *a)
{
    pm_control_report_begin(a->context, a->caller, PM_CONTROL_REPORT_CONFIG,
                            a->req->pool);
    return NULL;
}

/* --- verbs that change ---------------------------------------------------- */

static void command_log(command_request_t *a, const pm_pool_t *pool,
                        const char *what)
{
    pm_log(a->context->log, PM_NOTICE, "pool %s: %s (control socket, uid %ld)",
           pool->conf->name, what, (long)pm_control_server_peer_uid(a->caller));
}

static const char *command_reload(command_request_t *a)
{
    const char *wrong = NULL;
    pm_pool_t *pool = a->req->pool[0] ? command_find_pool(a, &wrong) : NULL;
    pm_reload_t how = {.origin = PM_RELOAD_COMMAND,
                       .uid = pm_control_server_peer_uid(a->caller)};

    if (a->context->dying_at) {
        return "error the manager is about to end";
    }
    if (a->req->pool[0] && !pool) {
        return wrong;
    }
    if (pool && pm_pool_held(pool)) {
        return apr_psprintf(a->p, "error pool %s is stopped", pool->conf->name);
    }
    if (a->req->wait) {
        how.wait = pm_reload_wait_create(a->caller);
    }
    pm_reload_run(a->context, pool, &how);
    if (how.wait) {
        pm_reload_wait_begin(how.wait);
    }
    return how.wait ? NULL : "ok";
}

static const char *command_hold(command_request_t *a)
{
    unsigned held = a->req->verb == PM_VERB_STOP;
    const char *wrong = NULL;
    pm_pool_t *pool = command_find_pool(a, &wrong);

    if (!pool) {
        return wrong;
    }
    if (pool->published->held != held || pool->leaves_at) {
        command_log(a, pool, held ? "stop: no worker until start" : "start");
        pm_pool_hold(pool, held);
    }
    return "ok";
}

static const char *command_drain(command_request_t *a)
{
    pm_context_t *context = a->context;
    const char *wrong = NULL;
    pm_pool_t *pool = a->req->pool[0] ? command_find_pool(a, &wrong) : NULL;

    if (!context->leave) {
        return "error httpd is the front of its pools: stop POOL, or "
               "apachectl graceful-stop";
    }
    if (a->req->pool[0] && !pool) {
        return wrong;
    }
    if (pool && !pm_pool_held(pool) && !pool->leaves_at) {
        command_log(a, pool, "drain: not ready any more");
        pm_pool_drain(pool, pm_time_now() + context->global->drain_grace);
    }
    if (!pool && !context->leaving) {
        context->leave(context->leave_ctx, "drain (control socket)");
    }
    return "ok";
}

static const char *command_scale(command_request_t *a)
{
    char text[2][24];
    const char *word[2] = {text[0], text[1]};
    pm_conf_t *conf = pm_conf_create(a->p, a->req->pool);
    const char *wrong = NULL;
    pm_pool_t *pool = command_find_pool(a, &wrong);
    pm_reason_t why = {""};
    int i;

    if (!pool) {
        return wrong;
    }
    for (i = 0; i < a->req->n; i++) {
        apr_snprintf(text[i], sizeof(text[i]), "%" APR_INT64_T_FMT,
                     a->req->number[i]);
    }
    if (pm_conf_set(conf, &pm_conf_rows[PM_ROW_processes], a->req->n, word,
                    a->p, &why)
        != APR_SUCCESS) {
        return apr_pstrcat(a->p, "error ", why.text, NULL);
    }
    command_log(a, pool,
                apr_psprintf(a->p,
                             "scale: %" APR_INT64_T_FMT " to %" APR_INT64_T_FMT
                             " workers",
                             conf->processes.min, conf->processes.max));
    pm_pool_scale(pool, conf->processes);
    return "ok";
}

static const char *command_kill(command_request_t *a)
{
    pid_t pid = (pid_t)a->req->number[0];
    pm_worker_t *w = apr_hash_get(a->context->workers, &pid, sizeof(pid));

    if (!w || w->state >= PM_WORKER_KILLED) {
        return apr_psprintf(a->p, "error %d is not a worker that lives",
                            (int)pid);
    }
    command_log(a, w->pool, apr_psprintf(a->p, "kill %d", (int)pid));
    pm_worker_kill(w);
    return "ok";
}

static const char *command_script(command_request_t *a)
{
    return pm_script_pools_ask(a->context, a->req, a->p);
}

static command_fn *const command_table[PM_VERBS] = {
    [PM_VERB_PING] = command_ping,     [PM_VERB_STATUS] = command_status,
    [PM_VERB_CONFIG] = command_config, [PM_VERB_RELOAD] = command_reload,
    [PM_VERB_START] = command_hold,    [PM_VERB_STOP] = command_hold,
    [PM_VERB_DRAIN] = command_drain,   [PM_VERB_SCALE] = command_scale,
    [PM_VERB_KILL] = command_kill,     [PM_VERB_SCRIPT] = command_script};

void pm_control_commands_run(void *ctx, pm_control_caller_t *caller,
                             const char *line)
{
    pm_context_t *context = ctx;
    pm_request_t req;
    command_request_t asked = {context, caller, &req,
                               pm_control_server_pool(caller)};
    pm_reason_t why;
    const char *answer;

    if (pm_control_protocol_parse(
            &req, line,
            command_right(context, pm_control_server_peer_uid(caller)), &why)
        == APR_SUCCESS) {
        answer = command_table[req.verb](&asked);
    }
    else {
        answer = apr_pstrcat(asked.p, "error ", why.text, NULL);
    }
    if (answer) {
        pm_control_server_answer(caller, answer, 1);
    }
}
