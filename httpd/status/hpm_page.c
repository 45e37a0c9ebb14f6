/* SPDX-License-Identifier: Apache-2.0 */
/* The status page.  The script draws it and keeps it up to date; without it
 * there are plain tables.  Style and script are in the page, allowed by a
 * nonce; nothing else can be loaded or run. */
#include "httpd/status/hpm_status.h"

#include "apr_base64.h"
#include "apr_general.h"
#include "apr_strings.h"
#include "http_core.h"
#include "http_protocol.h"

/* Made of hpm_page.css and hpm_page.js: a string literal, line by
 * line. */
static const char style[] =
#include "hpm_page.css.inc"
    ;
static const char script[] =
#include "hpm_page.js.inc"
    ;

/* --- plain tables --------------------------------------------------------- */

static const char *escaped(const request_rec *r, const json_t *node,
                           const char *member)
{
    return ap_escape_html(
        r->pool, hpm_status_text(json_object_get(node, member), r->pool));
}

/** A column: its head, and the member of each row. */
typedef struct column {
    const char *head, *member;
} column_t;

static const column_t pool_columns[] = {{"Pool", "name"},
                                        {"State", "state"},
                                        {"Workers", "workers"},
                                        {"Idle", "idle"},
                                        {"Busy", "busy"},
                                        {"Starting", "starting"},
                                        {"Stopping", "stopping"},
                                        {"Min", "min"},
                                        {"Max", "max"},
                                        {"Waiting", "queue"},
                                        {"Requests", "requests"},
                                        {"Aborted", "aborted"},
                                        {"Retried", "retried"},
                                        {"Refused", "refused"},
                                        {"Started", "spawned"},
                                        {"Exited", "exited"},
                                        {"Crashed", "crashed"},
                                        {"Killed", "killed"},
                                        {"Recycled", "recycled"},
                                        {"Over time", "timed_out"},
                                        {NULL, NULL}};

static const column_t worker_columns[] = {{"Pid", "pid"},
                                          {"State", "state"},
                                          {"Requests", "requests"},
                                          {"Busy for (s)", "busy_for"},
                                          {"Age (s)", "uptime"},
                                          {"Memory (bytes)", "rss"},
                                          {NULL, NULL}};

static void write_heads(request_rec *r, const column_t *column)
{
    ap_rputs("<div class=\"scroll\"><table>\n<tr>", r);
    for (; column->head; column++) {
        ap_rvputs(r, "<th>", column->head, NULL);
    }
    ap_rputs("\n", r);
}

static void write_row(request_rec *r, const column_t *column,
                      const json_t *node)
{
    ap_rputs("<tr>", r);
    for (; column->head; column++) {
        ap_rvputs(r, "<td>", escaped(r, node, column->member), NULL);
    }
    ap_rputs("\n", r);
}

static void write_line(request_rec *r, const char *label, const char *text)
{
    if (*text) {
        ap_rvputs(r, "<p>", label, ": ", text, "\n", NULL);
    }
}

static void write_more(request_rec *r, const json_t *pool)
{
    const json_t *workers = json_object_get(pool, "worker");
    const json_t *worker;
    size_t i;

    ap_rvputs(r, "<h2>", escaped(r, pool, "name"), "</h2>\n", NULL);
    write_line(r, "Command", escaped(r, pool, "command"));
    write_line(r, "Socket", escaped(r, pool, "listen"));
    write_line(r, "Last error", escaped(r, pool, "last_error"));
    if (!json_array_size(workers)) {
        return;
    }
    write_heads(r, worker_columns);
    json_array_foreach(workers, i, worker)
    {
        write_row(r, worker_columns, worker);
    }
    ap_rputs("</table></div>\n", r);
}

