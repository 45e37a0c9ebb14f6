/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/config/pm_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "apr_escape.h"
#include "apr_lib.h"
#include "apr_strings.h"
#include "pm_core/base/pm_nearest.h"
#include "pm_core/base/pm_prefix.h"
#include "pm_core/config/pm_php.h"

/* What a type's reader works on: one setting and the words behind it. */
typedef struct task {
    const pm_row_t *row;
    void *field;
    int argc;
    const char *const *argv;
    apr_pool_t *p;
    pm_reason_t *why;
} task_t;

/* --- numbers with a unit -------------------------------------------------- */

typedef struct unit {
    const char *name;
    apr_int64_t factor;
} unit_t;

/* The first is meant when none is written.  ap_timeout_parameter_parse()
 * knows these and no other. */
static const unit_t time_units[] = {{"", 1000000},
                                    {"s", 1000000},
                                    {"ms", 1000},
                                    {"mi", APR_INT64_C(60000000)},
                                    {"min", APR_INT64_C(60000000)},
                                    {"h", APR_INT64_C(3600000000)},
                                    {NULL, 0}};

static const unit_t size_units[] = {{"", 1},
                                    {"K", 1024},
                                    {"M", 1024 * 1024},
                                    {"G", 1024 * 1024 * 1024},
                                    {NULL, 0}};

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

/* A number as it is best written: with the largest unit that divides it, by
 * the longest of its names. */
static const char *write_number(apr_pool_t *p, apr_int64_t n,
                                const unit_t *units)
{
    const unit_t *best = NULL;

    for (; units->name; units++) {
        if (n % units->factor == 0
            && (!best || (n && units->factor >= best->factor))) {
            best = units;
        }
    }
    PM_ASSERT(best); /* every setting is a multiple of its least unit */
    return apr_psprintf(p, "%" APR_INT64_T_FMT "%s", n / best->factor,
                        best->name);
}

/* How people write units that are none here.  @return @a text with one that
 * is, or NULL */
static const char *rewrite_number(const char *text, const unit_t *units,
                                  apr_pool_t *p)
{
    static const struct {
        const unit_t *of;
        const char *written, *unit;
        int factor;
    } others[] = {
        {size_units, "B", "", 1},          {size_units, "KB", "K", 1},
        {size_units, "KiB", "K", 1},       {size_units, "MB", "M", 1},
        {size_units, "MiB", "M", 1},       {size_units, "GB", "G", 1},
        {size_units, "GiB", "G", 1},       {size_units, "T", "G", 1024},
        {size_units, "TB", "G", 1024},     {time_units, "sec", "s", 1},
        {time_units, "secs", "s", 1},      {time_units, "second", "s", 1},
        {time_units, "seconds", "s", 1},   {time_units, "m", "min", 1},
        {time_units, "mins", "min", 1},    {time_units, "minute", "min", 1},
        {time_units, "minutes", "min", 1}, {time_units, "hour", "h", 1},
        {time_units, "hours", "h", 1},     {time_units, "d", "h", 24},
        {time_units, "day", "h", 24},      {time_units, "days", "h", 24}};
    size_t digits = strspn(text, "0123456789");
    unsigned i;

    for (i = 0; digits && digits < 10 && i < sizeof(others) / sizeof(others[0]);
         i++) {
        if (others[i].of == units
            && !strcasecmp(others[i].written, text + digits)) {
            return apr_psprintf(p, "%" APR_INT64_T_FMT "%s",
                                apr_atoi64(text) * others[i].factor,
                                others[i].unit);
        }
    }
    return NULL;
}

static apr_status_t bad_number(const task_t *t, const char *text,
                               const char *kind, const unit_t *units)
{
    const char *meant = rewrite_number(text, units, t->p);

    return pm_fail(t->why, APR_EINVAL, "%s: \"%s\" is not %s from %s to %s%s%s",
                   t->row->name, text, kind,
                   write_number(t->p, t->row->min, units),
                   write_number(t->p, t->row->max, units),
                   meant ? ": write " : "", meant ? meant : "");
}

