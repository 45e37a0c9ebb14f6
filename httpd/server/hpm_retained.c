/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/server/hpm_retained.h"

#include <string.h>
#include <unistd.h>

#include "apr_strings.h"
#include "http_core.h"

#include "httpd/config/hpm_module.h"
#include "httpd/server/hpm_file.h"

/* The number counts changes of meaning that the sizes do not show. */
static const char *retained_key(apr_pool_t *p)
{
    return apr_psprintf(
        p, "mod_fcgipm 2 %d %d %d %d %d %d %d %d", (int)sizeof(hpm_retained_t),
        (int)sizeof(hpm_listener_t), (int)sizeof(pm_scoreboard_header_t),
        (int)sizeof(pm_scoreboard_slot_t), (int)sizeof(pm_admission_words_t),
        (int)sizeof(pm_scoreboard_cell_t), (int)pm_scoreboard_size(0),
        PM_SCOREBOARD_SLOTS);
}

/* Was the module part of the configuration before this one? */
static int retained_is_recent(const hpm_retained_t *r)
{
    return r->config + 1 == ap_state_query(AP_SQ_CONFIG_GEN);
}

/* The module was not loaded for a while: APR has closed its files, and
 * children have come and gone unnoticed. */
static void retained_reset(hpm_retained_t *r)
{
    if (r->board_pool) {
        apr_pool_destroy(r->board_pool);
    }
    if (r->pool) {
        apr_pool_destroy(r->pool);
    }
    memset(r, 0, sizeof(*r));
}

hpm_retained_t *hpm_retained_get(apr_pool_t *ptemp)
{
    const char *key = retained_key(ptemp);
    hpm_retained_t *r = ap_retained_data_get(key);

    if (!r) {
        r = ap_retained_data_create(key, sizeof(*r));
    }
    else if (!retained_is_recent(r)) {
        retained_reset(r);
    }
    r->config = ap_state_query(AP_SQ_CONFIG_GEN);
    r->parent = getpid();
    return r;
}

void hpm_retained_move(hpm_retained_t *r, apr_pool_t *p)
{
    hpm_file_move(&r->lock, p);
    hpm_file_move(&r->manager.channel, p);
    hpm_file_move(&r->wakeup.manager_end, p);
    hpm_file_move(&r->wakeup.children_end, p);
    hpm_file_move(&r->slow_report.manager_end, p);
    hpm_file_move(&r->slow_report.children_end, p);
    hpm_file_move(&r->keeper, p);
}

void hpm_retained_save(apr_pool_t *ptemp)
{
    hpm_retained_t *r = ap_retained_data_get(retained_key(ptemp));
    int i;

    if (!r || !retained_is_recent(r) || !r->pool) {
        return;
    }
    hpm_retained_move(r, r->pool);
    for (i = 0; i < r->listeners->nelts; i++) {
        hpm_file_move(&APR_ARRAY_IDX(r->listeners, i, hpm_listener_t).file,
                      r->pool);
    }
}
