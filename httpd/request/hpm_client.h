/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_client.h
 * @brief The client's connection: is it there, does it take more?
 *
 * Only a connection of HTTP/1 has a socket that says so.  A stream of HTTP/2
 * (c->master) has none: nothing can be asked, and what is passed on may wait
 * for the client.
 */
#ifndef HPM_CLIENT_H
#define HPM_CLIENT_H

#include "httpd.h"

/** @return its descriptor; -1: it cannot be asked */
int hpm_client_fd(conn_rec *c);

/** Has it gone: closed its side, reset the connection, or is known to httpd
 *  to have done so?  Never waits.  What it has sent beyond this request is
 *  no sign. */
int hpm_client_gone(conn_rec *c);

/** It has: httpd is to write nothing more to it. */
void hpm_client_forget(conn_rec *c);

/** Does its socket take more?
 *  @param timeout wait so long for it; 0: just ask */
int hpm_client_writable(conn_rec *c, apr_interval_time_t timeout);

/** Is there something to be read from its socket?  Likewise. */
int hpm_client_readable(conn_rec *c, apr_interval_time_t timeout);

/** Send what httpd has not sent yet, as far as the socket takes it at once.
 *  @return 1: nothing is left, and what is passed down the filters next, up
 *          to HPM_CLIENT_PASS bytes, does not wait */
int hpm_client_push(conn_rec *c);

/** httpd's core output filter keeps 64K of memory buckets for its socket;
 *  beyond that it waits (FlushMaxThreshold).  This much leaves room for what
 *  filters of the protocol add. */
#define HPM_CLIENT_PASS 61440

#endif /* HPM_CLIENT_H */
