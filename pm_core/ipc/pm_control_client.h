/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_control_client.h
 * @brief Requests to a manager over its control socket.
 *
 * For httpd's children and the tools; the manager never uses it.  Each step has
 * a deadline, a time of pm_time_now() or PM_TIME_NEVER.  APR_TIMEUP: it passed;
 * APR_EOF: the manager has closed the connection; any other status is the
 * system's.  One thread at a time may use a connection.
 */
#ifndef PM_CONTROL_CLIENT_H
#define PM_CONTROL_CLIENT_H

#include "pm_core/base/pm_base.h"

/** A connection; its members are the unit's own. */
typedef struct pm_control_client {
    int fd; /**< -1: closed */
    apr_pool_t *p;
    char *text; /**< received bytes */
    apr_size_t len, size;
    apr_size_t used; /**< of them, those returned as a line already */
} pm_control_client_t;

/**
 * Send one request whose answer is one line, over a connection of its own.
 * @param path   of the control socket, absolute
 * @param line   the request, without newline
 * @param until  deadline of all of it
 * @param answer out: the line without newline, in @a p
 */
apr_status_t pm_control_client_ask(const char *path, const char *line,
                                   apr_time_t until, apr_pool_t *p,
                                   char **answer, pm_reason_t *why);

/** Connect.  Memory comes from @a p.  If it fails, nothing is left open. */
apr_status_t pm_control_client_open(pm_control_client_t *client,
                                    const char *path, apr_time_t until,
                                    apr_pool_t *p, pm_reason_t *why);

/** Close the connection, if it is open. */
void pm_control_client_close(pm_control_client_t *client);

/** Send a line.  @param line without newline */
apr_status_t pm_control_client_send(pm_control_client_t *client,
                                    const char *line, pm_reason_t *why);

/** Receive the next line.
 *  @param line out: without newline, valid until the next call */
apr_status_t pm_control_client_receive(pm_control_client_t *client,
                                       apr_time_t until, char **line,
                                       pm_reason_t *why);

#endif /* PM_CONTROL_CLIENT_H */
