/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_warmup.h
 * @brief What only httpd knows of the URLs of FcgiPMWarmup: the document root
 *        of their virtual host, and which part of their path names the
 *        program.  Parent only, in check_config.
 */
#ifndef HPM_WARMUP_H
#define HPM_WARMUP_H

#include "httpd/config/hpm_server.h"

/** Complete each "URL" to "URL SCRIPT ROOT" (pm_conf_t, @c warmup), in what
 *  the directives said (@c parsed, @c defaults). */
void hpm_warmup_complete(const hpm_server_t *server, server_rec *s,
                         apr_pool_t *p);

#endif /* HPM_WARMUP_H */
