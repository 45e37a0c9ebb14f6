/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker may serve and take. */
#include "libfcgipm/manage/mgr_object.h"

#include <stdio.h>
#include <unistd.h>

/* KB. */
typedef struct memory {
    long size;       /* 0: not known */
    long share;      /* 0: not known */
} memory_t;

/* The kernel's figures of shared pages where it has them, else the pages that
 * could be. */
static long read_share(long fallback)
{
    FILE *f = fopen("/proc/self/smaps_rollup", "re");
    char line[256];
    long kb, share = 0;

    if (!f) {
        return fallback;
    }
    while (fgets(line, sizeof(line), f)) {
        if (sscanf(line, "Shared_Clean: %ld", &kb) == 1
            || sscanf(line, "Shared_Dirty: %ld", &kb) == 1) {
            share += kb;
        }
    }
    fclose(f);
    return share;
}

static memory_t read_memory(void)
{
    const long page_kb = sysconf(_SC_PAGESIZE) / 1024;
    FILE *f = fopen("/proc/self/statm", "re");
    memory_t m = {0, 0};
    long size, share;

    if (!f) {
        return m;
    }
    if (fscanf(f, "%ld %*d %ld", &size, &share) == 2) {
        m.size = size * page_kb;
        m.share = read_share(share * page_kb);
    }
    fclose(f);
    return m;
}

static int exceeds(const fcgipm_t *pm, const memory_t *m)
{
    if (pm->max_process_size && m->size > pm->max_process_size) {
        return 1;
    }
    if (!m->share) {
        return 0;
    }
    return (pm->min_share_size && m->share < pm->min_share_size)
           || (pm->max_unshared_size
               && m->size - m->share > pm->max_unshared_size);
}

void fcgipm_limits_check(fcgipm_t *pm)
{
    char why[128];
    memory_t m;

    pm->request_count++;
    if (pm->max_requests && pm->request_count >= pm->max_requests) {
        snprintf(why, sizeof(why), "safe exit after max_requests (%ld)",
                 pm->max_requests);
        fcgipm_exit(pm, why, 0);
    }
    if (!pm->sizecheck_num_requests
        || pm->request_count % pm->sizecheck_num_requests) {
        return;
    }
    m = read_memory();
    if (exceeds(pm, &m)) {
        snprintf(why, sizeof(why), "safe exit due to memory limits exceeded "
                 "after %ld requests", pm->request_count);
        fcgipm_exit(pm, why, 0);
    }
}
