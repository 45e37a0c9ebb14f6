/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/config/pm_php.h"

#include <string.h>

#include "apr_strings.h"

#define PHP_DIGITS "0123456789"
#define PHP_UPPER  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define PHP_WORD   PHP_DIGITS PHP_UPPER "abcdefghijklmnopqrstuvwxyz_.-"

/* Text without anything that means something to PHP, or an expression of
 * constants. */
static int php_is_plain(const char *value)
{
    return value[strspn(value, PHP_WORD ":+")] == '\0'
           || (strchr("E" PHP_DIGITS, value[0])
               && value[strspn(value, PHP_DIGITS PHP_UPPER "_ &|~^()")]
                      == '\0');
}

apr_status_t pm_php_check(const char *name, const char *value, pm_reason_t *why)
{
    const char *c;

    if (!name[0] || name[strspn(name, PHP_WORD)]) {
        return pm_fail(why, APR_EINVAL,
                       "\"%.100s\" is not the name of a setting of PHP", name);
    }
    for (c = value; *c; c++) {
        if ((unsigned char)*c < ' ') {
            return pm_fail(why, APR_EINVAL,
                           "the value of %s has a control character", name);
        }
    }
    if (strchr(value, '\'') && strpbrk(value, "\"\\$")) {
        return pm_fail(why, APR_EINVAL,
                       "the value of %s has ' and one of \" \\ $, which cannot "
                       "stand in a php.ini together",
                       name);
    }
    return APR_SUCCESS;
}

int pm_php_has_section(const char *directory)
{
    const char *c;

    for (c = directory; *c; c++) {
        if ((unsigned char)*c < ' ' || strchr("'\";]$\\", *c)) {
            return 0;
        }
    }
    return c > directory && c[-1] != ' ';
}

static const char *php_lines(const apr_array_header_t *pairs, apr_pool_t *p)
{
    const char *text = "";
    int i;

    for (i = 0; pairs && i < pairs->nelts; i++) {
        const char *pair = APR_ARRAY_IDX(pairs, i, const char *);
        const char *value = strchr(pair, '=') + 1;
        const char *quote = php_is_plain(value)   ? ""
                            : strchr(value, '\'') ? "\""
                                                  : "'";

        text = apr_psprintf(p, "%s%.*s%s%s%s\n", text, (int)(value - pair),
                            pair, quote, value, quote);
    }
    return text;
}

/* php-cgi puts quotes around the whole when the first value does not begin with
 * a letter or digit. */
#define PHP_FIRST "fcgipm=1\n"

const char *pm_php_text(const apr_array_header_t *values,
                        const apr_array_header_t *admin,
                        const apr_array_header_t *root, apr_pool_t *p)
{
    const char *lines = php_lines(admin, p);
    apr_array_header_t *parts = apr_array_make(p, 32, sizeof(const char *));
    int i;

    *(const char **)apr_array_push(parts) = PHP_FIRST;
    *(const char **)apr_array_push(parts) = php_lines(values, p);
    *(const char **)apr_array_push(parts) = lines;
    for (i = 0; lines[0] && i < root->nelts; i++) {
        *(const char **)apr_array_push(parts) = apr_psprintf(
            p, "[PATH=/%s]\n%s", APR_ARRAY_IDX(root, i, const char *), lines);
    }
    return apr_array_pstrcat(p, parts, 0);
}
