/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_ident.h
 * @brief Layer 2: users and groups by name, and who a worker is to be.
 */
#ifndef PM_IDENT_H
#define PM_IDENT_H

#include <sys/types.h>

#include "pm_core/base/pm_base.h"

#define PM_IDENT_GROUPS 128 /**< supplementary groups at the most */

/** Who a process runs as, looked up before fork(). */
typedef struct pm_ident {
    uid_t uid;
    gid_t gid;
    int change; /**< 0: we are that user already and are not
                 *   root; nothing to set */
    int ngroups;
    gid_t groups[PM_IDENT_GROUPS];
    char user[64]; /**< for USER, HOME is not set */
} pm_ident_t;

/**
 * Look a worker's identity up.  Names or "#number" (as httpd's User).
 * @param user  NULL: this process's user
 * @param group NULL: the user's primary group and all its supplementary
 *              ones; else that group alone with the supplementary ones
 * @return an error with reason for a name that does not exist, for uid 0,
 *         and for another user when this process is not root
 */
apr_status_t pm_ident_lookup(pm_ident_t *id, const char *user,
                             const char *group, pm_reason_t *why);

/** "user", "user:group", ":group" or NULL (both left alone, -1) as owner of
 *  a file. */
apr_status_t pm_ident_parse_owner(const char *text, uid_t *uid, gid_t *gid,
                                  pm_reason_t *why);

#endif /* PM_IDENT_H */
