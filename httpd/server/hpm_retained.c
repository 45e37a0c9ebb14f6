/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/server/hpm_retained.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "apr_strings.h"
#include "http_core.h"

#include "httpd/config/hpm_module.h"
#include "httpd/server/hpm_file.h"

/* Both numbers count changes of meaning that the sizes do not show. */
#define RETAINED_KEY   "mod_fcgipm 3 %d %d %d %d"
#define RETAINED_BOARD "scoreboard 1 %d %d %d %d %d"

/* A member that is added at the end changes nothing here. */
static const char *retained_key(apr_pool_t *p)
{
    return apr_psprintf(p, RETAINED_KEY, (int)offsetof(hpm_retained_t, manager),
                        (int)sizeof(hpm_manager_process_t),
                        (int)offsetof(hpm_listener_t, settings),
                        PM_SCOREBOARD_SLOTS);
}

static void retained_name_board(char *name, apr_size_t size)
{
    apr_snprintf(
        name, size, RETAINED_BOARD, (int)sizeof(pm_scoreboard_header_t),
        (int)sizeof(pm_scoreboard_slot_t), (int)sizeof(pm_admission_words_t),
        (int)sizeof(pm_scoreboard_cell_t), (int)pm_scoreboard_size(0));
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
    r->size = sizeof(*r);
}

/* Another build may have kept fewer members, or more. */
static hpm_retained_t *retained_find(apr_pool_t *ptemp)
{
    const char *key = retained_key(ptemp);
    hpm_retained_t *former = ap_retained_data_get(key);
    hpm_retained_t *r = former;

    if (!former || former->size < sizeof(*r)) {
        r = ap_retained_data_create(key, sizeof(*r));
        if (former) {
            memcpy(r, former, former->size);
        }
    }
    r->size = sizeof(*r);
    return r;
}

/* The scoreboard of a build that lays it out in another way.  Its children
 * have it until they end; nothing of it is read here. */
static void retained_leave_board(hpm_retained_t *r)
{
    char name[sizeof(r->board_name)];

    retained_name_board(name, sizeof(name));
    if (r->board && strcmp(name, r->board_name)) {
        apr_pool_destroy(r->board_pool);
        r->board = NULL;
        r->board_pool = NULL;
        r->board_is_left = 1;
    }
    memcpy(r->board_name, name, sizeof(name));
}

hpm_retained_t *hpm_retained_get(apr_pool_t *ptemp)
{
    hpm_retained_t *r = retained_find(ptemp);

    if (!retained_is_recent(r)) {
        retained_reset(r);
    }
    retained_leave_board(r);
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
    hpm_retained_t *r = retained_find(ptemp);
    int i;

    if (!retained_is_recent(r) || !r->pool) {
        return;
    }
    hpm_retained_move(r, r->pool);
    for (i = 0; i < r->listeners->nelts; i++) {
        hpm_file_move(&hpm_listeners_at(r->listeners, i)->file, r->pool);
    }
}
