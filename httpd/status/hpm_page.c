/* SPDX-License-Identifier: Apache-2.0 */
/* The status page.  Its script draws it and keeps it up to date; a browser
 * without JavaScript shows plain tables.  Style and script are forms of the
 * same URL, allowed by a nonce; nothing else can be loaded or run.  They are
 * not in the page since a policy for a whole server, as "default-src 'self'",
 * would forbid them there whatever the page says. */
#include "httpd/status/hpm_status.h"

#include "apr_base64.h"
#include "apr_general.h"
#include "apr_strings.h"
#include "http_core.h"
#include "http_protocol.h"

/* The build makes them of hpm_page.css and hpm_page.js: a string literal, line
 * by line. */
static const char style[] =
#include "hpm_page.css.inc"
    ;
static const char script[] =
#include "hpm_page.js.inc"
    ;

/* --- plain tables --------------------------------------------------------- */

static const char *page_escape(const request_rec *r, const json_t *node,
                               const char *member)
{
    return ap_escape_html(
        r->pool, hpm_status_text(json_object_get(node, member), r->pool));
}

/* @return the first row from m on that is a column of this object's table;
 *         NULL: there is none */
static const pm_metric_t *page_column(const pm_metric_t *m,
                                      pm_metric_object_t object)
{
    while (m->member && !(m->page && m->object == object)) {
        m++;
    }
    return m->member ? m : NULL;
}

static void page_put_heads(request_rec *r, pm_metric_object_t object)
{
    const pm_metric_t *m;

    ap_rputs("<div class=\"scroll\"><table>\n<tr>", r);
    for (m = page_column(pm_metrics, object); m;
         m = page_column(m + 1, object)) {
        ap_rvputs(r, "<th>", m->page,
                  m->type == PM_METRIC_SECONDS ? " (s)"
                  : m->type == PM_METRIC_BYTES ? " (bytes)"
                                               : "",
                  NULL);
    }
    ap_rputs("\n", r);
}

static void page_put_row(request_rec *r, pm_metric_object_t object,
                         const json_t *node)
{
    const pm_metric_t *m;

    ap_rputs("<tr>", r);
    for (m = page_column(pm_metrics, object); m;
         m = page_column(m + 1, object)) {
        ap_rvputs(r, "<td>", page_escape(r, node, m->member), NULL);
    }
    ap_rputs("\n", r);
}

static void page_put_line(request_rec *r, const char *label, const char *text)
{
    if (*text) {
        ap_rvputs(r, "<p>", label, ": ", text, "\n", NULL);
    }
}

static void page_put_pool(request_rec *r, const json_t *pool)
{
    const json_t *workers = json_object_get(pool, "worker");
    const json_t *worker;
    size_t i;

    ap_rvputs(r, "<h2>", page_escape(r, pool, "name"), "</h2>\n", NULL);
    page_put_line(r, "Command", page_escape(r, pool, "command"));
    page_put_line(r, "Socket", page_escape(r, pool, "listen"));
    page_put_line(r, "Last error", page_escape(r, pool, "last_error"));
    if (!json_array_size(workers)) {
        return;
    }
    page_put_heads(r, PM_METRIC_WORKER);
    json_array_foreach(workers, i, worker)
    {
        page_put_row(r, PM_METRIC_WORKER, worker);
    }
    ap_rputs("</table></div>\n", r);
}

static void page_put_plain(request_rec *r, const json_t *status)
{
    apr_array_header_t *pools = pm_control_reply_worst_first(status, r->pool);
    const json_t *manager = json_object_get(status, "manager");
    int i;

    ap_rputs("<div class=\"plain\">\n", r);
    if (!hpm_status_is_managed(status)) {
        ap_rvputs(r, "<p class=\"alarm\">The manager does not answer: ",
                  page_escape(r, manager, "error"),
                  ". What is shown is what "
                  "httpd knows without it: workers are not listed, their "
                  "number is what the manager said last.</p>\n",
                  NULL);
    }
    page_put_heads(r, PM_METRIC_POOL);
    for (i = 0; i < pools->nelts; i++) {
        page_put_row(r, PM_METRIC_POOL,
                     APR_ARRAY_IDX(pools, i, const json_t *));
    }
    ap_rputs("</table></div>\n", r);
    for (i = 0; i < pools->nelts; i++) {
        page_put_pool(r, APR_ARRAY_IDX(pools, i, const json_t *));
    }
    ap_rputs("</div>\n", r);
}

