/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/upstream/hpm_slow_request.h"

#include <sys/stat.h>

#include "apr_strings.h"
#include "pm_core/ipc/pm_slow_report.h"

APLOG_USE_MODULE(fcgipm);

void hpm_slow_request_report(const request_rec *r, const hpm_pool_t *pool,
                             int fd, pid_t worker, apr_time_t since)
{
    pm_slow_report_t report = {0};
    struct stat st;

    report.slot = pool->slot;
    report.generation = pool->generation;
    report.since = since;
    report.inode = fstat(fd, &st) ? 0 : st.st_ino;
    report.pid = worker;
    apr_cpystrn(report.method, r->method, sizeof(report.method));
    apr_snprintf(report.url, sizeof(report.url), "%s%s",
                 r->hostname ? r->hostname : r->server->server_hostname,
                 r->unparsed_uri);
    if (!pm_slow_report_send(hpm_server(r->server)->slow_report_fd, &report)) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                      "pool %s: slow: %s %s: %.3f s so far: the manager cannot "
                      "be asked for more",
                      pool->name, report.method, report.url,
                      (double)(pm_time_now() - since) / 1e6);
    }
}
