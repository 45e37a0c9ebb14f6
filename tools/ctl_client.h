/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ctl_client.h
 * @brief fcgipmctl's side of the control socket.
 */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include "pm_base.h"

/** How long the manager may take for a line; one that waits for an event has
 *  all the time there is (0). */
#define CTL_PATIENCE apr_time_from_sec(10)

/** An answer longer than this is none. */
#define CTL_LINE_MAX (64 * 1024 * 1024)

typedef struct ctl_client {
    int fd;
    char *bytes;             /**< malloc()ed: what came behind a line */
    size_t len, size;
} ctl_client_t;

/** Connect.  @return 0, with a reason, when the manager cannot be reached */
int ctl_client_open(ctl_client_t *c, const char *path, apr_pool_t *p,
                    pm_reason_t *why);

void ctl_client_close(ctl_client_t *c);

/**
 * Ask, and wait for the answer.
 * @param request without newline
 * @param patience for the next line; 0: for ever
 * @param tell    called for each line before the last; NULL: they are
 *                passed over
 * @return the last line, valid until the next call; NULL with a reason
 */
const char *ctl_client_ask(ctl_client_t *c, const char *request,
                           apr_time_t patience,
                           void (*tell)(void *ctx, const char *line),
                           void *ctx, pm_reason_t *why);

#endif /* CTL_CLIENT_H */
