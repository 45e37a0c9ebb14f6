/* SPDX-License-Identifier: Apache-2.0 */
/* JSON as a tree. */
#include "tap.h"

#include "apr_general.h"
#include "apr_strings.h"
#include "pm_tree.h"

static const pm_node_t *tree(const char *text, apr_pool_t *p)
{
    return pm_tree_read(apr_pstrdup(p, text), p);
}

static void test_values(apr_pool_t *p)
{
    const pm_node_t *t = tree(
        " {\"n\" : 12,\"neg\":-3 ,\"sec\":1.250,\"s\":\"a\\n\\u00e9\\\"\","
        "\"yes\":true,\"no\":false,\"nil\":null,\"list\":[1,\"two\",[ ]],"
        "\"in\":{\"x\":\"y\"},\"empty\":{}} ", p);
    const pm_node_t *list;

    ok(t != NULL, "an object");
    if (!t) {
        return;
    }
    is_int(pm_tree_int(t, "n"), 12, "a number");
    is_int(pm_tree_int(t, "neg"), -3, "below zero");
    is_int(pm_tree_time(t, "sec"), 1250000, "seconds");
    ok(!strcmp(pm_tree_text(t, "sec"), "1.250"), "as they stand there");
    ok(!strcmp(pm_tree_text(t, "s"), "a\n\xc3\xa9\""), "a string");
    ok(pm_tree_true(t, "yes"), "true");
    ok(!pm_tree_true(t, "no"), "false");
    is_int(pm_tree_member(t, "nil")->kind, PM_NODE_NULL, "null");
    list = pm_tree_member(t, "list");
    is_int(list->kind, PM_NODE_ARRAY, "an array");
    ok(list->first && !strcmp(list->first->text, "1"), "its first");
    ok(list->first && list->first->next
       && !strcmp(list->first->next->text, "two"), "its second");
    ok(!strcmp(pm_tree_text(pm_tree_member(t, "in"), "x"), "y"),
       "an object in it");
    ok(!pm_tree_member(t, "empty")->first, "an empty one");
    is_int(pm_tree_int(t, "none"), 0, "what is not there is 0");
    ok(!strcmp(pm_tree_text(list, "x"), ""), "an array has no members");
}

static void test_strings(apr_pool_t *p)
{
    static const struct {
        const char *name, *json, *text;
    } rows[] = {
        {"two halves", "\"\\ud83d\\ude00\"", "\xf0\x9f\x98\x80"},
        {"a half alone", "\"\\ud83dx\"", "\xef\xbf\xbdx"},
        {"two first halves", "\"\\ud83d\\ud83d\"",
         "\xef\xbf\xbd\xef\xbf\xbd"},
        {"NUL", "\"a\\u0000b\"", "a\xef\xbf\xbd" "b"},
        {"upper case", "\"\\u00C9\\u20AC\"", "\xc3\x89\xe2\x82\xac"},
        {"escapes", "\"\\\\\\/\\b\\f\\n\\r\\t\"", "\\/\b\f\n\r\t"},
        {"nothing", "\"\"", ""}
    };
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const pm_node_t *t = tree(rows[i].json, p);

        ok(t && !strcmp(t->text, rows[i].text), "string: %s", rows[i].name);
    }
}

static void test_refused(apr_pool_t *p)
{
    static const char *const texts[] = {
        "", "{", "[", "[1", "[1,", "[1,]", "{\"a\"", "{\"a\":", "{\"a\":1",
        "{\"a\":1,}", "{a:1}", "[1 2]", "[1}", "{\"a\":1]", "\"a", "\"\\",
        "\"\\u12", "\"\\u12g4\"", "\"\\x\"", "\"a\nb\"", "nul", "tru]", "1x",
        "{} {}", "[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", "\"\\u\x10\x11\x12\x13\""
    };
    size_t i;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        ok(!tree(texts[i], p), "refused: text %d", (int)i);
    }
    ok(tree("[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]", p) != NULL,
       "as deep as is allowed");
}

int main(void)
{
    apr_pool_t *p;

    apr_initialize();
    apr_pool_create(&p, NULL);
    test_values(p);
    test_strings(p);
    test_refused(p);
    apr_pool_destroy(p);
    apr_terminate();
    return done_testing();
}
