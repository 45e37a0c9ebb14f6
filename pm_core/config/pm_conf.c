/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/config/pm_conf.h"

#include <stddef.h>
#include <string.h>

#include "apr_escape.h"
#include "apr_strings.h"
#include "pm_core/config/pm_value.h"

/* Of a list's places no more are noted when they are so long. */
#define WHERE_MAX 1024

#define IS_pm_global_t 1
#define IS_pm_conf_t   0
#define IS_pm_rules_t  2

const pm_row_t pm_conf_rows[PM_ROWS + 1] = {
#define PM_ROW(field, name, type, st, init, min, max, choices, change, help)   \
    {name,    type,   IS_##st, offsetof(st, field), init, min, max,            \
     choices, change, help},
#include "pm_core/config/pm_conf_rows.h"
    {NULL, PM_T_STRING, 0, 0, NULL, 0, 0, NULL, PM_CHANGE_NOTHING, NULL}};

_Static_assert(PM_ROWS <= 64, "one bit of `set` for each row");
_Static_assert(offsetof(pm_conf_t, where) == offsetof(pm_global_t, where)
                   && offsetof(pm_conf_t, where) == offsetof(pm_rules_t, where),
               "all structures begin in the same way");

static apr_uint64_t bit(const pm_row_t *row)
{
    return APR_UINT64_C(1) << (row - pm_conf_rows);
}

static void *field_of(void *conf, const pm_row_t *row)
{
    return (char *)conf + row->offset;
}

static const void *const_field_of(const void *conf, const pm_row_t *row)
{
    return (const char *)conf + row->offset;
}

/* All structures start with the bit set. */
static apr_uint64_t *set_of(void *conf)
{
    return conf;
}

static const char **where_of(void *conf, const pm_row_t *row)
{
    return &((pm_conf_t *)conf)->where[row - pm_conf_rows];
}

const char *pm_conf_noted(const void *conf, const pm_row_t *row)
{
    return ((const pm_conf_t *)conf)->where[row - pm_conf_rows];
}

const void *pm_conf_field(const void *conf, const pm_row_t *row)
{
    return const_field_of(conf, row);
}

void pm_conf_note(void *conf, const pm_row_t *row, const char *where,
                  apr_pool_t *p)
{
    const char **noted = where_of(conf, row);
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
    apr_status_t rv =
        pm_value_read(row, field_of(conf, row), !(*set_of(conf) & bit(row)),
                      argc, argv, p, why);

    if (rv == APR_SUCCESS) {
        *set_of(conf) |= bit(row);
    }
    return rv;
}

/* --- whole definitions ---------------------------------------------------- */

static void set_defaults(void *conf, int global, apr_pool_t *p)
{
    const pm_row_t *row;

    for (row = pm_conf_rows; row->name; row++) {
        if (row->global == global && row->init) {
            pm_reason_t why = {""};

            PM_ASSERT(pm_conf_set(conf, row, 1, &row->init, p, &why)
                      == APR_SUCCESS);
        }
    }
    *set_of(conf) = 0;
}

pm_conf_t *pm_conf_create(apr_pool_t *p, const char *name)
{
    pm_conf_t *conf = apr_pcalloc(p, sizeof(*conf));

    set_defaults(conf, 0, p);
    conf->name = apr_pstrdup(p, name);
    return conf;
}

pm_global_t *pm_global_create(apr_pool_t *p)
{
    pm_global_t *global = apr_pcalloc(p, sizeof(*global));

    set_defaults(global, 1, p);
    return global;
}

pm_rules_t *pm_rules_create(apr_pool_t *p)
{
    pm_rules_t *rules = apr_pcalloc(p, sizeof(*rules));

    set_defaults(rules, 2, p);
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

pm_conf_t *pm_conf_merge(apr_pool_t *p, const pm_conf_t *base,
                         const pm_conf_t *over)
{
    pm_conf_t *conf = apr_pmemdup(p, base, sizeof(*base));
    const pm_row_t *row;

    for (row = pm_conf_rows; row->name; row++) {
        if (!row->global && (over->set & bit(row))) {
            memcpy(field_of(conf, row), const_field_of(over, row),
                   pm_value_size(row));
            *where_of(conf, row) = pm_conf_noted(over, row);
        }
    }
    conf->set |= over->set;
    conf->name = over->name;
    return conf;
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
    apr_pool_t *p;
    int n = 0;

    *change = PM_CHANGE_NOTHING;
    if (apr_pool_create(&p, NULL) != APR_SUCCESS) {
        *change = PM_CHANGE_WORKERS; /* the safe side */
        return 1;
    }
    for (row = pm_conf_rows; row->name; row++) {
        if (!row->global
            && strcmp(write_row(p, a, row), write_row(p, b, row))) {
            *change = row->change > *change ? row->change : *change;
            n++;
        }
    }
    apr_pool_destroy(p);
    return n;
}

pm_change_t pm_conf_compare(const pm_conf_t *a, const pm_conf_t *b)
{
    pm_change_t change;

    compare(a, b, &change);
    return change;
}

int pm_conf_equal(const pm_conf_t *a, const pm_conf_t *b)
{
    pm_change_t change;

    return compare(a, b, &change) == 0;
}

char *pm_conf_write(const void *conf, int global, apr_pool_t *p)
{
    apr_array_header_t *lines = apr_array_make(p, PM_ROWS, sizeof(char *));
    const pm_row_t *row;

    for (row = pm_conf_rows; row->name; row++) {
        if (row->global == global) {
            *(const char **)apr_array_push(lines) = write_row(p, conf, row);
            *(const char **)apr_array_push(lines) = write_where(p, conf, row);
        }
    }
    return apr_array_pstrcat(p, lines, '\0');
}

/* "Name word word" into the definition.  A word can be empty. */
static apr_status_t read_line(void *conf, int global, char *line, apr_pool_t *p,
                              apr_pool_t *ptemp, pm_reason_t *why)
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
    if (!row || row->global != global) {
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
apr_status_t pm_conf_read(void *conf, int global, const char *text,
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
        rv = read_line(conf, global, line, p, ptemp, why);
    }
    apr_pool_destroy(ptemp);
    return rv;
}
