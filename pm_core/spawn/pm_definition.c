/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/spawn/pm_definition.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_escape.h"
#include "apr_strings.h"

#include "pm_core/ipc/pm_channel.h"
#include "pm_core/spawn/pm_launch_spec.h"

/* FcgiPMProcesses of a script's pool, unless it is given in the section: no
 * worker until a request comes. */
#define SCRIPTS_MIN 0
#define SCRIPTS_MAX 8

/* --- what was not given --------------------------------------------------- */

apr_status_t pm_definition_fill(void *conf, int row, const char *word,
                                const char *from, apr_pool_t *p,
                                pm_reason_t *why)
{
    const pm_row_t *setting = &pm_conf_rows[row];

    if (pm_conf_is_given(conf, setting) || !word) {
        return APR_SUCCESS;
    }
    if (!pm_conf_noted(conf, setting)) {
        pm_conf_note(conf, setting, from, p);
    }
    return pm_conf_set(conf, setting, 1, &word, p, why);
}

apr_status_t pm_definition_fill_global(pm_global_t *global, const char *dir,
                                       const char *from, apr_pool_t *p,
                                       pm_reason_t *why)
{
    apr_status_t rv =
        pm_definition_fill(global, PM_ROW_runtime_dir, dir, from, p, why);

    return rv == APR_SUCCESS ? pm_definition_fill(
               global, PM_ROW_socket,
               apr_pstrcat(p, global->runtime_dir, "/fcgipm.sock", NULL), from,
               p, why)
                             : rv;
}

static apr_status_t def_fill_owner(pm_conf_t *conf,
                                   const pm_definition_base_t *base,
                                   apr_pool_t *p, pm_reason_t *why)
{
    return pm_definition_fill(conf, PM_ROW_listen_owner,
                              base->user && base->group ? apr_pstrcat(
                                  p, base->user, ":", base->group, NULL)
                                                        : base->user,
                              base->from, p, why);
}

static apr_status_t def_fill_user(pm_conf_t *conf,
                                  const pm_definition_base_t *base,
                                  apr_pool_t *p, pm_reason_t *why)
{
    apr_status_t rv = APR_SUCCESS;

    /* the program's group goes with the program's user only */
    if (!conf->user) {
        rv = pm_definition_fill(conf, PM_ROW_group, base->group, base->from, p,
                                why);
    }
    if (rv == APR_SUCCESS) {
        rv = pm_definition_fill(conf, PM_ROW_user, base->user, base->from, p,
                                why);
    }
    return rv == APR_SUCCESS ? def_fill_owner(conf, base, p, why) : rv;
}

/* A name without a slash is a file in the runtime directory. */
static apr_status_t def_fill_listen(pm_conf_t *conf, const pm_global_t *global,
                                    const char *from, apr_pool_t *p,
                                    pm_reason_t *why)
{
    const char *file = apr_pstrcat(p, conf->name, ".sock", NULL);

    if (conf->listen && !strncmp(conf->listen, "unix:", 5)
        && conf->listen[5] != '/') {
        file = conf->listen + 5;
        pm_conf_unset(conf, &pm_conf_rows[PM_ROW_listen]);
    }
    return pm_definition_fill(
        conf, PM_ROW_listen,
        apr_pstrcat(p, "unix:", global->runtime_dir, "/", file, NULL), from, p,
        why);
}

/* A definition too long for one message to the manager would keep all others
 * from it. */
static apr_status_t def_check_size(apr_size_t len, pm_reason_t *why)
{
    return len < PM_CHANNEL_MAX / 2
               ? APR_SUCCESS
               : pm_fail(why, APR_EINVAL,
                         "its settings are %" APR_SIZE_T_FMT
                         " bytes long, %d are allowed",
                         len, PM_CHANNEL_MAX / 2);
}

apr_status_t pm_definition_complete(pm_conf_t *conf, const pm_global_t *global,
                                    const pm_definition_base_t *base,
                                    apr_pool_t *p, pm_reason_t *why)
{
    apr_status_t rv = def_fill_user(conf, base, p, why);

    if (rv == APR_SUCCESS) {
        rv = def_fill_listen(conf, global, base->from, p, why);
    }
    return rv == APR_SUCCESS ? def_check_size(
               strlen(pm_conf_write(conf, PM_SCOPE_POOL, p)), why)
                             : rv;
}

