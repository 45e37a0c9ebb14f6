/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_tree.h
 * @brief Layer 0: JSON (RFC 8259) read into a tree.
 *
 * For what a manager says (pm_status.h); any other text is read as well, or
 * refused, but never believed: its length is the caller's business, its depth
 * is bounded here.
 */
#ifndef PM_TREE_H
#define PM_TREE_H

#include "pm_base.h"

/** Objects and arrays in each other, at the most. */
#define PM_TREE_DEPTH 16

typedef enum pm_node_kind {
    PM_NODE_NULL,
    PM_NODE_BOOL,
    PM_NODE_NUMBER,
    PM_NODE_STRING,
    PM_NODE_ARRAY,
    PM_NODE_OBJECT
} pm_node_kind_t;

/** A value. */
typedef struct pm_node {
    pm_node_kind_t kind;
    const char *name;          /**< in an object; else NULL */
    const char *text;          /**< of a string, decoded, UTF-8 as it came
                                *   (NUL has become U+FFFD); of another
                                *   scalar, as it stands; else "" */
    struct pm_node *first;     /**< of an array or object; NULL: empty */
    struct pm_node *next;      /**< in the same array or object */
} pm_node_t;

/** @param text is changed, and has to live as long as the tree
 *  @return NULL: it is no JSON, or too deep */
const pm_node_t *pm_tree_read(char *text, apr_pool_t *p);

/** @return the member of that name; a null when there is none, or @a node is
 *          no object.  Never NULL. */
const pm_node_t *pm_tree_member(const pm_node_t *node, const char *name);

/** @return a member's text, "" when there is none */
const char *pm_tree_text(const pm_node_t *node, const char *name);

/** @return a member as a whole number, cut if it is not one; else 0 */
apr_int64_t pm_tree_int(const pm_node_t *node, const char *name);

/** @return a member as microseconds, which stands there in seconds; else 0 */
apr_time_t pm_tree_time(const pm_node_t *node, const char *name);

/** @return is a member true? */
int pm_tree_true(const pm_node_t *node, const char *name);

#endif /* PM_TREE_H */
