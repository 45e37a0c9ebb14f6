/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_control.h
 * @brief Layer 2: the control socket.
 *
 * Takes connections, tells who the peer is (SO_PEERCRED), hands lines up and
 * sends answers down.  A client costs bounded memory: a line is at most
 * PM_CONTROL_LINE bytes, a client that does not take its answers or says
 * nothing for PM_CONTROL_IDLE is dropped, and beyond PM_CONTROL_CLIENTS no
 * more are taken until one goes.
 */
#ifndef PM_CONTROL_H
#define PM_CONTROL_H

#include <sys/types.h>

#include "pm_loop.h"

#define PM_CONTROL_LINE    1024
#define PM_CONTROL_CLIENTS 64
#define PM_CONTROL_IDLE    apr_time_from_sec(30)

typedef struct pm_control pm_control_t;

/** One request.
 *  @param line without newline
 *  @param p    for the answer; goes when it has been sent
 *  @return the answer, one line without newline */
typedef const char *pm_control_answer_t(void *ctx, const char *line,
                                        uid_t peer, apr_pool_t *p);

/**
 * Serve an open listening socket (pm_listen_open()).
 * @param fd the control socket's from here on
 */
apr_status_t pm_control_create(pm_control_t **control, pm_loop_t *loop,
                               int fd, pm_control_answer_t *answer,
                               void *ctx, apr_pool_t *p, pm_reason_t *why);

/** Close it and drop its clients.  Harmless for NULL. */
void pm_control_destroy(pm_control_t *control);

#endif /* PM_CONTROL_H */
