/* SPDX-License-Identifier: Apache-2.0 */
#include "run_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_hash.h"
#include "apr_strings.h"
#include "pm_core/config/pm_conf_text.h"
#include "pm_core/config/pm_parsed.h"
#include "pm_core/os/pm_logfile.h"
#include "pm_core/spawn/pm_definition.h"
#include "run_files.h"
#include "run_listeners.h"

#define CONFIG_FROM "fcgipm-run" /* pm_conf_note() */

/* Where it is when nobody says so; systemd says so. */
#define CONFIG_RUNTIME_DIR "/run/fcgipm"

/* A pool, with where it stands. */
typedef struct config_pool {
    pm_conf_t *conf; /* merged, to be completed */
    const char *where;
} config_pool_t;

/* A configuration is read in these steps, and each of them in parts.  All is
 * checked before the first socket is opened, and all are open before one that
 * serves is changed. */
typedef enum config_step {
    STEP_LIST,
    STEP_FILES,
    STEP_MERGE,
    STEP_CHECK,
    STEP_SCRIPTS,
    STEP_OPEN,
    STEP_ADJUST,
    STEP_END
} config_step_t;

struct run_config {
    const run_config_opts_t *opts;
    apr_pool_t *p;
    int testing;
    int config;  /* number of the configuration */
    int started; /* 1: there was a set */

    /* of the reading */
    config_step_t step;
    int next; /* index of the file, pool or section that comes next */
    pm_pool_set_t *set;
    apr_pool_t *pset;  /* its memory */
    apr_pool_t *ptemp; /* ends with the reading */
    apr_array_header_t *files;
    pm_parsed_t *parsed;
    pm_conf_text_t *text;
    pm_global_t *global;
    pm_conf_t *defaults;
    apr_array_header_t *pools; /* of config_pool_t */
    apr_hash_t *users;         /* address or path -> what uses it */

    /* over all readings */
    run_listeners_t listeners;
    apr_pool_t *plisteners; /* memory of the last set's */
    apr_pool_t *pfaults;
    apr_array_header_t *faults, *warnings;
};

run_config_t *run_config_create(const run_config_opts_t *opts, apr_pool_t *p)
{
    run_config_t *c = apr_pcalloc(p, sizeof(*c));

    c->opts = opts;
    c->p = p;
    c->pfaults = pm_subpool_create(p);
    c->listeners.now = apr_array_make(p, 1, sizeof(run_listener_t));
    return c;
}

const apr_array_header_t *run_config_faults(const run_config_t *c)
{
    return c->faults;
}

const apr_array_header_t *run_config_warnings(const run_config_t *c)
{
    return c->warnings;
}

/* --- faults --------------------------------------------------------------- */

static void config_add(apr_array_header_t *list, const char *text)
{
    APR_ARRAY_PUSH(list, const char *) = apr_pstrdup(list->pool, text);
}

/* With the place of the setting that the reason begins with. */
static void config_fault(run_config_t *c, const char *reason)
{
    const char *at =
        pm_parsed_place(c->global, PM_SCOPE_GLOBAL, reason, c->pfaults);

    config_add(c->faults,
               at ? apr_psprintf(c->pfaults, "%s: %s", at, reason) : reason);
}

static void config_pool_fault(run_config_t *c, const config_pool_t *pool,
                              const char *reason)
{
    const char *at =
        pm_parsed_place(pool->conf, PM_SCOPE_POOL, reason, c->pfaults);

    config_add(c->faults,
               apr_psprintf(c->pfaults, "%s: pool %s: %s",
                            at ? at : pool->where, pool->conf->name, reason));
}

/* --- files ---------------------------------------------------------------- */

static void config_list(run_config_t *c)
{
    pm_reason_t why;

    if (run_files_list(&c->files, c->opts->path, c->ptemp, &why)
        != APR_SUCCESS) {
        config_add(c->faults, why.text);
    }
}

static void config_read_file(run_config_t *c)
{
    const char *file = APR_ARRAY_IDX(c->files, c->next, const char *);
    apr_pool_t *p = pm_subpool_create(c->ptemp);
    const char *text = NULL;
    apr_size_t len = 0;
    pm_reason_t why;
    apr_status_t rv = run_files_read(file, &text, &len, p, &why);

    if (rv == APR_SUCCESS) {
        rv = pm_conf_text_read(c->text, file, text, len, &why);
    }
    if (rv != APR_SUCCESS) {
        config_add(c->faults, why.text);
    }
    apr_pool_destroy(p);
}

