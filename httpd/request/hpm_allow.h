/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_allow.h
 * @brief Which requests a pool takes: FcgiPMAllow, FcgiPMFileOwner.
 */
#ifndef HPM_ALLOW_H
#define HPM_ALLOW_H

#include "httpd/config/hpm_module.h"
#include "httpd/config/hpm_pool.h"

/**
 * May the request be sent to the pool?  A child, the request's thread.
 * @param htaccess 1: a .htaccess file may have named the pool
 *                 (hpm_dir_is_from_htaccess())
 * @return OK, or HTTP_FORBIDDEN with a line in the log
 */
int hpm_allow_check(const request_rec *r, const hpm_pool_t *pool, int htaccess);

#endif /* HPM_ALLOW_H */
