/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_parsed.h
 * @brief What the directives said, until the configuration is checked as a
 *        whole: the sections, and what is wrong so far.
 *
 * It lives in pconf.  The parent fills it while httpd reads the configuration
 * and in check_config.
 */
#ifndef HPM_PARSED_H
#define HPM_PARSED_H

#include "apr_tables.h"

#include "pm_core/config/pm_conf.h"

/** A <FcgiPMPool> as the configuration file says it. */
typedef struct hpm_section {
    pm_conf_t *conf;   /**< what stands in it, and no more */
    const char *where; /**< file:line */
} hpm_section_t;

typedef struct hpm_parsed {
    apr_array_header_t *sections; /**< of hpm_section_t, no name twice */
    apr_array_header_t *scripts;  /**< of hpm_scripts_t: <FcgiPMScripts> */
    const char *command_where;    /**< file:line of FcgiPMCommand at server
                                   *   level; NULL: there is none */
    apr_array_header_t *faults;   /**< of const char *: wrong, but httpd can
                                   *   start nevertheless */

    /* while a section is read, else NULL */
    pm_conf_t *current; /**< its settings */
    pm_rules_t *rules;  /**< those of <FcgiPMScripts> alone */
} hpm_parsed_t;

hpm_parsed_t *hpm_parsed_create(apr_pool_t *p);

/** @return the <FcgiPMPool> of that name, or NULL */
const hpm_section_t *hpm_parsed_find(const hpm_parsed_t *parsed,
                                     const char *name);

/** Add a <FcgiPMPool>.  The second of a name is a fault. */
void hpm_parsed_add(hpm_parsed_t *parsed, pm_conf_t *conf, const char *where,
                    apr_pool_t *p);

/** Add the sections and faults of a virtual host. */
void hpm_parsed_append(hpm_parsed_t *parsed, const hpm_parsed_t *virtual,
                       apr_pool_t *p);

/** Note a fault for hpm_config_report().
 *  @param text lives as long as @a parsed */
void hpm_parsed_add_fault(hpm_parsed_t *parsed, const char *text);

/** Note that a pool is defined at two places, of which the first counts. */
void hpm_parsed_add_duplicate(hpm_parsed_t *parsed, const char *name,
                              const char *first, const char *second,
                              apr_pool_t *p);

#endif /* HPM_PARSED_H */
