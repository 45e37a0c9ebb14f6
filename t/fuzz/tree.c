/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: JSON as a tree (pm_tree.h).
 *
 * Input: the text, up to a NUL.  A tree is walked, every text in it ends; what
 * pm_json has written of a string is read as that string.
 */
#include "pm_tree.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "must.h"
#include "pm_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t walk(const pm_node_t *node, int depth)
{
    size_t n = node->text ? strlen(node->text) : 0;
    const pm_node_t *m;

    MUST(depth <= PM_TREE_DEPTH);
    MUST(node->text);
    for (m = node->first; m; m = m->next) {
        MUST(node->kind == PM_NODE_ARRAY || node->kind == PM_NODE_OBJECT);
        MUST((m->name != NULL) == (node->kind == PM_NODE_OBJECT));
        n += walk(m, depth + 1);
        if (m->name) {
            n += (size_t)pm_tree_int(node, m->name) & 1;
            n += (size_t)pm_tree_time(node, m->name) & 1;
            MUST(pm_tree_member(node, m->name)->name);
        }
    }
    return n;
}

/* @return the string, written and read */
static const char *round_trip(const char *text, apr_pool_t *p)
{
    const pm_node_t *tree;
    pm_json_t j;

    pm_json_init(&j, p);
    pm_json_open(&j, NULL, '[');
    pm_json_string(&j, NULL, text);
    pm_json_close(&j, ']');
    tree = pm_tree_read(apr_pstrdup(p, pm_json_text(&j)), p);
    MUST(tree && tree->first && tree->first->kind == PM_NODE_STRING);
    return tree->first->text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int initialised;
    char *text = malloc(size + 1);
    const pm_node_t *tree;
    const char *once;
    apr_pool_t *p;

    MUST(text);
    if (!initialised) {
        MUST(apr_initialize() == APR_SUCCESS);
        initialised = 1;
    }
    MUST(apr_pool_create(&p, NULL) == APR_SUCCESS);
    if (size) {
        memcpy(text, data, size);
    }
    text[size] = '\0';
    /* bytes that are no UTF-8 are others then, but remain so */
    once = round_trip(text, p);
    MUST(!strcmp(round_trip(once, p), once));
    tree = pm_tree_read(text, p);
    if (tree) {
        walk(tree, 0);
    }
    apr_pool_destroy(p);
    free(text);
    return 0;
}
