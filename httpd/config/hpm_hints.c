/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/config/hpm_hints.h"

#include <string.h>

#include "apr_strings.h"
#include "http_config.h"

#include "httpd/config/hpm_directives.h"
#include "pm_core/base/pm_nearest.h"

/* --- handlers ------------------------------------------------------------- */

typedef struct hints {
    const hpm_server_t *server;
    apr_array_header_t *texts;
    apr_pool_t *p;
} hints_t;

static const char *hints_nearest_pool(const hpm_server_t *server,
                                      const char *name)
{
    pm_nearest_t nearest = {0};
    int i;

    for (i = 0; i < server->pool_list->nelts; i++) {
        pm_nearest_offer(&nearest, name, hpm_server_pool_at(server, i)->name);
    }
    return nearest.word;
}

static void hints_check_name(const hints_t *h, const ap_directive_t *d,
                             const char *handler, const char *name)
{
    const char *nearest;

    if (hpm_server_pool(h->server, name)) {
        return;
    }
    nearest = hints_nearest_pool(h->server, name);
    *(const char **)apr_array_push(h->texts) = apr_psprintf(
        h->p,
        "%s %s (%s): there is no pool \"%s\", so requests get 500: %s%s%s",
        d->directive, handler, hpm_directives_where(d, h->p), name,
        nearest ? "did you mean \"" : "write a <FcgiPMPool ",
        nearest ? nearest : name, nearest ? "\"?" : ">");
}

/* Characters of a pool's name; what comes with another is a variable's. */
#define HINTS_NAME                                                             \
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"

/* "fcgipm:NAME", wherever it stands in the words of a directive. */
static void hints_check_args(const hints_t *h, const ap_directive_t *d)
{
    static const char handler[] = HPM_HANDLER ":";
    const char *at = d->args;

    while ((at = strstr(at, handler))) {
        const char *name = at + sizeof(handler) - 1;
        size_t len = strspn(name, HINTS_NAME);
        int begins = at == d->args || strchr(" \t\"'=", at[-1]);

        if (begins && len && (!name[len] || strchr(" \t\"',]", name[len]))) {
            name = apr_pstrmemdup(h->p, name, len);
            hints_check_name(h, d, apr_pstrcat(h->p, handler, name, NULL),
                             name);
        }
        at += sizeof(handler) - 1;
    }
}

/* "fcgipm" alone is the pool `default`. */
static void hints_check_default(const hints_t *h, const ap_directive_t *d)
{
    const char *args = d->args;

    if (!strcmp(ap_getword_conf(h->p, &args), HPM_HANDLER)) {
        hints_check_name(h, d, HPM_HANDLER, HPM_DEFAULT_POOL);
    }
}

static void hints_walk(const hints_t *h, const ap_directive_t *d)
{
    for (; d; d = d->next) {
        if (!ap_cstr_casecmp(d->directive, "SetHandler")
            || !ap_cstr_casecmp(d->directive, "AddHandler")) {
            hints_check_args(h, d);
            hints_check_default(h, d);
        }
        else if (!ap_cstr_casecmp(d->directive, "RewriteRule")) {
            hints_check_args(h, d);
        }
        hints_walk(h, d->first_child);
    }
}

const apr_array_header_t *hpm_hints_handlers(const hpm_server_t *server,
                                             apr_pool_t *p)
{
    hints_t h = {server, apr_array_make(p, 4, sizeof(const char *)), p};

    hints_walk(&h, ap_conftree);
    return h.texts;
}
