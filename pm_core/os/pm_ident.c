/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_ident.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apr_strings.h"

/* Reads "#1000".  @return 0 when it is no number */
static int by_number(const char *name, unsigned long *number)
{
    char *end;

    if (name[0] != '#' || name[1] < '0' || name[1] > '9') {
        return 0;
    }
    *number = strtoul(name + 1, &end, 10);
    return *end == '\0' && *number < 0xffffffffUL;
}

static apr_status_t user_find(const char *name, struct passwd **pw, uid_t *uid,
                              pm_reason_t *why)
{
    unsigned long number;

    if (by_number(name, &number)) {
        *uid = (uid_t)number;
        *pw = getpwuid(*uid);
        return APR_SUCCESS;
    }
    *pw = getpwnam(name);
    if (!*pw) {
        return pm_fail(why, APR_EINVAL, "there is no user \"%s\"", name);
    }
    *uid = (*pw)->pw_uid;
    return APR_SUCCESS;
}

static apr_status_t group_find(const char *name, gid_t *gid, pm_reason_t *why)
{
    unsigned long number;
    struct group *gr;

    if (by_number(name, &number)) {
        *gid = (gid_t)number;
        return APR_SUCCESS;
    }
    gr = getgrnam(name);
    if (!gr) {
        return pm_fail(why, APR_EINVAL, "there is no group \"%s\"", name);
    }
    *gid = gr->gr_gid;
    return APR_SUCCESS;
}

/* May this process run a worker with these ids? */
static apr_status_t ident_check(pm_ident_t *id, pm_reason_t *why)
{
    if (id->uid == 0) {
        return pm_fail(why, EPERM,
                       "workers never run as uid 0 (%s): "
                       "name another user",
                       id->user);
    }
    if (geteuid() != 0) {
        id->change = 0;
        if (id->uid != geteuid()) {
            return pm_fail(why, EPERM,
                           "only root can run workers as "
                           "another user (%s)",
                           id->user);
        }
    }
    return APR_SUCCESS;
}

apr_status_t pm_ident_lookup(pm_ident_t *id, const char *user,
                             const char *group, pm_reason_t *why)
{
    struct passwd *pw = NULL;
    apr_status_t rv;

    memset(id, 0, sizeof(*id));
    id->change = 1;
    id->uid = geteuid();
    rv = user ? user_find(user, &pw, &id->uid, why) : APR_SUCCESS;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    pw = pw ? pw : getpwuid(id->uid);
    id->gid = pw ? pw->pw_gid : getegid();
    apr_cpystrn(id->user,
                pw     ? pw->pw_name
                : user ? user
                       : "?",
                sizeof(id->user));
    rv = group ? group_find(group, &id->gid, why) : APR_SUCCESS;
    if (rv != APR_SUCCESS) {
        return rv;
    }
    id->ngroups = PM_IDENT_GROUPS;
    if (!pw
        || getgrouplist(pw->pw_name, id->gid, id->groups, &id->ngroups) < 0) {
        id->ngroups = 1;
        id->groups[0] = id->gid;
    }
    return ident_check(id, why);
}

apr_status_t pm_ident_parse_owner(const char *text, uid_t *uid, gid_t *gid,
                                  pm_reason_t *why)
{
    const char *colon = text ? strchr(text, ':') : NULL;
    struct passwd *pw;
    char user[256];
    apr_status_t rv;

    *uid = (uid_t)-1;
    *gid = (gid_t)-1;
    if (!text) {
        return APR_SUCCESS;
    }
    apr_cpystrn(user, text,
                colon && (apr_size_t)(colon - text) < sizeof(user)
                    ? (apr_size_t)(colon - text) + 1
                    : sizeof(user));
    rv = user[0] ? user_find(user, &pw, uid, why) : APR_SUCCESS;
    if (rv == APR_SUCCESS && colon) {
        rv = group_find(colon + 1, gid, why);
    }
    return rv;
}

static int ident_is_in(const pm_ident_t *id, gid_t gid)
{
    int i;

    for (i = 0; i < id->ngroups; i++) {
        if (id->groups[i] == gid) {
            return 1;
        }
    }
    return id->gid == gid;
}

int pm_ident_may(const pm_ident_t *id, uid_t uid, gid_t gid, mode_t mode,
                 mode_t right)
{
    mode_t bit = id->uid == uid         ? right << 6
                 : ident_is_in(id, gid) ? right << 3
                                        : right;

    return (mode & bit) != 0;
}
