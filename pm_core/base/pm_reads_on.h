/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_reads_on.h
 * @brief What the guard in a worker writes into END_REQUEST, and httpd's child
 *        reads there: the thread that has answered reads on from this
 *        connection at once.
 *
 * It stands in the record's reserved bytes (FastCGI specification, 5.5), which
 * other clients ignore.  It is what the worker has done after its last
 * answers, so it can be wrong; and it is the claim of a program that may be
 * broken or hostile.  What goes wrong by it is a request that waits for that
 * worker.  Without it no connection is kept: see
 * docs/internals/kept-connections.md.
 *
 * Pure, without APR: the guard brings no library along.
 */
#ifndef PM_READS_ON_H
#define PM_READS_ON_H

#include <string.h>

#define PM_READS_ON      "\xfc\x9b\xd3"
#define PM_READS_ON_SIZE 3 /**< bytes, the last ones of the record */

/** @param reserved of an END_REQUEST */
static inline int pm_reads_on_is(const unsigned char *reserved)
{
    return !memcmp(reserved, PM_READS_ON, PM_READS_ON_SIZE);
}

static inline void pm_reads_on_set(unsigned char *reserved)
{
    memcpy(reserved, PM_READS_ON, PM_READS_ON_SIZE);
}

#endif /* PM_READS_ON_H */