/* --- what is for all ------------------------------------------------------ */

/* systemd makes RuntimeDirectory= and tells it; of several, the first. */
static const char *config_runtime_dir(apr_pool_t *p)
{
    const char *dirs = getenv("RUNTIME_DIRECTORY");

    return dirs && dirs[0] == '/' ? apr_pstrmemdup(p, dirs, strcspn(dirs, ":"))
                                  : CONFIG_RUNTIME_DIR;
}

/* A test leaves nothing behind. */
static void config_make_runtime_dir(run_config_t *c)
{
    const char *dir = c->global->runtime_dir;
    mode_t before = umask(022);
    int made = !mkdir(dir, 0755);
    int failed = made || errno == EEXIST ? 0 : errno;

    umask(before);
    if (failed) {
        config_fault(c, apr_psprintf(c->ptemp, "FcgiPMRuntimeDir: %s: %s", dir,
                                     strerror(failed)));
    }
    else if (c->testing && made) {
        rmdir(dir);
    }
}

static const char *config_use(run_config_t *c, const void *key, apr_ssize_t len,
                              const char *what)
{
    const char *before = apr_hash_get(c->users, key, len);

    if (!before) {
        apr_hash_set(c->users, key, len, what);
    }
    return before;
}

static void config_use_file(run_config_t *c, const char *directive,
                            const char *path)
{
    const char *before =
        path ? config_use(c, path, APR_HASH_KEY_STRING, directive) : NULL;

    if (before) {
        config_fault(c, apr_psprintf(c->ptemp, "%s: %s is %s already",
                                     directive, path, before));
    }
}

static void config_add_pool(run_config_t *c, pm_conf_t *conf, const char *where)
{
    APR_ARRAY_PUSH(c->pools, config_pool_t) = (config_pool_t){conf, where};
}

/* FcgiPMCommand outside of sections makes the pool `default`. */
static void config_merge_pools(run_config_t *c)
{
    const pm_parsed_t *parsed = c->parsed;
    const pm_section_t *named = pm_parsed_find(parsed, "default");
    const pm_conf_t *base = pm_definition_defaults(c->defaults, c->pset);
    int i;

    if (parsed->command_where && named) {
        pm_parsed_add_duplicate(c->parsed, "default", named->where,
                                parsed->command_where, c->pset);
    }
    else if (parsed->command_where) {
        config_add_pool(c, c->defaults, parsed->command_where);
    }
    for (i = 0; i < parsed->sections->nelts; i++) {
        const pm_section_t *section =
            &APR_ARRAY_IDX(parsed->sections, i, pm_section_t);

        config_add_pool(c, pm_conf_merge(c->pset, base, section->conf),
                        section->where);
    }
    for (i = 0; i < parsed->faults->nelts; i++) {
        config_add(c->faults, APR_ARRAY_IDX(parsed->faults, i, const char *));
    }
    if (!c->pools->nelts && !parsed->scripts->nelts) {
        config_add(c->faults, apr_pstrcat(c->ptemp, c->opts->path,
                                          ": there is no <FcgiPMPool>", NULL));
    }
}

static apr_status_t config_fill_global(run_config_t *c, pm_reason_t *why)
{
    apr_status_t rv =
        pm_definition_fill(c->global, PM_ROW_manager_name, "fcgipm-run",
                           CONFIG_FROM, c->pset, why);

    return rv == APR_SUCCESS
               ? pm_definition_fill_global(c->global,
                                           config_runtime_dir(c->pset),
                                           CONFIG_FROM, c->pset, why)
               : rv;
}

static int config_has_pool(const run_config_t *c, const char *name)
{
    int i;

    for (i = 0; i < c->pools->nelts; i++) {
        if (!strcmp(APR_ARRAY_IDX(c->pools, i, config_pool_t).conf->name,
                    name)) {
            return 1;
        }
    }
    return 0;
}

/* A pool of another name makes its own socket, and nobody serves this one. */
static void config_look_at_passed(run_config_t *c)
{
    const apr_array_header_t *passed =
        c->opts->activation ? c->opts->activation->passed : NULL;
    int i;

    for (i = 0; passed && i < passed->nelts; i++) {
        const pm_passed_t *one = &APR_ARRAY_IDX(passed, i, pm_passed_t);

        if (strcmp(one->name, PM_ACTIVATION_METRICS) != 0
            && !config_has_pool(c, one->name)) {
            config_add(c->warnings, pm_activation_warning(one, c->ptemp));
        }
    }
}

