/* SPDX-License-Identifier: Apache-2.0 */
/* What a birth needs, worked out before it: pm_launch_spec_prepare(). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_strings.h"
#include "pm_core/spawn/pm_preload.h"
#include "pm_core/spawn/pm_spawn.h"

static const struct {
    const char *name;
    int resource;
} resources[] = {{"cpu", RLIMIT_CPU},       {"as", RLIMIT_AS},
                 {"nofile", RLIMIT_NOFILE}, {"nproc", RLIMIT_NPROC},
                 {"core", RLIMIT_CORE},     {NULL, 0}};

/* Could id execute this file, as far as its mode says? */
static int executable(const struct stat *st, const pm_ident_t *id)
{
    int i;

    if (st->st_uid == id->uid) {
        return (st->st_mode & S_IXUSR) != 0;
    }
    for (i = 0; i < id->ngroups; i++) {
        if (st->st_gid == id->groups[i] || st->st_gid == id->gid) {
            return (st->st_mode & S_IXGRP) != 0;
        }
    }
    return (st->st_mode & S_IXOTH) != 0;
}

static apr_status_t program_check(const char *program, const pm_ident_t *id,
                                  pm_reason_t *why)
{
    struct stat st;

    if (stat(program, &st)) {
        return pm_fail_os(why, errno, "FcgiPMCommand: %s", program);
    }
    if (!S_ISREG(st.st_mode)) {
        return pm_fail(why, EACCES, "FcgiPMCommand: %s is not a program",
                       program);
    }
    if (!executable(&st, id)) {
        return pm_fail(why, EACCES,
                       "FcgiPMCommand: %s is not executable by "
                       "%s",
                       program, id->user);
    }
    return APR_SUCCESS;
}

/* A program without a slash, along PATH. */
static apr_status_t program_search(const char **program, const pm_ident_t *id,
                                   apr_pool_t *p, pm_reason_t *why)
{
    const char *path = getenv("PATH");
    char *dirs = apr_pstrdup(p, path ? path : "/usr/bin:/bin");
    char *last = NULL;
    char *dir;

    for (dir = apr_strtok(dirs, ":", &last); dir;
         dir = apr_strtok(NULL, ":", &last)) {
        const char *file = apr_pstrcat(p, dir, "/", *program, NULL);

        if (dir[0] == '/' && program_check(file, id, NULL) == APR_SUCCESS) {
            *program = file;
            return APR_SUCCESS;
        }
    }
    return pm_fail(why, ENOENT,
                   "FcgiPMCommand: there is no program \"%s\" "
                   "along PATH",
                   *program);
}

static apr_status_t find_program(pm_launch_spec_t *birth, const pm_conf_t *conf,
                                 apr_pool_t *p, pm_reason_t *why)
{
    if (!conf->command || !conf->command->nelts) {
        return pm_fail(why, APR_EINVAL, "FcgiPMCommand is missing");
    }
    birth->program = APR_ARRAY_IDX(conf->command, 0, const char *);
    if (!strchr(birth->program, '/')) {
        return program_search(&birth->program, &birth->ident, p, why);
    }
    if (birth->program[0] != '/') {
        return pm_fail(why, APR_EINVAL,
                       "FcgiPMCommand: \"%s\" is neither an "
                       "absolute path nor a plain name",
                       birth->program);
    }
    /* Behind a chroot the file cannot be judged from here. */
    return conf->chroot ? APR_SUCCESS
                        : program_check(birth->program, &birth->ident, why);
}

static apr_status_t check_directory(const char *name, const char *path,
                                    pm_reason_t *why)
{
    struct stat st;

    if (path && stat(path, &st)) {
        return pm_fail_os(why, errno, "%s: %s", name, path);
    }
    if (path && !S_ISDIR(st.st_mode)) {
        return pm_fail(why, ENOTDIR, "%s: %s is not a directory", name, path);
    }
    return APR_SUCCESS;
}

static void make_argv(pm_launch_spec_t *birth, const pm_conf_t *conf,
                      apr_pool_t *p)
{
    apr_array_header_t *argv = apr_array_copy(p, conf->command);

    if (conf->process_name) {
        APR_ARRAY_IDX(argv, 0, const char *) = conf->process_name;
    }
    *(const char **)apr_array_push(argv) = NULL;
    birth->argv = (char *const *)(void *)argv->elts;
}

static int has(const apr_array_header_t *env, const char *name)
{
    apr_size_t len = strlen(name);
    int i;

    for (i = 0; i < env->nelts; i++) {
        const char *one = APR_ARRAY_IDX(env, i, const char *);

        if (!strncmp(one, name, len) && one[len] == '=') {
            return 1;
        }
    }
    return 0;
}

/* A variable of this process's own, unless it has none or the worker has one
 * of that name: a name that is there twice means different things to
 * different programs. */
static void pass(apr_array_header_t *env, const char *name, apr_pool_t *p)
{
    const char *value = getenv(name);

    if (value && !has(env, name)) {
        *(const char **)apr_array_push(env) =
            apr_pstrcat(p, name, "=", value, NULL);
    }
}

