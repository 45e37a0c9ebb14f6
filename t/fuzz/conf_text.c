/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: the text of a configuration file (pm_conf_text.h).
 *
 * Input: the text.
 *
 * What must hold: the text is not changed; a fault has a reason with the
 * file's name and the number of a line that there is, and no section is left
 * open; what was taken can be written and read again, and is the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "must.h"
#include "pm_core/config/pm_conf_text.h"
#include "pm_core/policy/pm_script_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char *env(const char *name)
{
    static char value[] = "a \"b";

    return strcmp(name, "V") ? NULL : value;
}

/* Definitions go to the manager as text. */
static void check_section(const pm_section_t *section, apr_pool_t *p)
{
    pm_conf_t *again = pm_conf_create(p, section->conf->name);
    const char *text = pm_conf_write(section->conf, PM_SCOPE_POOL, p);

    MUST(pm_conf_name_check(section->conf->name, NULL) == APR_SUCCESS);
    MUST(pm_conf_read(again, PM_SCOPE_POOL, text, p, NULL) == APR_SUCCESS);
    MUST(pm_conf_is_equal(again, section->conf));
}

static void check_reason(const char *text, size_t size, const char *why)
{
    long line = strncmp(why, "f:", 2) ? 0 : strtol(why + 2, NULL, 10);
    long lines = 1;
    size_t i;

    for (i = 0; i < size; i++) {
        lines += text[i] == '\n';
    }
    MUST(line >= 1 && line <= lines);
    MUST(strchr(why, ' ') && strchr(why, ' ')[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int begun;
    pm_global_t *global;
    pm_conf_t *defaults;
    pm_parsed_t *parsed;
    pm_reason_t why = {""};
    apr_pool_t *p;
    char *copy;
    int i;

    if (!begun) {
        apr_initialize();
        begun = 1;
    }
    apr_pool_create(&p, NULL);
    copy = apr_pmemdup(p, data, size);
    global = pm_global_create(p);
    defaults = pm_conf_create(p, "default");
    parsed = pm_parsed_create(pm_script_rules_where_check, p);
    if (pm_conf_text_read(pm_conf_text_create(parsed, global, defaults, env, p),
                          "f", copy, size, &why)
        != APR_SUCCESS) {
        check_reason(copy, size, why.text);
    }
    MUST(!size || !memcmp(copy, data, size));
    MUST(!parsed->current && !parsed->rules);
    for (i = 0; i < parsed->sections->nelts; i++) {
        check_section(&APR_ARRAY_IDX(parsed->sections, i, pm_section_t), p);
    }
    apr_pool_destroy(p);
    return 0;
}
