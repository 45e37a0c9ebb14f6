/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_conf.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "apr_escape.h"
#include "apr_lib.h"
#include "apr_strings.h"

#define IS_pm_global_t 1
#define IS_pm_conf_t 0

const pm_row_t pm_conf_rows[PM_ROWS + 1] = {
#define PM_ROW(field, name, type, st, init, min, max, choices, change, help) \
    {name,    type,   IS_##st, offsetof(st, field), init, min, max, choices, \
     change,  help},
#include "pm_conf_rows.h"
    {NULL, PM_T_STRING, 0, 0, NULL, 0, 0, NULL, PM_CHANGE_NOTHING, NULL}
};

_Static_assert(PM_ROWS <= 64, "one bit of `set` for each row");

/* What a type's reader works on: one setting and the words behind it. */
typedef struct task {
    const pm_row_t *row;
    void *field;
    int argc;
    const char *const *argv;
    apr_pool_t *p;
    pm_reason_t *why;
} task_t;

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

/* Both structures start with the bit set. */
static apr_uint64_t *set_of(void *conf)
{
    return conf;
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

/* --- numbers with a unit -------------------------------------------------- */

typedef struct unit {
    const char *name;
    apr_int64_t factor;
} unit_t;

/* The first is meant when none is written.  ap_timeout_parameter_parse()
 * knows these and no other. */
static const unit_t time_units[] = {
    {"", 1000000}, {"s", 1000000}, {"ms", 1000},
    {"mi", APR_INT64_C(60000000)}, {"min", APR_INT64_C(60000000)},
    {"h", APR_INT64_C(3600000000)}, {NULL, 0}
};

static const unit_t size_units[] = {
    {"", 1}, {"K", 1024}, {"M", 1024 * 1024}, {"G", 1024 * 1024 * 1024},
    {NULL, 0}
};

static const unit_t no_units[] = {{"", 1}, {NULL, 0}};

/* The whole of @a text as a number in [row->min, row->max]. */
static int read_number(const char *text, int base, const unit_t *units,
                       const pm_row_t *row, apr_int64_t *value)
{
    apr_int64_t n;
    char *end;

    if (!apr_isdigit(text[text[0] == '-' && row->min < 0])) {
        return 0;
    }
    errno = 0;
    n = apr_strtoi64(text, &end, base);
    if (errno) {
        return 0;
    }
    for (; units->name; units++) {
        if (!strcasecmp(end, units->name)) {
            if (n > row->max / units->factor || (n < 0 && n < row->min)) {
                return 0;
            }
            *value = n * units->factor;
            return *value >= row->min && *value <= row->max;
        }
    }
    return 0;
}

/* A number as it is best written: with the largest unit that divides it. */
static const char *write_number(apr_pool_t *p, apr_int64_t n,
                                const unit_t *units)
{
    const unit_t *best = NULL;

    for (; units->name; units++) {
        if (n % units->factor == 0
            && (!best || (n && units->factor > best->factor))) {
            best = units;
        }
    }
    PM_ASSERT(best);   /* every setting is a multiple of its least unit */
    return apr_psprintf(p, "%" APR_INT64_T_FMT "%s", n / best->factor,
                        best->name);
}

static apr_status_t bad_number(const task_t *t, const char *text,
                               const char *kind, const unit_t *units)
{
    return pm_fail(t->why, APR_EINVAL, "%s: \"%s\" is not %s from %s to %s",
                   t->row->name, text, kind,
                   write_number(t->p, t->row->min, units),
                   write_number(t->p, t->row->max, units));
}

/* --- one reader for each type --------------------------------------------- */

static apr_status_t read_string(const task_t *t)
{
    apr_size_t len = strlen(t->argv[0]);

    if (len < (apr_size_t)t->row->min || len > (apr_size_t)t->row->max) {
        return pm_fail(t->why, APR_EINVAL, "%s: \"%.100s%s\" has %" APR_SIZE_T_FMT
                       " characters, %" APR_INT64_T_FMT " to %"
                       APR_INT64_T_FMT " are allowed", t->row->name,
                       t->argv[0], len > 100 ? "..." : "", len,
                       t->row->min, t->row->max);
    }
    *(const char **)t->field = apr_pstrdup(t->p, t->argv[0]);
    return APR_SUCCESS;
}

static apr_status_t read_path(const task_t *t)
{
    if (t->argv[0][0] != '/') {
        return pm_fail(t->why, APR_EINVAL, "%s: \"%s\" is not an absolute "
                       "path", t->row->name, t->argv[0]);
    }
    return read_string(t);
}

static void append(const task_t *t, const char *text)
{
    apr_array_header_t **list = t->field;

    if (!*list) {
        *list = apr_array_make(t->p, 4, sizeof(const char *));
    }
    *(const char **)apr_array_push(*list) = text;
}

static apr_status_t read_names(const task_t *t)
{
    int i;

    for (i = 0; i < t->argc; i++) {
        append(t, apr_pstrdup(t->p, t->argv[i]));
    }
    return t->argv[0][0] ? APR_SUCCESS
                         : pm_fail(t->why, APR_EINVAL,
                                   "%s: \"\" is not a name", t->row->name);
}

static apr_status_t read_pair(const task_t *t)
{
    if (t->argv[0][0] == '\0' || strchr(t->argv[0], '=')) {
        return pm_fail(t->why, APR_EINVAL, "%s: \"%s\" is not the name of a "
                       "variable", t->row->name, t->argv[0]);
    }
    append(t, apr_pstrcat(t->p, t->argv[0], "=",
                          t->argc > 1 ? t->argv[1] : "", NULL));
    return APR_SUCCESS;
}

static apr_status_t read_number_type(const task_t *t)
{
    return read_number(t->argv[0], 10, no_units, t->row, t->field)
               ? APR_SUCCESS
               : bad_number(t, t->argv[0], "a whole number", no_units);
}

static apr_status_t read_octal(const task_t *t)
{
    if (read_number(t->argv[0], 8, no_units, t->row, t->field)) {
        return APR_SUCCESS;
    }
    return pm_fail(t->why, APR_EINVAL, "%s: \"%s\" is not an octal number "
                   "from 0 to 0%o", t->row->name, t->argv[0],
                   (unsigned)t->row->max);
}

static apr_status_t read_time(const task_t *t)
{
    return read_number(t->argv[0], 10, time_units, t->row, t->field)
               ? APR_SUCCESS
               : bad_number(t, t->argv[0], "a time (ms, s, min, h)",
                            time_units);
}

static apr_status_t read_size(const task_t *t)
{
    if (!strcasecmp(t->argv[0], "off")) {
        *(apr_int64_t *)t->field = -1;
        return APR_SUCCESS;
    }
    return read_number(t->argv[0], 10, size_units, t->row, t->field)
               ? APR_SUCCESS
               : bad_number(t, t->argv[0], "\"off\" or a size (K, M, G)",
                            size_units);
}

/* The place of @a word among "a|b|c", or -1. */
static int choice_index(const char *choices, const char *word)
{
    apr_size_t len = strlen(word);
    const char *c = choices;
    int i;

    for (i = 0; c; i++, c = strchr(c, '|') ? strchr(c, '|') + 1 : NULL) {
        if (!strncasecmp(c, word, len) && (c[len] == '|' || !c[len])
            && len) {
            return i;
        }
    }
    return -1;
}

static apr_status_t read_choice(const task_t *t)
{
    int i = choice_index(t->row->choices, t->argv[0]);

    if (i < 0) {
        return pm_fail(t->why, APR_EINVAL, "%s: \"%s\" is not one of %s",
                       t->row->name, t->argv[0], t->row->choices);
    }
    *(apr_int64_t *)t->field = i;
    return APR_SUCCESS;
}

/* Only static pools stand as yet: one number. */
static apr_status_t read_range(const task_t *t)
{
    pm_range_t *range = t->field;

    if (!read_number(t->argv[0], 10, no_units, t->row, &range->min)) {
        return bad_number(t, t->argv[0], "a whole number", no_units);
    }
    range->max = range->min;
    return APR_SUCCESS;
}

/* A limit: a number, or "unlimited" (also "max"). */
static int limit_ok(const char *text)
{
    pm_row_t any = {0};
    apr_int64_t n;

    any.max = PM_TIME_NEVER;
    return !strcasecmp(text, "unlimited") || !strcasecmp(text, "max")
           || read_number(text, 10, size_units, &any, &n);
}

static apr_status_t read_rlimit(const task_t *t)
{
    const char *hard = t->argc > 2 ? t->argv[2] : t->argv[1];

    if (choice_index(t->row->choices, t->argv[0]) < 0) {
        return pm_fail(t->why, APR_EINVAL, "%s: \"%s\" is not one of %s",
                       t->row->name, t->argv[0], t->row->choices);
    }
    if (!limit_ok(t->argv[1]) || !limit_ok(hard)) {
        return pm_fail(t->why, APR_EINVAL, "%s: \"%s\" is not a number (K, "
                       "M, G) or \"unlimited\"", t->row->name,
                       limit_ok(t->argv[1]) ? hard : t->argv[1]);
    }
    append(t, apr_pstrcat(t->p, t->argv[0], " ", t->argv[1], " ", hard,
                          NULL));
    return APR_SUCCESS;
}

/* --- one writer for each type --------------------------------------------- */

typedef const char *writer_t(apr_pool_t *p, const void *field,
                             const pm_row_t *row);

static const char *write_string(apr_pool_t *p, const void *field,
                                const pm_row_t *row)
{
    const char *text = *(const char *const *)field;

    (void)row;
    return text ? apr_pescape_urlencoded(p, text) : NULL;
}

static const char *write_integer(apr_pool_t *p, const void *field,
                                 const pm_row_t *row)
{
    apr_int64_t n = *(const apr_int64_t *)field;
    const unit_t *units = row->type == PM_T_TIME   ? time_units
                          : row->type == PM_T_SIZE ? size_units
                                                   : no_units;

    if (row->type == PM_T_OCTAL) {
        return apr_psprintf(p, "%o", (unsigned)n);
    }
    return n < 0 && row->type == PM_T_SIZE ? "off"
                                           : write_number(p, n, units);
}

static const char *write_choice(apr_pool_t *p, const void *field,
                                const pm_row_t *row)
{
    const char *c = row->choices;
    apr_int64_t i = *(const apr_int64_t *)field;

    for (; i > 0; i--) {
        c = strchr(c, '|') + 1;
    }
    return apr_pstrmemdup(p, c, strcspn(c, "|"));
}

static const char *write_range(apr_pool_t *p, const void *field,
                               const pm_row_t *row)
{
    (void)row;
    return apr_psprintf(p, "%" APR_INT64_T_FMT,
                        ((const pm_range_t *)field)->min);
}

/* "a b c", each word escaped. */
static const char *write_words(apr_pool_t *p, const void *field,
                               const pm_row_t *row)
{
    const apr_array_header_t *list =
        *(const apr_array_header_t *const *)field;
    const char *line = NULL;
    int i;

    (void)row;
    for (i = 0; list && i < list->nelts; i++) {
        const char *word = APR_ARRAY_IDX(list, i, const char *);

        word = apr_pescape_urlencoded(p, word);
        line = line ? apr_pstrcat(p, line, " ", word, NULL) : word;
    }
    return line;
}

/* What is known of a type.  A writer that is NULL: see write_list(). */
static const struct {
    apr_status_t (*read)(const task_t *t);
    writer_t *write;
    int max_words;       /* 0: row->max */
    int list;            /* a line of text for each element */
} types[] = {
    [PM_T_STRING] = {read_string, write_string, 1, 0},
    [PM_T_PATH]   = {read_path, write_string, 1, 0},
    [PM_T_WORDS]  = {read_names, write_words, 0, 0},
    [PM_T_PAIR]   = {read_pair, NULL, 2, 1},
    [PM_T_NAMES]  = {read_names, write_words, 0, 0},
    [PM_T_RLIMIT] = {read_rlimit, NULL, 3, 1},
    [PM_T_NUMBER] = {read_number_type, write_integer, 1, 0},
    [PM_T_OCTAL]  = {read_octal, write_integer, 1, 0},
    [PM_T_TIME]   = {read_time, write_integer, 1, 0},
    [PM_T_SIZE]   = {read_size, write_integer, 1, 0},
    [PM_T_CHOICE] = {read_choice, write_choice, 1, 0},
    [PM_T_RANGE]  = {read_range, write_range, 1, 0}
};

static int is_array(const pm_row_t *row)
{
    return types[row->type].list || types[row->type].write == write_words;
}

apr_status_t pm_conf_set(void *conf, const pm_row_t *row, int argc,
                         const char *const *argv, apr_pool_t *p,
                         pm_reason_t *why)
{
    task_t t = {row, field_of(conf, row), argc, argv, p, why};
    int most = types[row->type].max_words;
    int least = row->type == PM_T_RLIMIT ? 2 : 1;
    apr_status_t rv;

    if (!most) {
        most = (int)row->max;
    }
    if (argc < least || argc > most) {
        return pm_fail(why, APR_EINVAL, "%s takes %d to %d words, %d given",
                       row->name, least, most, argc);
    }
    if (is_array(row)
        && (row->type == PM_T_WORDS || !(*set_of(conf) & bit(row)))) {
        /* a command replaces, lists grow */
        *(apr_array_header_t **)t.field = NULL;
    }
    rv = types[row->type].read(&t);
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
            pm_reason_t why;

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

apr_status_t pm_conf_name_check(const char *name, pm_reason_t *why)
{
    apr_size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyz"
                                  "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789._-");

    if (name[len] || len < 1 || len > 64 || name[0] == '.') {
        return pm_fail(why, APR_EINVAL, "\"%.100s\" is not a pool's name: 1 "
                       "to 64 of A-Z a-z 0-9 . _ -, not starting with a dot",
                       name);
    }
    return APR_SUCCESS;
}

static apr_size_t field_size(const pm_row_t *row)
{
    return row->type == PM_T_RANGE ? sizeof(pm_range_t)
           : row->type == PM_T_STRING || row->type == PM_T_PATH
               ? sizeof(char *)
           : is_array(row) ? sizeof(apr_array_header_t *)
                           : sizeof(apr_int64_t);
}

pm_conf_t *pm_conf_merge(apr_pool_t *p, const pm_conf_t *base,
                         const pm_conf_t *over)
{
    pm_conf_t *conf = apr_pmemdup(p, base, sizeof(*base));
    const pm_row_t *row;

    for (row = pm_conf_rows; row->name; row++) {
        if (!row->global && (over->set & bit(row))) {
            memcpy(field_of(conf, row), const_field_of(over, row),
                   field_size(row));
        }
    }
    conf->set |= over->set;
    conf->name = over->name;
    return conf;
}

/* A list row, as lines "Name word word\n", one for each element. */
static const char *write_list(apr_pool_t *p, const void *conf,
                              const pm_row_t *row)
{
    const apr_array_header_t *list =
        *(const apr_array_header_t *const *)const_field_of(conf, row);
    const char sep = row->type == PM_T_PAIR ? '=' : ' ';
    const char *text = "";
    int i;

    for (i = 0; list && i < list->nelts; i++) {
        const char *element = APR_ARRAY_IDX(list, i, const char *);
        const char *cut = strchr(element, sep);
        const char *line = apr_pescape_urlencoded(
            p, apr_pstrmemdup(p, element, (apr_size_t)(cut - element)));

        if (row->type == PM_T_PAIR) {
            line = apr_pstrcat(p, line, " ",
                               apr_pescape_urlencoded(p, cut + 1), NULL);
        }
        else {
            line = element;
        }
        text = apr_pstrcat(p, text, row->name, " ", line, "\n", NULL);
    }
    return text;
}

/* One row as text, "" when it holds nothing. */
static const char *write_row(apr_pool_t *p, const void *conf,
                             const pm_row_t *row)
{
    const char *words;

    if (types[row->type].list) {
        return write_list(p, conf, row);
    }
    words = types[row->type].write(p, const_field_of(conf, row), row);
    return words ? apr_pstrcat(p, row->name, " ", words, "\n", NULL) : "";
}

pm_change_t pm_conf_compare(const pm_conf_t *a, const pm_conf_t *b)
{
    pm_change_t change = PM_CHANGE_NOTHING;
    const pm_row_t *row;
    apr_pool_t *p;

    if (apr_pool_create(&p, NULL) != APR_SUCCESS) {
        return PM_CHANGE_WORKERS;   /* the safe side */
    }
    for (row = pm_conf_rows; row->name; row++) {
        if (!row->global && row->change > change
            && strcmp(write_row(p, a, row), write_row(p, b, row))) {
            change = row->change;
        }
    }
    apr_pool_destroy(p);
    return change;
}

char *pm_conf_write(const void *conf, int global, apr_pool_t *p)
{
    apr_array_header_t *lines = apr_array_make(p, PM_ROWS, sizeof(char *));
    const pm_row_t *row;

    for (row = pm_conf_rows; row->name; row++) {
        if (row->global == global) {
            *(const char **)apr_array_push(lines) = write_row(p, conf, row);
        }
    }
    return apr_array_pstrcat(p, lines, '\0');
}

/* "Name word word" into the definition. */
static apr_status_t read_line(void *conf, int global, char *line,
                              apr_pool_t *p, pm_reason_t *why)
{
    const char *argv[257];
    const pm_row_t *row;
    char *last = NULL;
    char *word = apr_strtok(line, " ", &last);
    int argc = 0;

    row = word ? pm_conf_row(word) : NULL;
    if (!row || row->global != global) {
        return pm_fail(why, APR_EINVAL, "\"%.100s\" is not a setting", line);
    }
    /* By hand: strtok would swallow an empty word. */
    for (word = last; word && *word != '\0'; word = last) {
        last = strchr(word, ' ');
        if (last) {
            *last++ = '\0';
        }
        if (argc == 257) {
            return pm_fail(why, APR_EINVAL, "%s: too many words", row->name);
        }
        argv[argc] = apr_punescape_url(p, word, NULL, NULL, 1);
        if (!argv[argc++]) {
            return pm_fail(why, APR_EINVAL, "%s: bad escape in \"%.100s\"",
                           row->name, word);
        }
    }
    if (row->type == PM_T_PAIR && argc == 1) {
        argv[argc++] = "";
    }
    return pm_conf_set(conf, row, argc, argv, p, why);
}

apr_status_t pm_conf_read(void *conf, int global, const char *text,
                          apr_pool_t *p, pm_reason_t *why)
{
    char *copy = apr_pstrdup(p, text);
    char *last = NULL;
    char *line;
    apr_status_t rv = APR_SUCCESS;

    for (line = apr_strtok(copy, "\n", &last); line && rv == APR_SUCCESS;
         line = apr_strtok(NULL, "\n", &last)) {
        rv = read_line(conf, global, line, p, why);
    }
    return rv;
}
