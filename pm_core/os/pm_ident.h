/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_ident.h
 * @brief Users and groups by name, and the ids a worker gets.
 */
#ifndef PM_IDENT_H
#define PM_IDENT_H

#include <sys/types.h>

#include "pm_core/base/pm_base.h"

#define PM_IDENT_GROUPS 128 /**< supplementary groups at the most */

/** The ids a worker runs with, looked up before fork(). */
typedef struct pm_ident {
    uid_t uid;
    gid_t gid;
    int change; /**< 0: this process is that user and not root:
                 *   nothing to set */
    int ngroups;
    gid_t groups[PM_IDENT_GROUPS];
    char user[64]; /**< the value of USER; HOME is not set */
} pm_ident_t;

/**
 * Look up the ids of a worker.  Names, or "#number" as in httpd's User.  It
 * reads the user database (getpwnam(3)), which can take time.  Parent and
 * manager.
 * @param user  NULL: this process's user
 * @param group NULL: the user's primary group and all its supplementary
 *              ones; else that group alone with the supplementary ones
 * @return an error with reason for a name that does not exist, for uid 0,
 *         and for another user when this process is not root
 */
apr_status_t pm_ident_lookup(pm_ident_t *id, const char *user,
                             const char *group, pm_reason_t *why);

/** Parse the owner of a file: "user", "user:group", ":group", or NULL.
 *  @param uid, gid out; -1 for what is not named
 *  @return APR_EINVAL with a reason for a name that does not exist */
apr_status_t pm_ident_parse_owner(const char *text, uid_t *uid, gid_t *gid,
                                  pm_reason_t *why);

/** Does a file's mode allow this?  The first class of the three that the ids
 *  are in counts (path_resolution(7)); root's rights and ACLs are not looked
 * at.
 *  @param uid, gid of the file
 *  @param right S_IROTH, S_IWOTH or S_IXOTH, whichever the class */
int pm_ident_may(const pm_ident_t *id, uid_t uid, gid_t gid, mode_t mode,
                 mode_t right);

#endif /* PM_IDENT_H */
