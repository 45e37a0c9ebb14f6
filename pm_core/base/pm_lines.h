/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_lines.h
 * @brief Layer 0: bytes into lines.
 */
#ifndef PM_LINES_H
#define PM_LINES_H

#include "pm_core/base/pm_base.h"

/** Of a line longer than this the rest is left out, and PM_LINES_CUT stands
 *  in its place.  With what stands in front of it such a line still fits in
 *  one of httpd's log (MAX_STRING_LEN). */
#define PM_LINES_MAX 7168
#define PM_LINES_CUT " [cut]"

typedef struct pm_lines {
    apr_size_t len;
    int cut; /**< the rest of this line is left out */
    char text[PM_LINES_MAX + sizeof(PM_LINES_CUT)];
} pm_lines_t;

/**
 * Feed bytes; each line that becomes whole, or too long, is passed on, without
 * its newline (and carriage return), empty ones not at all.
 * @param line valid during the call only; bytes as they came, without NULs
 */
void pm_lines_feed(pm_lines_t *lines, const char *bytes, apr_size_t n,
                   void (*take)(void *ctx, const char *line), void *ctx);

/** What is left without a newline is a line, too. */
void pm_lines_end(pm_lines_t *lines, void (*take)(void *ctx, const char *line),
                  void *ctx);

/** A line of httpd's log is at most 8192 bytes (MAX_STRING_LEN), of which its
 *  beginning takes some. */
#define PM_LINES_FITS (8192 - 512)

/** What fits into @a size bytes when all is escaped as httpd does it, which
 *  would cut the rest without a word.
 *  @return @a line, or @a buf with the beginning of it and PM_LINES_CUT */
const char *pm_lines_fit(char *buf, apr_size_t size, const char *line);

/** Append a line to the last ones, in @a size bytes: what is too much goes
 *  at the front, whole lines if there is more than one.
 *  @param tail a string, "" at first; a newline stands between lines */
void pm_lines_keep(char *tail, apr_size_t size, const char *line);

#endif /* PM_LINES_H */
