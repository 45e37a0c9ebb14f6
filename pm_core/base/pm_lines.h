/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_lines.h
 * @brief Bytes of a stream into lines of a log.
 */
#ifndef PM_LINES_H
#define PM_LINES_H

#include "pm_core/base/pm_base.h"

/** A longer line is cut and ends with PM_LINES_CUT.  With what httpd's log puts
 *  before it, it still fits into a line there (MAX_STRING_LEN, 8192 bytes). */
#define PM_LINES_MAX 7168
#define PM_LINES_CUT " [cut]"

/** The line being received.  All zero at first. */
typedef struct pm_lines {
    apr_size_t len;
    int cut; /**< 1: the rest of this line is left out */
    char text[PM_LINES_MAX + sizeof(PM_LINES_CUT)];
} pm_lines_t;

/**
 * Add bytes.  Each line that becomes whole, or too long, is passed to @a take
 * without its newline (and carriage return) and without NULs; empty lines are
 * not.
 * @param take its line is valid during the call
 */
void pm_lines_feed(pm_lines_t *lines, const char *bytes, apr_size_t n,
                   void (*take)(void *ctx, const char *line), void *ctx);

/** The stream has ended: pass on the bytes after the last newline. */
void pm_lines_end(pm_lines_t *lines, void (*take)(void *ctx, const char *line),
                  void *ctx);

/** Bytes of text that fit into a line of httpd's log behind its prefix. */
#define PM_LINES_FITS (8192 - 512)

/** Cut a line that does not fit into @a size bytes once it is escaped as in
 *  httpd's log, which would cut it without a mark.
 *  @return @a line, or @a buf with the beginning of it and PM_LINES_CUT */
const char *pm_lines_fit(char *buf, apr_size_t size, const char *line);

/** Keep the last lines of a stream in @a size bytes: append @a line, and remove
 *  as much at the front as is too much, whole lines where there are several.
 *  @param tail a string, "" at first; its lines are separated by newlines */
void pm_lines_keep(char *tail, apr_size_t size, const char *line);

#endif /* PM_LINES_H */
