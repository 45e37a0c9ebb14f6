/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_script_resolve.h
 * @brief Layer 3: what the manager finds when it is asked for a script.
 *
 * Who asks says a path and a virtual host, and is believed neither: the path
 * has to lie in a <FcgiPMScripts>, is gone anew without symbolic links, and
 * what is there is judged; the host has to be one of the configuration, and
 * gives no more than the user that the configuration has for it.
 */
#ifndef PM_SCRIPT_RESOLVE_H
#define PM_SCRIPT_RESOLVE_H

#include "pm_core/ipc/pm_pool_set.h"

typedef struct pm_finding {
    int status;                     /**< refused: an HTTP status */
    const pm_script_template_t *by; /**< the template */
    const char *key;                /**< tells its pool from all others: what is
                                     *   executed, and as whom */
    pm_conf_t *conf;                /**< of its pool: all but name and listen */
    const char *label;              /**< its name for people, any characters */
    int is_file;                    /**< the script itself is executed: */
    apr_size_t fixed;               /**< see pm_path.h */
    pm_inode_t file;
} pm_script_target_t;

/**
 * Find out.
 * @param set in force; the finding shares its strings
 * @return an error with a reason, and f->status: 403 it may not be run, 404
 *         it is not there, 500 the configuration has nothing for it
 */
apr_status_t pm_script_resolve(pm_script_target_t *f, const pm_pool_set_t *set,
                               const char *host, const char *path,
                               apr_pool_t *p, pm_reason_t *why);

#endif /* PM_SCRIPT_RESOLVE_H */
