/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_client.h
 * @brief The client's connection: is it there, does it take more?
 *
 * Only a connection of HTTP/1 has a socket that tells.  A stream of HTTP/2
 * (c->master) has none: nothing can be asked, and passing on may block until
 * the client takes more.
 *
 * The thread that serves the connection's request calls all of this.
 */
#ifndef HPM_CLIENT_H
#define HPM_CLIENT_H

#include "httpd.h"

/** @return the descriptor of its socket; -1: there is none to ask */
int hpm_client_fd(conn_rec *c);

/** @return 1: it has closed its side or reset the connection, or httpd knows
 *  that already.  Never waits; a further request of the client is no sign of
 *  its end. */
int hpm_client_has_gone(conn_rec *c);

/** @return 1: its socket takes more, or has an error for the next write to
 *  find
 *  @param timeout wait so long for that; 0: do not wait */
int hpm_client_is_writable(conn_rec *c, apr_interval_time_t timeout);

/** @return 1: there is something to be read from its socket
 *  @param timeout likewise */
int hpm_client_is_readable(conn_rec *c, apr_interval_time_t timeout);

/** Send what httpd has kept in its output filters, as far as the socket takes
 *  it at once.
 *  @return 1: nothing is left, and passing up to HPM_CLIENT_PASS bytes down
 *          the filters does not block */
int hpm_client_push(conn_rec *c);

/** httpd's core output filter keeps 64K of memory buckets for its socket;
 *  beyond that it waits (FlushMaxThreshold).  This much leaves room for what
 *  filters of the protocol add. */
#define HPM_CLIENT_PASS 61440

#endif /* HPM_CLIENT_H */
