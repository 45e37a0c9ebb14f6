/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_log.h
 * @brief The core's log sink (pm_log_t) onto httpd's error log, and
 *        FcgiPMErrorLog.
 */
#ifndef HPM_LOG_H
#define HPM_LOG_H

#include "httpd/config/hpm_server.h"

/** Fill in a sink that writes to the error log of @a s, at that server's
 *  level for this module. */
void hpm_log_open(pm_log_t *log, server_rec *s);

/** For the manager, which is about to close descriptors it does not know.
 *  syslog is connected anew when it is needed.  From now on the sink's own
 *  level decides, not the configuration the manager was forked with. */
void hpm_log_detach(server_rec *s);

/** Check a FcgiPMErrorLog without opening it. */
apr_status_t hpm_log_check(const char *target, apr_pool_t *p, pm_reason_t *why);

/** Open the logs that pools and templates name, and set their @c log_fd
 *  (parent, post_config).  A log that cannot be opened is logged; its pool
 *  writes to the error log.
 *  @param p owns the descriptors */
void hpm_log_open_pools(const hpm_server_t *server, apr_pool_t *p,
                        server_rec *s);

#endif /* HPM_LOG_H */