static void config_merge(run_config_t *c)
{
    pm_reason_t why;

    c->global = pm_global_merge(c->pset, c->global, c->opts->given);
    c->set->global = c->global;
    if (config_fill_global(c, &why) != APR_SUCCESS) {
        config_fault(c, why.text);
        return;
    }
    config_make_runtime_dir(c);
    config_use_file(c, "FcgiPMSocket", c->global->socket);
    config_use_file(c, "FcgiPMPidFile", c->global->pid_file);
    config_merge_pools(c);
    config_look_at_passed(c);
    if (!c->started && !c->testing && !c->faults->nelts
        && c->opts->alone(c->global, &why) != APR_SUCCESS) {
        config_add(c->faults, why.text);
    }
}

/* --- pools ---------------------------------------------------------------- */

static pm_definition_base_t config_base(const run_config_t *c)
{
    return (pm_definition_base_t){
        .from = CONFIG_FROM, .uid = geteuid(), .names = c->opts->names};
}

/* There is no httpd that starts programs. */
static apr_status_t config_check_log(const char *path, pm_reason_t *why)
{
    pm_reason_t cause;
    apr_status_t rv;

    if (!path) {
        return APR_SUCCESS;
    }
    if (path[0] != '/') {
        return pm_fail(why, APR_EINVAL,
                       "FcgiPMErrorLog: \"%.200s\" is not an absolute path: "
                       "what it is relative to, programs and syslog are "
                       "httpd's",
                       path);
    }
    rv = pm_logfile_check(path, &cause);
    return rv == APR_SUCCESS
               ? rv
               : pm_fail(why, rv, "FcgiPMErrorLog: %s", cause.text);
}

static apr_status_t config_open_log(int *fd, const char *path, pm_reason_t *why)
{
    pm_reason_t cause;
    apr_status_t rv = path ? pm_logfile_open(fd, path, &cause) : APR_SUCCESS;

    return rv == APR_SUCCESS
               ? rv
               : pm_fail(why, rv, "FcgiPMErrorLog: %s", cause.text);
}

/* Nothing else has its address. */
static apr_status_t config_claim(run_config_t *c, const config_pool_t *pool,
                                 const pm_addr_t *addr, pm_reason_t *why)
{
    const char *listen = pool->conf->listen;
    const pm_addr_t *key = apr_pmemdup(c->ptemp, addr, sizeof(*addr));
    const char *what =
        apr_psprintf(c->ptemp, "pool %s's (%s)", pool->conf->name, pool->where);
    const char *before =
        addr->sa.ss_family == AF_UNIX
            ? config_use(c, listen + 5, APR_HASH_KEY_STRING, what)
            : config_use(c, &key->sa, (apr_ssize_t)key->len, what);

    return before ? pm_fail(why, APR_EINVAL, "FcgiPMListen: %s is %s already",
                            listen, before)
                  : APR_SUCCESS;
}

/* Queue, mode and owner of a socket that was passed are what they are. */
static void config_warn_passed(run_config_t *c, const config_pool_t *pool)
{
    static const int rows[] = {PM_ROW_listen_backlog, PM_ROW_listen_mode,
                               PM_ROW_listen_owner};
    apr_size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const pm_row_t *row = &pm_conf_rows[rows[i]];

        if (pm_conf_is_given(pool->conf, row)) {
            config_add(c->warnings,
                       apr_psprintf(c->ptemp,
                                    "%s: pool %s: %s has no effect: its socket "
                                    "was passed",
                                    pool->where, pool->conf->name, row->name));
        }
    }
}

/* The socket that was passed says where it listens. */
static apr_status_t config_fill_listen(run_config_t *c,
                                       const config_pool_t *pool,
                                       pm_reason_t *why)
{
    const pm_passed_t *passed =
        pm_activation_find(c->opts->activation, pool->conf->name);

    if (!passed) {
        return APR_SUCCESS;
    }
    if (!strcmp(passed->name, PM_ACTIVATION_METRICS)) {
        return pm_fail(why, APR_EINVAL,
                       "the socket that was passed as \"%s\" is that of "
                       "--metrics: the pool needs another name",
                       passed->name);
    }
    config_warn_passed(c, pool);
    return pm_definition_fill(pool->conf, PM_ROW_listen, passed->address,
                              "systemd", c->pset, why);
}

