/* SPDX-License-Identifier: Apache-2.0 */
/* The section on mod_status's page: the rows of pm_metric_rows.h that have a
 * head for it.  All of it comes from the scoreboard: the page is often asked
 * for, and is not to wait for the manager. */
#include "httpd/status/hpm_status.h"

#include <errno.h>
#include <signal.h>

#include "apr_lib.h"
#include "apr_strings.h"
#include "http_main.h"
#include "http_protocol.h"
#include "mod_status.h"

/* @return the first row from m on that is shown here; NULL: there is none */
static const pm_metric_t *section_row(const pm_metric_t *m)
{
    while (m->member && !(m->section && pm_metric_adds_up(m))) {
        m++;
    }
    return m->member ? m : NULL;
}

static void section_read(pm_report_status_t *status, request_rec *r,
                         const hpm_server_t *server, const hpm_pool_t *pool)
{
    pm_report_status_known_t known = hpm_status_known(server, pool);

    pm_report_status_values(status, &known, pm_time_now(), r->pool);
}

static const char *section_state(const pm_report_status_t *status)
{
    return status->value[PM_METRIC_POOL_state].text;
}

/* @return its pid, 0: there is none */
static int section_manager(pm_scoreboard_t *board)
{
    int pid = board ? (int)pm_scoreboard_header(board)->pid : 0;

    return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM) ? pid : 0;
}

/* --- ?auto ---------------------------------------------------------------- */

/* "In flight" is InFlight. */
static const char *section_word(apr_pool_t *p, const char *head)
{
    char *word = apr_pstrdup(p, head);
    char *to = word;
    int begins = 0;

    for (; *head; head++) {
        if (*head != ' ') {
            *to++ = (char)(begins ? apr_toupper(*head) : *head);
        }
        begins = *head == ' ';
    }
    *to = '\0';
    return word;
}

static void section_put_auto(request_rec *r, const hpm_server_t *server,
                             int extended)
{
    apr_int64_t sum[PM_METRICS] = {0};
    pm_report_status_t status;
    const pm_metric_t *m;
    int i;

    ap_rprintf(r, "FcgiPMManager: %d\nFcgiPMPools: %d\n",
               section_manager(server->board), server->pool_list->nelts);
    for (i = 0; i < server->pool_list->nelts; i++) {
        const hpm_pool_t *pool = hpm_server_pool_at(server, i);

        section_read(&status, r, server, pool);
        if (extended) {
            ap_rvputs(r, "FcgiPMPool[", pool->name,
                      "]: State=", section_state(&status), NULL);
        }
        for (m = section_row(pm_metrics); m; m = section_row(m + 1)) {
            apr_int64_t n = status.value[m - pm_metrics].number;

            sum[m - pm_metrics] += n;
            if (extended) {
                ap_rprintf(r, " %s=%" APR_INT64_T_FMT,
                           section_word(r->pool, m->section), n);
            }
        }
        ap_rputs(extended ? "\n" : "", r);
    }
    for (m = section_row(pm_metrics); m; m = section_row(m + 1)) {
        ap_rprintf(r, "FcgiPM%s: %" APR_INT64_T_FMT "\n",
                   section_word(r->pool, m->section), sum[m - pm_metrics]);
    }
}

/* --- HTML ----------------------------------------------------------------- */

static void section_put_head(request_rec *r)
{
    const pm_metric_t *m;

    ap_rputs("<table border=\"1\">\n<tr><th>Pool</th><th>State</th>", r);
    for (m = section_row(pm_metrics); m; m = section_row(m + 1)) {
        ap_rvputs(r, "<th>", m->section, "</th>", NULL);
    }
    ap_rputs("</tr>\n", r);
}

static void section_put_pool(request_rec *r, const char *name,
                             const pm_report_status_t *status, int table)
{
    const pm_metric_t *m;

    name = ap_escape_html(r->pool, name);
    ap_rprintf(r,
               table ? "<tr><td><b>%s</b></td><td>%s</td>" : "<p><b>%s</b>: %s",
               name, section_state(status));
    for (m = section_row(pm_metrics); m; m = section_row(m + 1)) {
        apr_int64_t n = status->value[m - pm_metrics].number;

        if (table) {
            ap_rprintf(r, "<td align=\"right\">%" APR_INT64_T_FMT "</td>", n);
        }
        else {
            ap_rprintf(r, ", %s %" APR_INT64_T_FMT, m->section, n);
        }
    }
    ap_rputs(table ? "</tr>\n" : "</p>\n", r);
}

static void section_put_html(request_rec *r, const hpm_server_t *server,
                             int table)
{
    int pid = section_manager(server->board);
    pm_report_status_t status;
    int i;

    ap_rputs("<hr />\n<h2>mod_fcgipm</h2>\n", r);
    if (pid) {
        ap_rprintf(r, "<p>Manager: process %d, %d reloads, %d restarts</p>\n",
                   pid, (int)pm_scoreboard_header(server->board)->reloads,
                   (int)pm_scoreboard_header(server->board)->restarts);
    }
    else {
        ap_rputs("<p>Manager: there is none now. Workers are what it said "
                 "last.</p>\n",
                 r);
    }
    if (table) {
        section_put_head(r);
    }
    for (i = 0; i < server->pool_list->nelts; i++) {
        const hpm_pool_t *pool = hpm_server_pool_at(server, i);

        section_read(&status, r, server, pool);
        section_put_pool(r, pool->name, &status, table);
    }
    ap_rputs(table ? "</table>\n" : "", r);
}

int hpm_mod_status(request_rec *r, int flags)
{
    const hpm_server_t *server = hpm_server(ap_server_conf);

    if (!server->pool_list || !server->pool_list->nelts) {
        return OK;
    }
    if (flags & AP_STATUS_SHORT) {
        section_put_auto(r, server, flags & AP_STATUS_EXTENDED);
    }
    else {
        section_put_html(r, server, !(flags & AP_STATUS_NOTABLE));
    }
    return OK;
}