/* --- the page ------------------------------------------------------------- */

/* In a script element a browser looks for "</script" and "<!--"; in JSON a "<"
 * stands only inside of a string. */
static void page_put_json(request_rec *r, const char *id, const char *json)
{
    const char *lt;

    ap_rvputs(r, "<script type=\"application/json\" id=\"", id, "\">", NULL);
    for (; (lt = strchr(json, '<')); json = lt + 1) {
        ap_rwrite(json, (int)(lt - json), r);
        ap_rputs("\\u003c", r);
    }
    ap_rputs(json, r);
    ap_rputs("</script>\n", r);
}

/* The rows of pm_metric_rows.h, for the script: of each object an array of
 * what it has, in order. */
static const char *page_rows(apr_pool_t *p)
{
    static const char *const types[] = {
        [PM_METRIC_TEXT] = "text",       [PM_METRIC_STATE] = "state",
        [PM_METRIC_FLAG] = "flag",       [PM_METRIC_NUMBER] = "number",
        [PM_METRIC_COUNTER] = "counter", [PM_METRIC_SECONDS] = "seconds",
        [PM_METRIC_BYTES] = "bytes",     [PM_METRIC_HISTOGRAM] = "histogram"};
    static const char *const objects[] = {"manager", "pool", "worker"};
    const pm_metric_t *m = pm_metrics;
    pm_json_t j;
    int i;

    pm_json_init(&j, p);
    pm_json_open(&j, NULL, '{');
    for (i = PM_METRIC_MANAGER; i <= PM_METRIC_WORKER; i++) {
        pm_json_open(&j, objects[i], '[');
        for (; m->member && (int)m->object == i; m++) {
            pm_json_open(&j, NULL, '{');
            pm_json_string(&j, "member", m->member);
            pm_json_string(&j, "head", m->page ? m->page : "");
            pm_json_string(&j, "type", types[m->type]);
            pm_json_bool(&j, "sum", pm_metric_adds_up(m));
            pm_json_close(&j, '}');
        }
        pm_json_close(&j, ']');
    }
    pm_json_close(&j, '}');
    return pm_json_text(&j);
}

/* Two pages never have the same. */
static const char *page_make_nonce(apr_pool_t *p)
{
    unsigned char bytes[18];
    char text[32];

    if (apr_generate_random_bytes(bytes, sizeof(bytes)) != APR_SUCCESS) {
        return NULL; /* then neither style nor script is allowed */
    }
    apr_base64_encode_binary(text, bytes, sizeof(bytes));
    return apr_pstrdup(p, text);
}

static void page_set_policy(request_rec *r, const char *nonce)
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

static void page_put_head(request_rec *r, const char *nonce)
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
              "</noscript>\n<link rel=\"stylesheet\" href=\"?css\" nonce=\"",
              nonce, "\">\n<script src=\"?js\" defer nonce=\"", nonce,
              "\"></script>\n"
              "</head>\n<body>\n<header><h1>Pools of ",
              host,
              "</h1><span id=\"manager\" class=\"soft\"></span>"
              "<span id=\"clock\"></span></header>\n<main>\n",
              NULL);
}

void hpm_page_write(request_rec *r, const json_t *status, const char *json)
{
    const char *nonce = page_make_nonce(r->pool);

    page_set_policy(r, nonce);
    nonce = nonce ? nonce : "";
    page_put_head(r, nonce);
    page_put_plain(r, status);
    ap_rputs("<div id=\"app\"></div>\n</main>\n", r);
    page_put_json(r, "rows", page_rows(r->pool));
    page_put_json(r, "data", json);
    ap_rputs("</body>\n</html>\n", r);
}

void hpm_page_write_style(request_rec *r)
{
    ap_set_content_type(r, "text/css; charset=utf-8");
    ap_rputs(style, r);
}

void hpm_page_write_script(request_rec *r)
{
    ap_set_content_type(r, "text/javascript; charset=utf-8");
    ap_rputs(script, r);
}
