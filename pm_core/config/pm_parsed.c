/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/config/pm_parsed.h"

#include <string.h>
#include <strings.h>

#include "apr_strings.h"

#include "pm_core/base/pm_nearest.h"

/* --- which setting stands where ------------------------------------------- */

static int parsed_pool_takes(const pm_row_t *row)
{
    return row->scope == PM_SCOPE_POOL;
}

/* Settings that make no sense for a pool made of a script. */
static const int not_of_scripts[] = {PM_ROW_command, PM_ROW_listen,
                                     PM_ROW_chroot,  PM_ROW_watch,
                                     PM_ROW_allow,   PM_ROW_file_owner};

static int parsed_scripts_take(const pm_row_t *row)
{
    unsigned i;

    for (i = 0; i < sizeof(not_of_scripts) / sizeof(not_of_scripts[0]); i++) {
        if (row == &pm_conf_rows[not_of_scripts[i]]) {
            return 0;
        }
    }
    return row->scope != PM_SCOPE_GLOBAL;
}

const pm_section_kind_t pm_section_pool = {"FcgiPMPool", "the pool's name",
                                           parsed_pool_takes};
const pm_section_kind_t pm_section_scripts = {"FcgiPMScripts", "a directory",
                                              parsed_scripts_take};

/* The structure that a setting goes to: that of the section it stands in, or
 * what is for all.  NULL: it may not stand there. */
static void *parsed_target(const pm_parsed_t *parsed, pm_global_t *global,
                           pm_conf_t *defaults, const pm_row_t *row)
{
    void *target[] = {[PM_SCOPE_POOL] = defaults,
                      [PM_SCOPE_GLOBAL] = global,
                      [PM_SCOPE_RULES] = NULL};

    if (parsed->current) {
        target[PM_SCOPE_POOL] = parsed->current;
        target[PM_SCOPE_GLOBAL] = NULL;
        target[PM_SCOPE_RULES] = parsed->rules;
    }
    return parsed->rules && !parsed_scripts_take(row) ? NULL
                                                      : target[row->scope];
}

static const char *parsed_misplaced(const pm_parsed_t *parsed)
{
    return parsed->rules     ? "cannot occur within <FcgiPMScripts> section"
           : parsed->current ? "cannot occur within <FcgiPMPool> section"
                             : "stands in <FcgiPMScripts>";
}

apr_status_t pm_parsed_set(pm_parsed_t *parsed, pm_global_t *global,
                           pm_conf_t *defaults, const pm_row_t *row,
                           const apr_array_header_t *words, const char *where,
                           apr_pool_t *p, pm_reason_t *why)
{
    void *target = parsed_target(parsed, global, defaults, row);
    apr_status_t rv;

    if (!target) {
        return pm_fail(why, APR_EINVAL, "%s %s", row->name,
                       parsed_misplaced(parsed));
    }
    if (row == &pm_conf_rows[PM_ROW_command] && target == defaults) {
        parsed->command_where = where;
    }
    rv = pm_conf_set(target, row, words->nelts,
                     (const char *const *)(void *)words->elts, p, why);
    if (rv == APR_SUCCESS) {
        pm_conf_note(
            target, row,
            apr_pstrcat(p, parsed->current ? "pool " : "server ", where, NULL),
            p);
    }
    return rv;
}

/* --- what was meant ------------------------------------------------------- */

static const char *hint_misplaced(const pm_row_t *row)
{
    return row->scope == PM_SCOPE_GLOBAL
               ? "there is one for all pools: write it outside"
           : row->scope == PM_SCOPE_RULES
               ? "it stands in <FcgiPMScripts>"
               : "a script's pool has it from the script";
}

const char *pm_parsed_nearest(const char *directive,
                              int (*takes)(const pm_row_t *row), apr_pool_t *p)
{
    const char *prefixed = apr_pstrcat(p, "FcgiPM", directive, NULL);
    pm_nearest_t nearest = {0};
    const pm_row_t *row = pm_conf_row(prefixed);

    if (row && takes(row)) {
        return row->name;
    }
    for (row = pm_conf_rows; row->name; row++) {
        if (takes(row)) {
            pm_nearest_offer(&nearest, directive, row->name);
        }
    }
    return nearest.word;
}

const char *pm_parsed_hint(const char *directive, const pm_section_kind_t *kind,
                           apr_pool_t *p)
{
    const pm_row_t *row = pm_conf_row(directive);
    const char *hint = "the settings that may begin with FcgiPM";
    const char *nearest;

    if (row) {
        hint = hint_misplaced(row);
    }
    else if (!strncasecmp(directive, "Fcgid", 5)) {
        hint = "it is mod_fcgid's; fcgipm-migrate translates those";
    }
    else if ((nearest = pm_parsed_nearest(directive, kind->takes, p))) {
        hint = apr_pstrcat(p, "did you mean ", nearest, "?", NULL);
    }
    return apr_psprintf(p, "%s%s cannot occur within <%s> section: %s",
                        directive, directive[0] == '<' ? ">" : "", kind->name,
                        hint);
}

/* --- sections ------------------------------------------------------------- */

pm_parsed_t *pm_parsed_create(pm_parsed_dir_check_t *check_dir, apr_pool_t *p)
{
    pm_parsed_t *parsed = apr_pcalloc(p, sizeof(*parsed));

    parsed->check_dir = check_dir;
    parsed->sections = apr_array_make(p, 4, sizeof(pm_section_t));
    parsed->scripts = apr_array_make(p, 2, sizeof(pm_scripts_t));
    parsed->faults = apr_array_make(p, 4, sizeof(const char *));
    return parsed;
}

