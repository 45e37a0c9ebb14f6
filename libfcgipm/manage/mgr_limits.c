/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker may serve and take. */
#include "libfcgipm/manage/mgr_limits.h"

#include <stdio.h>
#include <unistd.h>

#include "libfcgipm/manage/mgr_object.h"

/* KB. */
typedef struct limits_memory {
    long size;  /* 0: not known */
    long share; /* 0: not known */
} limits_memory_t;

/* The kernel's figures of shared pages where it has them, else the pages that
 * could be. */
static long limits_read_share(long fallback)
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

static limits_memory_t limits_read_memory(void)
{
    const long page_kb = sysconf(_SC_PAGESIZE) / 1024;
    FILE *f = fopen("/proc/self/statm", "re");
    limits_memory_t m = {0, 0};
    long size, share;

    if (!f) {
        return m;
    }
    if (fscanf(f, "%ld %*d %ld", &size, &share) == 2) {
        m.size = size * page_kb;
        m.share = limits_read_share(share * page_kb);
    }
    fclose(f);
    return m;
}

static int limits_exceed(const fcgipm_t *pm, const limits_memory_t *m)
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

void mgr_limits_check(fcgipm_t *pm)
{
    char why[128];
    limits_memory_t m;

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
    m = limits_read_memory();
    if (limits_exceed(pm, &m)) {
        snprintf(why, sizeof(why),
                 "safe exit due to memory limits exceeded "
                 "after %ld requests",
                 pm->request_count);
        fcgipm_exit(pm, why, 0);
    }
}
