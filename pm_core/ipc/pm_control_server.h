/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_control_server.h
 * @brief Layer 2: the control socket.
 *
 * Takes connections, tells who the peer is (SO_PEERCRED), hands lines up and
 * sends answers down, at once or when they come.  A client costs bounded
 * memory: a line is at most PM_CONTROL_PROTOCOL_LINE bytes, one answer is under
 * way at a time, of what it is told meanwhile the last word counts.  Who says
 * nothing, or does not take its answer, for PM_CONTROL_SERVER_IDLE is dropped.
 *
 * Root and the manager's own uid have PM_CONTROL_SERVER_OWN places, all others
 * together PM_CONTROL_SERVER_OTHERS.  When those are taken, who comes gets the
 * place of the one that has been silent for longest: nobody can lock another
 * class out, or the next one of its own.
 */
#ifndef PM_CONTROL_SERVER_H
#define PM_CONTROL_SERVER_H

#include <sys/types.h>

#include "pm_core/os/pm_loop.h"
#include "pm_core/policy/pm_control_protocol.h"

#define PM_CONTROL_SERVER_OWN    32
#define PM_CONTROL_SERVER_OTHERS 48
#define PM_CONTROL_SERVER_IDLE   apr_time_from_sec(30)

typedef struct pm_control_server pm_control_server_t;

/** Who has asked something and has not had the whole answer. */
typedef struct pm_control_caller pm_control_caller_t;

/** One request.  It has to be answered with pm_control_server_answer(), now or
 * later.
 *  @param line without newline, valid during the call */
typedef void pm_control_handler_t(void *ctx, pm_control_caller_t *caller,
                                  const char *line);

/**
 * Serve an open listening socket (pm_listen_open()).
 * @param fd the control socket's from here on
 */
apr_status_t pm_control_server_create(pm_control_server_t **control,
                                      pm_loop_t *loop, int fd,
                                      pm_control_handler_t *ask, void *ctx,
                                      apr_pool_t *p, pm_reason_t *why);

/** Close it and drop its clients.  Harmless for NULL. */
void pm_control_server_destroy(pm_control_server_t *control);

/** A pool that lives until the answer has been sent or the caller has gone:
 *  who answers later has a cleanup there. */
apr_pool_t *pm_control_server_pool(pm_control_caller_t *caller);

/** The uid at the other end. */
uid_t pm_control_server_peer_uid(const pm_control_caller_t *caller);

/**
 * Tell the caller something; never fails, never calls back.
 * @param text one line or several, without the last newline; copied
 * @param last the answer ends with it; the caller is not to be used again.
 *             What is not the last may be left out when the caller is slow
 */
void pm_control_server_answer(pm_control_caller_t *caller, const char *text,
                              int last);

#endif /* PM_CONTROL_SERVER_H */
