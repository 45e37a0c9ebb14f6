/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/config/hpm_parsed.h"

#include <string.h>

#include "apr_strings.h"

#include "httpd/config/hpm_script_rules.h"

hpm_parsed_t *hpm_parsed_create(apr_pool_t *p)
{
    hpm_parsed_t *parsed = apr_pcalloc(p, sizeof(*parsed));

    parsed->sections = apr_array_make(p, 4, sizeof(hpm_section_t));
    parsed->scripts = apr_array_make(p, 2, sizeof(hpm_scripts_t));
    parsed->faults = apr_array_make(p, 4, sizeof(const char *));
    return parsed;
}

const hpm_section_t *hpm_parsed_find(const hpm_parsed_t *parsed,
                                     const char *name)
{
    int i;

    for (i = 0; i < parsed->sections->nelts; i++) {
        const hpm_section_t *section =
            &APR_ARRAY_IDX(parsed->sections, i, hpm_section_t);

        if (!strcmp(section->conf->name, name)) {
            return section;
        }
    }
    return NULL;
}

void hpm_parsed_add(hpm_parsed_t *parsed, pm_conf_t *conf, const char *where,
                    apr_pool_t *p)
{
    const hpm_section_t *first = hpm_parsed_find(parsed, conf->name);
    hpm_section_t *section;

    if (first) {
        hpm_parsed_add_duplicate(parsed, conf->name, first->where, where, p);
        return;
    }
    section = apr_array_push(parsed->sections);
    section->conf = conf;
    section->where = where;
}

void hpm_parsed_append(hpm_parsed_t *parsed, const hpm_parsed_t *virtual,
                       apr_pool_t *p)
{
    int i;

    for (i = 0; i < virtual->sections->nelts; i++) {
        const hpm_section_t *section =
            &APR_ARRAY_IDX(virtual->sections, i, hpm_section_t);

        hpm_parsed_add(parsed, section->conf, section->where, p);
    }
    apr_array_cat(parsed->scripts, virtual->scripts);
    apr_array_cat(parsed->faults, virtual->faults);
}

void hpm_parsed_add_fault(hpm_parsed_t *parsed, const char *text)
{
    *(const char **)apr_array_push(parsed->faults) = text;
}

void hpm_parsed_add_duplicate(hpm_parsed_t *parsed, const char *name,
                              const char *first, const char *second,
                              apr_pool_t *p)
{
    hpm_parsed_add_fault(parsed, apr_psprintf(p,
                                              "pool %s is defined twice, at %s "
                                              "and at %s: the first definition "
                                              "stands",
                                              name, first, second));
}
