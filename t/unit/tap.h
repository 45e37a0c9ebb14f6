/* SPDX-License-Identifier: Apache-2.0 */
/* TAP for unit tests, as prove(1) reads it.  End main() with
 * `return done_testing();`. */
#ifndef TAP_H
#define TAP_H

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static int tap_count;
static int tap_failed;

__attribute__((format(printf, 2, 0), unused)) static int tap_vok(
    int good, const char *fmt, va_list ap)
{
    tap_failed += !good;
    printf("%sok %d - ", good ? "" : "not ", ++tap_count);
    vprintf(fmt, ap);
    printf("\n");
    return good;
}

__attribute__((format(printf, 2, 3), unused)) static void ok(int good,
                                                             const char *fmt,
                                                             ...)
{
    va_list ap;

    va_start(ap, fmt);
    tap_vok(good, fmt, ap);
    va_end(ap);
}

__attribute__((format(printf, 3, 4), unused)) static void is_int(
    long got, long want, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    if (!tap_vok(got == want, fmt, ap)) {
        printf("#      got %ld\n# expected %ld\n", got, want);
    }
    va_end(ap);
}

__attribute__((format(printf, 3, 4), unused)) static void is_str(
    const char *got, const char *want, const char *fmt, ...)
{
    va_list ap;
    int same = got && want ? !strcmp(got, want) : got == want;

    va_start(ap, fmt);
    if (!tap_vok(same, fmt, ap)) {
        printf("#      got '%s'\n# expected '%s'\n", got ? got : "(null)",
               want ? want : "(null)");
    }
    va_end(ap);
}

__attribute__((unused)) static int done_testing(void)
{
    printf("1..%d\n", tap_count);
    return tap_failed != 0;
}

#endif /* TAP_H */
