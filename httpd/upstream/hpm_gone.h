/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_gone.h
 * @brief Has a client gone of which nothing tells?
 *
 * A stream of HTTP/2 has no descriptor, and a thread that sleeps until there
 * is a worker watches none: both look from time to time.
 */
#ifndef HPM_GONE_H
#define HPM_GONE_H

#include "apr_time.h"

/** Between two looks. */
#define HPM_GONE_LOOK apr_time_from_msec(500)

/** How to look. */
typedef struct hpm_gone {
    /** @return 1: the client has gone.  NULL: nothing can be asked */
    int (*has_gone)(void *ctx);
    void *ctx;
} hpm_gone_t;

#endif /* HPM_GONE_H */
