/* SPDX-License-Identifier: Apache-2.0 */
/* The section on mod_status's page.  All of it is from the board: the page is
 * often asked for, and is not to wait for anybody. */
#include "httpd/config/hpm_server.h"
#include "httpd/status/hpm_status.h"

#include <errno.h>
#include <signal.h>

#include "http_main.h"
#include "http_protocol.h"
#include "mod_status.h"

#include "pm_core/control/pm_report_status.h"

/** What is shown of a pool, and of all. */
enum {
    WORKERS,
    IN_FLIGHT,
    WAITING,
    REQUESTS,
    ABORTED,
    RETRIED,
    REFUSED,
    CRASHED,
    KILLED,
    FIGURES
};

static const struct {
    const char *word; /* ?auto */
    const char *head;
} names[FIGURES] = {
    {"Workers", "Workers"},   {"InFlight", "In flight"}, {"Waiting", "Waiting"},
    {"Requests", "Requests"}, {"Aborted", "Aborted"},    {"Retried", "Retried"},
    {"Refused", "Refused"},   {"Crashed", "Crashed"},    {"Killed", "Killed"}};

typedef struct figures {
    pm_avail_t avail;
    apr_uint64_t n[FIGURES];
} figures_t;

static figures_t figures_of(pm_scoreboard_t *board, const hpm_pool_t *pool)
{
    figures_t f = {PM_AVAIL_NONE, {0}};
    const pm_scoreboard_slot_t *slot;
    pm_request_stats_t meter;
    pm_scoreboard_totals_t sum;

    if (!board || pool->slot < 0 || pool->failed) {
        return f;
    }
    slot = pm_scoreboard_slot(board, pool->slot);
    f.avail = pm_scoreboard_avail(slot, pool->generation);
    if (slot->generation != pool->generation) {
        return f;
    }
    sum = pm_scoreboard_sum(board, pool->slot);
    meter = pm_scoreboard_stats_sum(board, pool->slot);
    f.n[WORKERS] = pm_scoreboard_admission(board, pool->slot)->workers;
    f.n[IN_FLIGHT] = (apr_uint64_t)sum.in_flight + sum.waiting;
    f.n[WAITING] = sum.waiting;
    f.n[REQUESTS] = sum.done - slot->done_base;
    f.n[ABORTED] = sum.aborted - slot->aborted_base;
    f.n[RETRIED] = meter.event[PM_REQUEST_STATS_RETRIED];
    f.n[REFUSED] = meter.event[PM_REQUEST_STATS_FULL]
                   + meter.event[PM_REQUEST_STATS_LATE]
                   + meter.event[PM_REQUEST_STATS_UNAVAILABLE];
    f.n[CRASHED] = slot->crashed;
    f.n[KILLED] = slot->killed;
    return f;
}

/* @return its pid, 0: there is none */
static int manager_of(pm_scoreboard_t *board)
{
    int pid = board ? (int)pm_scoreboard_header(board)->pid : 0;

    return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM) ? pid : 0;
}

/* --- ?auto ---------------------------------------------------------------- */

static void put_auto(request_rec *r, const hpm_server_t *server, int extended)
{
    apr_uint64_t all[FIGURES] = {0};
    int i, k;

    ap_rprintf(r, "FcgiPMManager: %d\nFcgiPMPools: %d\n",
               manager_of(server->board), server->pool_list->nelts);
    for (i = 0; i < server->pool_list->nelts; i++) {
        const hpm_pool_t *pool = hpm_server_pool_at(server, i);
        figures_t f = figures_of(server->board, pool);

        if (extended) {
            ap_rprintf(r, "FcgiPMPool[%s]: State=%s", pool->name,
                       pm_report_status_state(f.avail));
        }
        for (k = 0; k < FIGURES; k++) {
            all[k] += f.n[k];
            if (extended) {
                ap_rprintf(r, " %s=%" APR_UINT64_T_FMT, names[k].word, f.n[k]);
            }
        }
        ap_rputs(extended ? "\n" : "", r);
    }
    for (k = 0; k < FIGURES; k++) {
        ap_rprintf(r, "FcgiPM%s: %" APR_UINT64_T_FMT "\n", names[k].word,
                   all[k]);
    }
}

/* --- HTML ----------------------------------------------------------------- */

static void put_head(request_rec *r, int table)
{
    int k;

    if (table) {
        ap_rputs("<table border=\"1\">\n<tr><th>Pool</th><th>State</th>", r);
        for (k = 0; k < FIGURES; k++) {
            ap_rvputs(r, "<th>", names[k].head, "</th>", NULL);
        }
        ap_rputs("</tr>\n", r);
    }
}

static void put_pool(request_rec *r, const char *name, const figures_t *f,
                     int table)
{
    int k;

    name = ap_escape_html(r->pool, name);
    ap_rprintf(r,
               table ? "<tr><td><b>%s</b></td><td>%s</td>" : "<p><b>%s</b>: %s",
               name, pm_report_status_state(f->avail));
    for (k = 0; k < FIGURES; k++) {
        if (table) {
            ap_rprintf(r, "<td align=\"right\">%" APR_UINT64_T_FMT "</td>",
                       f->n[k]);
        }
        else {
            ap_rprintf(r, ", %s %" APR_UINT64_T_FMT, names[k].head, f->n[k]);
        }
    }
    ap_rputs(table ? "</tr>\n" : "</p>\n", r);
}

static void put_html(request_rec *r, const hpm_server_t *server, int table)
{
    int pid = manager_of(server->board);
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
    put_head(r, table);
    for (i = 0; i < server->pool_list->nelts; i++) {
        const hpm_pool_t *pool = hpm_server_pool_at(server, i);
        figures_t f = figures_of(server->board, pool);

        put_pool(r, pool->name, &f, table);
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
        put_auto(r, server, flags & AP_STATUS_EXTENDED);
    }
    else {
        put_html(r, server, !(flags & AP_STATUS_NOTABLE));
    }
    return OK;
}