pm_conf_t *pm_definition_defaults(const pm_conf_t *given, apr_pool_t *p)
{
    pm_conf_t *defaults = apr_pmemdup(p, given, sizeof(*given));

    defaults->command = NULL;
    defaults->listen = NULL;
    defaults->origin[PM_ROW_command] = defaults->origin[PM_ROW_listen] =
        (pm_origin_t){0};
    return defaults;
}

/* --- checks of one definition --------------------------------------------- */

apr_status_t pm_definition_check_dir(const char *path,
                                     const pm_global_t *global, apr_pool_t *p,
                                     pm_reason_t *why)
{
    const char *dir =
        apr_pstrmemdup(p, path, (apr_size_t)(strrchr(path, '/') - path));
    struct stat st;

    return !*dir || (global->runtime_dir && !strcmp(dir, global->runtime_dir))
                   || stat(dir, &st) == 0 || errno != ENOENT
               ? APR_SUCCESS
               : pm_fail(
                   why, ENOENT,
                   "%s: No such file or directory: make its directory, %s "
                   "(in /run at each boot, see tmpfiles.d(5)), or use a file "
                   "of FcgiPMRuntimeDir, %s",
                   path, dir, global->runtime_dir);
}

static apr_status_t def_check_listen(pm_addr_t *addr, const char *listen,
                                     const pm_listen_opts_t *owner,
                                     const pm_global_t *global,
                                     pm_names_t *names, apr_pool_t *p,
                                     pm_reason_t *why)
{
    apr_status_t rv = pm_names_address(names, listen, addr, why);
    pm_reason_t cause;

    if (rv == APR_SUCCESS) {
        rv = pm_listen_check(addr, owner, why);
    }
    if (rv == APR_SUCCESS && addr->sa.ss_family == AF_UNIX) {
        rv = pm_definition_check_dir(listen + 5, global, p, why);
    }
    if (rv == APR_SUCCESS) {
        return rv;
    }
    cause = *why;
    return pm_fail(why, rv, "FcgiPMListen: %s", cause.text);
}

static apr_status_t def_check_owner(pm_listen_opts_t *opts, const char *owner,
                                    pm_names_t *names, pm_reason_t *why)
{
    pm_reason_t cause;
    apr_status_t rv =
        pm_names_owner(names, owner, &opts->uid, &opts->gid, &cause);

    return rv == APR_SUCCESS ? rv
                             : pm_fail(why, rv, "FcgiPMListenOwner %s: %s",
                                       owner, cause.text);
}

/* FcgiPMAllow: hpm_allow.c reads the words. */
static apr_status_t def_check_allow(const pm_conf_t *conf, pm_reason_t *why)
{
    int i;

    for (i = 0; conf->allow && i < conf->allow->nelts; i++) {
        const char *word = APR_ARRAY_IDX(conf->allow, i, const char *);

        if (strncmp(word, "directory:/", 11) && strncmp(word, "location:/", 10)
            && (strncmp(word, "host:", 5) || !word[5])) {
            return pm_fail(why, APR_EINVAL,
                           "FcgiPMAllow: \"%.200s\" is not directory:/PATH, "
                           "location:/URL or host:NAME",
                           word);
        }
    }
    return APR_SUCCESS;
}

static apr_status_t def_check_words(const pm_conf_t *conf, pm_reason_t *why)
{
    return conf->xsendfile && !conf->xsendfile_path
               ? pm_fail(why, APR_EINVAL,
                         "FcgiPMXSendfile is on, but there is no "
                         "FcgiPMXSendfilePath")
               : def_check_allow(conf, why);
}

static apr_status_t def_check_start(const pm_conf_t *conf, pm_names_t *names,
                                    int testing, apr_pool_t *p,
                                    pm_reason_t *why)
{
    pm_launch_spec_t *spec;
    apr_status_t rv = pm_launch_spec_prepare(&spec, conf, names, p, why);

    if (rv == APR_SUCCESS && testing) {
        rv = pm_launch_spec_check_start(spec, why);
    }
    return rv == APR_SUCCESS
               ? pm_launch_spec_prepare_slow_log(&spec, conf, names, p, why)
               : rv;
}

