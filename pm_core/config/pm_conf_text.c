/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/config/pm_conf_text.h"

#include <string.h>
#include <strings.h>

#include "apr_hash.h"
#include "apr_lib.h"
#include "apr_strings.h"

/* No more are kept. */
#define WARNINGS 100

/* A section that has begun and has not ended. */
typedef struct level {
    const char *name; /* "FcgiPMPool" */
    const char *where;
    const pm_section_kind_t *kind; /* NULL: a condition */
    int skips;                     /* 1: what stands in it is httpd's alone */
} level_t;

struct pm_conf_text {
    pm_parsed_t *parsed;
    pm_global_t *global;
    pm_conf_t *defaults;
    char *(*env)(const char *name);
    apr_pool_t *p;
    apr_hash_t *defined; /* names, as they are written */
    apr_table_t *values; /* of those that have one */
    apr_array_header_t *warnings;
    apr_size_t expanded; /* bytes that variables have come to */
    int sections;

    /* the file that is read */
    const char *file;
    const char *at, *end;
    int line; /* number of the last one that was read */
    level_t level[PM_CONF_TEXT_NESTING];
    int depth;
    char buf[PM_CONF_TEXT_LINE + 1];
};

pm_conf_text_t *pm_conf_text_create(pm_parsed_t *parsed, pm_global_t *global,
                                    pm_conf_t *defaults,
                                    char *(*env)(const char *name),
                                    apr_pool_t *p)
{
    pm_conf_text_t *t = apr_pcalloc(p, sizeof(*t));

    t->parsed = parsed;
    t->global = global;
    t->defaults = defaults;
    t->env = env;
    t->p = p;
    t->defined = apr_hash_make(p);
    t->values = apr_table_make(p, 4);
    t->warnings = apr_array_make(p, 2, sizeof(const char *));
    apr_hash_set(t->defined, PM_CONF_TEXT_DEFINED, APR_HASH_KEY_STRING, t);
    return t;
}

const apr_array_header_t *pm_conf_text_warnings(const pm_conf_text_t *t)
{
    return t->warnings;
}

static const char *text_where(const pm_conf_text_t *t)
{
    return apr_psprintf(t->p, "%s:%d", t->file, t->line);
}

static int text_skips(const pm_conf_text_t *t)
{
    return t->depth && t->level[t->depth - 1].skips;
}

/* --- lines ---------------------------------------------------------------- */

/* Appends the next line of the file to what is in the buffer.
 * @return -1: no room, 0: the line is whole, 1: it ends with a backslash */
static int text_append_line(pm_conf_text_t *t, apr_size_t *len)
{
    const char *end = memchr(t->at, '\n', (apr_size_t)(t->end - t->at));
    const char *stop = end ? end : t->end;
    apr_size_t n = (apr_size_t)(stop - t->at);
    int goes_on;

    if (n > PM_CONF_TEXT_LINE - *len) {
        return -1;
    }
    memcpy(t->buf + *len, t->at, n);
    n += *len;
    t->at = end ? end + 1 : stop;
    t->line++;
    if (end && n && t->buf[n - 1] == '\r') {
        n--;
    }
    goes_on = end && n && t->buf[n - 1] == '\\';
    *len = n - (apr_size_t)goes_on;
    return goes_on;
}

/* The next line with its continuations, without the blanks around it, in the
 * buffer.  @return APR_EOF: there is none */
static apr_status_t text_read_line(pm_conf_text_t *t, const char **line,
                                   pm_reason_t *why)
{
    apr_size_t len = 0;
    int more;

    if (t->at == t->end) {
        return APR_EOF;
    }
    do {
        more = text_append_line(t, &len);
    } while (more > 0 && t->at < t->end);
    if (more < 0) {
        t->line++;
        return pm_fail(why, APR_EINVAL, "a line has more than %d bytes",
                       PM_CONF_TEXT_LINE);
    }
    if (memchr(t->buf, '\0', len)) {
        return pm_fail(why, APR_EINVAL, "a line holds a NUL");
    }
    while (len && apr_isspace(t->buf[len - 1])) {
        len--;
    }
    t->buf[len] = '\0';
    for (*line = t->buf; apr_isspace(**line); (*line)++) {
        ;
    }
    return APR_SUCCESS;
}

