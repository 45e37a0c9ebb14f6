/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_lines.h"

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
        if (bytes[i] != '\n') {
            lines->text[lines->len++] = bytes[i] ? bytes[i] : '?';
        }
    }
}