apr_status_t pm_definition_check(const pm_conf_t *conf,
                                 const pm_global_t *global,
                                 const pm_definition_base_t *base,
                                 pm_addr_t *addr, int testing, apr_pool_t *p,
                                 pm_reason_t *why)
{
    pm_listen_opts_t owner = {0};
    apr_status_t rv =
        def_check_owner(&owner, conf->listen_owner, base->names, why);

    if (rv == APR_SUCCESS) {
        rv = def_check_listen(addr, conf->listen, &owner, global, base->names,
                              p, why);
    }
    if (rv == APR_SUCCESS) {
        rv = pm_listen_check_clients(addr, conf, why);
    }
    if (rv == APR_SUCCESS) {
        rv = def_check_words(conf, why);
    }
    return rv == APR_SUCCESS
               ? def_check_start(conf, base->names, testing, p, why)
               : rv;
}

/* --- templates ------------------------------------------------------------ */

int pm_definition_names_user(const pm_conf_t *conf,
                             const pm_definition_base_t *base,
                             apr_uint32_t *uid)
{
    pm_ident_t ident = {.uid = base->uid};

    if (conf->user
        && pm_names_ident(base->names, &ident, conf->user, conf->group, NULL)
               != APR_SUCCESS) {
        return 1;
    }
    *uid = ident.uid;
    return ident.uid != base->uid;
}

pm_script_template_t pm_definition_template(const pm_scripts_t *scripts,
                                            const pm_conf_t *defaults,
                                            const pm_definition_base_t *base,
                                            pm_conf_t **out, apr_pool_t *p)
{
    pm_conf_t *conf = pm_conf_merge(p, defaults, scripts->conf);
    const pm_origin_t *own = scripts->conf->origin;
    apr_uint32_t uid;
    pm_script_template_t t = {.where = scripts->dir,
                              .rules = scripts->rules,
                              .conf = conf,
                              .log_fd = -1};

    if (!own[PM_ROW_processes].given) {
        conf->processes.min = SCRIPTS_MIN;
        conf->processes.max = SCRIPTS_MAX;
    }
    if (!conf->origin[PM_ROW_reload].given) {
        conf->reload = 1; /* rolling */
    }
    conf->chroot = NULL;
    conf->watch = NULL;
    if (scripts->rules->script_user) {
        conf->user = NULL;
        conf->group = own[PM_ROW_group].given ? conf->group : NULL;
    }
    t.suexec = !scripts->rules->script_user && !own[PM_ROW_user].given;
    t.named = pm_definition_names_user(conf, base, &uid);
    *out = conf;
    return t;
}

apr_status_t pm_definition_complete_template(const pm_script_template_t *t,
                                             pm_conf_t *conf,
                                             const pm_definition_base_t *base,
                                             apr_pool_t *p, pm_reason_t *why)
{
    apr_status_t rv = t->rules->script_user ? def_fill_owner(conf, base, p, why)
                                            : def_fill_user(conf, base, p, why);

    return rv == APR_SUCCESS ? def_check_size(
               strlen(pm_conf_write(conf, PM_SCOPE_POOL, p))
                   + strlen(pm_conf_write(t->rules, PM_SCOPE_RULES, p)),
               why)
                             : rv;
}

static apr_status_t def_check_template_user(const pm_script_template_t *t,
                                            pm_names_t *names, pm_reason_t *why)
{
    pm_ident_t ident;
    pm_reason_t cause;
    apr_status_t rv = t->rules->script_user
                          ? APR_SUCCESS
                          : pm_names_ident(names, &ident, t->conf->user,
                                           t->conf->group, &cause);

    return rv == APR_SUCCESS
               ? rv
               : pm_fail(why, rv, "FcgiPMUser, FcgiPMGroup: %s", cause.text);
}

