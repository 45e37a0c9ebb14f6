/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_retry.h
 * @brief After an attempt that failed: is there another, and of which pool?
 *
 * An attempt on a kept connection counts like any other: a GET that crashes its
 * worker is given to two, not to three.  Only what could not be sent there at
 * all is sent on a connection of its own within the same attempt.
 *
 * A table: outcome of the attempt, what is known of method, body and pool,
 * attempts made so far.  Pure: no system call, clock or allocation.
 */
#ifndef HPM_RETRY_H
#define HPM_RETRY_H

#include "httpd/upstream/hpm_upstream.h"

/** What is known of the request and its pool; a set of these. */
enum {
    HPM_RETRY_SAFE = 1,         /**< the method is safe (RFC 9110, 9.2.1) */
    HPM_RETRY_REPEATABLE = 2,   /**< the body can be sent once more */
    HPM_RETRY_AVAILABLE = 4,    /**< the pool answers requests */
    HPM_RETRY_SCRIPT = 8,       /**< the manager made the pool for a script */
    HPM_RETRY_SCRIPT_ENDED = 16 /**< and has ended it */
};

/** What is to be done. */
typedef enum hpm_retry {
    HPM_RETRY_GIVE_UP, /**< the outcome stands */
    HPM_RETRY_AGAIN,   /**< ask the same pool once more */
    HPM_RETRY_MOVE     /**< ask the pool that runs the script now, if there is
                        *   another */
} hpm_retry_t;

/** @param outcome  of the last attempt
 *  @param facts    HPM_RETRY_SAFE...
 *  @param attempts made so far, also those on kept connections */
hpm_retry_t hpm_retry_decide(hpm_upstream_outcome_t outcome, unsigned int facts,
                             int attempts);

#endif /* HPM_RETRY_H */
