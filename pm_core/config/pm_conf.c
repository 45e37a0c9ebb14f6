/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/config/pm_conf.h"

#include <stddef.h>
#include <string.h>

#include "apr_escape.h"
#include "apr_strings.h"
#include "pm_core/config/pm_value.h"

/* Of a list's places no more are noted when they are so long. */
#define WHERE_MAX 1024

#define SCOPE_pm_global_t PM_SCOPE_GLOBAL
#define SCOPE_pm_conf_t   PM_SCOPE_POOL
#define SCOPE_pm_rules_t  PM_SCOPE_RULES

const pm_row_t pm_conf_rows[PM_ROWS + 1] = {
#define PM_ROW(field, name, type, st, init, min, max, choices, change, help)   \
    {name,    type,   SCOPE_##st, offsetof(st, field), init, min, max,         \
     choices, change, help},
#include "pm_core/config/pm_conf_rows.h"
    {NULL, PM_T_STRING, PM_SCOPE_POOL, 0, NULL, 0, 0, NULL, PM_CHANGE_NOTHING,
     NULL}};

_Static_assert(offsetof(pm_conf_t, origin) == 0
                   && offsetof(pm_global_t, origin) == 0
                   && offsetof(pm_rules_t, origin) == 0,
               "each structure begins with its origins");

static void *field_of(void *conf, const pm_row_t *row)
{
    return (char *)conf + row->offset;
}

static const void *const_field_of(const void *conf, const pm_row_t *row)
{
    return (const char *)conf + row->offset;
}

static pm_origin_t *origin_of(void *conf, const pm_row_t *row)
{
    return (pm_origin_t *)conf + (row - pm_conf_rows);
}

static const pm_origin_t *const_origin_of(const void *conf, const pm_row_t *row)
{
    return (const pm_origin_t *)conf + (row - pm_conf_rows);
}

int pm_conf_is_given(const void *conf, const pm_row_t *row)
{
    return const_origin_of(conf, row)->given;
}

const char *pm_conf_noted(const void *conf, const pm_row_t *row)
{
    return const_origin_of(conf, row)->where;
}

const void *pm_conf_field(const void *conf, const pm_row_t *row)
{
    return const_field_of(conf, row);
}

void pm_conf_unset(void *conf, const pm_row_t *row)
{
    origin_of(conf, row)->given = 0;
}

void pm_conf_note(void *conf, const pm_row_t *row, const char *where,
                  apr_pool_t *p)
{
    const char **noted = &origin_of(conf, row)->where;
    const char *place = where ? strchr(where, ' ') : NULL;

    if (*noted && place && pm_value_grows(row)) {
        if (strlen(*noted) < WHERE_MAX) {
            *noted = apr_pstrcat(p, *noted, ",", place, NULL);
        }
        return;
    }
    *noted = where ? apr_pstrdup(p, where) : NULL;
}

const pm_row_t *pm_conf_row(const char *name)
{
    const pm_row_t *row;

    for (row = pm_conf_rows; row->name; row++) {
        if (!strcasecmp(row->name, name)) {
            return row;
        }
    }
    return NULL;
}

apr_status_t pm_conf_set(void *conf, const pm_row_t *row, int argc,
                         const char *const *argv, apr_pool_t *p,
                         pm_reason_t *why)
{
    pm_origin_t *origin = origin_of(conf, row);
    apr_status_t rv = pm_value_read(row, field_of(conf, row), !origin->given,
                                    argc, argv, p, why);

    if (rv == APR_SUCCESS) {
        origin->given = 1;
    }
    return rv;
}

/* --- whole definitions ---------------------------------------------------- */

/* A default goes into its field as an administrator would write it, but does
 * not count as given. */
static void set_defaults(void *conf, pm_scope_t scope, apr_pool_t *p)
{
    const pm_row_t *row;

    for (row = pm_conf_rows; row->name; row++) {
        if (row->scope == scope && row->init) {
            apr_status_t rv = pm_value_read(row, field_of(conf, row), 1, 1,
                                            &row->init, p, NULL);

            PM_ASSERT(rv == APR_SUCCESS);
        }
    }
}

pm_conf_t *pm_conf_create(apr_pool_t *p, const char *name)
{
    pm_conf_t *conf = apr_pcalloc(p, sizeof(*conf));

    set_defaults(conf, PM_SCOPE_POOL, p);
    conf->name = apr_pstrdup(p, name);
    return conf;
}

pm_global_t *pm_global_create(apr_pool_t *p)
{
    pm_global_t *global = apr_pcalloc(p, sizeof(*global));

    set_defaults(global, PM_SCOPE_GLOBAL, p);
    return global;
}

pm_rules_t *pm_rules_create(apr_pool_t *p)
{
    pm_rules_t *rules = apr_pcalloc(p, sizeof(*rules));

    set_defaults(rules, PM_SCOPE_RULES, p);
    return rules;
}

apr_status_t pm_conf_name_check(const char *name, pm_reason_t *why)
{
    apr_size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-");

    if (name[len] || len < 1 || len > 64 || name[0] == '.') {
        return pm_fail(why, APR_EINVAL,
                       "\"%.100s\" is not a pool's name: 1 "
                       "to 64 of A-Z a-z 0-9 . _ -, not starting with a dot",
                       name);
    }
    return APR_SUCCESS;
}

static void merge(void *conf, const void *over, pm_scope_t scope)
{
    const pm_row_t *row;

    for (row = pm_conf_rows; row->name; row++) {
        if (row->scope == scope && pm_conf_is_given(over, row)) {
            memcpy(field_of(conf, row), const_field_of(over, row),
                   pm_value_size(row));
            *origin_of(conf, row) = *const_origin_of(over, row);
        }
    }
}