static void make_env(pm_launch_spec_t *birth, const pm_conf_t *conf,
                     apr_pool_t *p)
{
    apr_array_header_t *env = apr_array_make(p, 16, sizeof(const char *));
    int i;

    *(const char **)apr_array_push(env) = ""; /* the guard's two */
    *(const char **)apr_array_push(env) = "";
    *(const char **)apr_array_push(env) = PM_SPAWN_MANAGER "=";
    /* FcgiPMSetEnv wins over all others, and the last of one name over the
     * ones before it. */
    for (i = conf->setenv ? conf->setenv->nelts - 1 : -1; i >= 0; i--) {
        const char *pair = APR_ARRAY_IDX(conf->setenv, i, const char *);

        if (!has(env, apr_pstrmemdup(p, pair, strcspn(pair, "=")))) {
            *(const char **)apr_array_push(env) = pair;
        }
    }
    pass(env, "PATH", p);
    pass(env, "TZ", p);
    pass(env, "LANG", p);
    for (i = 0; conf->passenv && i < conf->passenv->nelts; i++) {
        pass(env, APR_ARRAY_IDX(conf->passenv, i, const char *), p);
    }
    *(const char **)apr_array_push(env) = NULL;
    APR_ARRAY_IDX(env, 0, const char *) = NULL;
    birth->envp = (char **)(void *)env->elts;
}

/* The guard comes before libraries the administrator has preloaded. */
static void make_guard(pm_launch_spec_t *birth, const pm_conf_t *conf,
                       apr_pool_t *p)
{
    const char *path = conf->guard ? pm_preload_path(p) : NULL;
    char **e;

    if (!path || conf->chroot || !pm_preload_works(birth->program)) {
        return;
    }
    for (e = birth->envp + 2; *e; e++) {
        if (!strncmp(*e, "LD_PRELOAD=", 11)) {
            return;
        }
    }
    birth->guard = apr_pstrcat(p, "LD_PRELOAD=", path, NULL);
}

/* "64K" -> 65536; the text has been checked by pm_conf_set(). */
static rlim_t limit_value(const char *text)
{
    char *end;
    apr_int64_t n = apr_strtoi64(text, &end, 10);

    if (end == text) {
        return RLIM_INFINITY;
    }
    return (rlim_t)n << (*end == 'K' || *end == 'k'   ? 10
                         : *end == 'M' || *end == 'm' ? 20
                         : *end == 'G' || *end == 'g' ? 30
                                                      : 0);
}

static void make_limits(pm_launch_spec_t *birth, const pm_conf_t *conf,
                        apr_pool_t *p)
{
    const int most = (int)(sizeof(birth->limits) / sizeof(birth->limits[0]));
    int i, r;

    for (i = 0;
         conf->rlimit && i < conf->rlimit->nelts && birth->nlimits < most;
         i++) {
        char *text = apr_pstrdup(p, APR_ARRAY_IDX(conf->rlimit, i, char *));
        char *last = NULL;
        const char *name = apr_strtok(text, " ", &last);
        const char *soft = apr_strtok(NULL, " ", &last);
        const char *hard = apr_strtok(NULL, " ", &last);

        for (r = 0; resources[r].name; r++) {
            if (!strcasecmp(resources[r].name, name)) {
                birth->limits[birth->nlimits].resource = resources[r].resource;
                birth->limits[birth->nlimits].limit.rlim_cur =
                    limit_value(soft);
                birth->limits[birth->nlimits++].limit.rlim_max =
                    limit_value(hard);
            }
        }
    }
}

/* Is this the directory of a cgroup of version 2?  Only those have such a
 * file that counts processes (cgroups(7)). */
static apr_status_t find_cgroup(pm_launch_spec_t *birth, const pm_conf_t *conf,
                                apr_pool_t *p, pm_reason_t *why)
{
    struct stat st;

    if (!conf->cgroup) {
        return APR_SUCCESS;
    }
    if (stat(apr_pstrcat(p, conf->cgroup, "/cgroup.controllers", NULL), &st)) {
        return pm_fail_os(why, errno,
                          "FcgiPMCgroup: %s is not the directory "
                          "of a cgroup (v2)",
                          conf->cgroup);
    }
    birth->cgroup = apr_pstrcat(p, conf->cgroup, "/cgroup.procs", NULL);
    return APR_SUCCESS;
}

apr_status_t pm_launch_spec_prepare(pm_launch_spec_t **out,
                                    const pm_conf_t *conf, apr_pool_t *p,
                                    pm_reason_t *why)
{
    pm_launch_spec_t *birth = apr_pcalloc(p, sizeof(*birth));
    apr_status_t rv;

    rv = pm_ident_lookup(&birth->ident, conf->user, conf->group, why);
    if (rv != APR_SUCCESS) {
        pm_reason_t cause = *why;

        return pm_fail(why, rv, "FcgiPMUser, FcgiPMGroup: %s", cause.text);
    }
    rv = find_program(birth, conf, p, why);
    if (rv == APR_SUCCESS) {
        rv = find_cgroup(birth, conf, p, why);
    }
    if (rv == APR_SUCCESS) {
        rv = check_directory("FcgiPMChroot", conf->chroot, why);
    }
    if (rv == APR_SUCCESS && !conf->chroot) {
        rv = check_directory("FcgiPMDirectory", conf->directory, why);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    birth->directory = conf->directory ? conf->directory : "/";
    birth->chroot = conf->chroot;
    birth->no_new_privs = (int)conf->no_new_privs;
    birth->umask = (mode_t)conf->umask;
    birth->nice = (int)conf->nice;
    make_argv(birth, conf, p);
    make_env(birth, conf, p);
    make_guard(birth, conf, p);
    make_limits(birth, conf, p);
    *out = birth;
    return APR_SUCCESS;
}
