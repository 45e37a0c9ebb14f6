/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_control_server.h
 * @brief The manager's side of the control socket: connections, lines,
 *        answers.
 *
 * It accepts connections, finds out the peer's uid (SO_PEERCRED, unix(7)),
 * hands request lines to a handler and sends the answers, at once or later.  A
 * client costs bounded memory: a line has at most PM_CONTROL_PROTOCOL_LINE
 * bytes; one text is being sent and one is kept behind it, where a later one
 * replaces an earlier one.  A client that sends nothing, or does not read its
 * answer, for PM_CONTROL_SERVER_IDLE is disconnected.
 *
 * Root and the manager's own uid share PM_CONTROL_SERVER_OWN connections, all
 * other uids PM_CONTROL_SERVER_OTHERS.  A new client of a class that has all
 * its connections gets that of the client that has been silent for longest.  So
 * no client can lock out the other class, or its own for good.
 *
 * Only the manager's thread calls these functions.
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

/** A client whose request has not been answered whole. */
typedef struct pm_control_caller pm_control_caller_t;

/** Handles one request; it answers with pm_control_server_answer(), at once or
 *  later.
 *  @param line without newline, valid during the call; not trusted */
typedef void pm_control_handler_t(void *ctx, pm_control_caller_t *caller,
                                  const char *line);

/**
 * Serve a listening socket (pm_listen_open()).
 * @param fd the server's from here on, also when it fails
 */
apr_status_t pm_control_server_create(pm_control_server_t **server,
                                      pm_loop_t *loop, int fd,
                                      pm_control_handler_t *handler, void *ctx,
                                      apr_pool_t *p, pm_reason_t *why);

/** Close the socket and disconnect its clients.  Harmless for NULL. */
void pm_control_server_destroy(pm_control_server_t *server);

/** @return a pool that lives until the answer has been sent or the caller has
 *  gone; a handler that answers later registers a cleanup there */
apr_pool_t *pm_control_server_pool(pm_control_caller_t *caller);

/** @return the uid at the other end */
uid_t pm_control_server_peer_uid(const pm_control_caller_t *caller);

/**
 * Send the caller a text.  Never fails, never calls back.
 * @param text one line or several, without the last newline; copied
 * @param last 1: the answer ends with it, and the caller must not be used
 *             again.  0: it may be left out when the caller reads slowly
 */
void pm_control_server_answer(pm_control_caller_t *caller, const char *text,
                              int last);

#endif /* PM_CONTROL_SERVER_H */
