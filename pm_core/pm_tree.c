/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_tree.h"

#include <stdlib.h>
#include <string.h>

#include "apr_strings.h"

typedef struct reader {
    char *at;
    apr_pool_t *p;
    int depth;
} reader_t;

static pm_node_t *read_value(reader_t *r);

static void skip_blanks(reader_t *r)
{
    r->at += strspn(r->at, " \t\r\n");
}

/* --- strings ---------------------------------------------------------------
 * Decoded where they stand: what is decoded is never longer. */

/* @return -1: these are not four hexadecimal digits */
static int hex4(const char *s)
{
    static const char digits[] = "0123456789abcdef";
    int value = 0;
    int i;

    for (i = 0; i < 4; i++) {
        const char *d = s[i] ? strchr(digits, s[i] | 0x20) : NULL;

        if (!d || s[i] < '0') {
            return -1;
        }
        value = value << 4 | (int)(d - digits);
    }
    return value;
}

static char *put_utf8(char *to, int c)
{
    if (c < 0x80) {
        *to++ = (char)c;
    }
    else if (c < 0x800) {
        *to++ = (char)(0xc0 | c >> 6);
        *to++ = (char)(0x80 | (c & 0x3f));
    }
    else if (c < 0x10000) {
        *to++ = (char)(0xe0 | c >> 12);
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    }
    else {
        *to++ = (char)(0xf0 | c >> 18);
        *to++ = (char)(0x80 | (c >> 12 & 0x3f));
        *to++ = (char)(0x80 | (c >> 6 & 0x3f));
        *to++ = (char)(0x80 | (c & 0x3f));
    }
    return to;
}

/* Behind "\u".  @return NULL: it is none */
static char *read_unicode(reader_t *r, char *to)
{
    int c = hex4(r->at);
    int low;

    if (c < 0) {
        return NULL;
    }
    r->at += 4;
    if (c >= 0xd800 && c < 0xdc00 && r->at[0] == '\\' && r->at[1] == 'u') {
        low = hex4(r->at + 2);
        if (low >= 0xdc00 && low < 0xe000) {
            r->at += 6;
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
        }
    }
    return put_utf8(to, c == 0 || (c >= 0xd800 && c < 0xe000) ? 0xfffd : c);
}

/* Behind the backslash. */
static char *read_escape(reader_t *r, char *to)
{
    static const char names[] = "\"\\/bfnrt";
    static const char chars[] = "\"\\/\b\f\n\r\t";
    char c = *r->at;
    const char *name;

    if (c == '\0') {
        return NULL;
    }
    r->at++;
    if (c == 'u') {
        return read_unicode(r, to);
    }
    name = strchr(names, c);
    if (!name) {
        return NULL;
    }
    *to++ = chars[name - names];
    return to;
}

/* Behind the opening quote.  @return NULL: it has no end, or is none */
static const char *read_string(reader_t *r)
{
    char *begin = r->at;
    char *to = begin;

    while (*r->at != '"') {
        if ((unsigned char)*r->at < 0x20) {
            return NULL;
        }
        if (*r->at != '\\') {
            *to++ = *r->at++;
            continue;
        }
        r->at++;
        to = read_escape(r, to);
        if (!to) {
            return NULL;
        }
    }
    r->at++;
    *to = '\0';
    return begin;
}

/* --- values --------------------------------------------------------------- */

/* A comma or the end of an array or object.  What stands before it gets its
 * NUL now that the byte there has been looked at. */
static char read_delimiter(reader_t *r)
{
    char *end = r->at;
    char c;

    skip_blanks(r);
    c = *r->at;
    if (c) {
        r->at++;
    }
    *end = '\0';
    return c;
}

static int read_name(reader_t *r, const char **name)
{
    skip_blanks(r);
    if (*r->at++ != '"') {
        return 0;
    }
    *name = read_string(r);
    if (!*name) {
        return 0;
    }
    skip_blanks(r);
    return *r->at++ == ':';
}

