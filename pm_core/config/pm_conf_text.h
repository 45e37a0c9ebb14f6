/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_conf_text.h
 * @brief The text of a configuration file, read as httpd reads it.
 *
 * For fcgipm-run, so that one file does for both.  Lines, continuation,
 * comments, quotes, ${VARIABLES}, Define, <IfDefine> and <IfModule> are as in
 * httpd.conf; settings and sections are those of pm_conf_rows.h, and
 * pm_parsed.h collects them.  What only httpd can do is an error that says so,
 * unless <IfDefine !FCGIPM_RUN> or <IfModule> leaves it to httpd.
 *
 * What a file can cost is bounded: its length, a line's, the depth of sections,
 * their number, and what variables come to.
 */
#ifndef PM_CONF_TEXT_H
#define PM_CONF_TEXT_H

#include "pm_core/config/pm_parsed.h"

#define PM_CONF_TEXT_FILE     (1024 * 1024) /**< bytes of a file */
#define PM_CONF_TEXT_LINE     65535 /**< of a line and its continuations */
#define PM_CONF_TEXT_NESTING  16    /**< sections within each other */
#define PM_CONF_TEXT_SECTIONS 4096  /**< pools and scripts, all files */
#define PM_CONF_TEXT_EXPANDED (4 * 1024 * 1024) /**< variables, all files */

/** <IfDefine> knows this name. */
#define PM_CONF_TEXT_DEFINED "FCGIPM_RUN"

typedef struct pm_conf_text pm_conf_text_t;

/**
 * Begin.  Files are read one after the other; what one defines (Define) the
 * next ones know.
 * @param parsed, global, defaults where the settings go
 * @param env the value of an environment variable, or NULL: getenv(3)
 * @param p   all strings live in it
 */
pm_conf_text_t *pm_conf_text_create(pm_parsed_t *parsed, pm_global_t *global,
                                    pm_conf_t *defaults,
                                    char *(*env)(const char *name),
                                    apr_pool_t *p);

/**
 * Read a file's text.
 * @param file its name, for messages; kept
 * @param text of @a len bytes; not trusted
 * @return APR_EINVAL with a reason "FILE:LINE: ..."; settings before that line
 *         have been taken
 */
apr_status_t pm_conf_text_read(pm_conf_text_t *t, const char *file,
                               const char *text, apr_size_t len,
                               pm_reason_t *why);

/** @return of const char *: what httpd would warn of, as "FILE:LINE: ..." */
const apr_array_header_t *pm_conf_text_warnings(const pm_conf_text_t *t);

#endif /* PM_CONF_TEXT_H */
