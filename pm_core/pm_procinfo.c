/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_procinfo.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "apr_strings.h"

static FILE *open_proc(pid_t pid, const char *file)
{
    char name[40];

    apr_snprintf(name, sizeof(name), "/proc/%d/%s", (int)pid, file);
    return fopen(name, "re");
}

apr_int64_t pm_procinfo_rss(pid_t pid)
{
    long size, resident = 0;
    FILE *f = open_proc(pid, "statm");

    if (!f) {
        return 0;
    }
    if (fscanf(f, "%ld %ld", &size, &resident) != 2) {
        resident = 0;
    }
    fclose(f);
    return (apr_int64_t)resident * sysconf(_SC_PAGESIZE);
}

int pm_procinfo_has_children(pid_t pid)
{
    char file[32];
    FILE *f;
    int has;

    apr_snprintf(file, sizeof(file), "task/%d/children", (int)pid);
    f = open_proc(pid, file);
    has = f && fgetc(f) != EOF;
    if (f) {
        fclose(f);
    }
    return has;
}

pm_memory_t pm_procinfo_memory(pid_t pid)
{
    pm_memory_t memory = {0, 0};
    FILE *f = open_proc(pid, "smaps_rollup");
    char line[256];
    long kb;

    while (f && fgets(line, sizeof(line), f)) {
        if (sscanf(line, "Rss: %ld", &kb) == 1) {
            memory.resident = (apr_int64_t)kb * 1024;
        }
        else if (sscanf(line, "Shared_Clean: %ld", &kb) == 1
                 || sscanf(line, "Shared_Dirty: %ld", &kb) == 1) {
            memory.shared += (apr_int64_t)kb * 1024;
        }
    }
    if (f) {
        fclose(f);
    }
    return memory;
}

int pm_procinfo_has_library(pid_t pid, const char *name)
{
    FILE *f = open_proc(pid, "maps");
    char line[4352];
    int found = 0;

    while (f && !found && fgets(line, sizeof(line), f)) {
        found = strstr(line, name) != NULL;
    }
    if (f) {
        fclose(f);
    }
    return found;
}
