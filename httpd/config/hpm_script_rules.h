/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_script_rules.h
 * @brief <FcgiPMScripts>: read, completed, checked.  Parent only.
 */
#ifndef HPM_SCRIPT_RULES_H
#define HPM_SCRIPT_RULES_H

#include "httpd/config/hpm_server.h"

/** A <FcgiPMScripts> as the configuration file says it. */
typedef struct hpm_scripts {
    const char *dir; /**< without a slash at its end */
    pm_conf_t *conf;
    pm_rules_t *rules;
    const char *where; /**< file:line */
} hpm_scripts_t;

/** @return whether the row may stand in a <FcgiPMScripts> */
int hpm_script_rules_takes(const pm_row_t *row);

/** Make a template of a section.
 *  @param base the defaults of all pools
 *  @param conf set to the template's definition, for the caller to complete */
pm_script_template_t hpm_script_rules_make(const hpm_scripts_t *scripts,
                                           const pm_conf_t *base,
                                           pm_conf_t **conf, apr_pool_t *p);

/** Do the workers run as another user than httpd's?
 *  @param uid set to the user's, unless there is no such user */
int hpm_script_rules_names_user(const pm_conf_t *conf, apr_uint32_t *uid);

/** Check a template: its user, its directory, its wrappers.
 *  @param testing under `httpd -t`
 *  @return what is wrong, or NULL */
const char *hpm_script_rules_check(const pm_script_template_t *t,
                                   const pm_global_t *global, int testing,
                                   apr_pool_t *p, apr_pool_t *ptemp);

/** Name main server and virtual hosts for the manager, each with the user
 *  that mod_suexec has for it.  Does nothing without templates. */
void hpm_script_rules_hosts(hpm_server_t *server, server_rec *s, apr_pool_t *p);

#endif /* HPM_SCRIPT_RULES_H */