/* --- words ---------------------------------------------------------------- */

/* @return the value of a variable, or NULL */
static const char *text_variable(const pm_conf_text_t *t, const char *name)
{
    const char *value = apr_table_get(t->values, name);

    return value ? value : t->env ? t->env(name) : NULL;
}

/* httpd uses names with a colon for other things, and does not warn. */
static void text_warn(pm_conf_text_t *t, const char *name)
{
    if (t->warnings->nelts == WARNINGS || strchr(name, ':')) {
        return;
    }
    APR_ARRAY_PUSH(t->warnings, const char *) = apr_psprintf(
        t->p, "%s: Config variable ${%s} is not defined", text_where(t), name);
}

/* The piece of a line that begins at *from, a variable's value or text up to
 * the next "$".
 * @param last the line's last "}": no variable begins behind it */
static const char *text_piece(pm_conf_text_t *t, const char **from,
                              const char *last)
{
    const char *start = *from;
    const char *end = start[0] == '$' && start[1] == '{' && last > start
                          ? strchr(start + 2, '}')
                          : NULL;
    const char *name, *value;

    if (!end) {
        *from = start + 1 + strcspn(start + 1, "$");
        return apr_pstrmemdup(t->p, start, (apr_size_t)(*from - start));
    }
    *from = end + 1;
    name = apr_pstrmemdup(t->p, start + 2, (apr_size_t)(end - start) - 2);
    value = text_variable(t, name);
    if (!value) {
        text_warn(t, name);
        value = apr_pstrmemdup(t->p, start, (apr_size_t)(*from - start));
    }
    return value;
}

/* Put in the values of variables, before the line is taken apart: a value can
 * be several words, or have quotes.  It is not looked at again. */
static apr_status_t text_expand(pm_conf_text_t *t, const char **line,
                                pm_reason_t *why)
{
    apr_array_header_t *pieces;
    const char *from = *line;
    const char *last = strrchr(from, '}');

    if (!last || !strchr(from, '$')) {
        return APR_SUCCESS;
    }
    pieces = apr_array_make(t->p, 4, sizeof(const char *));
    while (*from) {
        const char *piece = text_piece(t, &from, last);

        t->expanded += strlen(piece) + 1;
        if (t->expanded > PM_CONF_TEXT_EXPANDED) {
            return pm_fail(why, APR_EINVAL,
                           "lines with variables come to more than %d bytes",
                           PM_CONF_TEXT_EXPANDED);
        }
        APR_ARRAY_PUSH(pieces, const char *) = piece;
    }
    *line = apr_array_pstrcat(t->p, pieces, '\0');
    return APR_SUCCESS;
}

/* Copies a word without the backslashes that protect. */
static const char *text_unquote(const pm_conf_text_t *t, const char *from,
                                const char *end, char quote)
{
    char *word = apr_palloc(t->p, (apr_size_t)(end - from) + 1);
    char *to = word;

    for (; from < end; from++) {
        if (*from == '\\' && (from[1] == '\\' || (quote && from[1] == quote))) {
            from++;
        }
        *to++ = *from;
    }
    *to = '\0';
    return word;
}

/* As ap_getword_conf(): a word, in quotes or up to a blank. */
static const char *text_read_word(const pm_conf_text_t *t, const char **line)
{
    const char *from = *line;
    char quote = *from == '"' || *from == '\'' ? *from : '\0';
    const char *end = from + (quote != '\0');
    const char *word;

    while (*end && (quote ? *end != quote : !apr_isspace(*end))) {
        end += quote && *end == '\\' && (end[1] == quote || end[1] == '\\') ? 2
                                                                            : 1;
    }
    word = text_unquote(t, from + (quote != '\0'), end, quote);
    end += quote && *end == quote;
    while (apr_isspace(*end)) {
        end++;
    }
    *line = end;
    return word;
}

static apr_array_header_t *text_read_words(const pm_conf_text_t *t,
                                           const char *line)
{
    apr_array_header_t *words = apr_array_make(t->p, 8, sizeof(const char *));

    while (*line) {
        APR_ARRAY_PUSH(words, const char *) = text_read_word(t, &line);
    }
    return words;
}

