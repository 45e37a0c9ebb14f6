/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/control/pm_json.h"

#include <string.h>

#include "apr_strings.h"
#include "pm_core/base/pm_utf8.h"

void pm_json_init(pm_json_t *j, apr_pool_t *p)
{
    j->bytes = apr_array_make(p, 1024, sizeof(char));
}

static void json_put(pm_json_t *j, const char *bytes, apr_size_t n)
{
    for (; n; n--) {
        *(char *)apr_array_push(j->bytes) = *bytes++;
    }
}

/* As UTF-16 (RFC 8259, section 7). */
static void json_put_escaped(pm_json_t *j, apr_uint32_t code)
{
    char escape[16];

    if (code > 0xffff) {
        json_put_escaped(j, 0xd7c0 + (code >> 10));
        code = 0xdc00 + (code & 0x3ff);
    }
    apr_snprintf(escape, sizeof(escape), "\\u%04x", code);
    json_put(j, escape, 6);
}

static void json_put_string(pm_json_t *j, const char *text)
{
    apr_uint32_t code = 0;
    apr_size_t n;

    json_put(j, "\"", 1);
    for (; *text; text += n ? n : 1) {
        n = pm_utf8_read(text, &code);
        if (!n || code == '"' || code == '\\' || !pm_utf8_is_visible(code)) {
            json_put_escaped(j, n ? code : 0xfffd);
        }
        else {
            json_put(j, text, n);
        }
    }
    json_put(j, "\"", 1);
}

/* The comma, if one is due, and the name. */
static void json_begin(pm_json_t *j, const char *name)
{
    int n = j->bytes->nelts;

    if (n && !strchr("{[", APR_ARRAY_IDX(j->bytes, n - 1, char))) {
        json_put(j, ",", 1);
    }
    if (name) {
        json_put_string(j, name);
        json_put(j, ":", 1);
    }
}

void pm_json_open(pm_json_t *j, const char *name, char bracket)
{
    json_begin(j, name);
    json_put(j, &bracket, 1);
}

void pm_json_close(pm_json_t *j, char bracket)
{
    json_put(j, &bracket, 1);
}

void pm_json_string(pm_json_t *j, const char *name, const char *value)
{
    json_begin(j, name);
    json_put_string(j, value);
}

void pm_json_int(pm_json_t *j, const char *name, apr_int64_t value)
{
    char text[32];

    json_begin(j, name);
    apr_snprintf(text, sizeof(text), "%" APR_INT64_T_FMT, value);
    json_put(j, text, strlen(text));
}

void pm_json_seconds(pm_json_t *j, const char *name, apr_time_t value)
{
    char text[40];

    json_begin(j, name);
    apr_snprintf(text, sizeof(text), "%" APR_INT64_T_FMT ".%03d",
                 value / 1000000, (int)(value % 1000000 / 1000));
    json_put(j, text, strlen(text));
}

void pm_json_precise(pm_json_t *j, const char *name, apr_time_t value)
{
    char text[40];

    json_begin(j, name);
    apr_snprintf(text, sizeof(text), "%" APR_INT64_T_FMT ".%06d",
                 value / 1000000, (int)(value % 1000000));
    json_put(j, text, strlen(text));
}

void pm_json_bool(pm_json_t *j, const char *name, int value)
{
    json_begin(j, name);
    json_put(j, value ? "true" : "false", value ? 4 : 5);
}

const char *pm_json_text(pm_json_t *j)
{
    *(char *)apr_array_push(j->bytes) = '\0';
    j->bytes->nelts--;
    return j->bytes->elts;
}
