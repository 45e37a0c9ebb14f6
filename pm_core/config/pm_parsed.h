/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_parsed.h
 * @brief What the directives said, until the configuration is checked as a
 *        whole: the sections, and what is wrong so far.
 *
 * Two readers fill it: httpd, one directive after the other, and pm_conf_text.h
 * for fcgipm-run.  Which setting may stand where, and what is said when it may
 * not, stands here once for both.
 *
 * httpd's parent fills it while it reads the configuration and in check_config
 * (it lives in pconf then); fcgipm-run before its first set of pools and at
 * SIGHUP.
 */
#ifndef PM_PARSED_H
#define PM_PARSED_H

#include "apr_tables.h"

#include "pm_core/config/pm_conf.h"

/** A kind of section. */
typedef struct pm_section_kind {
    const char *name;                  /**< "FcgiPMPool" */
    const char *word;                  /**< what stands behind the name */
    int (*takes)(const pm_row_t *row); /**< may the row stand in it? */
} pm_section_kind_t;

extern const pm_section_kind_t pm_section_pool;    /**< <FcgiPMPool> */
extern const pm_section_kind_t pm_section_scripts; /**< <FcgiPMScripts> */

/** A <FcgiPMPool> as the configuration file says it. */
typedef struct pm_section {
    pm_conf_t *conf;   /**< what stands in it, and no more */
    const char *where; /**< file:line */
} pm_section_t;

/** A <FcgiPMScripts> as the configuration file says it. */
typedef struct pm_scripts {
    const char *dir; /**< without a slash at its end */
    pm_conf_t *conf;
    pm_rules_t *rules;
    const char *where; /**< file:line */
} pm_scripts_t;

/** Can <FcgiPMScripts> have this directory?  (pm_script_rules_where_check(),
 *  which is policy's.) */
typedef apr_status_t pm_parsed_dir_check_t(const char *dir, pm_reason_t *why);

typedef struct pm_parsed {
    apr_array_header_t *sections; /**< of pm_section_t, no name twice */
    apr_array_header_t *scripts;  /**< of pm_scripts_t: <FcgiPMScripts> */
    const char *command_where;    /**< file:line of FcgiPMCommand at server
                                   *   level; NULL: there is none */
    apr_array_header_t *faults;   /**< of const char *: wrong, but httpd can
                                   *   start nevertheless */
    pm_parsed_dir_check_t *check_dir;

    /* while a section is read, else NULL */
    pm_conf_t *current;  /**< its settings */
    pm_rules_t *rules;   /**< those of <FcgiPMScripts> alone */
    const char *dir;     /**< its directory, likewise */
    const char *section; /**< file:line where it begins */
} pm_parsed_t;

pm_parsed_t *pm_parsed_create(pm_parsed_dir_check_t *check_dir, apr_pool_t *p);

/**
 * Begin a section: settings go there until pm_parsed_close().
 * @param words the words behind the name
 * @param where file:line; lives as long as @a parsed
 * @return APR_EINVAL with a reason, and no section has begun
 */
apr_status_t pm_parsed_open(pm_parsed_t *parsed, const pm_section_kind_t *kind,
                            const apr_array_header_t *words, const char *where,
                            apr_pool_t *p, pm_reason_t *why);

/** Is this <FcgiPMScripts> the first one of its directory?
 *  @param scripts one of @a parsed
 *  @return EINVAL with a reason: another one counts */
apr_status_t pm_parsed_check_scripts(const pm_parsed_t *parsed,
                                     const pm_scripts_t *scripts,
                                     pm_reason_t *why);

/** End it.  The second pool of a name is a fault.
 *  @param keep 0: what stood in it is wrong, it is dropped */
void pm_parsed_close(pm_parsed_t *parsed, int keep, apr_pool_t *p);

/**
 * A setting: into the section that has begun, else into what is for all.
 * @param global   the manager's settings
 * @param defaults those of all pools
 * @param words    behind the name
 * @param where    file:line; lives as long as @a parsed
 * @return APR_EINVAL with a reason that names the directive
 */
apr_status_t pm_parsed_set(pm_parsed_t *parsed, pm_global_t *global,
                           pm_conf_t *defaults, const pm_row_t *row,
                           const apr_array_header_t *words, const char *where,
                           apr_pool_t *p, pm_reason_t *why);

/** @return what is wrong with a directive in a section that does not take it,
 *  and what was probably meant */
const char *pm_parsed_hint(const char *directive, const pm_section_kind_t *kind,
                           apr_pool_t *p);

/** @return the row of httpd's own directive, as FcgiPMSetEnv of SetEnv, or the
 *  one that is misspelled; NULL: nothing is near
 *  @param takes which rows could be meant */
const char *pm_parsed_nearest(const char *directive,
                              int (*takes)(const pm_row_t *row), apr_pool_t *p);

/** @return the <FcgiPMPool> of that name, or NULL */
const pm_section_t *pm_parsed_find(const pm_parsed_t *parsed, const char *name);

/** Add the sections and faults of a virtual host. */
void pm_parsed_append(pm_parsed_t *parsed, const pm_parsed_t *virtual,
                      apr_pool_t *p);

/** Note a fault.
 *  @param text lives as long as @a parsed */
void pm_parsed_add_fault(pm_parsed_t *parsed, const char *text);

/** Note that a pool is defined at two places, of which the first counts. */
void pm_parsed_add_duplicate(pm_parsed_t *parsed, const char *name,
                             const char *first, const char *second,
                             apr_pool_t *p);

/** @return file:line of the setting that a reason begins with; NULL: it begins
 *          with none, or the program has set it
 *  @param conf the structure of @a scope */
const char *pm_parsed_place(const void *conf, pm_scope_t scope,
                            const char *reason, apr_pool_t *p);

#endif /* PM_PARSED_H */
