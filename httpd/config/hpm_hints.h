/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_hints.h
 * @brief What was meant by a pool's name that there is not.
 *
 * Parent, while it reads and checks the configuration.
 */
#ifndef HPM_HINTS_H
#define HPM_HINTS_H

#include "httpd/config/hpm_server.h"

/** @return an array of const char *: a sentence for each SetHandler,
 *  AddHandler or RewriteRule of the configuration that names a pool that there
 *  is not.  Names with variables are passed. */
const apr_array_header_t *hpm_hints_handlers(const hpm_server_t *server,
                                             apr_pool_t *p);

#endif /* HPM_HINTS_H */
