/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_lines.h
 * @brief Layer 0: bytes into lines.
 */
#ifndef PM_LINES_H
#define PM_LINES_H

#include "pm_base.h"

/** A line longer than this is passed on in pieces. */
#define PM_LINES_MAX 4096

typedef struct pm_lines {
    apr_size_t len;
    char text[PM_LINES_MAX + 1];
} pm_lines_t;

/**
 * Feed bytes; each line that becomes whole is passed on, without its
 * newline (and carriage return), empty ones not at all.
 * @param line valid during the call only; bytes as they came, without NULs
 */
void pm_lines_feed(pm_lines_t *lines, const char *bytes, apr_size_t n,
                   void (*take)(void *ctx, const char *line), void *ctx);

/** What is left without a newline is a line, too. */
void pm_lines_end(pm_lines_t *lines,
                  void (*take)(void *ctx, const char *line), void *ctx);

/** Append a line to the last ones, in @a size bytes: what is too much goes
 *  at the front, whole lines if there is more than one.
 *  @param tail a string, "" at first; a newline stands between lines */
void pm_lines_keep(char *tail, apr_size_t size, const char *line);

#endif /* PM_LINES_H */
