/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/control/pm_control_reply.h"

#include <stdlib.h>
#include <string.h>

static apr_status_t reply_free(void *answer)
{
    json_decref(answer);
    return APR_SUCCESS;
}

const json_t *pm_control_reply_read(const char *text, apr_pool_t *p)
{
    json_t *answer = json_loadb(text, strlen(text), 0, NULL);

    if (answer) {
        apr_pool_cleanup_register(p, answer, reply_free, apr_pool_cleanup_null);
    }
    return answer;
}

const char *pm_control_reply_string(const json_t *value)
{
    const char *text = json_string_value(value);

    return text ? text : "";
}

const char *pm_control_reply_text(const json_t *object, const char *name)
{
    return pm_control_reply_string(json_object_get(object, name));
}

double pm_control_reply_number(const json_t *object, const char *name)
{
    return json_number_value(json_object_get(object, name));
}

/* By name; the one that drains last. */
static int reply_compare(const void *left, const void *right)
{
    const json_t *a = *(const json_t *const *)left;
    const json_t *b = *(const json_t *const *)right;
    int order = strcmp(pm_control_reply_text(a, "name"),
                       pm_control_reply_text(b, "name"));

    return order ? order
                 : !strcmp(pm_control_reply_text(a, "state"), "draining")
                       - !strcmp(pm_control_reply_text(b, "state"), "draining");
}

apr_array_header_t *pm_control_reply_pools(const json_t *reply, apr_pool_t *p)
{
    apr_array_header_t *pools = apr_array_make(p, 16, sizeof(json_t *));
    const json_t *pool;
    size_t i;

    json_array_foreach(json_object_get(reply, "pools"), i, pool)
    {
        APR_ARRAY_PUSH(pools, const json_t *) = pool;
    }
    qsort(pools->elts, (size_t)pools->nelts, sizeof(json_t *), reply_compare);
    return pools;
}

int pm_control_reply_is_failing(const json_t *pool)
{
    const char *state = pm_control_reply_text(pool, "state");

    return !strcmp(state, "backoff") || !strcmp(state, "stopped");
}

apr_array_header_t *pm_control_reply_worst_first(const json_t *reply,
                                                 apr_pool_t *p)
{
    const apr_array_header_t *all = pm_control_reply_pools(reply, p);
    apr_array_header_t *sorted = apr_array_make(p, 16, sizeof(json_t *));
    int failing, i;

    for (failing = 1; failing >= 0; failing--) {
        for (i = 0; i < all->nelts; i++) {
            const json_t *pool = APR_ARRAY_IDX(all, i, const json_t *);

            if (pm_control_reply_is_failing(pool) == failing) {
                APR_ARRAY_PUSH(sorted, const json_t *) = pool;
            }
        }
    }
    return sorted;
}