static const char *text_word(const apr_array_header_t *words, int i)
{
    return i < words->nelts ? APR_ARRAY_IDX(words, i, const char *) : NULL;
}

/* --- what is not ours ----------------------------------------------------- */

/* Directives of mod_fcgipm about requests, which only httpd has. */
static const char *const of_requests[] = {"FcgiPMAlias", "FcgiPMScriptName",
                                          "FcgiPMAuthenticator",
                                          "FcgiPMAccessChecker"};

static int text_takes_any(const pm_row_t *row)
{
    return row->scope != PM_SCOPE_RULES;
}

static int text_is_misspelled(const char *name)
{
    unsigned i;

    for (i = 0; i < sizeof(of_requests) / sizeof(of_requests[0]); i++) {
        if (!strcasecmp(of_requests[i], name)) {
            return 0;
        }
    }
    return !strncasecmp(name, "FcgiPM", 6);
}

static apr_status_t text_refuse(const pm_conf_text_t *t, const char *name,
                                pm_reason_t *why)
{
    int is_section = name[0] == '<';
    const char *bracket = is_section ? ">" : "";
    const char *nearest;

    if (!text_is_misspelled(name + is_section)) {
        return pm_fail(why, APR_EINVAL,
                       "%.100s%s is httpd's, fcgipm-run has no requests: write "
                       "it into another file, or within <IfDefine !%s>",
                       name, bracket, PM_CONF_TEXT_DEFINED);
    }
    nearest = pm_parsed_nearest(name, text_takes_any, t->p);
    return pm_fail(why, APR_EINVAL, "%.100s%s is not a directive%s%s%s", name,
                   bracket, nearest ? ": did you mean " : "",
                   nearest ? nearest : "", nearest ? "?" : "");
}

/* --- sections ------------------------------------------------------------- */

/* This module is there, and no other. */
static int text_has_module(const pm_conf_text_t *t, const char *name)
{
    (void)t;
    return !strcmp(name, "fcgipm_module") || !strcmp(name, "mod_fcgipm.c");
}

static int text_has_define(const pm_conf_text_t *t, const char *name)
{
    return apr_hash_get(t->defined, name, APR_HASH_KEY_STRING) != NULL;
}

/* What a section is called, and what it is: a section of settings, or a
 * condition. */
static const struct {
    const char *name;
    const pm_section_kind_t *kind;
    int (*holds)(const pm_conf_text_t *t, const char *word);
} text_sections[] = {{"FcgiPMPool", &pm_section_pool, NULL},
                     {"FcgiPMScripts", &pm_section_scripts, NULL},
                     {"IfModule", NULL, text_has_module},
                     {"IfDefine", NULL, text_has_define}};

#define TEXT_SECTIONS (sizeof(text_sections) / sizeof(text_sections[0]))

static apr_status_t text_push(pm_conf_text_t *t, const char *name,
                              pm_reason_t *why)
{
    level_t *level = &t->level[t->depth];

    if (t->depth == PM_CONF_TEXT_NESTING) {
        return pm_fail(why, APR_EINVAL,
                       "sections stand within each other more than %d deep",
                       PM_CONF_TEXT_NESTING);
    }
    *level = (level_t){.name = name, .where = text_where(t)};
    level->skips = text_skips(t);
    t->depth++;
    return APR_SUCCESS;
}

static apr_status_t text_open_settings(pm_conf_text_t *t,
                                       const pm_section_kind_t *kind,
                                       const apr_array_header_t *words,
                                       pm_reason_t *why)
{
    const char *where = t->level[t->depth - 1].where;

    if (t->parsed->current) {
        return pm_fail(why, APR_EINVAL, "%s",
                       pm_parsed_hint(apr_pstrcat(t->p, "<", kind->name, NULL),
                                      t->parsed->rules ? &pm_section_scripts
                                                       : &pm_section_pool,
                                      t->p));
    }
    if (t->sections++ == PM_CONF_TEXT_SECTIONS) {
        return pm_fail(why, APR_EINVAL, "there are more than %d sections",
                       PM_CONF_TEXT_SECTIONS);
    }
    t->level[t->depth - 1].kind = kind;
    return pm_parsed_open(t->parsed, kind, words, where, t->p, why);
}

