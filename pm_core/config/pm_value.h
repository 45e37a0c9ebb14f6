/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_value.h
 * @brief Layer 0: the values of settings, by their type (pm_type_t): words
 *        into a field, a field into words.
 *
 * For pm_conf.c; everybody else says pm_conf_set() and pm_conf_write().
 */
#ifndef PM_VALUE_H
#define PM_VALUE_H

#include "pm_core/config/pm_conf.h"

/**
 * @param field where the value goes; what it is says pm_type_t
 * @param fresh a list starts anew; else it grows
 * @return APR_EINVAL with a reason that names the directive, the text and
 *         the allowed range
 */
apr_status_t pm_value_read(const pm_row_t *row, void *field, int fresh,
                           int argc, const char *const *argv, apr_pool_t *p,
                           pm_reason_t *why);

/** The value as lines of pm_conf_write(); "" when it holds nothing. */
const char *pm_value_write(const pm_row_t *row, const void *field,
                           apr_pool_t *p);

/** Is it a list, to which each time it is given adds? */
int pm_value_grows(const pm_row_t *row);

/** Bytes of the field. */
apr_size_t pm_value_size(const pm_row_t *row);

#endif /* PM_VALUE_H */
