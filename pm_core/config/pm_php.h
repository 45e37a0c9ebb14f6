/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_php.h
 * @brief PHP's settings of a pool, as an argument of php-cgi.
 *
 * php-cgi does not read the parameters PHP_VALUE and PHP_ADMIN_VALUE, which
 * are php-fpm's.  What follows its option -d is text of a php.ini, however,
 * sections included.  A value of a section [PATH=/DIR] is set at the beginning
 * of each request for a script below that directory, and neither ini_set() nor
 * a .user.ini changes it until the request has ended.  PHP looks for sections
 * from the first directory of the script's path on, never for [PATH=/]: with
 * one section for each directory in the root, every script is below one.
 */
#ifndef PM_PHP_H
#define PM_PHP_H

#include "apr_tables.h"
#include "pm_core/base/pm_base.h"

/** Of what follows -d; the kernel takes 128 KB (execve(2)). */
#define PM_PHP_TEXT (120 * 1024)

/** Can this be a setting of PHP's?  A value may be a constant expression, as in
 *  php.ini (E_ALL & ~E_NOTICE), else it is text.
 *  @param why EINVAL: the name or value, and what is allowed */
apr_status_t pm_php_check(const char *name, const char *value,
                          pm_reason_t *why);

/** Can a directory of that name have a section? */
int pm_php_has_section(const char *directory);

/**
 * What follows -d.
 * @param values, admin arrays of "NAME=value" that pm_php_check() has let pass;
 *        NULL: none
 * @param root array of names: the directories of the worker's root
 */
const char *pm_php_text(const apr_array_header_t *values,
                        const apr_array_header_t *admin,
                        const apr_array_header_t *root, apr_pool_t *p);

#endif /* PM_PHP_H */
