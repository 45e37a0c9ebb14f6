/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/control/pm_report_config.h"

#include <string.h>

#include "apr_escape.h"
#include "apr_strings.h"
#include "pm_core/config/pm_value.h"

/* "Name word word" as an array of the words. */
static void config_put_line(pm_json_t *j, char *line, apr_pool_t *p)
{
    char *next = strchr(line, ' ');

    pm_json_open(j, NULL, '[');
    while (next) {
        char *word = next + 1;
        const char *plain;

        next = strchr(word, ' ');
        if (next) {
            *next = '\0';
        }
        plain = apr_punescape_url(p, word, NULL, NULL, 1);
        pm_json_string(j, NULL, plain ? plain : word);
    }
    pm_json_close(j, ']');
}

/* A line for each time the directive would have to stand there. */
static void config_put_value(pm_json_t *j, const void *conf,
                             const pm_row_t *row)
{
    apr_pool_t *p = j->bytes->pool;
    char *text =
        apr_pstrdup(p, pm_value_write(row, pm_conf_field(conf, row), p));
    char *last = NULL;
    char *line;

    pm_json_open(j, "value", '[');
    for (line = apr_strtok(text, "\n", &last); line;
         line = apr_strtok(NULL, "\n", &last)) {
        config_put_line(j, line, p);
    }
    pm_json_close(j, ']');
}

static void config_put_settings(pm_json_t *j, const void *conf,
                                pm_scope_t scope)
{
    apr_pool_t *p = j->bytes->pool;
    const pm_row_t *row;

    pm_json_open(j, "settings", '[');
    for (row = pm_conf_rows; row->name; row++) {
        const char *where = pm_conf_noted(conf, row);
        apr_size_t len = where ? strcspn(where, " ") : 0;

        if (row->scope != scope) {
            continue;
        }
        pm_json_open(j, NULL, '{');
        pm_json_string(j, "name", row->name);
        config_put_value(j, conf, row);
        pm_json_string(j, "from",
                       where ? apr_pstrmemdup(p, where, len) : "default");
        pm_json_string(j, "where", where && where[len] ? where + len + 1 : "");
        pm_json_close(j, '}');
    }
    pm_json_close(j, ']');
}

void pm_report_config_begin(pm_json_t *j, const pm_global_t *global)
{
    pm_json_open(j, NULL, '{');
    pm_json_string(j, "version", PM_VERSION);
    pm_json_open(j, "manager", '{');
    if (global) {
        config_put_settings(j, global, PM_SCOPE_GLOBAL);
    }
    pm_json_close(j, '}');
    pm_json_open(j, "pools", '[');
}

void pm_report_config_pool(pm_json_t *j, const pm_pool_t *pool)
{
    pm_json_open(j, NULL, '{');
    pm_json_string(j, "name", pool->conf->name);
    config_put_settings(j, pool->conf, PM_SCOPE_POOL);
    pm_json_close(j, '}');
}

void pm_report_config_end(pm_json_t *j)
{
    pm_json_close(j, ']');
    pm_json_close(j, '}');
}