/* <IfModule [!]NAME>, <IfDefine [!]NAME> */
static apr_status_t text_open_condition(pm_conf_text_t *t, unsigned i,
                                        const apr_array_header_t *words,
                                        pm_reason_t *why)
{
    const char *word = text_word(words, 0);
    int negates = word && word[0] == '!';

    if (words->nelts != 1) {
        return pm_fail(why, APR_EINVAL, "<%s> takes one word, a name or !name",
                       text_sections[i].name);
    }
    t->level[t->depth - 1].skips =
        text_sections[i].holds(t, word + negates) == negates;
    return APR_SUCCESS;
}

/* @param name "<FcgiPMPool", as it was written
 * @param line what stands behind it */
static apr_status_t text_open(pm_conf_text_t *t, const char *name,
                              const char *line, pm_reason_t *why)
{
    const char *end = strrchr(line, '>');
    const apr_array_header_t *words;
    apr_status_t rv = text_push(t, name + 1, why);
    unsigned i;

    if (rv != APR_SUCCESS || text_skips(t)) {
        return rv;
    }
    for (i = 0; i < TEXT_SECTIONS; i++) {
        if (!strcasecmp(text_sections[i].name, name + 1)) {
            break;
        }
    }
    if (i == TEXT_SECTIONS && t->parsed->current) {
        return pm_fail(why, APR_EINVAL, "%s",
                       pm_parsed_hint(name,
                                      t->parsed->rules ? &pm_section_scripts
                                                       : &pm_section_pool,
                                      t->p));
    }
    if (i == TEXT_SECTIONS) {
        return text_refuse(t, name, why);
    }
    if (!end || end[1]) {
        return pm_fail(why, APR_EINVAL, "<%s> directive missing closing '>'",
                       text_sections[i].name);
    }
    words = text_read_words(
        t, apr_pstrmemdup(t->p, line, (apr_size_t)(end - line)));
    return text_sections[i].kind
               ? text_open_settings(t, text_sections[i].kind, words, why)
               : text_open_condition(t, i, words, why);
}

/* @param name "</FcgiPMPool>", as it was written */
static apr_status_t text_close(pm_conf_text_t *t, const char *name,
                               pm_reason_t *why)
{
    apr_size_t len = strlen(name);
    const level_t *level = t->depth ? &t->level[t->depth - 1] : NULL;

    if (len < 4 || name[len - 1] != '>') {
        return pm_fail(why, APR_EINVAL, "%.100s> directive missing closing '>'",
                       name);
    }
    name = apr_pstrmemdup(t->p, name + 2, len - 3);
    if (!level) {
        return pm_fail(why, APR_EINVAL,
                       "</%.100s> without matching <%.100s> section", name,
                       name);
    }
    if (strcasecmp(level->name, name) != 0) {
        return pm_fail(why, APR_EINVAL, "Expected </%.100s> but saw </%.100s>",
                       level->name, name);
    }
    if (level->kind) {
        pm_parsed_close(t->parsed, 1, t->p);
    }
    t->depth--;
    return APR_SUCCESS;
}

/* --- directives ----------------------------------------------------------- */

/* A name without a value is defined for <IfDefine> only. */
static apr_status_t text_define(pm_conf_text_t *t, const char *directive,
                                const apr_array_header_t *words,
                                pm_reason_t *why)
{
    int undefines = apr_tolower(directive[0]) == 'u';
    const char *name = text_word(words, 0);

    if (words->nelts < 1 || words->nelts > 2 - undefines) {
        return pm_fail(why, APR_EINVAL, "%s takes a name%s", directive,
                       undefines ? "" : " and a value");
    }
    if (strchr(name, ':')) {
        return pm_fail(why, APR_EINVAL, "Variable name must not contain ':'");
    }
    apr_hash_set(t->defined, name, APR_HASH_KEY_STRING, undefines ? NULL : t);
    if (undefines) {
        apr_table_unset(t->values, name);
    }
    else if (words->nelts == 2) {
        apr_table_setn(t->values, name, text_word(words, 1));
    }
    return APR_SUCCESS;
}

