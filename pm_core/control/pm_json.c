/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/control/pm_json.h"

#include <string.h>

#include "apr_strings.h"

void pm_json_init(pm_json_t *j, apr_pool_t *p)
{
    j->bytes = apr_array_make(p, 1024, sizeof(char));
}

static void put(pm_json_t *j, const char *bytes, apr_size_t n)
{
    for (; n; n--) {
        *(char *)apr_array_push(j->bytes) = *bytes++;
    }
}

/* How long is the UTF-8 sequence at s?  0: it is none (RFC 3629, section 4).
 */
static apr_size_t utf8_length(const unsigned char *s)
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

static void put_string(pm_json_t *j, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    char escape[8];

    put(j, "\"", 1);
    while (*s) {
        apr_size_t n = utf8_length(s);

        if (*s < 0x20 || *s == '"' || *s == '\\' || *s == 0x7f) {
            apr_snprintf(escape, sizeof(escape), "\\u%04x", *s++);
            put(j, escape, 6);
        }
        else if (n == 0) {
            put(j, "\\ufffd", 6);
            s++;
        }
        else {
            put(j, (const char *)s, n);
            s += n;
        }
    }
    put(j, "\"", 1);
}

/* The comma, if one is due, and the name. */
static void begin(pm_json_t *j, const char *name)
{
    int n = j->bytes->nelts;

    if (n && !strchr("{[", APR_ARRAY_IDX(j->bytes, n - 1, char))) {
        put(j, ",", 1);
    }
    if (name) {
        put_string(j, name);
        put(j, ":", 1);
    }
}

void pm_json_open(pm_json_t *j, const char *name, char bracket)
{
    begin(j, name);
    put(j, &bracket, 1);
}

void pm_json_close(pm_json_t *j, char bracket)
{
    put(j, &bracket, 1);
}

void pm_json_string(pm_json_t *j, const char *name, const char *value)
{
    begin(j, name);
    put_string(j, value);
}

void pm_json_int(pm_json_t *j, const char *name, apr_int64_t value)
{
    char text[32];

    begin(j, name);
    apr_snprintf(text, sizeof(text), "%" APR_INT64_T_FMT, value);
    put(j, text, strlen(text));
}

void pm_json_seconds(pm_json_t *j, const char *name, apr_time_t value)
{
    char text[40];

    begin(j, name);
    apr_snprintf(text, sizeof(text), "%" APR_INT64_T_FMT ".%03d",
                 value / 1000000, (int)(value % 1000000 / 1000));
    put(j, text, strlen(text));
}

void pm_json_precise(pm_json_t *j, const char *name, apr_time_t value)
{
    char text[40];

    begin(j, name);
    apr_snprintf(text, sizeof(text), "%" APR_INT64_T_FMT ".%06d",
                 value / 1000000, (int)(value % 1000000));
    put(j, text, strlen(text));
}

void pm_json_bool(pm_json_t *j, const char *name, int value)
{
    begin(j, name);
    put(j, value ? "true" : "false", value ? 4 : 5);
}

const char *pm_json_text(pm_json_t *j)
{
    *(char *)apr_array_push(j->bytes) = '\0';
    j->bytes->nelts--;
    return j->bytes->elts;
}