static void write_plain(request_rec *r, const json_t *status)
{
    apr_array_header_t *pools = pm_control_reply_pools(status, r->pool);
    const json_t *manager = json_object_get(status, "manager");
    int i;

    ap_rputs("<div class=\"plain\">\n", r);
    if (!hpm_status_is_managed(status)) {
        ap_rvputs(r, "<p class=\"alarm\">The manager does not answer: ",
                  escaped(r, manager, "error"),
                  ". What is shown is what "
                  "httpd knows without it: workers are not listed, their "
                  "number is what the manager said last.</p>\n",
                  NULL);
    }
    write_heads(r, pool_columns);
    for (i = 0; i < pools->nelts; i++) {
        write_row(r, pool_columns, APR_ARRAY_IDX(pools, i, const json_t *));
    }
    ap_rputs("</table></div>\n", r);
    for (i = 0; i < pools->nelts; i++) {
        write_more(r, APR_ARRAY_IDX(pools, i, const json_t *));
    }
    ap_rputs("</div>\n", r);
}

/* --- the page ------------------------------------------------------------- */

/* In a script element "</script" and "<!--" would be seen; in JSON a "<" is
 * only ever inside of a string. */
static void write_data(request_rec *r, const char *json)
{
    const char *lt;

    ap_rputs("<script type=\"application/json\" id=\"data\">", r);
    for (; (lt = strchr(json, '<')); json = lt + 1) {
        ap_rwrite(json, (int)(lt - json), r);
        ap_rputs("\\u003c", r);
    }
    ap_rputs(json, r);
    ap_rputs("</script>\n", r);
}

/* Two pages never have the same. */
static const char *make_nonce(apr_pool_t *p)
{
    unsigned char bytes[18];
    char text[32];

    if (apr_generate_random_bytes(bytes, sizeof(bytes)) != APR_SUCCESS) {
        return NULL; /* neither style nor script is allowed, then */
    }
    apr_base64_encode_binary(text, bytes, sizeof(bytes));
    return apr_pstrdup(p, text);
}

static void set_policy(request_rec *r, const char *nonce)
{
    const char *policy = "default-src 'none'; base-uri 'none'; "
                         "form-action 'none'; frame-ancestors 'none'";

    if (nonce) {
        policy = apr_psprintf(r->pool,
                              "%s; style-src 'nonce-%s'; script-src "
                              "'nonce-%s'; connect-src 'self'; "
                              "require-trusted-types-for 'script'",
                              policy, nonce, nonce);
    }
    apr_table_setn(r->headers_out, "Content-Security-Policy", policy);
    apr_table_setn(r->headers_out, "Referrer-Policy", "no-referrer");
}

static void write_head(request_rec *r, const char *nonce)
{
    const char *host = ap_escape_html(r->pool, ap_get_server_name_for_url(r));

    ap_rvputs(r,
              "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n"
              "<meta charset=\"utf-8\">\n"
              "<meta name=\"viewport\" "
              "content=\"width=device-width, initial-scale=1\">\n"
              "<meta name=\"color-scheme\" content=\"light dark\">\n"
              "<title>Pools of ",
              host,
              "</title>\n"
              "<noscript><meta http-equiv=\"refresh\" content=\"10\">"
              "</noscript>\n<style nonce=\"",
              nonce, "\">\n", style, "</style>\n<script nonce=\"", nonce,
              "\">"
              "document.documentElement.className = \"js\";</script>\n"
              "</head>\n<body>\n<header><h1>Pools of ",
              host,
              "</h1><span id=\"manager\" class=\"soft\"></span>"
              "<span id=\"clock\"></span></header>\n<main>\n",
              NULL);
}

void hpm_page_write(request_rec *r, const json_t *status, const char *json)
{
    const char *nonce = make_nonce(r->pool);

    set_policy(r, nonce);
    nonce = nonce ? nonce : "";
    write_head(r, nonce);
    write_plain(r, status);
    ap_rputs("<div id=\"app\"></div>\n</main>\n", r);
    write_data(r, json);
    ap_rvputs(r, "<script nonce=\"", nonce, "\">\n", script,
              "</script>\n</body>\n</html>\n", NULL);
}
