/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_availability.h
 * @brief Does a pool answer requests at all, as its manager says on the
 *        scoreboard?
 *
 * Any thread of an httpd child may call this; it costs two loads from shared
 * memory and never blocks.
 */
#ifndef HPM_AVAILABILITY_H
#define HPM_AVAILABILITY_H

#include "httpd/config/hpm_server.h"

/**
 * Check whether the pool answers requests.  If not, the request is counted as
 * refused (PM_REQUEST_STATS_UNAVAILABLE).
 * @param retry_after seconds, for Retry-After; changed only when the manager
 *                    has said when the next worker is started
 * @return NULL, or why the pool answers none; a string that lives forever or
 *         as long as the configuration
 */
const char *hpm_availability_check(const hpm_server_t *server,
                                   const hpm_pool_t *pool,
                                   apr_int64_t *retry_after);

/** @return 1: the pool was made for a script (hpm_script.h), and the manager
 *          has ended it.  Another pool may run the script by now. */
int hpm_availability_has_ended(const hpm_server_t *server,
                               const hpm_pool_t *pool);

#endif /* HPM_AVAILABILITY_H */
