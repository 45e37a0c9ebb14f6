/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/pool/pm_script_resolve.h"

#include <errno.h>
#include <string.h>

#include "apr_escape.h"
#include "apr_strings.h"
#include "pm_core/os/pm_ident.h"
#include "pm_core/os/pm_path.h"

/* One search. */
typedef struct search {
    pm_script_target_t *f;
    const pm_host_t *host;
    const char *path;
    int wrapper;               /* -1: none */
    const apr_uint32_t *owner; /* of a wrapper's files; NULL: look */
    pm_ident_t ident;
    int named; /* by the configuration, or the script */
    apr_pool_t *p;
    pm_reason_t *why;
} search_t;

static apr_status_t res_refuse(pm_script_target_t *f, int status,
                               apr_status_t rv)
{
    f->status = status;
    return rv;
}

static const pm_host_t *res_find_host(const pm_pool_set_t *set,
                                      const char *name)
{
    int i;

    for (i = 0; i < set->hosts->nelts; i++) {
        const pm_host_t *host = &APR_ARRAY_IDX(set->hosts, i, pm_host_t);

        if (!strcmp(host->name, name)) {
            return host;
        }
    }
    return NULL;
}

static apr_status_t res_find_rules(search_t *s, const pm_pool_set_t *set,
                                   const char *host)
{
    const pm_script_template_t *all =
        (pm_script_template_t *)(void *)set->templates->elts;
    int i = pm_script_rules_find(all, set->templates->nelts, s->path);

    if (i < 0) {
        pm_fail(s->why, ENOENT,
                "%s: no <FcgiPMScripts> covers it; "
                "<FcgiPMScripts %.*s> would",
                s->path, (int)(strrchr(s->path, '/') - s->path), s->path);
        return res_refuse(s->f, 500, ENOENT);
    }
    s->f->by = &all[i];
    s->wrapper = pm_script_rules_wrapper(all[i].rules, s->path);
    s->host = res_find_host(set, host);
    if (!s->host) {
        pm_fail(s->why, ENOENT, "there is no virtual host \"%.200s\"", host);
        return res_refuse(s->f, 500, ENOENT);
    }
    return APR_SUCCESS;
}

/* The user that runs it. */
static apr_status_t res_find_ident(search_t *s, const pm_walk_t *walk)
{
    const pm_script_template_t *t = s->f->by;
    pm_conf_t *conf = s->f->conf;
    apr_status_t rv;

    s->named = 1;
    if (t->rules->script_user) {
        conf->user = apr_psprintf(s->p, "#%u", walk->file.uid);
    }
    else if (t->suexec && s->host->suexec) {
        conf->user = apr_psprintf(s->p, "#%u", s->host->uid);
        conf->group = apr_psprintf(s->p, "#%u", s->host->gid);
    }
    else {
        s->named = t->named;
    }
    rv = pm_ident_lookup(&s->ident, conf->user, conf->group, s->why);
    if (rv != APR_SUCCESS) {
        pm_reason_t cause = *s->why;

        pm_fail(s->why, rv, "%s: %s", s->path, cause.text);
        return res_refuse(s->f, rv == EPERM ? 403 : 500, rv);
    }
    return APR_SUCCESS;
}

/* The HTTP status of a failure on the way. */
static int res_status_of(apr_status_t rv)
{
    switch (rv) {
    case ENOENT:
    case ENOTDIR:
        return 404;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EIO:
        return 503;
    default:
        return 403;
    }
}

static apr_status_t res_walk(search_t *s, pm_walk_t *walk)
{
    apr_status_t rv;

    s->f->fixed = pm_script_rules_fixed(s->f->by->where);
    rv = pm_path_walk(walk, s->path, s->f->fixed, s->why);
    s->f->file = walk->file;
    return rv == APR_SUCCESS ? rv : res_refuse(s->f, res_status_of(rv), rv);
}

/* A wrapper is the administrator's, and reads files of its own choosing: its
 * script is looked at only when its owner decides on the user. */
static int res_looks_at_file(const search_t *s)
{
    return s->wrapper < 0 || (s->f->by->rules->script_user && !s->owner);
}

