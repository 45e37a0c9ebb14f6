/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_control_client.h
 * @brief Layer 2: questions to a manager over its control socket.
 *
 * Each step has to be done by a deadline, a time of pm_time_now() or
 * PM_TIME_NEVER.  What is not is APR_TIMEUP; APR_EOF is a manager that has
 * closed the connection, any other status the system's.
 */
#ifndef PM_CONTROL_CLIENT_H
#define PM_CONTROL_CLIENT_H

#include "pm_core/base/pm_base.h"

/** A connection. */
typedef struct pm_control_client {
    int fd;
    apr_pool_t *p;
    char *text; /**< what has come */
    apr_size_t len, size;
    apr_size_t told; /**< of it, what was handed out */
} pm_control_client_t;

/**
 * One question that has one line for an answer.
 * @param path of the control socket, absolute
 * @param line the question, without its newline
 * @param until for all of it
 * @param answer out: without its newline, in @a p
 */
apr_status_t pm_control_client_ask(const char *path, const char *line,
                                   apr_time_t until, apr_pool_t *p,
                                   char **answer, pm_reason_t *why);

/** Connect; the rest is in @a p.  Nothing is open when that fails. */
apr_status_t pm_control_client_open(pm_control_client_t *a, const char *path,
                                    apr_time_t until, apr_pool_t *p,
                                    pm_reason_t *why);

void pm_control_client_close(pm_control_client_t *a);

/** Say a line, @a line without its newline. */
apr_status_t pm_control_client_send(pm_control_client_t *a, const char *line,
                                    pm_reason_t *why);

/** Hear the next line.
 *  @param line out: without its newline, valid until the next is heard */
apr_status_t pm_control_client_receive(pm_control_client_t *a, apr_time_t until,
                                       char **line, pm_reason_t *why);

#endif /* PM_CONTROL_CLIENT_H */
