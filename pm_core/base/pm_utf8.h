/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_utf8.h
 * @brief Characters of UTF-8, and which of them people see.
 *
 * What workers write is shown in logs, in JSON and on terminals.  A control
 * character commands the terminal, and a format character makes text look like
 * other text: U+202E shows the rest of a line from right to left.  Each writer
 * escapes them in its own way.
 */
#ifndef PM_UTF8_H
#define PM_UTF8_H

#include "pm_core/base/pm_base.h"

/**
 * Read the character that @a text begins with (RFC 3629, section 4).
 * @param text a string; not read beyond its NUL
 * @param code out: its code point
 * @return its length, 1 to 4 bytes; 0: the first byte belongs to none
 */
apr_size_t pm_utf8_read(const char *text, apr_uint32_t *code);

/** @return 0: a control or format character, or a separator of lines or
 *  paragraphs (Unicode categories Cc, Cf, Zl, Zp) */
int pm_utf8_is_visible(apr_uint32_t code);

#endif /* PM_UTF8_H */