static apr_status_t config_check_pool(run_config_t *c,
                                      const config_pool_t *pool,
                                      pm_reason_t *why)
{
    pm_definition_base_t base = config_base(c);
    pm_addr_t addr;
    apr_status_t rv = config_fill_listen(c, pool, why);

    if (rv == APR_SUCCESS) {
        rv = pm_definition_complete(pool->conf, c->global, &base, c->pset, why);
    }
    if (rv == APR_SUCCESS) {
        rv = pm_definition_check(pool->conf, c->global, &base, &addr,
                                 c->testing, c->ptemp, why);
    }
    if (rv == APR_SUCCESS) {
        rv = config_claim(c, pool, &addr, why);
    }
    return rv == APR_SUCCESS ? config_check_log(pool->conf->error_log, why)
                             : rv;
}

/* A pool is a member of the set whatever comes, so that its descriptors end
 * with the set. */
static apr_status_t config_open_pool(run_config_t *c, const config_pool_t *pool,
                                     pm_reason_t *why)
{
    const pm_conf_t *conf = pool->conf;
    pm_member_t *member = apr_array_push(c->set->members);
    apr_status_t rv;

    *member = (pm_member_t){.conf = conf, .fd = -1, .log_fd = -1};
    rv = config_open_log(&member->log_fd, conf->error_log, why);
    return rv == APR_SUCCESS ? run_listeners_get(
               &c->listeners, conf, c->opts->activation, c->opts->names,
               c->started ? 0 : c->global->die_timeout, member, why)
                             : rv;
}

static void config_each_pool(run_config_t *c,
                             apr_status_t (*act)(run_config_t *c,
                                                 const config_pool_t *pool,
                                                 pm_reason_t *why))
{
    const config_pool_t *pool =
        &APR_ARRAY_IDX(c->pools, c->next, config_pool_t);
    pm_reason_t why;

    if (act(c, pool, &why) != APR_SUCCESS) {
        config_pool_fault(c, pool, why.text);
    }
}

static void config_check(run_config_t *c)
{
    config_each_pool(c, config_check_pool);
}

static void config_open(run_config_t *c)
{
    if (!c->faults->nelts) {
        config_each_pool(c, config_open_pool);
    }
}

/* The set is good whatever comes of this. */
static void config_adjust(run_config_t *c)
{
    pm_reason_t why;

    if (run_listeners_adjust(&c->listeners, c->next, &why) != APR_SUCCESS) {
        config_add(c->warnings, why.text);
    }
}

/* --- scripts -------------------------------------------------------------- */

static void config_make_scripts(run_config_t *c)
{
    const pm_scripts_t *scripts =
        &APR_ARRAY_IDX(c->parsed->scripts, c->next, pm_scripts_t);
    pm_definition_base_t base = config_base(c);
    pm_conf_t *conf;
    pm_script_template_t t = pm_definition_template(
        scripts, pm_definition_defaults(c->defaults, c->pset), &base, &conf,
        c->pset);
    pm_reason_t why;
    apr_status_t rv = pm_parsed_check_scripts(c->parsed, scripts, &why);

    if (rv == APR_SUCCESS) {
        rv = pm_definition_complete_template(&t, conf, &base, c->pset, &why);
    }
    if (rv == APR_SUCCESS) {
        rv = pm_definition_check_template(&t, c->global, &base, c->testing,
                                          c->ptemp, &why);
    }
    if (rv == APR_SUCCESS) {
        rv = config_check_log(conf->error_log, &why);
    }
    if (rv == APR_SUCCESS && !c->testing && !c->faults->nelts) {
        rv = config_open_log(&t.log_fd, conf->error_log, &why);
    }
    if (rv != APR_SUCCESS) {
        config_add(c->faults,
                   apr_psprintf(c->pfaults, "%s: <FcgiPMScripts %s>: %s",
                                scripts->where, scripts->dir, why.text));
        return;
    }
    APR_ARRAY_PUSH(c->set->templates, pm_script_template_t) = t;
    if (!c->set->hosts->nelts) {
        APR_ARRAY_PUSH(c->set->hosts, pm_host_t) =
            (pm_host_t){.name = "localhost"};
    }
}

/* --- steps ---------------------------------------------------------------- */

