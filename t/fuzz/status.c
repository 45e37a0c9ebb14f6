/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: what httpd makes of a manager's status, as a page and as
 * OpenMetrics (hpm_status.h).
 *
 * Input: a byte, p (page) or anything else (OpenMetrics), then JSON.
 *
 * What must hold, whatever the manager says: OpenMetrics are lines of their
 * grammar to the end; on the page no tag, and in its scripts nothing that ends
 * them, comes from the manager.
 */
#include "httpd/status/hpm_status.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"
#include "httpd/config/hpm_dir.h"
#include "must.h"
#include "pm_core/base/pm_utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What has been sent. */
static char *out;
static size_t out_len, out_room;

/* --- in httpd's place ---------------------------------------------------- */

module fcgipm_module;
server_rec *ap_server_conf;

int ap_rwrite(const void *bytes, int n, request_rec *r)
{
    (void)r;
    MUST(n >= 0);
    if (out_len + (size_t)n >= out_room) {
        char *more = realloc(out, 2 * (out_len + (size_t)n) + 4096);

        MUST(more);
        out = more;
        out_room = 2 * (out_len + (size_t)n) + 4096;
    }
    memcpy(out + out_len, bytes, (size_t)n);
    out_len += (size_t)n;
    out[out_len] = '\0';
    return n;
}

int ap_rvputs(request_rec *r, ...)
{
    const char *text;
    va_list ap;

    va_start(ap, r);
    while ((text = va_arg(ap, const char *))) {
        ap_rwrite(text, (int)strlen(text), r);
    }
    va_end(ap);
    return 0;
}

int ap_rprintf(request_rec *r, const char *fmt, ...)
{
    const char *text;
    va_list ap;

    va_start(ap, fmt);
    text = apr_pvsprintf(r->pool, fmt, ap);
    va_end(ap);
    return ap_rwrite(text, (int)strlen(text), r);
}

char *ap_escape_html2(apr_pool_t *p, const char *text, int toasc)
{
    char *escaped = apr_palloc(p, 6 * strlen(text) + 1);
    char *to = escaped;

    (void)toasc;
    for (; *text; text++) {
        const char *is = *text == '<'   ? "&lt;"
                         : *text == '>' ? "&gt;"
                         : *text == '&' ? "&amp;"
                         : *text == '"' ? "&quot;"
                                        : NULL;

        if (is) {
            to = apr_cpystrn(to, is, 7);
        }
        else {
            *to++ = *text;
        }
    }
    *to = '\0';
    return escaped;
}

const char *ap_get_server_name_for_url(request_rec *r)
{
    (void)r;
    return "localhost";
}

/* Of the handler, which does not run here. */
void ap_set_content_type(request_rec *r, const char *type)
{
    (void)r;
    (void)type;
}

void ap_set_content_length(request_rec *r, apr_off_t length)
{
    (void)r;
    (void)length;
}

void ap_allow_standard_methods(request_rec *r, int reset, ...)
{
    (void)r;
    (void)reset;
}

int ap_discard_request_body(request_rec *r)
{
    (void)r;
    return OK;
}

int hpm_dir_is_from_htaccess(request_rec *r)
{
    (void)r;
    return 0;
}

void ap_log_rerror_(const char *file, int line, int module_index, int level,
                    apr_status_t status, const request_rec *r, const char *fmt,
                    ...)
{
    (void)file;
    (void)line;
    (void)module_index;
    (void)level;
    (void)status;
    (void)r;
    (void)fmt;
}

/* --- OpenMetrics: metricset of its ABNF, as far as it is used ------------- */

static const char *skip_name(const char *at)
{
    MUST(isalpha((unsigned char)*at) || *at == '_');
    while (isalnum((unsigned char)*at) || *at == '_') {
        at++;
    }
    return at;
}

/* {name="value",...}; a value has a backslash before \, " and n only. */
static const char *skip_labels(const char *at)
{
    do {
        at = skip_name(at + 1);
        MUST(*at++ == '=' && *at++ == '"');
        for (; *at != '"'; at++) {
            MUST(*at && *at != '\n');
            if (*at == '\\') {
                at++;
                MUST(*at == '\\' || *at == '"' || *at == 'n');
            }
        }
        at++;
    } while (*at == ',');
    MUST(*at == '}');
    return at + 1;
}

