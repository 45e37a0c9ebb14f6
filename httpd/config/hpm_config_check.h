/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_config_check.h
 * @brief The configuration as a whole: its pools, and what is wrong with it.
 */
#ifndef HPM_CONFIG_CHECK_H
#define HPM_CONFIG_CHECK_H

#include "httpd/config/hpm_module.h"

/** check_config hook (parent): make the pools and find what can be found
 *  before anything is started.  Under `httpd -t` a fault is an error; a
 *  running httpd goes on with a failed pool. */
int hpm_config_check(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                     server_rec *s);

/** Log each fault and each failed pool, a line each (parent).
 *  @return the number of lines */
int hpm_config_report(server_rec *s);

#endif /* HPM_CONFIG_CHECK_H */
