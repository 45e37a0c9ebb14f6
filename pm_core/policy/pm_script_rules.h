/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_script_rules.h
 * @brief Layer 1: which <FcgiPMScripts> a script belongs to, and whether it
 *        may be run by it.
 *
 * Both httpd's children and the manager ask, each on its own: what a child
 * finds is a convenience, what the manager finds counts.
 */
#ifndef PM_SCRIPT_RULES_H
#define PM_SCRIPT_RULES_H

#include "pm_core/config/pm_conf.h"
#include "pm_core/base/pm_inode.h"

/** A <FcgiPMScripts>. */
typedef struct pm_script_template {
    const char *where; /**< its directory, which can have * and ? */
    const pm_rules_t *rules;
    const pm_conf_t *conf; /**< of the pools it makes: all but command
                            *   and listen; directory NULL: the
                            *   script's own */
    int suexec;            /**< it names no user: SuexecUserGroup, where
                            *   there is one, does */
    int named;             /**< FcgiPMUser names one that is not
                            *   httpd's own */
    int log_fd;            /**< FcgiPMErrorLog, of all its pools; -1:
                            *   there is none */
} pm_script_template_t;

/** As whom a script is to run, and how. */
typedef struct pm_runner {
    apr_uint32_t uid, gid;
    int named;   /**< the configuration names him, or it is
                  *   the script's owner; else it is httpd's
                  *   own user */
    int wrapped; /**< a wrapper is what is executed */
} pm_runner_t;

/** A virtual host, as the manager knows it. */
typedef struct pm_host {
    const char *name;
    int suexec; /**< it has a SuexecUserGroup: */
    apr_uint32_t uid, gid;
} pm_host_t;

/** Is that a path to be looked for: absolute, without empty parts, "." and
 *  "..", control characters, of 1 to 4000 bytes? */
apr_status_t pm_script_rules_path_check(const char *path, pm_reason_t *why);

/** Is @a where fit for <FcgiPMScripts>? */
apr_status_t pm_script_rules_where_check(const char *where, pm_reason_t *why);

/** How many bytes of @a path does @a where cover?  Part by part; * and ? do
 *  not stand for a slash, nor for a dot at the begin of a name.  0: the path
 *  is not below it. */
apr_size_t pm_script_rules_match(const char *where, const char *path);

/** How many bytes of @a where come before the first part with * or ?: there
 *  links are the administrator's. */
apr_size_t pm_script_rules_fixed(const char *where);

/** The template for a path: the one with most parts, of equal ones the first.
 *  @return its index, -1: none */
int pm_script_rules_find(const pm_script_template_t *templates, int n,
                         const char *path);

/** Which FcgiPMWrapper runs the path?  The first whose suffix it has, else
 *  the first without.  @return its index, -1: none */
int pm_script_rules_wrapper(const pm_rules_t *rules, const char *path);

/** Need there be no file (`virtual`)? */
int pm_script_rules_is_virtual(const pm_rules_t *rules, int wrapper);

/** How many bytes of the wrapper are its command, escaped as in a URL? */
apr_size_t pm_script_rules_command_length(const char *wrapper);

/**
 * May the script be run?  suexec's rules: nobody but whom it belongs to can
 * have put it there.
 * @param walk the way to it, as it was gone
 * @return EACCES with a reason that begins with the path
 */
apr_status_t pm_script_rules_judge(const pm_rules_t *rules, const char *path,
                                   const pm_walk_t *walk, const pm_runner_t *as,
                                   pm_reason_t *why);

#endif /* PM_SCRIPT_RULES_H */