/* httpd takes a path relative to its ServerRoot, which there is none here. */
static apr_status_t text_check_program(const pm_row_t *row, const char *word,
                                       pm_reason_t *why)
{
    return row == &pm_conf_rows[PM_ROW_command] && word && word[0] != '/'
                   && strchr(word, '/')
               ? pm_fail(why, APR_EINVAL,
                         "%s: \"%.200s\" is not an absolute "
                         "path, nor a name without a slash",
                         row->name, word)
               : APR_SUCCESS;
}

static apr_status_t text_set(pm_conf_text_t *t, const char *name,
                             const apr_array_header_t *words, pm_reason_t *why)
{
    const pm_row_t *row = pm_conf_row(name);
    const pm_section_kind_t *kind = !t->parsed->current ? NULL
                                    : t->parsed->rules  ? &pm_section_scripts
                                                        : &pm_section_pool;
    apr_status_t rv;

    if (kind && (!row || !kind->takes(row))) {
        return pm_fail(why, APR_EINVAL, "%s", pm_parsed_hint(name, kind, t->p));
    }
    if (!row) {
        return text_refuse(t, name, why);
    }
    rv = text_check_program(row, text_word(words, 0), why);
    return rv == APR_SUCCESS
               ? pm_parsed_set(t->parsed, t->global, t->defaults, row, words,
                               text_where(t), t->p, why)
               : rv;
}

static apr_status_t text_take_line(pm_conf_text_t *t, const char *line,
                                   pm_reason_t *why)
{
    apr_status_t rv = APR_SUCCESS;
    const char *name;
    char *bracket;

    if (!*line || *line == '#') {
        return rv;
    }
    if (!text_skips(t)) {
        rv = text_expand(t, &line, why);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    name = text_read_word(t, &line);
    if (!*name) {
        return rv; /* "" */
    }
    if (name[0] == '<' && name[1] == '/') {
        return text_close(t, name, why);
    }
    if (name[0] == '<') {
        bracket = strrchr(name, '>');
        if (bracket && !bracket[1]) {
            *bracket = '\0';
        }
        return text_open(t, name, line, why);
    }
    if (text_skips(t)) {
        return rv;
    }
    return !strcasecmp(name, "Define") || !strcasecmp(name, "UnDefine")
               ? text_define(t, name, text_read_words(t, line), why)
               : text_set(t, name, text_read_words(t, line), why);
}

/* --- a file --------------------------------------------------------------- */

static apr_status_t text_check_end(const pm_conf_text_t *t, pm_reason_t *why)
{
    const level_t *level = t->level + t->depth;

    return t->depth
               ? pm_fail(why, APR_EINVAL, "<%.100s> (%.300s) was not closed",
                         level[-1].name, level[-1].where)
               : APR_SUCCESS;
}

apr_status_t pm_conf_text_read(pm_conf_text_t *t, const char *file,
                               const char *text, apr_size_t len,
                               pm_reason_t *why)
{
    const char *line = "";
    pm_reason_t cause;
    apr_status_t rv = APR_SUCCESS;

    t->file = apr_pstrdup(t->p, file);
    t->line = 0;
    t->at = text;
    t->end = text + len;
    t->depth = 0;
    if (len > PM_CONF_TEXT_FILE) {
        return pm_fail(why, APR_EINVAL,
                       "%.300s: has %" APR_SIZE_T_FMT " bytes, %d are allowed",
                       file, len, PM_CONF_TEXT_FILE);
    }
    while (rv == APR_SUCCESS) {
        rv = text_read_line(t, &line, &cause);
        if (rv == APR_SUCCESS) {
            rv = text_take_line(t, line, &cause);
        }
    }
    if (rv == APR_EOF) {
        rv = text_check_end(t, &cause);
    }
    if (t->parsed->current) {
        pm_parsed_close(t->parsed, 0, t->p);
    }
    return rv == APR_SUCCESS ? rv
                             : pm_fail(why, APR_EINVAL, "%.300s:%d: %s", file,
                                       t->line, cause.text);
}
