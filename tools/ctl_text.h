/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ctl_text.h
 * @brief What fcgipmctl shows to people, from the manager's JSON.
 *
 * What workers wrote must neither control a terminal nor look like other text:
 * each character that is not visible (pm_utf8.h) is shown as "?".  The columns
 * of the table are the rows of pm_metric_rows.h that have a head for it.
 */
#ifndef CTL_TEXT_H
#define CTL_TEXT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

#include "apr_pools.h"
#include "pm_core/control/pm_metric.h"

/** Of what is no terminal, and the least. */
#define CTL_COLUMNS      80
#define CTL_COLUMNS_MOST 400

/** Columns of the terminal, or CTL_COLUMNS. */
int ctl_text_columns(FILE *out);

/** The width of a column of names: as much as they need of what a terminal has
 *  beyond CTL_COLUMNS.
 *  @param least   the column's own
 *  @param longest of the names */
int ctl_text_name_width(int columns, int least, int longest);

/** Is this pool one that --filter shows?
 *  @param filter NULL: all; "failing": those that fail (pm_control_reply.h);
 *                else a pattern (fnmatch(3)) that its name matches */
int ctl_text_matches(const char *filter, const json_t *pool);

/** Is @a out a terminal that shows colours, and NO_COLOR not set?
 *  (no-color.org) */
int ctl_text_coloured(FILE *out);

/** The first @a size - 1 bytes of @a text, with "?" for what is not visible or
 *  not UTF-8. */
const char *ctl_text_safe(char *buf, size_t size, const char *text);

/** A number in at most @a width characters: 1234567 as 1234K. */
const char *ctl_text_number(char *buf, size_t size, double n, int width);

/** Seconds as 59s, 59m, 23h, 364d. */
const char *ctl_text_age(char *buf, size_t size, double seconds);

/** Bytes as 512K, 1.5M. */
const char *ctl_text_size(char *buf, size_t size, double bytes);

/** A figure as its type is shown, a count in at most @a width characters. */
const char *ctl_text_figure(char *buf, size_t size, pm_metric_type_t type,
                            double n, int width);

/** What apr_getopt_long() complains of through its errfn, without the program's
 *  name and the newline. */
const char *ctl_text_complaint(char *buf, size_t size, const char *fmt,
                               va_list ap);

/** Write words in lines of ctl_text_columns(), the first after @a head, the
 * others with as many blanks in front. */
void ctl_text_wrap(FILE *out, const char *head, const char *text);

/**
 * A status as a table, pools that fail first.
 * @param json   the manager's line
 * @param detail also each worker
 * @param filter see ctl_text_matches()
 * @return 0 when it cannot be understood
 */
int ctl_text_status(FILE *out, const char *json, int detail, const char *filter,
                    apr_pool_t *p);

/** The settings in force, and where they come from.
 *  @return 0 when it cannot be understood */
int ctl_text_config(FILE *out, const char *json, apr_pool_t *p);

#endif /* CTL_TEXT_H */
