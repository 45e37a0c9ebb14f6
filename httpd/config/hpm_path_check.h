/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_path_check.h
 * @brief Paths and addresses that two settings name.  Parent only.
 */
#ifndef HPM_PATH_CHECK_H
#define HPM_PATH_CHECK_H

#include "httpd/config/hpm_server.h"

/**
 * Find the paths that meet, however they are written: control socket, pid
 * files, logs, sockets of pools and of scripts; and the addresses of pools.
 * The pool that comes second has failed; anything else is a fault.  A
 * FcgiPMPidFile that would replace another file is left out.
 * @param p     holds the texts: pconf
 * @param ptemp is cleared after check_config
 */
void hpm_path_check(hpm_server_t *server, const server_rec *s, apr_pool_t *p,
                    apr_pool_t *ptemp);

#endif /* HPM_PATH_CHECK_H */