/* A fault of the directory is one of every script in it. */
static apr_status_t def_check_template_dir(const pm_script_template_t *t,
                                           apr_pool_t *p, pm_reason_t *why)
{
    const char *dir =
        apr_pstrmemdup(p, t->where, pm_script_rules_fixed(t->where));
    struct stat st;

    if (stat(dir, &st)) {
        return pm_fail_os(why, errno, "%s", dir);
    }
    if (!S_ISDIR(st.st_mode)) {
        return pm_fail(why, ENOTDIR, "%s is not a directory", dir);
    }
    return !t->rules->wrapper && (st.st_mode & (S_IWGRP | S_IWOTH))
               ? pm_fail(why, EPERM,
                         "%s can be written to by a group or by "
                         "anybody: no script in it will be run",
                         dir)
               : APR_SUCCESS;
}

/* Can the program of a wrapper be started? */
static apr_status_t def_check_program(const pm_script_template_t *t,
                                      const char *program,
                                      const pm_definition_base_t *base,
                                      int testing, apr_pool_t *p,
                                      pm_reason_t *why)
{
    pm_conf_t *conf = apr_pmemdup(p, t->conf, sizeof(*conf));
    pm_launch_spec_t *spec;
    apr_status_t rv;

    conf->command = apr_array_make(p, 1, sizeof(const char *));
    APR_ARRAY_PUSH(conf->command, const char *) = program;
    if (t->rules->script_user) {
        conf->user = base->user;
    }
    rv = pm_launch_spec_prepare(&spec, conf, base->names, p, why);
    if (rv == APR_SUCCESS && testing) {
        rv = pm_launch_spec_check_start(spec, why);
        if (rv == EACCES && (t->rules->script_user || t->suexec)) {
            rv = APR_SUCCESS; /* another user may */
        }
    }
    return rv;
}

static apr_status_t def_check_wrapper(const pm_script_template_t *t,
                                      const char *wrapper,
                                      const pm_definition_base_t *base,
                                      int testing, apr_pool_t *p,
                                      pm_reason_t *why)
{
    static const char setting[] = "FcgiPMCommand: ";
    const char *command = apr_punescape_url(
        p, apr_pstrmemdup(p, wrapper, pm_script_rules_command_length(wrapper)),
        NULL, NULL, 1);
    pm_reason_t cause;
    apr_status_t rv;
    char **word;

    if (!command || apr_tokenize_to_argv(command, &word, p) != APR_SUCCESS
        || !word[0]) {
        return pm_fail(why, APR_EINVAL, "FcgiPMWrapper: there is no command");
    }
    rv = def_check_program(t, word[0], base, testing, p, &cause);
    return rv == APR_SUCCESS
               ? rv
               : pm_fail(why, rv, "FcgiPMWrapper: %s",
                         strncmp(cause.text, setting, sizeof(setting) - 1)
                             ? cause.text
                             : cause.text + sizeof(setting) - 1);
}

static apr_status_t def_check_wrappers(const pm_script_template_t *t,
                                       const pm_definition_base_t *base,
                                       int testing, apr_pool_t *p,
                                       pm_reason_t *why)
{
    const apr_array_header_t *wrappers = t->rules->wrapper;
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 0; rv == APR_SUCCESS && wrappers && i < wrappers->nelts; i++) {
        rv = def_check_wrapper(t, APR_ARRAY_IDX(wrappers, i, const char *),
                               base, testing, p, why);
        if (rv == APR_SUCCESS && pm_script_rules_is_virtual(t->rules, i)
            && t->rules->script_user) {
            rv = pm_fail(why, APR_EINVAL,
                         "with FcgiPMWrapper virtual there need not be a "
                         "file that has an owner: FcgiPMScriptUser owner");
        }
    }
    return rv;
}

apr_status_t pm_definition_check_template(const pm_script_template_t *t,
                                          const pm_global_t *global,
                                          const pm_definition_base_t *base,
                                          int testing, apr_pool_t *p,
                                          pm_reason_t *why)
{
    apr_status_t rv = def_check_template_user(t, base->names, why);
    pm_addr_t addr;

    if (rv == APR_SUCCESS) {
        rv = def_check_template_dir(t, p, why);
    }
    if (rv == APR_SUCCESS) {
        rv = def_check_wrappers(t, base, testing, p, why);
    }
    return rv == APR_SUCCESS
               ? pm_listen_parse(apr_pstrcat(p, "unix:", global->runtime_dir,
                                             "/script-ffffffff.sock", NULL),
                                 &addr, why)
               : rv;
}
