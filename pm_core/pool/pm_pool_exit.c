/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/pool/pm_pool_exit.h"

#include <string.h>
#include <sys/wait.h>

#include "apr_strings.h"
#include "pm_core/os/pm_reap.h"
#include "pm_core/policy/pm_exit_hint.h"
#include "pm_core/pool/pm_fork_server.h"
#include "pm_core/pool/pm_output.h"
#include "pm_core/pool/pm_rollback.h"

/* --- a start that failed -------------------------------------------------- */

static void exit_keep_failure(pm_pool_t *pool, const pm_worker_t *w)
{
    pm_start_failure_t *failure = &pool->failure;

    failure->n++;
    failure->pid = w ? w->pid : 0;
    apr_cpystrn(failure->reason, pool->last_error, sizeof(failure->reason));
    apr_cpystrn(failure->said, w && w->said ? w->said : "",
                sizeof(failure->said));
}

/* @return how many were to be replaced and are not */
static int exit_end_roll(pm_pool_t *pool)
{
    int n = pool->workers.due[PM_DUE_ROLL];

    pm_pool_keep_workers(pool, PM_DUE_ROLL);
    n -= pool->workers.due[PM_DUE_ROLL];
    if (n) {
        pm_log(pool->context->log, PM_ERROR,
               "pool %s: the rolling reload ends: "
               "a new worker has failed, %d old ones are kept",
               pool->conf->name, n);
    }
    return n;
}

void pm_pool_exit_failed(pm_pool_t *pool, const pm_worker_t *w, apr_time_t now)
{
    int before = pool->restart.failures;

    if (pm_fork_server_is_blamed(pool, w)) {
        return;
    }
    pm_restart_policy_note_failure(&pool->restart,
                                   pm_worker_loading(&pool->workers) > 0, now);
    if (pool->restart.failures > before && pool->restart.retry_at > now) {
        pm_log(pool->context->log, PM_WARNING,
               "pool %s: %d starts in a row have "
               "failed: the next one is in %.3f s at the earliest",
               pool->conf->name, pool->restart.failures,
               (double)(pool->restart.retry_at - now) / 1e6);
    }
    if (!w || (w->due != PM_DUE_ROLL && w->due != PM_DUE_RELOAD)) {
        /* else it is one that the reload replaces, started before it */
        exit_keep_failure(pool, w);
        pool->failure.roll = exit_end_roll(pool);
    }
    if (pm_rollback_failed(pool, w)) {
        pm_log(pool->context->log, PM_WARNING,
               "pool %s: until the next reload "
               "workers are started as it was defined before",
               pool->conf->name);
        pm_restart_policy_forget(&pool->restart);
    }
    pm_pool_touch(pool);
}

/* --- an exit -------------------------------------------------------------- */

/* A program that does not speak FastCGI, perhaps. */
static const char *exit_hint(const pm_pool_t *pool, const pm_worker_t *w,
                             int status)
{
    const apr_array_header_t *command = pool->conf->command;

    return command ? pm_exit_hint((const char *const *)(void *)command->elts,
                                  command->nelts, w->said,
                                  WIFEXITED(status) && !WEXITSTATUS(status))
                   : "";
}

static void exit_log(pm_pool_t *pool, const pm_worker_t *w, int status,
                     pm_exit_t verdict, const pm_exit_facts_t *facts)
{
    char buf[80];
    const char *how = pm_reap_text(status, buf, sizeof(buf));
    double s = (double)facts->lived / 1e6;
    const char *hint;

    switch (verdict) {
    case PM_EXIT_NORMAL:
        pm_log(pool->context->log, PM_INFO,
               "pool %s: worker %d has gone: %s after %.3f s", pool->conf->name,
               (int)w->pid, how, s);
        break;
    case PM_EXIT_CRASHED:
        pm_pool_error(pool, pm_output_may(pool) ? PM_WARNING : PM_DEBUG,
                      "worker %d has crashed and is replaced: %s after %.3f s",
                      (int)w->pid, how, s);
        break;
    case PM_EXIT_FAILED:
        if (w->runs && !facts->daemon) { /* else it was logged */
            hint = exit_hint(pool, w, status);
            pm_pool_error(pool, PM_WARNING,
                          "worker %d has died at birth: %s after %.3f s%s%s",
                          (int)w->pid, how, s, *hint ? "; " : "", hint);
        }
        break;
    }
}

/* php-cgi ends after 500 requests by itself, and nobody has started another one
 * before it did. */
static void exit_note_left(pm_pool_t *pool, const pm_worker_t *w,
                           apr_time_t now)
{
    const apr_array_header_t *command = pool->conf->command;
    apr_int64_t requests = (apr_int64_t)pm_worker_read_facts(w, now).requests;
    int n = command ? command->nelts : 0;

    if (!pm_exit_left_note(&pool->left, requests, now)) {
        return;
    }
    pm_log(pool->context->log, PM_NOTICE,
           "pool %s: %d workers have ended by themselves within %.1f s, the "
           "last one after %" APR_INT64_T_FMT " requests; requests wait while "
           "others load.  FcgiPMMaxRequests has another one ready first; %s",
           pool->conf->name, pool->left.n,
           (double)(now - pool->left.since) / 1e6, requests,
           pm_exit_left_hint(
               n ? (const char *const *)(void *)command->elts : NULL, n));
}

/* Has it answered a request?  A worker without the guard does not tell: then
 * the requests of the whole pool pay for the exit. */
static int exit_has_served(pm_pool_t *pool, const pm_worker_t *w, int told,
                           apr_time_t now)
{
    pm_worker_facts_t known = pm_worker_read_facts(w, now);
    pm_scoreboard_totals_t sum =
        pm_scoreboard_sum(pool->context->scoreboard, pool->slot);

    if (known.known) {
        return known.requests > 0;
    }
    return !told
           && pm_restart_policy_spend_credit(sum.done, sum.in_flight,
                                             &pool->paid,
                                             (int)pool->conf->processes.max);
}

void pm_pool_exit_count(pm_pool_t *pool, pm_worker_t *w, int status,
                        pm_exit_facts_t facts)
{
    apr_time_t now = pm_time_now();
    pm_exit_t verdict;

    facts.served = !facts.loading && !facts.daemon
                   && exit_has_served(pool, w, facts.told, now);
    pool->nonblocking = pool->nonblocking && facts.told;
    verdict = pm_restart_policy_judge(&facts);
    if (pool->workers.due[PM_DUE_ROLL] && w->state < PM_WORKER_READY
        && !facts.told) {
        /* What the old workers serve is not to its credit, nor how long it
         * took to load. */
        verdict = PM_EXIT_FAILED;
        facts.served = 0;
    }
    if (verdict == PM_EXIT_NORMAL) {
        pool->published->exited++;
    }
    else {
        pool->published->crashed++;
    }
    exit_log(pool, w, status, verdict, &facts);
    if (verdict == PM_EXIT_NORMAL && facts.served && !facts.told
        && w->due == PM_DUE_NOT) {
        exit_note_left(pool, w, now);
    }
    if (verdict == PM_EXIT_FAILED) {
        pm_pool_exit_failed(pool, w, now);
    }
    else if (facts.served) {
        pm_restart_policy_forget(&pool->restart);
    }
}
