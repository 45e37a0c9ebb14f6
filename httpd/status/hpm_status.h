/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_status.h
 * @brief What the pools do, for people and programs, over HTTP.
 *
 * hpm_status.c   the handler fcgipm-status: whom to ask, what to give
 * hpm_page.c     the page, with hpm_page.css and hpm_page.js
 * hpm_openmetrics.c  OpenMetrics
 * hpm_mod_status.c  the section on mod_status's page
 *
 * What is shown comes from the manager, as the status of its control socket,
 * which has names, commands and workers; it is given half a second for that.
 * When it does not answer, this process writes the same from the
 * configuration and the board.  No worker is asked, and none is needed.
 */
#ifndef HPM_STATUS_H
#define HPM_STATUS_H

#include "httpd/config/hpm_module.h"
#include "pm_core/control/pm_control_reply.h"

#define HPM_STATUS_HANDLER HPM_HANDLER "-status"

/** handler hook. */
int hpm_status_handler(request_rec *r);

/** A value as text: a string as it is, a number without needless zeros; else
 *  "". */
const char *hpm_status_text(const json_t *value, apr_pool_t *p);

/** Has the manager told this? */
int hpm_status_is_managed(const json_t *status);

/* --- hpm_page.c ------------------------------------------------------ */

/** @param json the text of @a status, for the page's script */
void hpm_page_write(request_rec *r, const json_t *status, const char *json);

/* --- hpm_openmetrics.c --------------------------------------------------- */

#define HPM_OPENMETRICS_TYPE                                                   \
    "application/openmetrics-text; version=1.0.0; charset=utf-8"

/** Workers that have metrics of their own; how many others there are is said.
 */
#define HPM_OPENMETRICS_WORKERS 512

void hpm_openmetrics_write(request_rec *r, const json_t *status);

/* --- hpm_mod_status.c --------------------------------------------------- */

/** mod_status's status_hook. */
int hpm_mod_status(request_rec *r, int flags);

#endif /* HPM_STATUS_H */
