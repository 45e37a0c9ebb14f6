/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/policy/pm_script_rules.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_MAX_LEN 4000

/* --- paths ---------------------------------------------------------------- */

static apr_status_t rules_check_path(const char *what, const char *path,
                                     pm_reason_t *why)
{
    const char *c;

    if (path[0] != '/') {
        return pm_fail(why, APR_EINVAL, "%s \"%.200s\" is not absolute", what,
                       path);
    }
    if (strlen(path) > PATH_MAX_LEN) {
        return pm_fail(why, APR_EINVAL,
                       "%s \"%.100s...\" is longer than %d "
                       "bytes",
                       what, path, PATH_MAX_LEN);
    }
    for (c = path; *c; c++) {
        apr_size_t len = strcspn(c + 1, "/");

        if (*c == '/'
            && (len < 3
                && (len == 0 ? path[1] != '\0'
                             : c[1] == '.' && c[len] == '.'))) {
            return pm_fail(why, APR_EINVAL,
                           "%s \"%.200s\" has an empty "
                           "part, \".\" or \"..\"",
                           what, path);
        }
        if ((unsigned char)*c < ' ' || *c == 0x7f) {
            return pm_fail(why, APR_EINVAL,
                           "%s \"%.*s...\" has a control "
                           "character",
                           what, (int)(c - path), path);
        }
    }
    return APR_SUCCESS;
}

apr_status_t pm_script_rules_path_check(const char *path, pm_reason_t *why)
{
    return rules_check_path("the path", path, why);
}

apr_status_t pm_script_rules_where_check(const char *where, pm_reason_t *why)
{
    return rules_check_path("the directory", where, why);
}

/* --- patterns ------------------------------------------------------------- */

/* Does one part of a pattern match one part of a path? */
static int part_matches(const char *w, const char *wend, const char *p,
                        const char *pend)
{
    const char *star = NULL;
    const char *mark = p;

    if (p < pend && *p == '.' && w < wend && (*w == '*' || *w == '?')) {
        return 0;
    }
    while (p < pend) {
        if (w < wend && *w == '*') {
            star = ++w;
            mark = p;
        }
        else if (w < wend && (*w == '?' || *w == *p)) {
            w++;
            p++;
        }
        else if (star) {
            w = star;
            p = ++mark;
        }
        else {
            return 0;
        }
    }
    while (w < wend && *w == '*') {
        w++;
    }
    return w == wend;
}

apr_size_t pm_script_rules_match(const char *where, const char *path)
{
    const char *w = where;
    const char *p = path;

    while (w[0] == '/' && w[1]) {
        const char *wend = w + 1 + strcspn(w + 1, "/");
        const char *pend = p[0] == '/' ? p + 1 + strcspn(p + 1, "/") : p;

        if (p[0] != '/' || pend == p + 1
            || !part_matches(w + 1, wend, p + 1, pend)) {
            return 0;
        }
        w = wend;
        p = pend;
    }
    if (p == path) {
        return *p == '/'; /* the pattern is "/" */
    }
    return *p == '/' ? (apr_size_t)(p - path) : 0;
}

apr_size_t pm_script_rules_fixed(const char *where)
{
    apr_size_t len = strcspn(where, "*?");

    if (where[len]) {
        while (len > 1 && where[len - 1] != '/') {
            len--;
        }
        len -= len > 1;
    }
    return len;
}

static int count_parts(const char *where)
{
    int n = 0;

    for (; *where; where++) {
        n += *where == '/' && where[1];
    }
    return n;
}

int pm_script_rules_find(const pm_script_template_t *templates, int n,
                         const char *path)
{
    int best = -1;
    int i;

    for (i = 0; i < n; i++) {
        if (pm_script_rules_match(templates[i].where, path)
            && (best < 0
                || count_parts(templates[i].where)
                       > count_parts(templates[best].where))) {
            best = i;
        }
    }
    return best;
}

/* --- wrappers ------------------------------------------------------------- */

apr_size_t pm_script_rules_command_length(const char *wrapper)
{
    return strcspn(wrapper, " ");
}

/* The suffix of a wrapper; "*" has the length 0. */
static const char *suffix_of(const char *wrapper, apr_size_t *len)
{
    const char *suffix = wrapper + strcspn(wrapper, " ") + 1;

    *len = *suffix == '*' ? 0 : strcspn(suffix, " ");
    return suffix;
}

int pm_script_rules_wrapper(const pm_rules_t *rules, const char *path)
{
    apr_size_t plen = strlen(path);
    int any = -1;
    int i;

    for (i = 0; rules->wrapper && i < rules->wrapper->nelts; i++) {
        apr_size_t len;
        const char *suffix =
            suffix_of(APR_ARRAY_IDX(rules->wrapper, i, const char *), &len);

        if (!len) {
            any = any < 0 ? i : any;
        }
        else if (plen > len && !strncmp(path + plen - len, suffix, len)) {
            return i;
        }
    }
    return any;
}

