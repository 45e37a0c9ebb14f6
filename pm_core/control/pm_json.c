/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/control/pm_json.h"

#include <string.h>

#include "apr_strings.h"

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

/* @return the length of the UTF-8 sequence at s (RFC 3629, section 4); 0: there
 * is none */
static apr_size_t json_utf8_length(const unsigned char *s)
{
    apr_size_t n = s[0] < 0x80                   ? 1
                   : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                   : (s[0] & 0xf0) == 0xe0       ? 3
                   : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                                 : 0;
    apr_size_t i;

    for (i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f)
        || (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f)) {
        return 0;
    }
    return n;
}

static void json_put_string(pm_json_t *j, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    char escape[8];

    json_put(j, "\"", 1);
    while (*s) {
        apr_size_t n = json_utf8_length(s);

        if (*s < 0x20 || *s == '"' || *s == '\\' || *s == 0x7f) {
            apr_snprintf(escape, sizeof(escape), "\\u%04x", *s++);
            json_put(j, escape, 6);
        }
        else if (n == 0) {
            json_put(j, "\\ufffd", 6);
            s++;
        }
        else {
            json_put(j, (const char *)s, n);
            s += n;
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
