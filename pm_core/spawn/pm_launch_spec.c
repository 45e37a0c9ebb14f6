/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/spawn/pm_launch_spec.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_file_info.h"
#include "apr_strings.h"
#include "pm_core/config/pm_php.h"
#include "pm_core/os/pm_program.h"
#include "pm_core/spawn/pm_preload.h"
#include "pm_core/spawn/pm_spawn.h"

static const struct {
    const char *name;
    pm_launch_resource_t resource;
} spec_resources[] = {{"cpu", RLIMIT_CPU},       {"as", RLIMIT_AS},
                      {"nofile", RLIMIT_NOFILE}, {"nproc", RLIMIT_NPROC},
                      {"core", RLIMIT_CORE},     {NULL, 0}};

static apr_status_t spec_fail(pm_reason_t *why, apr_status_t rv,
                              const char *directive)
{
    pm_reason_t cause = *why;

    return pm_fail(why, rv, "%s: %s", directive, cause.text);
}

static apr_status_t spec_check_program(const char *program,
                                       const pm_ident_t *id, pm_reason_t *why)
{
    apr_status_t rv = pm_program_check(program, id, why);

    return rv == APR_SUCCESS ? rv : spec_fail(why, rv, "FcgiPMCommand");
}

/* Where there is no PATH (systemd's is one, an init script's need not be). */
#define SPEC_PATH "/usr/local/bin:/usr/bin:/bin"

static const char *spec_path(void)
{
    const char *path = getenv("PATH");

    return path ? path : SPEC_PATH;
}

/* A program without a slash, along PATH. */
static apr_status_t spec_search_program(const char **program,
                                        const pm_ident_t *id, apr_pool_t *p,
                                        pm_reason_t *why)
{
    char file[PATH_MAX];

    if (pm_program_search(file, sizeof(file), *program, spec_path(), id)) {
        *program = apr_pstrdup(p, file);
        return APR_SUCCESS;
    }
    return pm_fail(why, ENOENT,
                   "FcgiPMCommand: there is no program \"%s\" along PATH, %s: "
                   "install it, or write its path",
                   *program, spec_path());
}

static apr_status_t spec_find_program(pm_launch_spec_t *spec,
                                      const pm_conf_t *conf, apr_pool_t *p,
                                      pm_reason_t *why)
{
    if (!conf->command || !conf->command->nelts) {
        return pm_fail(why, APR_EINVAL, "FcgiPMCommand is missing");
    }
    spec->program = APR_ARRAY_IDX(conf->command, 0, const char *);
    if (!strchr(spec->program, '/')) {
        return spec_search_program(&spec->program, &spec->ident, p, why);
    }
    if (spec->program[0] != '/') {
        return pm_fail(why, APR_EINVAL,
                       "FcgiPMCommand: \"%s\" is neither an "
                       "absolute path nor a plain name",
                       spec->program);
    }
    /* Inside a chroot the path names another file. */
    return conf->chroot ? APR_SUCCESS
                        : spec_check_program(spec->program, &spec->ident, why);
}

