/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: JSON as the manager writes it (pm_json.h).
 *
 * Input: a string, up to a NUL.  It is written as JSON and read by a reader of
 * others'.
 */
#include "pm_core/control/pm_json.h"

#include <stdint.h>
#include <string.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "must.h"
#include "pm_core/control/pm_control_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* @return the string, written and read */
static const char *round_trip(const char *text, apr_pool_t *p)
{
    const json_t *answer;
    pm_json_t j;

    pm_json_init(&j, p);
    pm_json_open(&j, NULL, '{');
    pm_json_string(&j, "a", text);
    pm_json_close(&j, '}');
    answer = pm_control_reply_read(pm_json_text(&j), p);
    MUST(json_is_string(json_object_get(answer, "a")));
    return pm_control_reply_text(answer, "a");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int initialised;
    const char *once;
    apr_pool_t *p;

    if (!initialised) {
        MUST(apr_initialize() == APR_SUCCESS);
        initialised = 1;
    }
    MUST(apr_pool_create(&p, NULL) == APR_SUCCESS);
    /* bytes that are no UTF-8 are others then, but remain so */
    once = round_trip(apr_pstrmemdup(p, (const char *)data, size), p);
    MUST(!strcmp(round_trip(once, p), once));
    apr_pool_destroy(p);
    return 0;
}
