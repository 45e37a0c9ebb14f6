/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/config/hpm_sizing.h"

#include <stdlib.h>
#include <sys/resource.h>

#include "ap_mpm.h"
#include "httpd/config/hpm_server.h"

APLOG_USE_MODULE(fcgipm);

/* A parked request's bell and its client. */
#define SIZING_FILES 2

/* Logs, sockets, libraries of a child. */
#define SIZING_OTHER_FILES 100

/* What the MPM and the system allow. */
typedef struct sizing {
    int children;          /* at most */
    int threads;           /* of each */
    double factor;         /* AsyncRequestWorkerFactor */
    apr_int64_t files;     /* descriptors of each child */
    apr_int64_t for_pools; /* threads of each child that pools may hold */
} sizing_t;

/* Of one child, at the most. */
static apr_int64_t sizing_connections(const sizing_t *sizing)
{
    return (apr_int64_t)(sizing->threads * (1 + sizing->factor));
}

apr_int64_t hpm_sizing_threads(int threads, apr_int64_t most)
{
    if (most) {
        return most < threads ? most : threads;
    }
    return threads > 1 ? threads - (threads + 7) / 8 : threads;
}

/* No query tells. */
static double sizing_factor(void)
{
    const ap_directive_t *d;
    double factor = 2;

    for (d = ap_conftree; d; d = d->next) {
        if (!ap_cstr_casecmp(d->directive, "AsyncRequestWorkerFactor")) {
            factor = atof(d->args);
        }
    }
    return factor;
}

static int sizing_query(int what)
{
    int value = 0;

    return ap_mpm_query(what, &value) == APR_SUCCESS ? value : 0;
}

static sizing_t sizing_read(const hpm_server_t *server)
{
    sizing_t sizing = {sizing_query(AP_MPMQ_MAX_DAEMONS),
                       sizing_query(AP_MPMQ_MAX_THREADS), sizing_factor(), -1,
                       0};
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0
        && limit.rlim_cur != RLIM_INFINITY) {
        sizing.files = (apr_int64_t)limit.rlim_cur;
    }
    sizing.for_pools =
        hpm_sizing_threads(sizing.threads, server->global->max_threads);
    return sizing;
}

static void sizing_check_files(server_rec *s, const sizing_t *sizing)
{
    apr_int64_t connections = sizing_connections(sizing);
    apr_int64_t files = connections * SIZING_FILES + SIZING_OTHER_FILES;

    if (sizing->files >= 0 && sizing->files < files) {
        ap_log_error(
            APLOG_MARK, APLOG_WARNING, 0, s,
            "AsyncRequestWorkerFactor %g: a child may have %" APR_INT64_T_FMT
            " connections, for which it needs %" APR_INT64_T_FMT
            " descriptors when their requests wait; "
            "ulimit -n is %" APR_INT64_T_FMT,
            sizing->factor, connections, files, sizing->files);
    }
}

static void sizing_check_queue(server_rec *s, const sizing_t *sizing,
                               const hpm_pool_t *pool)
{
    apr_int64_t connections = sizing->children * sizing_connections(sizing);

    if (pool->conf->queue_limit > connections) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     "pool %s: FcgiPMQueueLimit %" APR_INT64_T_FMT
                     ": httpd has %" APR_INT64_T_FMT
                     " connections at most (MaxRequestWorkers %d, "
                     "AsyncRequestWorkerFactor %g)",
                     pool->name, pool->conf->queue_limit, connections,
                     sizing->children * sizing->threads, sizing->factor);
    }
}

static void sizing_check_threads(server_rec *s, const sizing_t *sizing,
                                 apr_int64_t requests)
{
    apr_int64_t threads = sizing->children * sizing->for_pools;

    if (requests > threads) {
        ap_log_error(APLOG_MARK, APLOG_WARNING, 0, s,
                     "the workers of all pools may have %" APR_INT64_T_FMT
                     " requests (FcgiPMProcesses, FcgiPMRequestsPerWorker); "
                     "httpd gives pools %" APR_INT64_T_FMT
                     " threads at most (FcgiPMMaxThreads, MaxRequestWorkers "
                     "%d)",
                     requests, threads, sizing->children * sizing->threads);
    }
}

void hpm_sizing_report(server_rec *s)
{
    const hpm_server_t *server = hpm_server(s);
    sizing_t sizing = sizing_read(server);
    apr_int64_t requests = 0;
    int i;

    for (i = 0; i < server->pool_list->nelts; i++) {
        const hpm_pool_t *pool = hpm_server_pool_at(server, i);

        requests += pool->conf->processes.max * pool->conf->requests_per_worker;
        sizing_check_queue(s, &sizing, pool);
    }
    if (server->pool_list->nelts) {
        sizing_check_files(s, &sizing);
        sizing_check_threads(s, &sizing, requests);
    }
}
