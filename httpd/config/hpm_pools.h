/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_pools.h
 * @brief From the sections of the configuration file to pools: defaults that
 *        only httpd knows are filled in, each definition is checked by
 *        itself.  Parent only, in check_config.
 */
#ifndef HPM_POOLS_H
#define HPM_POOLS_H

#include "httpd/config/hpm_server.h"

/**
 * Make the pools and templates of @a server from its @c parsed, and complete
 * its @c global.  A pool that cannot be run gets the reason in @c failed; a
 * template that cannot be used is a fault.
 * @param testing under `httpd -t`: check also what post_config would try
 */
void hpm_pools_make(hpm_server_t *server, int testing, apr_pool_t *p,
                    apr_pool_t *ptemp);

#endif /* HPM_POOLS_H */