void run_config_begin(run_config_t *c)
{
    apr_pool_clear(c->pfaults);
    c->faults = apr_array_make(c->pfaults, 4, sizeof(const char *));
    c->warnings = apr_array_make(c->pfaults, 4, sizeof(const char *));
    c->step = STEP_LIST;
    c->next = 0;
    c->set = pm_pool_set_create_own(c->p);
    c->set->log_level = c->opts->log_level;
    c->set->config = ++c->config;
    c->pset = c->set->members->pool;
    c->ptemp = pm_subpool_create(c->p);
    c->parsed = pm_parsed_create(pm_script_rules_where_check, c->pset);
    c->global = pm_global_create(c->pset);
    c->defaults = pm_conf_create(c->pset, "default");
    c->text =
        pm_conf_text_create(c->parsed, c->global, c->defaults, getenv, c->pset);
    c->pools = apr_array_make(c->ptemp, 8, sizeof(config_pool_t));
    c->users = apr_hash_make(c->ptemp);
    run_listeners_begin(&c->listeners, pm_subpool_create(c->p));
    pm_names_begin(c->opts->names);
}

static void config_keep_warnings(run_config_t *c)
{
    const apr_array_header_t *warnings = pm_conf_text_warnings(c->text);
    int i;

    for (i = 0; i < warnings->nelts; i++) {
        config_add(c->warnings, APR_ARRAY_IDX(warnings, i, const char *));
    }
}

static run_config_result_t config_end(run_config_t *c, pm_pool_set_t **set)
{
    int good = !c->faults->nelts && !c->testing;
    apr_pool_t *pnow = c->listeners.now->pool;

    config_keep_warnings(c);
    run_listeners_end(&c->listeners, good);
    pm_names_end(c->opts->names, good);
    if (good) {
        c->started = 1;
        *set = c->set;
        if (c->plisteners) {
            apr_pool_destroy(c->plisteners);
        }
        c->plisteners = pnow;
    }
    else {
        pm_pool_set_destroy(c->set);
        apr_pool_destroy(pnow);
        c->global = NULL;
    }
    c->set = NULL;
    apr_pool_destroy(c->ptemp);
    return good ? RUN_CONFIG_DONE : RUN_CONFIG_WRONG;
}

/* What is wrong in a file, or for all, keeps from what comes after it; of pools
 * and scripts all faults are found. */
static void config_next_step(run_config_t *c)
{
    int wrong = c->faults->nelts && c->step != STEP_CHECK;
    int ends = wrong || (c->testing && c->step == STEP_SCRIPTS);

    c->step = ends ? STEP_END : (config_step_t)(c->step + 1);
    c->next = 0;
}

static void config_part(run_config_t *c, void (*act)(run_config_t *c), int n)
{
    if (c->next < n) {
        act(c);
    }
    if (++c->next >= n) {
        config_next_step(c);
    }
}

run_config_result_t run_config_go_on(run_config_t *c, apr_time_t end,
                                     pm_pool_set_t **set)
{
    do {
        switch (c->step) {
        case STEP_LIST:
            config_part(c, config_list, 1);
            break;
        case STEP_FILES:
            config_part(c, config_read_file, c->files->nelts);
            break;
        case STEP_MERGE:
            config_part(c, config_merge, 1);
            break;
        case STEP_CHECK:
            config_part(c, config_check, c->pools->nelts);
            break;
        case STEP_SCRIPTS:
            config_part(c, config_make_scripts, c->parsed->scripts->nelts);
            break;
        case STEP_OPEN:
            config_part(c, config_open, c->pools->nelts);
            break;
        case STEP_ADJUST:
            config_part(c, config_adjust, c->listeners.now->nelts);
            break;
        case STEP_END:
            return config_end(c, set);
        }
    } while (pm_time_now() < end);
    return RUN_CONFIG_MORE;
}

int run_config_test(run_config_t *c)
{
    pm_pool_set_t *set = NULL;

    c->testing = 1;
    run_config_begin(c);
    run_config_go_on(c, PM_TIME_NEVER, &set);
    return !c->faults->nelts;
}

void run_config_unlink(run_config_t *c)
{
    int i;

    if (c->set) { /* a reading is under way */
        run_listeners_end(&c->listeners, 0);
        c->set = NULL;
    }

    for (i = 0; i < c->listeners.now->nelts; i++) {
        pm_listen_unlink(
            &APR_ARRAY_IDX(c->listeners.now, i, run_listener_t).socket);
    }
}