/* As <Directory> is written: absolute, a slash at the end means nothing. */
static apr_status_t parsed_open_scripts(pm_parsed_t *parsed, const char *word,
                                        apr_pool_t *p, pm_reason_t *why)
{
    char *dir = apr_pstrdup(p, word);
    pm_reason_t cause;

    if (strlen(dir) > 1 && dir[strlen(dir) - 1] == '/') {
        dir[strlen(dir) - 1] = '\0';
    }
    if (parsed->check_dir(dir, &cause) != APR_SUCCESS) {
        return pm_fail(why, APR_EINVAL, "<FcgiPMScripts>: %s", cause.text);
    }
    parsed->dir = dir;
    parsed->current = pm_conf_create(p, "scripts");
    parsed->rules = pm_rules_create(p);
    return APR_SUCCESS;
}

static apr_status_t parsed_open_pool(pm_parsed_t *parsed, const char *name,
                                     apr_pool_t *p, pm_reason_t *why)
{
    pm_reason_t cause;

    if (pm_conf_name_check(name, &cause) != APR_SUCCESS) {
        return pm_fail(why, APR_EINVAL, "<FcgiPMPool>: %s", cause.text);
    }
    parsed->current = pm_conf_create(p, name);
    return APR_SUCCESS;
}

apr_status_t pm_parsed_open(pm_parsed_t *parsed, const pm_section_kind_t *kind,
                            const apr_array_header_t *words, const char *where,
                            apr_pool_t *p, pm_reason_t *why)
{
    const char *word;

    if (words->nelts != 1) {
        return pm_fail(why, APR_EINVAL, "<%s> takes one word, %s", kind->name,
                       kind->word);
    }
    word = APR_ARRAY_IDX(words, 0, const char *);
    parsed->section = where;
    return kind == &pm_section_pool ? parsed_open_pool(parsed, word, p, why)
                                    : parsed_open_scripts(parsed, word, p, why);
}

static void parsed_add(pm_parsed_t *parsed, pm_conf_t *conf, const char *where,
                       apr_pool_t *p)
{
    const pm_section_t *first = pm_parsed_find(parsed, conf->name);

    if (first) {
        pm_parsed_add_duplicate(parsed, conf->name, first->where, where, p);
        return;
    }
    APR_ARRAY_PUSH(parsed->sections, pm_section_t) =
        (pm_section_t){conf, where};
}

apr_status_t pm_parsed_check_scripts(const pm_parsed_t *parsed,
                                     const pm_scripts_t *scripts,
                                     pm_reason_t *why)
{
    int i;

    for (i = 0; i < parsed->scripts->nelts; i++) {
        const pm_scripts_t *first =
            &APR_ARRAY_IDX(parsed->scripts, i, pm_scripts_t);

        if (!strcmp(first->dir, scripts->dir)) {
            return first == scripts
                       ? APR_SUCCESS
                       : pm_fail(why, APR_EINVAL,
                                 "it stands at %s already, which counts",
                                 first->where);
        }
    }
    return APR_SUCCESS;
}

void pm_parsed_close(pm_parsed_t *parsed, int keep, apr_pool_t *p)
{
    if (keep && parsed->rules) {
        APR_ARRAY_PUSH(parsed->scripts, pm_scripts_t) = (pm_scripts_t){
            parsed->dir, parsed->current, parsed->rules, parsed->section};
    }
    else if (keep) {
        parsed_add(parsed, parsed->current, parsed->section, p);
    }
    parsed->current = NULL;
    parsed->rules = NULL;
    parsed->dir = NULL;
    parsed->section = NULL;
}

const pm_section_t *pm_parsed_find(const pm_parsed_t *parsed, const char *name)
{
    int i;

    for (i = 0; i < parsed->sections->nelts; i++) {
        const pm_section_t *section =
            &APR_ARRAY_IDX(parsed->sections, i, pm_section_t);

        if (!strcmp(section->conf->name, name)) {
            return section;
        }
    }
    return NULL;
}

void pm_parsed_append(pm_parsed_t *parsed, const pm_parsed_t *virtual,
                      apr_pool_t *p)
{
    int i;

    for (i = 0; i < virtual->sections->nelts; i++) {
        const pm_section_t *section =
            &APR_ARRAY_IDX(virtual->sections, i, pm_section_t);

        parsed_add(parsed, section->conf, section->where, p);
    }
    apr_array_cat(parsed->scripts, virtual->scripts);
    apr_array_cat(parsed->faults, virtual->faults);
}

/* --- faults --------------------------------------------------------------- */

void pm_parsed_add_fault(pm_parsed_t *parsed, const char *text)
{
    APR_ARRAY_PUSH(parsed->faults, const char *) = text;
}

void pm_parsed_add_duplicate(pm_parsed_t *parsed, const char *name,
                             const char *first, const char *second,
                             apr_pool_t *p)
{
    pm_parsed_add_fault(parsed, apr_psprintf(p,
                                             "pool %s is defined twice, at %s "
                                             "and at %s: the first definition "
                                             "stands",
                                             name, first, second));
}

const char *pm_parsed_place(const void *conf, pm_scope_t scope,
                            const char *reason, apr_pool_t *p)
{
    const pm_row_t *row =
        pm_conf_row(apr_pstrmemdup(p, reason, strcspn(reason, " :,")));
    const char *where =
        row && row->scope == scope ? pm_conf_noted(conf, row) : NULL;
    const char *place = where ? strchr(where, ' ') : NULL;

    return place ? place + 1 : NULL;
}
