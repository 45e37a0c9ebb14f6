/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_script_rules.h
 * @brief Which <FcgiPMScripts> a script belongs to, and whether it may run.
 *
 * httpd's children and the manager both ask.  A child asks to find out early
 * that a request is not for a script; only the manager's result decides what
 * runs.
 */
#ifndef PM_SCRIPT_RULES_H
#define PM_SCRIPT_RULES_H

#include "pm_core/config/pm_conf.h"
#include "pm_core/base/pm_inode.h"

/** One <FcgiPMScripts>: the template of the pools it makes. */
typedef struct pm_script_template {
    const char *where; /**< its directory, which can have * and ? */
    const pm_rules_t *rules;
    const pm_conf_t *conf; /**< of the pools it makes: all but command
                            *   and listen; directory NULL: that of the
                            *   script */
    int suexec;            /**< 1: it names no user, a SuexecUserGroup
                            *   applies */
    int named;             /**< 1: FcgiPMUser names another user than
                            *   httpd's */
    int log_fd;            /**< FcgiPMErrorLog of all its pools; -1:
                            *   there is none */
} pm_script_template_t;

/** The user a script is to run as, and how. */
typedef struct pm_runner {
    apr_uint32_t uid, gid;
    int named;   /**< 1: the configuration names the user, or it
                  *   is the script's owner; 0: httpd's user */
    int wrapped; /**< 1: a wrapper is executed */
} pm_runner_t;

/** A virtual host, as the manager knows it. */
typedef struct pm_host {
    const char *name;
    int suexec; /**< 1: it has a SuexecUserGroup: */
    apr_uint32_t uid, gid;
} pm_host_t;

/** Can a script have this path: absolute, 1 to 4000 bytes, no empty part, no
 *  "." or "..", no control character?
 *  @param path not trusted
 *  @return APR_EINVAL with a reason, if not */
apr_status_t pm_script_rules_path_check(const char *path, pm_reason_t *why);

/** Can <FcgiPMScripts> have this directory?  @return as above */
apr_status_t pm_script_rules_where_check(const char *where, pm_reason_t *why);

/** @return how many bytes of @a path the directory @a where matches, part by
 *  part; 0: the path is not below it.  * and ? match neither a slash nor a dot
 *  at the start of a part. */
apr_size_t pm_script_rules_match(const char *where, const char *path);

/** @return how many bytes of @a where come before the first part with * or ?:
 *  there the administrator has written each part down, and links are followed
 *  (pm_path.h) */
apr_size_t pm_script_rules_fixed(const char *where);

/** @return the index of the template for a path, the one with most parts, of
 *  equal ones the first; -1: none */
int pm_script_rules_find(const pm_script_template_t *templates, int n,
                         const char *path);

/** @return the index of the FcgiPMWrapper that runs the path, the first whose
 *  suffix it has, else the first without a suffix; -1: none */
int pm_script_rules_wrapper(const pm_rules_t *rules, const char *path);

/** Does the wrapper run paths where there is no file (`virtual`)? */
int pm_script_rules_is_virtual(const pm_rules_t *rules, int wrapper);

/** @return how many bytes of the wrapper are its command, escaped as in a URL
 */
apr_size_t pm_script_rules_command_length(const char *wrapper);

/**
 * May the script run?  As in suexec, only the user it belongs to can have put
 * it there.
 * @param walk its file and the directories on its path (pm_path_walk())
 * @return EACCES with a reason that begins with the path
 */
apr_status_t pm_script_rules_judge(const pm_rules_t *rules, const char *path,
                                   const pm_walk_t *walk, const pm_runner_t *as,
                                   pm_reason_t *why);

/** The part of it that is not about the file: may scripts run as this user?
 *  @return as above */
apr_status_t pm_script_rules_judge_runner(const pm_rules_t *rules,
                                          const char *path,
                                          const pm_runner_t *as,
                                          pm_reason_t *why);

#endif /* PM_SCRIPT_RULES_H */
