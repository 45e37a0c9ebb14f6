/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_script_resolve.h
 * @brief Which script is asked for, and how it would be run.
 *
 * The question names a path and a virtual host; neither is trusted.  The path
 * has to lie in a <FcgiPMScripts>, is walked anew without following symbolic
 * links, and what is there is judged.  The host has to be one of the
 * configuration, and only selects the user that the configuration has for it.
 */
#ifndef PM_SCRIPT_RESOLVE_H
#define PM_SCRIPT_RESOLVE_H

#include "pm_core/ipc/pm_pool_set.h"

typedef struct pm_script_target {
    int status;                     /**< HTTP status of a refusal */
    const pm_script_template_t *by; /**< the rules that cover it */
    const char *key;                /**< tells its pool from all others: what is
                                     *   executed, and as which user */
    pm_conf_t *conf;                /**< of its pool: all but name and listen */
    apr_uint32_t uid;               /**< of the user it runs as */
    const char *label;              /**< its name for people, any characters */
    int is_file;                    /**< the script itself is executed: */
    apr_size_t fixed;               /**< see pm_path.h */
    pm_inode_t file;
} pm_script_target_t;

/**
 * Find the script and judge it.  The manager calls this, with its own rights.
 * @param f   filled in from @a p; shares strings of @a set
 * @param set in force
 * @return an error with a reason, and f->status: 403 it may not be run, 404
 *         it is not there, 500 the configuration has nothing for it, 503 the
 *         system has no resources left
 */
apr_status_t pm_script_resolve(pm_script_target_t *f, const pm_pool_set_t *set,
                               const char *host, const char *path,
                               apr_pool_t *p, pm_reason_t *why);

/**
 * The same for a pool that is there, made for @a path.  The pool of a wrapper
 * runs any file of its user: it does not depend on the one it was made for, and
 * that file is not looked at.
 * @param uid f->uid of the target the pool was made of
 */
apr_status_t pm_script_resolve_pool(pm_script_target_t *f,
                                    const pm_pool_set_t *set, const char *host,
                                    const char *path, apr_uint32_t uid,
                                    apr_pool_t *p, pm_reason_t *why);

#endif /* PM_SCRIPT_RESOLVE_H */