static apr_status_t spec_check_directory(const char *name, const char *path,
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

/* The next one that is or can be a directory, as a link can; of what cannot be
 * looked at (APR_INCOMPLETE) only the name is known. */
static int spec_next_directory(apr_finfo_t *info, apr_dir_t *dir)
{
    apr_status_t rv;

    do {
        info->filetype = APR_UNKFILE;
        rv = apr_dir_read(info, APR_FINFO_TYPE | APR_FINFO_NAME, dir);
        if (rv != APR_SUCCESS && rv != APR_INCOMPLETE) {
            return 0;
        }
    } while (info->filetype == APR_REG || !strcmp(info->name, ".")
             || !strcmp(info->name, ".."));
    return 1;
}

/* The directories in the worker's root, for PHP's sections. */
static apr_status_t spec_list_root(apr_array_header_t *names, const char *root,
                                   apr_pool_t *p, pm_reason_t *why)
{
    apr_status_t rv;
    apr_finfo_t info;
    apr_dir_t *dir;

    rv = apr_dir_open(&dir, root, p);
    if (rv != APR_SUCCESS) {
        return pm_fail_os(why, rv, "FcgiPMPhpAdminValue: %s", root);
    }
    while (rv == APR_SUCCESS && spec_next_directory(&info, dir)) {
        *(const char **)apr_array_push(names) = apr_pstrdup(p, info.name);
        if (!pm_php_has_section(info.name)) {
            rv = pm_fail(why, APR_EINVAL,
                         "FcgiPMPhpAdminValue: %s has a directory of a name "
                         "that cannot stand in a php.ini, \"%.100s\"",
                         root, info.name);
        }
    }
    apr_dir_close(dir);
    return rv;
}

/* Behind the command's own arguments: of several values the last one counts. */
static apr_status_t spec_add_php(apr_array_header_t *argv,
                                 const pm_conf_t *conf, apr_pool_t *p,
                                 pm_reason_t *why)
{
    apr_array_header_t *root = apr_array_make(p, 32, sizeof(const char *));
    apr_status_t rv = APR_SUCCESS;
    const char *text;

    if (apr_is_empty_array(conf->php_value)
        && apr_is_empty_array(conf->php_admin_value)) {
        return APR_SUCCESS;
    }
    if (!apr_is_empty_array(conf->php_admin_value)) {
        rv = spec_list_root(root, conf->chroot ? conf->chroot : "/", p, why);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    text = pm_php_text(conf->php_value, conf->php_admin_value, root, p);
    if (strlen(text) > PM_PHP_TEXT) {
        return pm_fail(why, APR_EINVAL,
                       "FcgiPMPhpAdminValue: too many values, as each is given "
                       "once for every directory in /: %d KB, %d are allowed",
                       (int)(strlen(text) >> 10), PM_PHP_TEXT >> 10);
    }
    *(const char **)apr_array_push(argv) = "-d";
    *(const char **)apr_array_push(argv) = text;
    return APR_SUCCESS;
}

static apr_status_t spec_make_argv(pm_launch_spec_t *spec,
                                   const pm_conf_t *conf, apr_pool_t *p,
                                   pm_reason_t *why)
{
    apr_array_header_t *argv = apr_array_copy(p, conf->command);

    if (conf->process_name) {
        APR_ARRAY_IDX(argv, 0, const char *) = conf->process_name;
    }
    if (spec_add_php(argv, conf, p, why) != APR_SUCCESS) {
        return APR_EINVAL;
    }
    *(const char **)apr_array_push(argv) = NULL;
    spec->argv = (char *const *)(void *)argv->elts;
    return APR_SUCCESS;
}

static int spec_env_has(const apr_array_header_t *env, const char *name)
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

/* A variable, unless the worker has one of that name already: programs differ
 * in which of two they take.  @param value NULL: no variable */
static void spec_env_add(apr_array_header_t *env, const char *name,
                         const char *value, apr_pool_t *p)
{
    if (value && !spec_env_has(env, name)) {
        *(const char **)apr_array_push(env) =
            apr_pstrcat(p, name, "=", value, NULL);
    }
}

static void spec_make_env(pm_launch_spec_t *spec, const pm_conf_t *conf,
                          apr_pool_t *p)
{
    const apr_array_header_t *clients = pm_conf_judged_clients(conf);
    apr_array_header_t *env = apr_array_make(p, 16, sizeof(const char *));
    int i, n;

    if (clients) {
        *(const char **)apr_array_push(env) = apr_pstrcat(
            p, PM_SPAWN_CLIENTS "=", apr_array_pstrcat(p, clients, ','), NULL);
    }
    /* FcgiPMSetEnv wins over all others, and of one name the last one. */
    for (i = conf->setenv ? conf->setenv->nelts - 1 : -1; i >= 0; i--) {
        const char *pair = APR_ARRAY_IDX(conf->setenv, i, const char *);

        if (!spec_env_has(env, apr_pstrmemdup(p, pair, strcspn(pair, "=")))) {
            *(const char **)apr_array_push(env) = pair;
        }
    }
    spec_env_add(env, "PATH", spec_path(), p);
    spec_env_add(env, "TZ", getenv("TZ"), p);
    spec_env_add(env, "LANG", getenv("LANG"), p);
    for (i = 0; conf->passenv && i < conf->passenv->nelts; i++) {
        const char *name = APR_ARRAY_IDX(conf->passenv, i, const char *);

        spec_env_add(env, name, getenv(name), p);
    }
    /* Behind the others: programs that write their title over argv and what
     * follows it want no gap, and the guard removes its own. */
    n = env->nelts;
    for (i = 0; i <= PM_LAUNCH_ENV_OWN; i++) {
        *(const char **)apr_array_push(env) = NULL;
    }
    spec->envp = (char **)(void *)env->elts;
    spec->env_own = spec->envp + n;
}

/* An administrator's own libraries could cover what the guard covers. */
static int spec_preloads(const pm_launch_spec_t *spec)
{
    char **e;

    for (e = spec->envp; *e; e++) {
        if (!strncmp(*e, "LD_PRELOAD=", 11)) {
            return 1;
        }
    }
    return 0;
}

/* @return why there is no guard, or NULL */
static const char *spec_make_guard(pm_launch_spec_t *spec,
                                   const pm_conf_t *conf, apr_pool_t *p)
{
    const char *path;

    if (!conf->guard) {
        return "FcgiPMGuard is off";
    }
    if (conf->chroot) {
        return "the guard is not in FcgiPMChroot";
    }
    if (spec_preloads(spec)) {
        return "FcgiPMSetEnv has an LD_PRELOAD of its own";
    }
    path = pm_preload_path(p);
    if (!path) {
        return PM_GUARD " is not installed";
    }
    if (!pm_preload_works(spec->program)) {
        return "the program is one that cannot have the guard";
    }
    spec->guard = apr_pstrcat(p, "LD_PRELOAD=", path, NULL);
    return NULL;
}

/* Nothing else than the guard judges clients. */
static apr_status_t spec_check_judge(pm_launch_spec_t *spec,
                                     const pm_conf_t *conf, const char *none,
                                     pm_reason_t *why)
{
    spec->judges = pm_conf_judged_clients(conf) != NULL;
    return spec->judges && none
               ? pm_fail(why, APR_EINVAL,
                         "FcgiPMListenClients: nothing in a worker could check "
                         "its clients, as %s: write \"FcgiPMListenClients "
                         "any\" and let a firewall decide",
                         none)
               : APR_SUCCESS;
}

/* "64K" -> 65536; the text has been checked by pm_conf_set(). */
static rlim_t spec_limit(const char *text)
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

static void spec_make_limits(pm_launch_spec_t *spec, const pm_conf_t *conf,
                             apr_pool_t *p)
{
    const int most = (int)(sizeof(spec->limits) / sizeof(spec->limits[0]));
    int i, r;

    for (i = 0; conf->rlimit && i < conf->rlimit->nelts && spec->nlimits < most;
         i++) {
        char *text = apr_pstrdup(p, APR_ARRAY_IDX(conf->rlimit, i, char *));
        char *last = NULL;
        const char *name = apr_strtok(text, " ", &last);
        const char *soft = apr_strtok(NULL, " ", &last);
        const char *hard = apr_strtok(NULL, " ", &last);

        for (r = 0; spec_resources[r].name; r++) {
            if (!strcasecmp(spec_resources[r].name, name)) {
                spec->limits[spec->nlimits].resource =
                    spec_resources[r].resource;
                spec->limits[spec->nlimits].limit.rlim_cur = spec_limit(soft);
                spec->limits[spec->nlimits++].limit.rlim_max = spec_limit(hard);
            }
        }
    }
}

/* Is this the directory of a cgroup of version 2?  Only those have such a
 * file that counts processes (cgroups(7)). */
static apr_status_t spec_find_cgroup(pm_launch_spec_t *spec,
                                     const pm_conf_t *conf, apr_pool_t *p,
                                     pm_reason_t *why)
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
    spec->cgroup = apr_pstrcat(p, conf->cgroup, "/cgroup.procs", NULL);
    return APR_SUCCESS;
}

apr_status_t pm_launch_spec_prepare(pm_launch_spec_t **out,
                                    const pm_conf_t *conf, pm_names_t *names,
                                    apr_pool_t *p, pm_reason_t *why)
{
    pm_launch_spec_t *spec = apr_pcalloc(p, sizeof(*spec));
    apr_status_t rv;

    rv = pm_names_ident(names, &spec->ident, conf->user, conf->group, why);
    if (rv != APR_SUCCESS) {
        return spec_fail(why, rv, "FcgiPMUser, FcgiPMGroup");
    }
    rv = spec_find_program(spec, conf, p, why);
    if (rv == APR_SUCCESS) {
        rv = spec_find_cgroup(spec, conf, p, why);
    }
    if (rv == APR_SUCCESS) {
        rv = spec_check_directory("FcgiPMChroot", conf->chroot, why);
    }
    if (rv == APR_SUCCESS && !conf->chroot) {
        rv = spec_check_directory("FcgiPMDirectory", conf->directory, why);
    }
    if (rv == APR_SUCCESS) {
        rv = spec_make_argv(spec, conf, p, why);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    spec->directory = conf->directory ? conf->directory : "/";
    spec->chroot = conf->chroot;
    spec->no_new_privs = (int)conf->no_new_privs;
    spec->umask = (mode_t)conf->umask;
    spec->nice = (int)conf->nice;
    spec_make_env(spec, conf, p);
    spec_make_limits(spec, conf, p);
    rv = spec_check_judge(spec, conf, spec_make_guard(spec, conf, p), why);
    if (rv == APR_SUCCESS) {
        *out = spec;
    }
    return rv;
}

static const char *spec_worker_path(const pm_launch_spec_t *spec)
{
    char **e;

    for (e = spec->envp; *e; e++) {
        if (!strncmp(*e, "PATH=", 5)) {
            return *e + 5;
        }
    }
    return SPEC_PATH;
}

pm_launch_spec_t *pm_launch_spec_keep(const pm_launch_spec_t *spec,
                                      apr_pool_t *p)
{
    pm_launch_spec_t *kept = apr_pmemdup(p, spec, sizeof(*kept));

    kept->program = apr_pstrdup(p, spec->program);
    kept->directory = apr_pstrdup(p, spec->directory);
    kept->chroot = apr_pstrdup(p, spec->chroot);
    kept->guard = apr_pstrdup(p, spec->guard);
    kept->envp = apr_pcalloc(p, 2 * sizeof(*kept->envp));
    kept->envp[0] = apr_pstrcat(p, "PATH=", spec_worker_path(spec), NULL);
    kept->argv = kept->env_own = NULL;
    kept->cgroup = NULL;
    kept->file = NULL;
    return kept;
}

apr_status_t pm_launch_spec_check_start(const pm_launch_spec_t *spec,
                                        pm_reason_t *why)
{
    apr_status_t rv;

    if (spec->chroot) {
        return APR_SUCCESS;
    }
    rv = spec_check_program(spec->program, &spec->ident, why);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = pm_program_check_start(spec->program, spec_worker_path(spec),
                                &spec->ident, why);
    if (rv != APR_SUCCESS) {
        return spec_fail(why, rv, "FcgiPMCommand");
    }
    rv = pm_program_check_way(spec->directory, 1, &spec->ident, why);
    return rv == APR_SUCCESS ? rv : spec_fail(why, rv, "FcgiPMDirectory");
}

apr_status_t pm_launch_spec_prepare_slow_log(pm_launch_spec_t **spec,
                                             const pm_conf_t *conf,
                                             pm_names_t *names, apr_pool_t *p,
                                             pm_reason_t *why)
{
    static const char setting[] = "FcgiPMCommand";
    pm_conf_t *command;
    apr_status_t rv;
    pm_reason_t cause;

    *spec = NULL;
    if (!conf->slow_log.time || !conf->slow_log.command) {
        return APR_SUCCESS;
    }
    command = apr_pmemdup(p, conf, sizeof(*conf));
    command->command = conf->slow_log.command;
    command->process_name = NULL;
    command->guard = 0;
    command->listen_clients = NULL;
    command->php_value = command->php_admin_value = NULL;
    rv = pm_launch_spec_prepare(spec, command, names, p, &cause);
    if (rv == APR_SUCCESS) {
        return rv;
    }
    return strncmp(cause.text, setting, sizeof(setting) - 1)
               ? pm_fail(why, rv, "FcgiPMSlowLog: %s", cause.text)
               : pm_fail(why, rv, "FcgiPMSlowLog%s",
                         cause.text + sizeof(setting) - 1);
}
