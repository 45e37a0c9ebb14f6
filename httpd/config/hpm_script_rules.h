/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_script_rules.h
 * @brief The virtual hosts of <FcgiPMScripts>.  Parent only.
 */
#ifndef HPM_SCRIPT_RULES_H
#define HPM_SCRIPT_RULES_H

#include "httpd/config/hpm_server.h"

/** Name main server and virtual hosts for the manager, each with the user
 *  that mod_suexec has for it.  Does nothing without templates. */
void hpm_script_rules_hosts(hpm_server_t *server, server_rec *s, apr_pool_t *p);

#endif /* HPM_SCRIPT_RULES_H */
