/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/upstream/hpm_slow_request.h"

#include <sys/stat.h>

#include "apr_strings.h"
#include "httpd/config/hpm_server.h"
#include "pm_core/ipc/pm_slow_report.h"

APLOG_USE_MODULE(fcgipm);

void hpm_slow_request_tell(const request_rec *r, const hpm_pool_t *pool,
                           const hpm_upstream_t *x, apr_time_t since)
{
    pm_slow_report_t note = {0};
    struct stat st;

    note.slot = pool->slot;
    note.generation = pool->generation;
    note.since = since;
    note.inode = fstat(hpm_upstream_fd(x), &st) ? 0 : st.st_ino;
    note.pid = x->worker;
    apr_cpystrn(note.method, r->method, sizeof(note.method));
    apr_snprintf(note.url, sizeof(note.url), "%s%s",
                 r->hostname ? r->hostname : r->server->server_hostname,
                 r->unparsed_uri);
    if (!pm_slow_report_send(hpm_server(r->server)->slow_report_fd, &note)) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r,
                      "pool %s: slow: %s "
                      "%s: %.3f s so far: the manager cannot be asked for "
                      "more",
                      pool->name, note.method, note.url,
                      (double)(pm_time_now() - since) / 1e6);
    }
}