/* --- one reader for each type --------------------------------------------- */

static apr_status_t read_string(const task_t *t)
{
    apr_size_t len = strlen(t->argv[0]);

    if (len < (apr_size_t)t->row->min || len > (apr_size_t)t->row->max) {
        return pm_fail(t->why, APR_EINVAL,
                       "%s: \"%.100s%s\" has %" APR_SIZE_T_FMT
                       " characters, %" APR_INT64_T_FMT " to %" APR_INT64_T_FMT
                       " are allowed",
                       t->row->name, t->argv[0], len > 100 ? "..." : "", len,
                       t->row->min, t->row->max);
    }
    *(const char **)t->field = apr_pstrdup(t->p, t->argv[0]);
    return APR_SUCCESS;
}

static apr_status_t read_path(const task_t *t)
{
    if (t->argv[0][0] != '/') {
        return pm_fail(t->why, APR_EINVAL,
                       "%s: \"%s\" is not an absolute "
                       "path",
                       t->row->name, t->argv[0]);
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

/* Of all its directives together: it goes to the manager as one line, and
 * pm_conf_read() takes so many words. */
#define NAMES_MOST 256

static apr_status_t read_names(const task_t *t)
{
    const apr_array_header_t *list;
    int i;

    for (i = 0; i < t->argc; i++) {
        append(t, apr_pstrdup(t->p, t->argv[i]));
    }
    list = *(apr_array_header_t **)t->field;
    if (list && list->nelts > NAMES_MOST) {
        return pm_fail(t->why, APR_EINVAL, "%s: %d words, %d are allowed",
                       t->row->name, list->nelts, NAMES_MOST);
    }
    return t->argv[0][0] ? APR_SUCCESS
                         : pm_fail(t->why, APR_EINVAL, "%s: \"\" is not a name",
                                   t->row->name);
}

/* Of all its directives together at most row->max: pm_conf_read() gets them as
 * one. */
static apr_status_t read_bounded(const task_t *t, const char *what)
{
    apr_status_t rv = read_names(t);
    const apr_array_header_t *list = *(apr_array_header_t **)t->field;

    return rv != APR_SUCCESS || list->nelts <= t->row->max
               ? rv
               : pm_fail(t->why, APR_EINVAL,
                         "%s: %d %s, %" APR_INT64_T_FMT " are allowed",
                         t->row->name, list->nelts, what, t->row->max);
}

static apr_status_t read_paths(const task_t *t)
{
    int i;

    for (i = 0; i < t->argc; i++) {
        if (t->argv[i][0] != '/') {
            return pm_fail(t->why, APR_EINVAL,
                           "%s: \"%s\" is not an "
                           "absolute path",
                           t->row->name, t->argv[i]);
        }
    }
    return read_bounded(t, "paths");
}

/* A request with it has to fit into a record and a socket's buffer. */
#define URL_MOST 4000

/* A path, or a URL with a host and a path.  Behind a space: what httpd has
 * added. */
static int is_url(const char *word)
{
    size_t n = strcspn(word, " ");
    const char *host = !strncmp(word, "http://", 7)    ? word + 7
                       : !strncmp(word, "https://", 8) ? word + 8
                                                       : word;
    size_t i;

    for (i = 0; i < n && word[i] > ' ' && word[i] < 0x7f; i++) {
        ;
    }
    return i == n && n <= URL_MOST && strlen(word) <= (size_t)2 * URL_MOST
           && (host == word ? *word == '/'
                            : host[0] && host[0] != '/'
                                  && memchr(host, '/', strcspn(host, " ")));
}

static apr_status_t read_urls(const task_t *t)
{
    int i;

    for (i = 0; i < t->argc; i++) {
        if (!is_url(t->argv[i])) {
            return pm_fail(
                t->why, APR_EINVAL,
                "%s: \"%.100s\" is neither a path, as /index.php?a=1, "
                "nor a URL, as http://www.example.org/index.php",
                t->row->name, t->argv[i]);
        }
    }
    return read_bounded(t, "URLs");
}

#define CLIENTS_ANY "any"

static int is_any(const char *word)
{
    return !strcasecmp(word, CLIENTS_ANY);
}

static apr_status_t read_clients(const task_t *t)
{
    apr_array_header_t **list = t->field;
    pm_prefix_t prefix;
    int i;

    for (i = 0; i < t->argc; i++) {
        const char *word = t->argv[i];

        if (!is_any(word) && !pm_prefix_read(word, strlen(word), &prefix)) {
            return pm_fail(t->why, APR_EINVAL,
                           "%s: \"%.100s\" is neither \"any\" nor an address "
                           "or a prefix, as 192.0.2.7, 192.0.2.0/24 or "
                           "2001:db8::/32",
                           t->row->name, word);
        }
        append(t, is_any(word) ? CLIENTS_ANY : apr_pstrdup(t->p, word));
    }
    if ((*list)->nelts > t->row->max) {
        return pm_fail(t->why, APR_EINVAL,
                       "%s: %d addresses, %" APR_INT64_T_FMT " are allowed",
                       t->row->name, (*list)->nelts, t->row->max);
    }
    for (i = 0; i < (*list)->nelts && (*list)->nelts > 1; i++) {
        if (is_any(APR_ARRAY_IDX(*list, i, const char *))) {
            return pm_fail(t->why, APR_EINVAL, "%s: \"any\" stands alone",
                           t->row->name);
        }
    }
    return APR_SUCCESS;
}

static apr_status_t read_pair(const task_t *t)
{
    if (t->argv[0][0] == '\0' || strchr(t->argv[0], '=')) {
        return pm_fail(t->why, APR_EINVAL,
                       "%s: \"%s\" is not the name of a "
                       "variable",
                       t->row->name, t->argv[0]);
    }
    append(t, apr_pstrcat(t->p, t->argv[0], "=", t->argc > 1 ? t->argv[1] : "",
                          NULL));
    return APR_SUCCESS;
}

static apr_status_t read_php(const task_t *t)
{
    pm_reason_t cause;

    if (pm_php_check(t->argv[0], t->argc > 1 ? t->argv[1] : "", &cause)
        != APR_SUCCESS) {
        return pm_fail(t->why, APR_EINVAL, "%s: %s", t->row->name, cause.text);
    }
    return read_pair(t);
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
    return pm_fail(t->why, APR_EINVAL,
                   "%s: \"%s\" is not an octal number "
                   "from 0 to 0%o",
                   t->row->name, t->argv[0], (unsigned)t->row->max);
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
    int may_be_off = t->row->min == 0;

    if (may_be_off && !strcasecmp(t->argv[0], "off")) {
        *(apr_int64_t *)t->field = -1;
        return APR_SUCCESS;
    }
    return read_number(t->argv[0], 10, size_units, t->row, t->field)
               ? APR_SUCCESS
               : bad_number(t, t->argv[0],
                            may_be_off ? "\"off\" or a size (K, M, G)"
                                       : "a size (K, M, G)",
                            size_units);
}

/* The place of @a word among "a|b|c", or -1. */
static int choice_index(const char *choices, const char *word)
{
    apr_size_t len = strlen(word);
    const char *c = choices;
    int i;

    for (i = 0; c; i++, c = strchr(c, '|') ? strchr(c, '|') + 1 : NULL) {
        if (!strncasecmp(c, word, len) && (c[len] == '|' || !c[len]) && len
            && !strchr(word, '|')) {
            return i;
        }
    }
    return -1;
}

static apr_status_t bad_choice(const task_t *t)
{
    char *choices = apr_pstrdup(t->p, t->row->choices);
    pm_nearest_t nearest = {0};
    char *last = NULL;
    const char *c;

    for (c = apr_strtok(choices, "|", &last); c;
         c = apr_strtok(NULL, "|", &last)) {
        pm_nearest_offer(&nearest, t->argv[0], c);
    }
    return pm_fail(t->why, APR_EINVAL, "%s: \"%s\" is not one of %s%s%s",
                   t->row->name, t->argv[0], t->row->choices,
                   nearest.word ? ": write " : "",
                   nearest.word ? nearest.word : "");
}

static apr_status_t read_choice(const task_t *t)
{
    int i = choice_index(t->row->choices, t->argv[0]);

    if (i < 0) {
        return bad_choice(t);
    }
    *(apr_int64_t *)t->field = i;
    return APR_SUCCESS;
}

static apr_status_t read_range(const task_t *t)
{
    const char *text[2] = {t->argv[0], t->argv[t->argc - 1]};
    pm_range_t range;
    int i;

    for (i = 0; i < 2; i++) {
        if (!read_number(text[i], 10, no_units, t->row,
                         i ? &range.max : &range.min)) {
            return bad_number(t, text[i], "a whole number", no_units);
        }
    }
    if (range.min > range.max) {
        return pm_fail(t->why, APR_EINVAL,
                       "%s: \"%s %s\": the first number is the least, the "
                       "second the most: write \"%s %s\"",
                       t->row->name, text[0], text[1], text[1], text[0]);
    }
    *(pm_range_t *)t->field = range;
    return APR_SUCCESS;
}

/* "n" or "n 20%" */
static apr_status_t read_jittered(const task_t *t)
{
    const pm_row_t percents = {.max = 100};
    pm_jittered_t *field = t->field;
    apr_int64_t n, percent = 10;
    char *text;

    if (!read_number(t->argv[0], 10, no_units, t->row, &n)) {
        return bad_number(t, t->argv[0], "a whole number", no_units);
    }
    if (t->argc > 1) {
        text = apr_pstrdup(t->p, t->argv[1]);
        if (*text && text[strlen(text) - 1] == '%') {
            text[strlen(text) - 1] = '\0';
        }
        if (!read_number(text, 10, no_units, &percents, &percent)) {
            return pm_fail(t->why, APR_EINVAL,
                           "%s: \"%s\" is not 0%% to "
                           "100%%",
                           t->row->name, t->argv[1]);
        }
    }
    field->n = n;
    field->percent = percent;
    return APR_SUCCESS;
}

/* The command replaces one that was given before. */
static apr_status_t read_timed(const task_t *t)
{
    pm_timed_t *field = t->field;
    task_t words = *t;
    apr_status_t rv;

    words.field = &field->time;
    rv = read_time(&words);
    field->command = NULL;
    if (rv == APR_SUCCESS && t->argc > 1) {
        words.field = &field->command;
        words.argc--;
        words.argv++;
        rv = read_names(&words);
    }
    return rv;
}

/* A limit: a number, or "unlimited" (also "max"). */
static int read_limit(const char *text, apr_int64_t *n)
{
    pm_row_t any = {0};

    any.max = PM_TIME_NEVER;
    *n = any.max;
    return !strcasecmp(text, "unlimited") || !strcasecmp(text, "max")
           || read_number(text, 10, size_units, &any, n);
}

static apr_status_t read_rlimit(const task_t *t)
{
    const char *hard = t->argc > 2 ? t->argv[2] : t->argv[1];
    apr_int64_t soft, most;

    if (choice_index(t->row->choices, t->argv[0]) < 0) {
        return bad_choice(t);
    }
    if (!read_limit(t->argv[1], &soft) || !read_limit(hard, &most)) {
        return pm_fail(t->why, APR_EINVAL,
                       "%s: \"%s %s\": a limit is a "
                       "number (K, M, G) or \"unlimited\"",
                       t->row->name, t->argv[1], hard);
    }
    if (soft > most) {
        return pm_fail(t->why, APR_EINVAL,
                       "%s: \"%s %s\": the soft limit is above the hard one, "
                       "which is the second: write \"%s %s %s\"",
                       t->row->name, t->argv[1], hard, t->argv[0], hard,
                       t->argv[1]);
    }
    append(t, apr_pstrcat(t->p, t->argv[0], " ", t->argv[1], " ", hard, NULL));
    return APR_SUCCESS;
}

/* "command [.suffix|* [virtual]]", mod_fcgid's words in their order. */
static apr_status_t read_wrapper(const task_t *t)
{
    const char *suffix = t->argc > 1 ? t->argv[1] : "*";
    const char *kind = t->argc > 2 ? t->argv[2] : "file";

    if (t->argv[0][0] != '/') {
        return pm_fail(t->why, APR_EINVAL,
                       "%s: \"%.100s\" does not begin "
                       "with an absolute path",
                       t->row->name, t->argv[0]);
    }
    if (strcmp(suffix, "*")
        && (suffix[0] != '.' || !suffix[1] || strpbrk(suffix, " \n/"))) {
        return pm_fail(t->why, APR_EINVAL,
                       "%s: \"%.100s\" is not a suffix: "
                       "it begins with a dot",
                       t->row->name, suffix);
    }
    if (strcmp(kind, "file") && strcmp(kind, "virtual")) {
        return pm_fail(t->why, APR_EINVAL,
                       "%s: \"%.100s\" is not "
                       "\"virtual\"",
                       t->row->name, kind);
    }
    append(t, apr_pstrcat(t->p, apr_pescape_urlencoded(t->p, t->argv[0]), " ",
                          suffix, " ", kind, NULL));
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
        return apr_psprintf(p, "%04o", (unsigned)n);
    }
    return n < 0 && row->type == PM_T_SIZE ? "off" : write_number(p, n, units);
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

static const char *write_jittered(apr_pool_t *p, const void *field,
                                  const pm_row_t *row)
{
    const pm_jittered_t *v = field;

    (void)row;
    return apr_psprintf(p, "%" APR_INT64_T_FMT " %" APR_INT64_T_FMT, v->n,
                        v->percent);
}

static const char *write_range(apr_pool_t *p, const void *field,
                               const pm_row_t *row)
{
    const pm_range_t *range = field;

    (void)row;
    if (range->min == range->max) {
        return apr_psprintf(p, "%" APR_INT64_T_FMT, range->min);
    }
    return apr_psprintf(p, "%" APR_INT64_T_FMT " %" APR_INT64_T_FMT, range->min,
                        range->max);
}

/* "a b c", each word escaped. */
static const char *write_words(apr_pool_t *p, const void *field,
                               const pm_row_t *row)
{
    const apr_array_header_t *list = *(const apr_array_header_t *const *)field;
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

static const char *write_timed(apr_pool_t *p, const void *field,
                               const pm_row_t *row)
{
    const pm_timed_t *v = field;
    const char *limit = write_number(p, v->time, time_units);

    return v->command ? apr_pstrcat(p, limit, " ",
                                    write_words(p, &v->command, row), NULL)
                      : limit;
}

/* How a field is stored.  A list is an array of const char *, or NULL. */
typedef enum shape {
    SHAPE_NUMBERS, /* one or more apr_int64_t */
    SHAPE_STRING,  /* const char *, or NULL */
    SHAPE_WORDS,   /* a list that is written on one line */
    SHAPE_LINES,   /* a list that is written on one line for each element */
    SHAPE_TIMED    /* a pm_timed_t */
} shape_t;

/* What is known of a type.  Only SHAPE_LINES has no writer: write_list(). */
static const struct {
    apr_status_t (*read)(const task_t *t);
    writer_t *write;
    int max_words; /* 0: row->max */
    shape_t shape;
    apr_size_t size; /* of the field */
} types[] = {
#define NUMBERS(type) SHAPE_NUMBERS, sizeof(type)
#define STRING        SHAPE_STRING, sizeof(const char *)
#define WORDS         SHAPE_WORDS, sizeof(apr_array_header_t *)
#define LINES         SHAPE_LINES, sizeof(apr_array_header_t *)
    [PM_T_STRING] = {read_string, write_string, 1, STRING},
    [PM_T_PATH] = {read_path, write_string, 1, STRING},
    [PM_T_WORDS] = {read_names, write_words, 0, WORDS},
    [PM_T_PAIR] = {read_pair, NULL, 2, LINES},
    [PM_T_PHP] = {read_php, NULL, 2, LINES},
    [PM_T_NAMES] = {read_names, write_words, 0, WORDS},
    [PM_T_PATHS] = {read_paths, write_words, 0, WORDS},
    [PM_T_URLS] = {read_urls, write_words, 0, WORDS},
    [PM_T_CLIENTS] = {read_clients, write_words, 0, WORDS},
    [PM_T_RLIMIT] = {read_rlimit, NULL, 3, LINES},
    [PM_T_NUMBER] = {read_number_type, write_integer, 1, NUMBERS(apr_int64_t)},
    [PM_T_OCTAL] = {read_octal, write_integer, 1, NUMBERS(apr_int64_t)},
    [PM_T_TIME] = {read_time, write_integer, 1, NUMBERS(apr_int64_t)},
    [PM_T_SIZE] = {read_size, write_integer, 1, NUMBERS(apr_int64_t)},
    [PM_T_CHOICE] = {read_choice, write_choice, 1, NUMBERS(apr_int64_t)},
    [PM_T_RANGE] = {read_range, write_range, 2, NUMBERS(pm_range_t)},
    [PM_T_JITTERED] = {read_jittered, write_jittered, 2,
                       NUMBERS(pm_jittered_t)},
    [PM_T_TIMED] = {read_timed, write_timed, 256, SHAPE_TIMED,
                    sizeof(pm_timed_t)},
    [PM_T_WRAPPER] = {read_wrapper, NULL, 3, LINES}};

static int is_list(const pm_row_t *row)
{
    return types[row->type].shape == SHAPE_LINES
           || types[row->type].shape == SHAPE_WORDS;
}

int pm_value_is_pair(const pm_row_t *row)
{
    return row->type == PM_T_PAIR || row->type == PM_T_PHP;
}

/* A list row, as lines "Name word word\n", one for each element. */
static const char *write_list(apr_pool_t *p, const void *field,
                              const pm_row_t *row)
{
    const apr_array_header_t *list = *(const apr_array_header_t *const *)field;
    const char sep = pm_value_is_pair(row) ? '=' : ' ';
    const char *text = "";
    int i;

    for (i = 0; list && i < list->nelts; i++) {
        const char *element = APR_ARRAY_IDX(list, i, const char *);
        const char *cut = strchr(element, sep);
        const char *line = apr_pescape_urlencoded(
            p, apr_pstrmemdup(p, element, (apr_size_t)(cut - element)));

        if (pm_value_is_pair(row)) {
            line = apr_pstrcat(p, line, " ", apr_pescape_urlencoded(p, cut + 1),
                               NULL);
        }
        else {
            line = element;
        }
        text = apr_pstrcat(p, text, row->name, " ", line, "\n", NULL);
    }
    return text;
}

const char *pm_value_write(const pm_row_t *row, const void *field,
                           apr_pool_t *p)
{
    const char *words;

    if (types[row->type].shape == SHAPE_LINES) {
        return write_list(p, field, row);
    }
    words = types[row->type].write(p, field, row);
    return words ? apr_pstrcat(p, row->name, " ", words, "\n", NULL) : "";
}

int pm_value_grows(const pm_row_t *row)
{
    return is_list(row) && row->type != PM_T_WORDS;
}

static apr_status_t bad_count(const task_t *t, int least, int most)
{
    const char *given =
        t->argc ? apr_psprintf(t->p, "%d are", t->argc) : "none is";

    if (most == 1) {
        return pm_fail(t->why, APR_EINVAL, "%s takes one word, %s given: %s%s",
                       t->row->name, given, t->row->help,
                       t->argc ? "; blanks need quotes" : "");
    }
    return pm_fail(t->why, APR_EINVAL, "%s takes %s%d words, %s given: %s",
                   t->row->name,
                   least < most ? apr_psprintf(t->p, "%d to ", least) : "",
                   most, given, t->row->help);
}

apr_status_t pm_value_read(const pm_row_t *row, void *field, int fresh,
                           int argc, const char *const *argv, apr_pool_t *p,
                           pm_reason_t *why)
{
    task_t t = {row, field, argc, argv, p, why};
    int most = types[row->type].max_words;
    int least = row->type == PM_T_RLIMIT || row->type == PM_T_PHP ? 2 : 1;

    if (!most) {
        most = (int)row->max;
    }
    if (argc < least || argc > most) {
        return bad_count(&t, least, most);
    }
    if (is_list(row) && (fresh || !pm_value_grows(row))) {
        /* a command replaces, lists grow */
        *(apr_array_header_t **)field = NULL;
    }
    return types[row->type].read(&t);
}

apr_size_t pm_value_size(const pm_row_t *row)
{
    return types[row->type].size;
}

/* --- copies and comparison ------------------------------------------------ */

static apr_array_header_t *copy_list(apr_pool_t *p,
                                     const apr_array_header_t *list)
{
    apr_array_header_t *copy = list ? apr_array_copy(p, list) : NULL;
    int i;

    for (i = 0; copy && i < copy->nelts; i++) {
        const char **element = &APR_ARRAY_IDX(copy, i, const char *);

        *element = apr_pstrdup(p, *element);
    }
    return copy;
}

void pm_value_detach(const pm_row_t *row, void *field, apr_pool_t *p)
{
    pm_timed_t *timed = field;

    switch (types[row->type].shape) {
    case SHAPE_NUMBERS:
        break;
    case SHAPE_STRING:
        *(const char **)field = apr_pstrdup(p, *(const char **)field);
        break;
    case SHAPE_WORDS:
    case SHAPE_LINES:
        *(apr_array_header_t **)field =
            copy_list(p, *(apr_array_header_t **)field);
        break;
    case SHAPE_TIMED:
        timed->command = copy_list(p, timed->command);
        break;
    }
}

static int strings_are_equal(const char *a, const char *b)
{
    return a == b || (a && b && !strcmp(a, b));
}

/* NULL is an empty list. */
static int lists_are_equal(const apr_array_header_t *a,
                           const apr_array_header_t *b)
{
    int n = a ? a->nelts : 0;
    int i;

    if (n != (b ? b->nelts : 0)) {
        return 0;
    }
    for (i = 0; i < n; i++) {
        if (strcmp(APR_ARRAY_IDX(a, i, const char *),
                   APR_ARRAY_IDX(b, i, const char *))) {
            return 0;
        }
    }
    return 1;
}

int pm_value_is_equal(const pm_row_t *row, const void *a, const void *b)
{
    const pm_timed_t *x = a;
    const pm_timed_t *y = b;

    switch (types[row->type].shape) {
    case SHAPE_STRING:
        return strings_are_equal(*(const char *const *)a,
                                 *(const char *const *)b);
    case SHAPE_WORDS:
    case SHAPE_LINES:
        return lists_are_equal(*(const apr_array_header_t *const *)a,
                               *(const apr_array_header_t *const *)b);
    case SHAPE_TIMED:
        return x->time == y->time && lists_are_equal(x->command, y->command);
    case SHAPE_NUMBERS:
    default:
        return !memcmp(a, b, types[row->type].size);
    }
}
