/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_status.h
 * @brief What the pools do, for people and programs, over HTTP.
 *
 * hpm_status.c       the handler fcgipm-status: where the status comes from,
 *                    which form of it is sent
 * hpm_page.c         the page, with hpm_page.css and hpm_page.js
 * hpm_openmetrics.c  OpenMetrics
 * hpm_mod_status.c   the section on mod_status's page
 *
 * The handler asks the manager for the status of its control socket, which has
 * names, commands and workers, and waits half a second for it.  When the
 * manager does not answer, this process writes the same from its configuration
 * and the scoreboard.  No worker is asked, and none is needed.  All functions
 * here are for a request's thread.
 */
#ifndef HPM_STATUS_H
#define HPM_STATUS_H

#include "httpd/config/hpm_module.h"
#include "httpd/config/hpm_server.h"
#include "pm_core/control/pm_control_reply.h"
#include "pm_core/control/pm_metric.h"
#include "pm_core/control/pm_report_status.h"

#define HPM_STATUS_HANDLER HPM_HANDLER "-status"

/** handler hook. */
int hpm_status_handler(request_rec *r);

/** A value as text: a string as it is, a number without needless zeros, true
 *  as 1, false as 0; else "".
 *  @return lives as long as @a value and @a p */
const char *hpm_status_text(const json_t *value, apr_pool_t *p);

/** Does this status come from the manager? */
int hpm_status_is_managed(const json_t *status);

/* --- hpm_page.c ------------------------------------------------------ */

/** Send the page.
 *  @param json the text of @a status, for the page's script */
void hpm_page_write(request_rec *r, const json_t *status, const char *json);

/** Send what the page loads: ?css and ?js. */
void hpm_page_write_style(request_rec *r);
void hpm_page_write_script(request_rec *r);

/* --- hpm_openmetrics.c --------------------------------------------------- */

/** Send the metrics. */
void hpm_openmetrics_write(request_rec *r, const json_t *status);

/* --- hpm_mod_status.c --------------------------------------------------- */

/** What this process knows of a pool without its manager. */
pm_report_status_known_t hpm_status_known(const hpm_server_t *server,
                                          const hpm_pool_t *pool);

/** mod_status's status_hook.  The manager is not asked. */
int hpm_mod_status(request_rec *r, int flags);

#endif /* HPM_STATUS_H */