pm_conf_t *pm_conf_merge(apr_pool_t *p, const pm_conf_t *base,
                         const pm_conf_t *over)
{
    pm_conf_t *conf = apr_pmemdup(p, base, sizeof(*base));

    merge(conf, over, PM_SCOPE_POOL);
    conf->name = over->name;
    return conf;
}

pm_global_t *pm_global_merge(apr_pool_t *p, const pm_global_t *base,
                             const pm_global_t *over)
{
    pm_global_t *global = apr_pmemdup(p, base, sizeof(*base));

    merge(global, over, PM_SCOPE_GLOBAL);
    return global;
}

pm_conf_t *pm_conf_copy(apr_pool_t *p, const pm_conf_t *conf)
{
    pm_conf_t *copy = apr_pmemdup(p, conf, sizeof(*conf));
    const pm_row_t *row;

    copy->name = apr_pstrdup(p, conf->name);
    for (row = pm_conf_rows; row->name; row++) {
        if (row->scope == PM_SCOPE_POOL) {
            pm_value_detach(row, field_of(copy, row), p);
            origin_of(copy, row)->where =
                apr_pstrdup(p, pm_conf_noted(conf, row));
        }
    }
    return copy;
}

static const char *write_row(apr_pool_t *p, const void *conf,
                             const pm_row_t *row)
{
    return pm_value_write(row, const_field_of(conf, row), p);
}

static const char *write_where(apr_pool_t *p, const void *conf,
                               const pm_row_t *row)
{
    const char *where = pm_conf_noted(conf, row);

    return where ? apr_pstrcat(p, "@", row->name, " ",
                               apr_pescape_urlencoded(p, where), "\n", NULL)
                 : "";
}

/* @return how many rows differ; the strongest change among them */
static int compare(const pm_conf_t *a, const pm_conf_t *b, pm_change_t *change)
{
    const pm_row_t *row;
    int n = 0;

    *change = PM_CHANGE_NOTHING;
    for (row = pm_conf_rows; row->name; row++) {
        if (row->scope == PM_SCOPE_POOL
            && !pm_value_is_equal(row, const_field_of(a, row),
                                  const_field_of(b, row))) {
            *change = row->change > *change ? row->change : *change;
            n++;
        }
    }
    return n;
}

const apr_array_header_t *pm_conf_judged_clients(const pm_conf_t *conf)
{
    const apr_array_header_t *list = conf->listen_clients;

    return list && conf->listen && strncmp(conf->listen, "unix:", 5)
                   && strcmp(APR_ARRAY_IDX(list, 0, const char *), "any")
               ? list
               : NULL;
}

pm_change_t pm_conf_compare(const pm_conf_t *a, const pm_conf_t *b)
{
    pm_change_t change;

    compare(a, b, &change);
    return change;
}

int pm_conf_is_equal(const pm_conf_t *a, const pm_conf_t *b)
{
    pm_change_t change;

    return compare(a, b, &change) == 0;
}

char *pm_conf_write(const void *conf, pm_scope_t scope, apr_pool_t *p)
{
    apr_array_header_t *lines = apr_array_make(p, PM_ROWS, sizeof(char *));
    const pm_row_t *row;

    for (row = pm_conf_rows; row->name; row++) {
        if (row->scope == scope) {
            *(const char **)apr_array_push(lines) = write_row(p, conf, row);
            *(const char **)apr_array_push(lines) = write_where(p, conf, row);
        }
    }
    return apr_array_pstrcat(p, lines, '\0');
}

/* "Name word word" into the definition.  A word can be empty. */
static apr_status_t read_line(void *conf, pm_scope_t scope, char *line,
                              apr_pool_t *p, apr_pool_t *ptemp,
                              pm_reason_t *why)
{
    const char *argv[257];
    const pm_row_t *row;
    int is_where = line[0] == '@';
    char *next = strchr(line, ' ');
    char *word;
    int argc = 0;

    line += is_where;

    if (next) {
        *next++ = '\0';
    }
    row = pm_conf_row(line);
    if (!row || row->scope != scope) {
        return pm_fail(why, APR_EINVAL, "\"%.100s\" is not a setting", line);
    }
    for (word = next; word; word = next) {
        next = strchr(word, ' ');
        if (next) {
            *next++ = '\0';
        }
        if (argc == 257) {
            return pm_fail(why, APR_EINVAL, "%s: too many words", row->name);
        }
        argv[argc] = apr_punescape_url(ptemp, word, NULL, NULL, 1);
        if (!argv[argc++]) {
            return pm_fail(why, APR_EINVAL, "%s: bad escape in \"%.100s\"",
                           row->name, word);
        }
    }
    if (is_where) {
        pm_conf_note(conf, row, argc ? argv[0] : NULL, p);
        return APR_SUCCESS;
    }
    return pm_conf_set(conf, row, argc, argv, p, why);
}

/* A definition lives long: nothing but itself is left in its pool. */
apr_status_t pm_conf_read(void *conf, pm_scope_t scope, const char *text,
                          apr_pool_t *p, pm_reason_t *why)
{
    apr_pool_t *ptemp;
    char *last = NULL;
    char *line;
    apr_status_t rv = apr_pool_create(&ptemp, p);

    if (rv != APR_SUCCESS) {
        return pm_fail_os(why, rv, "no memory");
    }
    for (line = apr_strtok(apr_pstrdup(ptemp, text), "\n", &last);
         line && rv == APR_SUCCESS; line = apr_strtok(NULL, "\n", &last)) {
        rv = read_line(conf, scope, line, p, ptemp, why);
    }
    apr_pool_destroy(ptemp);
    return rv;
}
