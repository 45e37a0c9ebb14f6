/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/base/pm_lines.h"

#include <string.h>

#include "apr_lib.h"

void pm_lines_end(pm_lines_t *lines, void (*take)(void *ctx, const char *line),
                  void *ctx)
{
    if (lines->len && lines->text[lines->len - 1] == '\r') {
        lines->len--;
    }
    lines->text[lines->len] = '\0';
    if (lines->len) {
        take(ctx, lines->text);
    }
    lines->len = 0;
    lines->cut = 0;
}

/* A line that is too long is passed on now: its end may never come. */
static void lines_cut(pm_lines_t *lines,
                      void (*take)(void *ctx, const char *line), void *ctx)
{
    memcpy(lines->text + lines->len, PM_LINES_CUT, sizeof(PM_LINES_CUT));
    take(ctx, lines->text);
    lines->len = 0;
    lines->cut = 1;
}

void pm_lines_feed(pm_lines_t *lines, const char *bytes, apr_size_t n,
                   void (*take)(void *ctx, const char *line), void *ctx)
{
    apr_size_t i;

    for (i = 0; i < n; i++) {
        if (bytes[i] == '\n') {
            pm_lines_end(lines, take, ctx);
        }
        else if (bytes[i] && !lines->cut) {
            if (lines->len == PM_LINES_MAX) {
                lines_cut(lines, take, ctx);
                continue;
            }
            lines->text[lines->len++] = bytes[i];
        }
    }
}

/* How many bytes ap_escape_errorlog_item() makes of one, at the most. */
static apr_size_t escaped_size(char c)
{
    return c == '\\' || c == '"' ? 2 : apr_isprint(c) ? 1 : 4;
}

const char *pm_lines_fit(char *buf, apr_size_t size, const char *line)
{
    apr_size_t sum = sizeof(PM_LINES_CUT);
    apr_size_t n;

    for (n = 0; line[n]; n++) {
        sum += escaped_size(line[n]);
        if (sum > size) {
            memcpy(buf, line, n);
            memcpy(buf + n, PM_LINES_CUT, sizeof(PM_LINES_CUT));
            return buf;
        }
    }
    return line;
}

void pm_lines_keep(char *tail, apr_size_t size, const char *line)
{
    apr_size_t new_len = strlen(line);
    apr_size_t len = strlen(tail);
    const char *from = tail;

    if (new_len >= size) {
        line += new_len - (size - 1);
        new_len = size - 1;
    }
    while (*from && len - (apr_size_t)(from - tail) + 1 + new_len >= size) {
        from += strcspn(from, "\n");
        from += *from == '\n';
    }
    len -= (apr_size_t)(from - tail);
    memmove(tail, from, len);
    if (len) {
        tail[len++] = '\n';
    }
    memcpy(tail + len, line, new_len + 1);
}
