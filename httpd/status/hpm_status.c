/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/status/hpm_status.h"
#include "pm_core/control/pm_openmetrics.h"

#include <string.h>

#include "apr_strings.h"
#include "http_main.h"
#include "http_protocol.h"
#include "http_request.h"

#include "httpd/config/hpm_dir.h"
#include "pm_core/ipc/pm_control_client.h"

APLOG_USE_MODULE(fcgipm);

/* A manager that is well answers within a few milliseconds. */
#define STATUS_TIMEOUT apr_time_from_msec(500)

/* Beyond all times and sizes. */
#define STATUS_REAL_MAX 1e18

/* --- where it comes from -------------------------------------------------- */

pm_report_status_known_t hpm_status_known(const hpm_server_t *server,
                                          const hpm_pool_t *pool)
{
    pm_report_status_known_t known = {pool->conf, server->board, pool->slot,
                                      pool->generation, pool->failed};

    return known;
}

/* Without the manager. */
static char *status_write(const hpm_server_t *server, const char *error,
                          apr_pool_t *p)
{
    apr_time_t now = pm_time_now();
    pm_json_t j;
    int i;

    pm_json_init(&j, p);
    pm_report_status_begin(
        &j, server->board ? pm_scoreboard_header(server->board) : NULL, error,
        now);
    for (i = 0; i < server->pool_list->nelts; i++) {
        pm_report_status_known_t known =
            hpm_status_known(server, hpm_server_pool_at(server, i));

        pm_report_status_known(&j, &known, now);
    }
    pm_report_status_end(&j);
    return apr_pstrdup(p, pm_json_text(&j));
}

/* @return its text, which may be written to; never NULL */
static char *status_get(request_rec *r)
{
    const hpm_server_t *server = hpm_server(ap_server_conf);
    const char *socket = server->global->socket;
    pm_reason_t why;
    char *text = NULL;

    pm_fail(&why, APR_ENOENT, "there is no control socket");
    if (socket
        && pm_control_client_ask(socket, "status",
                                 pm_time_now() + STATUS_TIMEOUT, r->pool, &text,
                                 &why)
               == APR_SUCCESS) {
        if (text[0] == '{') {
            return text;
        }
        pm_fail(&why, APR_EGENERAL, "it says: %s", text);
    }
    ap_log_rerror(APLOG_MARK, APLOG_INFO, 0, r,
                  "status without the manager: "
                  "%s",
                  why.text);
    return status_write(server, why.text, r->pool);
}

int hpm_status_is_managed(const json_t *status)
{
    return json_is_true(
        json_object_get(json_object_get(status, "manager"), "answers"));
}

/* APR writes only so many digits that are right. */
static double status_bound(double n)
{
    return n > STATUS_REAL_MAX    ? STATUS_REAL_MAX
           : n < -STATUS_REAL_MAX ? -STATUS_REAL_MAX
                                  : n;
}

const char *hpm_status_text(const json_t *value, apr_pool_t *p)
{
    char *text, *end;

    if (json_is_integer(value)) {
        return apr_psprintf(p, "%" APR_INT64_T_FMT,
                            (apr_int64_t)json_integer_value(value));
    }
    if (json_is_boolean(value)) {
        return json_is_true(value) ? "1" : "0";
    }
    if (!json_is_real(value)) {
        return pm_control_reply_string(value);
    }
    text = apr_psprintf(p, "%.6f", status_bound(json_real_value(value)));
    for (end = text + strlen(text); end[-1] == '0' && end[-2] != '.'; end--) {
        end[-1] = '\0';
    }
    return text;
}

/* --- its forms ------------------------------------------------------------ */

static void status_send_json(request_rec *r, char *text)
{
    apr_size_t len = strlen(text);

    ap_set_content_type(r, "application/json");
    ap_set_content_length(r, (apr_off_t)len + 1);
    text[len] = '\n';
    ap_rwrite(text, (int)(len + 1), r);
}

static void status_send_metrics(request_rec *r, char *text)
{
    const json_t *status = pm_control_reply_read(text, r->pool);

    ap_set_content_type(r, PM_OPENMETRICS_TYPE);
    if (status) {
        hpm_openmetrics_write(r, status);
    }
}

static void status_send_page(request_rec *r, char *text)
{
    const json_t *status = pm_control_reply_read(text, r->pool);

    ap_set_content_type(r, "text/html; charset=utf-8");
    if (status) {
        hpm_page_write(r, status, text);
    }
}

/* "?json" and "?json&whatever" */
static int status_asks_for(const request_rec *r, const char *word)
{
    apr_size_t len = strlen(word);

    return r->args && !strncmp(r->args, word, len)
           && (!r->args[len] || strchr("&=", r->args[len]));
}

int hpm_status_handler(request_rec *r)
{
    static const struct {
        const char *word;
        void (*send)(request_rec *r, char *text);
        void (*send_file)(request_rec *r); /* no status is asked for */
    } forms[] = {{"json", status_send_json, NULL},
                 {"openmetrics", status_send_metrics, NULL},
                 {"css", NULL, hpm_page_write_style},
                 {"js", NULL, hpm_page_write_script},
                 {NULL, status_send_page, NULL}};
    int i = 0;
    int status;

    if (!r->handler || strcmp(r->handler, HPM_STATUS_HANDLER)) {
        return DECLINED;
    }
    if (hpm_dir_is_from_htaccess(r)) {
        ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r,
                      "%s is refused: a .htaccess file names the "
                      "handler " HPM_STATUS_HANDLER,
                      r->uri);
        return HTTP_FORBIDDEN;
    }
    ap_allow_standard_methods(r, REPLACE_ALLOW, M_GET, -1);
    if (r->method_number != M_GET) {
        return HTTP_METHOD_NOT_ALLOWED;
    }
    status = ap_discard_request_body(r);
    if (status != OK) {
        return status;
    }
    while (forms[i].word && !status_asks_for(r, forms[i].word)) {
        i++;
    }
    /* the status is another one each time */
    apr_table_setn(r->headers_out, "Cache-Control", "no-store");
    apr_table_setn(r->headers_out, "X-Content-Type-Options", "nosniff");
    if (forms[i].send_file) {
        forms[i].send_file(r);
    }
    else {
        forms[i].send(r, status_get(r));
    }
    return OK;
}
