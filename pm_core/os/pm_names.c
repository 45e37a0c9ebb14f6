/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_names.h"

#include <string.h>

#include "apr_hash.h"
#include "apr_strings.h"

/* The names of one configuration, each with what it stands for. */
typedef struct names_table {
    apr_pool_t *p; /* NULL: there is no such configuration */
    apr_hash_t *known;
} names_table_t;

struct pm_names {
    apr_pool_t *p;
    names_table_t now, former;
};

typedef struct names_owner {
    uid_t uid;
    gid_t gid;
} names_owner_t;

static names_table_t names_make_table(apr_pool_t *parent)
{
    apr_pool_t *p = pm_subpool_create(parent);

    return (names_table_t){p, apr_hash_make(p)};
}

pm_names_t *pm_names_create(apr_pool_t *p)
{
    pm_names_t *n = apr_pcalloc(p, sizeof(*n));

    n->p = p;
    n->now = names_make_table(p);
    return n;
}

static void names_drop(names_table_t *table)
{
    if (table->p) {
        apr_pool_destroy(table->p);
        table->p = NULL;
    }
}

void pm_names_begin(pm_names_t *n)
{
    if (!n) {
        return;
    }
    names_drop(&n->former);
    n->former = n->now;
    n->now = names_make_table(n->p);
}

void pm_names_end(pm_names_t *n, int good)
{
    if (!n) {
        return;
    }
    if (!good && n->former.p) {
        names_drop(&n->now);
        n->now = n->former;
        n->former.p = NULL;
    }
    names_drop(&n->former);
}

static void names_put(pm_names_t *n, const char *key, const void *value,
                      apr_size_t size)
{
    if (n) {
        apr_hash_set(n->now.known, apr_pstrdup(n->now.p, key),
                     APR_HASH_KEY_STRING, apr_pmemdup(n->now.p, value, size));
    }
}

/* @return 1: it is known, and in @a value */
static int names_get(pm_names_t *n, const char *key, void *value,
                     apr_size_t size)
{
    const void *known =
        n ? apr_hash_get(n->now.known, key, APR_HASH_KEY_STRING) : NULL;

    if (!known && n && n->former.p) {
        known = apr_hash_get(n->former.known, key, APR_HASH_KEY_STRING);
        if (known) {
            names_put(n, key, known, size);
        }
    }
    if (known) {
        memcpy(value, known, size);
    }
    return known != NULL;
}

/* Of the kinds "address", "ident" and "owner". */
static const char *names_key(const pm_names_t *n, const char *kind,
                             const char *a, const char *b)
{
    return n ? apr_pstrcat(n->now.p, kind, "\n", a ? a : "", "\n", b ? b : "",
                           NULL)
             : "";
}

apr_status_t pm_names_address(pm_names_t *n, const char *text, pm_addr_t *addr,
                              pm_reason_t *why)
{
    const char *key = names_key(n, "address", text, NULL);
    apr_status_t rv;

    if (names_get(n, key, addr, sizeof(*addr))) {
        return APR_SUCCESS;
    }
    rv = pm_listen_parse(text, addr, why);
    if (rv == APR_SUCCESS) {
        names_put(n, key, addr, sizeof(*addr));
    }
    return rv;
}

apr_status_t pm_names_ident(pm_names_t *n, pm_ident_t *id, const char *user,
                            const char *group, pm_reason_t *why)
{
    const char *key = names_key(n, "ident", user, group);
    apr_status_t rv;

    if (names_get(n, key, id, sizeof(*id))) {
        return APR_SUCCESS;
    }
    rv = pm_ident_lookup(id, user, group, why);
    if (rv == APR_SUCCESS) {
        names_put(n, key, id, sizeof(*id));
    }
    return rv;
}

apr_status_t pm_names_owner(pm_names_t *n, const char *text, uid_t *uid,
                            gid_t *gid, pm_reason_t *why)
{
    const char *key = names_key(n, "owner", text, NULL);
    names_owner_t owner = {(uid_t)-1, (gid_t)-1};
    apr_status_t rv = APR_SUCCESS;

    if (!names_get(n, key, &owner, sizeof(owner))) {
        rv = pm_ident_parse_owner(text, &owner.uid, &owner.gid, why);
        if (rv == APR_SUCCESS) {
            names_put(n, key, &owner, sizeof(owner));
        }
    }
    *uid = owner.uid;
    *gid = owner.gid;
    return rv;
}
