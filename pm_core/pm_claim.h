/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_claim.h
 * @brief Layer 0: what a guarded worker says of itself in shared memory.
 *
 * A pool has one page (pm_page.h), an array of these, one for each of its
 * workers; the manager says which is whose.  The worker's guard writes, the
 * manager reads: what stands here is the claim of a program that may be
 * broken or hostile, and is checked by pm_page_read().
 */
#ifndef PM_CLAIM_H
#define PM_CLAIM_H

#include <stdint.h>

/** How many a page has. */
#define PM_CLAIMS 16384

typedef struct pm_claim {
    uint32_t pid;         /**< of the worker that writes here; 0: it has not
                           *   waited for a request yet */
    uint32_t waiting;     /**< threads in accept() */
    uint32_t busy;        /**< connections that were accepted and are open */
    uint32_t spare;
    uint64_t busy_since;  /**< CLOCK_MONOTONIC, microseconds: when busy became
                           *   more than 0 */
    uint64_t requests;    /**< connections accepted */
} pm_claim_t;

#endif /* PM_CLAIM_H */