static void check_number(const char *at, const char *end)
{
    char text[512];
    char *rest;

    MUST(end > at && (size_t)(end - at) < sizeof(text));
    memcpy(text, at, (size_t)(end - at));
    text[end - at] = '\0';
    MUST(strspn(text, "+-.0123456789e") == strlen(text));
    strtod(text, &rest);
    MUST(!*rest);
}

static void check_line(const char *at, const char *end)
{
    if (*at == '#') {
        MUST(!strncmp(at, "# TYPE fcgipm_", 14)
             || !strncmp(at, "# UNIT fcgipm_", 14)
             || !strncmp(at, "# HELP fcgipm_", 14)
             || (!strncmp(at, "# EOF\n", 6) && !at[6]));
        return;
    }
    MUST(!strncmp(at, "fcgipm_", 7));
    at = skip_name(at);
    if (*at == '{') {
        at = skip_labels(at);
    }
    MUST(*at == ' ');
    check_number(at + 1, end);
}

static void check_utf8(const char *text)
{
    apr_uint32_t code;
    apr_size_t n;

    for (; *text; text += n) {
        n = pm_utf8_read(text, &code);
        MUST(n);
    }
}

static void check_metrics(void)
{
    const char *at = out;
    const char *end;

    MUST(strlen(out) == out_len);
    check_utf8(out);
    for (; *at; at = end + 1) {
        end = strchr(at, '\n');
        MUST(end);
        check_line(at, end);
    }
    MUST(out_len > 6 && !strcmp(out + out_len - 6, "# EOF\n"));
}

/* --- the page ------------------------------------------------------------ */

/* Tags of the plain tables. */
static void check_plain(const char *at, const char *end)
{
    static const char *const tags[] = {"<div class=\"plain\">\n",
                                       "<div class=\"scroll\"><table>\n",
                                       "<tr>",
                                       "<th>",
                                       "<td>",
                                       "<p>",
                                       "<p class=\"alarm\">",
                                       "</p>\n",
                                       "<h2>",
                                       "</h2>\n",
                                       "</table></div>\n",
                                       "</div>\n",
                                       "<table>\n"};
    size_t i;

    for (; (at = memchr(at, '<', (size_t)(end - at))); at++) {
        for (i = 0; i < sizeof(tags) / sizeof(tags[0])
                    && strncmp(at, tags[i], strlen(tags[i]));
             i++) {
        }
        MUST(i < sizeof(tags) / sizeof(tags[0]));
    }
}

static const char *find(const char *from, const char *what)
{
    const char *at = strstr(from, what);

    MUST(at);
    return at + strlen(what);
}

static void check_page(void)
{
    const char *plain = find(out, "<main>\n");
    const char *app = find(plain, "<div id=\"app\">");
    const char *data =
        find(app, "<script type=\"application/json\" id=\"data\">");
    const char *end = strchr(data, '<');

    MUST(strlen(out) == out_len);
    check_plain(plain, app - strlen("<div id=\"app\">"));
    MUST(end && !strcmp(end, "</script>\n</body>\n</html>\n"));
}

/* --- a run --------------------------------------------------------------- */

static request_rec *make_request(apr_pool_t *p)
{
    request_rec *r = apr_pcalloc(p, sizeof(*r));

    r->pool = p;
    r->headers_out = apr_table_make(p, 4);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int ready;
    const json_t *status;
    apr_pool_t *p;
    char *json;

    if (!ready) {
        ready = apr_initialize() == APR_SUCCESS;
    }
    if (!size) {
        return 0;
    }
    MUST(apr_pool_create(&p, NULL) == APR_SUCCESS);
    json = apr_pstrmemdup(p, (const char *)data + 1, size - 1);
    status = pm_control_reply_read(json, p);
    out_len = 0;
    if (status && data[0] == 'p') {
        hpm_page_write(make_request(p), status, json);
        check_page();
    }
    else if (status) {
        hpm_openmetrics_write(make_request(p), status);
        check_metrics();
    }
    apr_pool_destroy(p);
    return 0;
}
