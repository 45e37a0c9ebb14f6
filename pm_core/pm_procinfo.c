/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_procinfo.h"

#include <stdio.h>
#include <unistd.h>

#include "apr_strings.h"

apr_int64_t pm_procinfo_rss(pid_t pid)
{
    char name[40];
    long size, resident = 0;
    FILE *f;

    apr_snprintf(name, sizeof(name), "/proc/%d/statm", (int)pid);
    f = fopen(name, "re");
    if (!f) {
        return 0;
    }
    if (fscanf(f, "%ld %ld", &size, &resident) != 2) {
        resident = 0;
    }
    fclose(f);
    return (apr_int64_t)resident * sysconf(_SC_PAGESIZE);
}