static apr_status_t res_judge(const search_t *s, const pm_walk_t *walk)
{
    const pm_rules_t *rules = s->f->by->rules;
    pm_runner_t as = {.uid = s->ident.uid,
                      .gid = s->ident.gid,
                      .named = s->named,
                      .wrapped = s->wrapper >= 0};

    return res_looks_at_file(s)
               ? pm_script_rules_judge(rules, s->path, walk, &as, s->why)
           : rules->script_user
               ? pm_script_rules_judge_runner(rules, s->path, &as, s->why)
               : APR_SUCCESS;
}

static apr_status_t res_find_file(search_t *s)
{
    pm_walk_t walk;
    apr_status_t rv = APR_SUCCESS;

    memset(&walk, 0, sizeof(walk));
    if (res_looks_at_file(s)) {
        rv = res_walk(s, &walk);
    }
    else if (s->owner) {
        walk.file.uid = *s->owner;
    }
    if (rv == APR_SUCCESS) {
        rv = res_find_ident(s, &walk);
    }
    if (rv == APR_SUCCESS && res_judge(s, &walk) != APR_SUCCESS) {
        rv = res_refuse(s->f, 403, EACCES);
    }
    return rv;
}

/* --- what is executed ----------------------------------------------------- */

static void res_run_file(search_t *s)
{
    pm_script_target_t *f = s->f;
    const char *slash = strrchr(s->path, '/');

    f->is_file = 1;
    f->conf->command = apr_array_make(s->p, 1, sizeof(const char *));
    *(const char **)apr_array_push(f->conf->command) = s->path;
    if (!f->conf->directory) {
        f->conf->directory = apr_pstrmemdup(
            s->p, s->path, slash > s->path ? (apr_size_t)(slash - s->path) : 1);
    }
    f->label = slash + 1;
    f->key =
        apr_psprintf(s->p, "%u:%u %s", s->ident.uid, s->ident.gid, s->path);
}

static apr_status_t res_run_wrapper(search_t *s)
{
    pm_script_target_t *f = s->f;
    const char *wrapper =
        APR_ARRAY_IDX(f->by->rules->wrapper, s->wrapper, const char *);
    const char *command = apr_punescape_url(
        s->p,
        apr_pstrmemdup(s->p, wrapper, pm_script_rules_command_length(wrapper)),
        NULL, NULL, 1);
    char **word;

    if (!command || apr_tokenize_to_argv(command, &word, s->p) != APR_SUCCESS
        || !word[0]) {
        return res_refuse(f, 500,
                          pm_fail(s->why, APR_EINVAL,
                                  "FcgiPMWrapper: "
                                  "not a command: \"%.200s\"",
                                  wrapper));
    }
    f->conf->command = apr_array_make(s->p, 4, sizeof(const char *));
    for (; *word; word++) {
        *(const char **)apr_array_push(f->conf->command) = *word;
    }
    word = (char **)(void *)f->conf->command->elts;
    f->label =
        apr_pstrcat(s->p, strrchr(word[0], '/') + 1, "-", s->host->name, NULL);
    f->key = apr_psprintf(s->p, "%u:%u %s %s %s", s->ident.uid, s->ident.gid,
                          f->by->where, wrapper, s->host->name);
    return APR_SUCCESS;
}

static apr_status_t res_resolve(search_t *s, const pm_pool_set_t *set,
                                const char *host)
{
    apr_status_t rv = pm_script_rules_path_check(s->path, s->why);

    memset(s->f, 0, sizeof(*s->f));
    if (rv != APR_SUCCESS) {
        return res_refuse(s->f, 403, rv);
    }
    rv = res_find_rules(s, set, host);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    s->f->conf = apr_pmemdup(s->p, s->f->by->conf, sizeof(*s->f->conf));
    rv = res_find_file(s);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    s->f->uid = s->ident.uid;
    if (s->wrapper >= 0) {
        return res_run_wrapper(s);
    }
    res_run_file(s);
    return APR_SUCCESS;
}

apr_status_t pm_script_resolve(pm_script_target_t *f, const pm_pool_set_t *set,
                               const char *host, const char *path,
                               apr_pool_t *p, pm_reason_t *why)
{
    search_t s = {.f = f, .path = path, .p = p, .why = why};

    return res_resolve(&s, set, host);
}

apr_status_t pm_script_resolve_pool(pm_script_target_t *f,
                                    const pm_pool_set_t *set, const char *host,
                                    const char *path, apr_uint32_t uid,
                                    apr_pool_t *p, pm_reason_t *why)
{
    search_t s = {.f = f, .path = path, .owner = &uid, .p = p, .why = why};

    return res_resolve(&s, set, host);
}
