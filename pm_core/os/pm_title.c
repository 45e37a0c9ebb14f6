/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_title.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/prctl.h>

extern char **environ;

/* Where execve(2) put arguments and environment: fields 48 and 51 of
 * /proc/self/stat.  The command, field 2, can contain blanks: counting begins
 * after its closing parenthesis. */
static char *argument_area(size_t *size)
{
    char line[2048];
    unsigned long start = 0, end = 0;
    FILE *f = fopen("/proc/self/stat", "re");
    char *at = f ? fgets(line, sizeof(line), f) : NULL;
    int field;

    if (f) {
        fclose(f);
    }
    at = at ? strrchr(line, ')') : NULL;
    for (field = 2; at && field < 51; field++) {
        at = strchr(at + 1, ' ');
        if (at && field + 1 == 48) {
            start = strtoul(at, NULL, 10);
        }
    }
    end = at ? strtoul(at, NULL, 10) : 0;
    *size = start && end > start ? end - start : 0;
    return (char *)start;
}

/* Copies each string of the environment that lies in the area to the heap.  The
 * copies are never freed: any code can hold a result of getenv(3). */
#if __GNUC__ >= 10 && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wanalyzer-malloc-leak"
#endif
static int move_environment(const char *area, size_t size)
{
    char **e;

    for (e = environ; e && *e; e++) {
        if (*e >= area && *e < area + size) {
            *e = strdup(*e);
            if (!*e) {
                return 0;
            }
        }
    }
    return 1;
}

void pm_title_set(const char *title)
{
    size_t size, len = strlen(title);
    char *area = argument_area(&size);

    prctl(PR_SET_NAME, title, 0, 0, 0);
    if (size < 2 || !move_environment(area, size)) {
        return;
    }
    if (len > size - 1) {
        len = size - 1;
    }
    memmove(area, title, len);
    memset(area + len, 0, size - len);
}
#else
void pm_title_set(const char *title)
{
#if defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__)
    setproctitle("-%s", title);
#else
    (void)title;
#endif
}
#endif
