/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/upstream/hpm_slow_request.h"

#include <sys/stat.h>

#include "apr_strings.h"
#include "pm_core/ipc/pm_slow_report.h"

APLOG_USE_MODULE(fcgipm);

void fcgipm_slow_tell(const request_rec *r, const fcgipm_pool_t *pool,
                      const fcgipm_exchange_t *x, apr_time_t since)
{
    pm_wire_note_t note = {0};
    struct stat st;

    note.slot = pool->slot;
    note.generation = pool->generation;
    note.since = since;
    note.inode = fstat(fcgipm_exchange_fd(x), &st) ? 0 : st.st_ino;
    note.pid = x->worker;
    apr_cpystrn(note.method, r->method, sizeof(note.method));
    apr_snprintf(note.url, sizeof(note.url), "%s%s",
                 r->hostname ? r->hostname : r->server->server_hostname,
                 r->unparsed_uri);
    if (!pm_wire_tell(fcgipm_server(r->server)->wire, &note)) {
        ap_log_rerror(APLOG_MARK, APLOG_WARNING, 0, r, "pool %s: slow: %s "
                      "%s: %.3f s so far: the manager cannot be asked for "
                      "more", pool->name, note.method, note.url,
                      (double)(pm_time_now() - since) / 1e6);
    }
}
