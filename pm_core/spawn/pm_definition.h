/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_definition.h
 * @brief A pool's definition is completed and checked as a whole.
 *
 * What the sections leave open comes from the program around: httpd's user and
 * runtime directory, or fcgipm-run's.  Then all is found that can be found
 * without a worker.  httpd's parent, and fcgipm-run.
 */
#ifndef PM_DEFINITION_H
#define PM_DEFINITION_H

#include "pm_core/config/pm_conf.h"
#include "pm_core/config/pm_parsed.h"
#include "pm_core/os/pm_names.h"
#include "pm_core/policy/pm_script_rules.h"

/** What stands in for settings that were not given. */
typedef struct pm_definition_base {
    const char *from;         /**< for pm_conf_note(): "httpd" */
    const char *user, *group; /**< NULL: none, or this process cannot change its
                               *   user anyway */
    uid_t uid;                /**< of workers for which no user is named */
    pm_names_t *names;        /**< that are known, or NULL */
} pm_definition_base_t;

/** Set a row to one word, unless it was given or there is none.
 *  @param conf the structure of the row's scope */
apr_status_t pm_definition_fill(void *conf, int row, const char *word,
                                const char *from, apr_pool_t *p,
                                pm_reason_t *why);

/** Runtime directory and control socket.
 *  @param dir that of the program, without a slash at its end */
apr_status_t pm_definition_fill_global(pm_global_t *global, const char *dir,
                                       const char *from, apr_pool_t *p,
                                       pm_reason_t *why);

/** User, group, listening socket and its owner; a name without a slash is a
 *  socket in the runtime directory.
 *  @return also an error if the definition does not fit into a message
 *          (pm_channel.h) */
apr_status_t pm_definition_complete(pm_conf_t *conf, const pm_global_t *global,
                                    const pm_definition_base_t *base,
                                    apr_pool_t *p, pm_reason_t *why);

/** @return the defaults of pools: what stands outside of sections, but command
 *  and socket, which are the pool `default`'s */
pm_conf_t *pm_definition_defaults(const pm_conf_t *given, apr_pool_t *p);

/** Is the directory of @a path there, or the runtime directory, which is made?
 */
apr_status_t pm_definition_check_dir(const char *path,
                                     const pm_global_t *global, apr_pool_t *p,
                                     pm_reason_t *why);

/**
 * All that can be known without starting a worker, but its log.
 * @param addr    set to the address it listens on
 * @param testing 1: also what a start would find, which reads the program
 * @return an error with a reason that begins with the directive
 */
apr_status_t pm_definition_check(const pm_conf_t *conf,
                                 const pm_global_t *global,
                                 const pm_definition_base_t *base,
                                 pm_addr_t *addr, int testing, apr_pool_t *p,
                                 pm_reason_t *why);

/** Make a template of a <FcgiPMScripts>.
 *  @param defaults of all pools
 *  @param conf     set to the template's definition */
pm_script_template_t pm_definition_template(const pm_scripts_t *scripts,
                                            const pm_conf_t *defaults,
                                            const pm_definition_base_t *base,
                                            pm_conf_t **conf, apr_pool_t *p);

/** The same as pm_definition_complete(), of a template. */
apr_status_t pm_definition_complete_template(const pm_script_template_t *t,
                                             pm_conf_t *conf,
                                             const pm_definition_base_t *base,
                                             apr_pool_t *p, pm_reason_t *why);

/** Check a template: its user, its directory, its wrappers; not its log. */
apr_status_t pm_definition_check_template(const pm_script_template_t *t,
                                          const pm_global_t *global,
                                          const pm_definition_base_t *base,
                                          int testing, apr_pool_t *p,
                                          pm_reason_t *why);

/** Do the workers run as another user than the program's?
 *  @param uid set to the user's, unless there is no such user */
int pm_definition_names_user(const pm_conf_t *conf,
                             const pm_definition_base_t *base,
                             apr_uint32_t *uid);

#endif /* PM_DEFINITION_H */