/* Behind the opening bracket. */
static int read_members(reader_t *r, pm_node_t *node, char close)
{
    pm_node_t **next = &node->first;
    const char *name = NULL;
    char c;

    skip_blanks(r);
    if (*r->at == close) {
        r->at++;
        return 1;
    }
    do {
        if (close == '}' && !read_name(r, &name)) {
            return 0;
        }
        *next = read_value(r);
        if (!*next) {
            return 0;
        }
        (*next)->name = name;
        next = &(*next)->next;
        c = read_delimiter(r);
    } while (c == ',');
    return c == close;
}

static int read_container(reader_t *r, pm_node_t *node)
{
    int good;

    if (++r->depth > PM_TREE_DEPTH) {
        return 0;
    }
    good = read_members(r, node, node->kind == PM_NODE_OBJECT ? '}' : ']');
    r->depth--;
    return good;
}

static pm_node_kind_t word_kind(const char *word, apr_size_t len)
{
    static const struct {
        const char *word;
        pm_node_kind_t kind;
    } words[] = {
        {"null", PM_NODE_NULL}, {"true", PM_NODE_BOOL},
        {"false", PM_NODE_BOOL}
    };
    apr_size_t i;

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strlen(words[i].word) == len
            && !memcmp(words[i].word, word, len)) {
            return words[i].kind;
        }
    }
    return PM_NODE_NUMBER;
}

/* A number is taken for one when it looks like it. */
static int read_word(reader_t *r, pm_node_t *node)
{
    apr_size_t len = strcspn(r->at, " \t\r\n,]}");

    node->text = r->at;
    node->kind = word_kind(r->at, len);
    if (node->kind == PM_NODE_NUMBER
        && (!len || strspn(r->at, "+-.0123456789eE") != len)) {
        return 0;
    }
    r->at += len;
    return 1;
}

static int read_into(reader_t *r, pm_node_t *node)
{
    switch (*r->at) {
    case '{':
    case '[':
        node->kind = *r->at++ == '{' ? PM_NODE_OBJECT : PM_NODE_ARRAY;
        return read_container(r, node);
    case '"':
        r->at++;
        node->kind = PM_NODE_STRING;
        node->text = read_string(r);
        return node->text != NULL;
    default:
        return read_word(r, node);
    }
}

static pm_node_t *read_value(reader_t *r)
{
    pm_node_t *node = apr_pcalloc(r->p, sizeof(*node));

    node->text = "";
    skip_blanks(r);
    return read_into(r, node) ? node : NULL;
}

const pm_node_t *pm_tree_read(char *text, apr_pool_t *p)
{
    reader_t r = {text, p, 0};
    pm_node_t *node = read_value(&r);

    return node && read_delimiter(&r) == '\0' ? node : NULL;
}

/* --- looking at it -------------------------------------------------------- */

const pm_node_t *pm_tree_member(const pm_node_t *node, const char *name)
{
    static const pm_node_t none = {PM_NODE_NULL, NULL, "", NULL, NULL};
    const pm_node_t *m;

    if (node->kind == PM_NODE_OBJECT) {
        for (m = node->first; m; m = m->next) {
            if (!strcmp(m->name, name)) {
                return m;
            }
        }
    }
    return &none;
}

const char *pm_tree_text(const pm_node_t *node, const char *name)
{
    return pm_tree_member(node, name)->text;
}

apr_int64_t pm_tree_int(const pm_node_t *node, const char *name)
{
    return apr_strtoi64(pm_tree_text(node, name), NULL, 10);
}

apr_time_t pm_tree_time(const pm_node_t *node, const char *name)
{
    double seconds = strtod(pm_tree_text(node, name), NULL);

    /* what is no time, and what does not fit */
    return seconds > -1e12 && seconds < 1e12 ? (apr_time_t)(seconds * 1e6)
                                             : 0;
}

int pm_tree_true(const pm_node_t *node, const char *name)
{
    return !strcmp(pm_tree_text(node, name), "true");
}
