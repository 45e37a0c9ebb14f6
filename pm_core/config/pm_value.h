/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_value.h
 * @brief The values of settings by their type (pm_type_t): read, write, copy
 *        and compare a field.
 *
 * For pm_conf.c, and for reports that show one setting; other callers use
 * pm_conf_set() and pm_conf_write().  A field is the member of a structure
 * that a row names (pm_conf_field()).
 */
#ifndef PM_VALUE_H
#define PM_VALUE_H

#include "pm_core/config/pm_conf.h"

/**
 * Read words into a field.
 * @param field filled; strings are copied into @a p
 * @param fresh 1: a list starts empty; 0: it grows
 * @return APR_EINVAL with a reason that names the directive, the text and
 *         the allowed range
 */
apr_status_t pm_value_read(const pm_row_t *row, void *field, int fresh,
                           int argc, const char *const *argv, apr_pool_t *p,
                           pm_reason_t *why);

/** @return the field as lines of pm_conf_write(); "" when it is empty */
const char *pm_value_write(const pm_row_t *row, const void *field,
                           apr_pool_t *p);

/** Is an element of the list "NAME=value", given as two words? */
int pm_value_is_pair(const pm_row_t *row);

/** Does a further directive of this row add to the field instead of replacing
 *  it? */
int pm_value_grows(const pm_row_t *row);

/** @return the size of the field in bytes */
apr_size_t pm_value_size(const pm_row_t *row);

/** Replace the strings and arrays of a field by copies in @a p, so that it
 *  shares nothing with the field it was copied from byte by byte. */
void pm_value_detach(const pm_row_t *row, void *field, apr_pool_t *p);

/** Are two fields of the row equal?  NULL and an empty list are. */
int pm_value_is_equal(const pm_row_t *row, const void *a, const void *b);

#endif /* PM_VALUE_H */
