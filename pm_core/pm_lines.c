/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_lines.h"

#include <string.h>

void pm_lines_end(pm_lines_t *lines,
                  void (*take)(void *ctx, const char *line), void *ctx)
{
    if (lines->len && lines->text[lines->len - 1] == '\r') {
        lines->len--;
    }
    lines->text[lines->len] = '\0';
    if (lines->len) {
        take(ctx, lines->text);
    }
    lines->len = 0;
}

void pm_lines_feed(pm_lines_t *lines, const char *bytes, apr_size_t n,
                   void (*take)(void *ctx, const char *line), void *ctx)
{
    apr_size_t i;

    for (i = 0; i < n; i++) {
        if (bytes[i] == '\n' || lines->len == PM_LINES_MAX) {
            pm_lines_end(lines, take, ctx);
        }
        if (bytes[i] != '\n' && bytes[i]) {
            lines->text[lines->len++] = bytes[i];
        }
    }
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