int pm_script_rules_is_virtual(const pm_rules_t *rules, int wrapper)
{
    return wrapper >= 0
           && !strcmp(
               strrchr(APR_ARRAY_IDX(rules->wrapper, wrapper, const char *),
                       ' '),
               " virtual");
}

/* --- may it run? ---------------------------------------------------------- */

static const char *judge_dirs(const pm_walk_t *walk)
{
    int i;

    for (i = 0; i < walk->ndirs; i++) {
        if (walk->dirs[i].mode & (S_IWOTH | S_IWGRP)) {
            return walk->dirs[i].mode & S_IWOTH
                       ? "a directory on the way to it can be written to by "
                         "anybody"
                       : "a directory on the way to it can be written to by "
                         "a group";
        }
    }
    return NULL;
}

static const char *judge_file(const pm_inode_t *file, int wrapped)
{
    return !S_ISREG(file->mode)   ? "it is not a regular file"
           : file->mode & S_IWOTH ? "it can be written to by anybody"
           : file->mode & S_IWGRP ? "it can be written to by a group"
           : file->mode & (S_ISUID | S_ISGID)
               ? "it is set-user-ID or set-group-ID"
           : !wrapped && !(file->mode & (S_IXUSR | S_IXGRP | S_IXOTH))
               ? "it is not executable"
               : NULL;
}

/* No other user may be able to replace a directory on the path: between the
 * check and the execution that user would decide what is executed. */
static int is_owned(pm_owner_t rule, const pm_walk_t *walk,
                    const pm_runner_t *as)
{
    const pm_inode_t *dir = &walk->dirs[walk->ndirs - 1];
    const pm_inode_t *file = &walk->file;
    int i;

    for (i = 0; rule != PM_OWNER_ANY && i < walk->ndirs; i++) {
        if (walk->dirs[i].uid != as->uid && walk->dirs[i].uid != 0) {
            return 0;
        }
    }
    switch (rule) {
    case PM_OWNER_ANY:
        return 1;
    case PM_OWNER_ROOT:
        return file->uid == as->uid || file->uid == 0;
    case PM_OWNER_USER:
    case PM_OWNER_AUTO:
    default:
        return file->uid == as->uid && file->gid == as->gid
               && dir->uid == as->uid && dir->gid == as->gid;
    }
}

/* Has the user too many rights for a script? */
static const char *judge_runner(const pm_rules_t *rules, const pm_runner_t *as)
{
    if (as->uid == 0 || as->gid == 0) {
        return "a script never runs as uid 0 or gid 0";
    }
    if (rules->script_user
        && (as->uid < rules->min_uid || as->gid < rules->min_gid)) {
        return "its owner's uid is less than FcgiPMScriptMinUid, or the gid "
               "less than FcgiPMScriptMinGid";
    }
    return NULL;
}

static const char *judge_owner(const pm_rules_t *rules, const pm_walk_t *walk,
                               const pm_runner_t *as)
{
    pm_owner_t rule = (pm_owner_t)rules->script_owner;

    if (rule == PM_OWNER_AUTO) {
        rule = as->named ? PM_OWNER_USER : PM_OWNER_ROOT;
    }
    if (!is_owned(rule, walk, as)) {
        return rule == PM_OWNER_ROOT
                   ? "it and the directories on the way to it have to belong "
                     "to the user it would run as, or to root "
                     "(FcgiPMScriptOwner)"
                   : "it and its directory have to belong to the user and "
                     "group it would run as, and those on the way to him or "
                     "to root (FcgiPMScriptOwner)";
    }
    return NULL;
}

static apr_status_t refuse_path(const char *path, const char *because,
                                pm_reason_t *why)
{
    return because ? pm_fail(why, EACCES, "%s: %s", path, because)
                   : APR_SUCCESS;
}

apr_status_t pm_script_rules_judge(const pm_rules_t *rules, const char *path,
                                   const pm_walk_t *walk, const pm_runner_t *as,
                                   pm_reason_t *why)
{
    const char *because = judge_dirs(walk);

    because = because ? because : judge_file(&walk->file, as->wrapped);
    because = because ? because : judge_runner(rules, as);
    because = because ? because : judge_owner(rules, walk, as);
    return refuse_path(path, because, why);
}

apr_status_t pm_script_rules_judge_runner(const pm_rules_t *rules,
                                          const char *path,
                                          const pm_runner_t *as,
                                          pm_reason_t *why)
{
    return refuse_path(path, judge_runner(rules, as), why);
}
