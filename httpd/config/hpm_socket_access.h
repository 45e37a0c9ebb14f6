/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_socket_access.h
 * @brief Sockets whose owner and mode shut httpd's children out.
 *
 * Parent, while it checks the configuration.
 */
#ifndef HPM_SOCKET_ACCESS_H
#define HPM_SOCKET_ACCESS_H

#include "httpd/config/hpm_server.h"

/** @return an array of const char *: a sentence for each unix socket, of a
 *  pool, of scripts, or the control socket, to which httpd's user may not
 *  connect.  It may be meant so: another server uses the pool. */
const apr_array_header_t *hpm_socket_access_texts(const hpm_server_t *server,
                                                  apr_pool_t *p);

#endif /* HPM_SOCKET_ACCESS_H */
