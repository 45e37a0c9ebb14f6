/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: which directory of <FcgiPMScripts> a path lies in
 * (pm_script_rules.h), against fnmatch(3).
 *
 * Input: a directory, a NUL, a path.
 *
 * What must hold for those that are allowed: the directory matches as many
 * bytes of the path as fnmatch() finds in its parts, and its part without
 * patterns matches itself.
 */
#include <fnmatch.h>
#include <stdint.h>
#include <string.h>

#include "must.h"
#include "pm_core/policy/pm_script_rules.h"

/* fnmatch() takes exponential time for more. */
#define STARS 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* fnmatch() knows sets of characters, which are none here. */
static int can_compare(const char *where)
{
    int stars = 0;
    const char *c;

    for (c = where; *c; c++) {
        stars += *c == '*';
    }
    return stars <= STARS && !strchr(where, '[');
}

/* @return the length of the directory on the path that the pattern matches */
static size_t match(const char *where, char *path)
{
    size_t found = 0;
    char *slash;

    if (!where[1]) {
        return 1;
    }
    for (slash = strchr(path + 1, '/'); slash && !found;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (!fnmatch(where, path, FNM_PATHNAME | FNM_PERIOD | FNM_NOESCAPE)) {
            found = (size_t)(slash - path);
        }
        *slash = '/';
    }
    return found;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char where[8192], path[8192];
    const uint8_t *end = memchr(data, 0, size);
    size_t len = end ? (size_t)(end - data) : size;
    size_t fixed;
    pm_reason_t why;

    if (!end || size >= sizeof(path)) {
        return 0;
    }
    memcpy(where, data, len + 1);
    memcpy(path, end + 1, size - len - 1);
    path[size - len - 1] = '\0';
    if (pm_script_rules_where_check(where, &why) != APR_SUCCESS
        || pm_script_rules_path_check(path, &why) != APR_SUCCESS) {
        MUST(why.text[0]);
        return 0;
    }
    if (can_compare(where)) {
        MUST(pm_script_rules_match(where, path) == match(where, path));
    }
    fixed = pm_script_rules_fixed(where);
    MUST(fixed >= 1 && fixed <= strlen(where));
    MUST(!memchr(where, '*', fixed) && !memchr(where, '?', fixed));
    return 0;
}
