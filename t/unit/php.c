/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file php.c
 * @brief PHP's settings as an argument of php-cgi (pm_php.h).  t/httpd/php.t
 *        has PHP read them.
 */
#include "pm_core/config/pm_php.h"
#include "tap.h"

#include <string.h>

#include "apr_general.h"

static apr_array_header_t *list(apr_pool_t *p, const char *a, const char *b)
{
    apr_array_header_t *array = apr_array_make(p, 2, sizeof(const char *));

    *(const char **)apr_array_push(array) = a;
    if (b) {
        *(const char **)apr_array_push(array) = b;
    }
    return array;
}

static void test_text(apr_pool_t *p)
{
    const char *text = pm_php_text(list(p, "a.b=On", "c=x y"),
                                   list(p, "d=E_ALL & ~E_NOTICE", "e=it's"),
                                   list(p, "srv", "var"), p);

    ok(!strcmp(text, "fcgipm=1\na.b=On\nc='x y'\n"
                     "d=E_ALL & ~E_NOTICE\ne=\"it's\"\n"
                     "[PATH=/srv]\nd=E_ALL & ~E_NOTICE\ne=\"it's\"\n"
                     "[PATH=/var]\nd=E_ALL & ~E_NOTICE\ne=\"it's\"\n"),
       "values, then the admin values again for each directory");
    ok(!strcmp(pm_php_text(list(p, "a=1", NULL), NULL, list(p, "srv", NULL), p),
               "fcgipm=1\na=1\n"),
       "no section without admin values");
}

static void test_check(void)
{
    static const struct {
        const char *name, *value;
        int good;
    } rows[] = {
        {"memory_limit", "1M", 1}, {"x", "", 1},        {"x", "a\"b", 1},
        {"x", "it's", 1},          {"x", "it's \"", 0}, {"x", "it's $y", 0},
        {"x", "a\nb", 0},          {"x", "a\tb", 0},    {"", "1", 0},
        {"a b", "1", 0},           {"[PATH", "1", 0},   {"a=b", "1", 0}};
    pm_reason_t why;
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        ok((pm_php_check(rows[i].name, rows[i].value, &why) == APR_SUCCESS)
               == rows[i].good,
           "row %d is %s", (int)i, rows[i].good ? "a setting" : "none");
    }
}

static void test_section(void)
{
    ok(pm_php_has_section("srv") && pm_php_has_section("lost+found")
           && pm_php_has_section("a b") && pm_php_has_section("\303\244(1)"),
       "names that PHP reads as they are");
    ok(!pm_php_has_section("a]") && !pm_php_has_section("a\nb")
           && !pm_php_has_section("a;b") && !pm_php_has_section("a'b")
           && !pm_php_has_section("a$b") && !pm_php_has_section("a "),
       "and that it does not");
}

int main(void)
{
    apr_pool_t *p;

    apr_initialize();
    apr_pool_create(&p, NULL);
    test_text(p);
    test_check();
    test_section();
    apr_terminate();
    return done_testing();
}
