/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_listen.h
 * @brief Layer 2: listening sockets.
 *
 * The socket is opened by whoever outlives the manager (httpd's parent), so
 * that a dead manager loses no queued connection.
 */
#ifndef PM_LISTEN_H
#define PM_LISTEN_H

#include <sys/socket.h>
#include <sys/types.h>

#include "pm_core/base/pm_base.h"

/** An address that has been understood. */
typedef struct pm_addr {
    struct sockaddr_storage sa;
    socklen_t len;
} pm_addr_t;

/** A listening socket. */
typedef struct pm_listener {
    int fd;           /**< close-on-exec; -1: closed */
    const char *text; /**< the address as configured */
    const char *path; /**< of a unix socket, else NULL */
    dev_t dev;        /**< of @c path, to know it again */
    ino_t ino;
} pm_listener_t;

/** Who may connect to a unix socket. */
typedef struct pm_listen_opts {
    int backlog;
    mode_t mode;
    uid_t uid; /**< (uid_t)-1: leave */
    gid_t gid; /**< (gid_t)-1: leave */
} pm_listen_opts_t;

/**
 * Understand "unix:/path" or "host:port" ("[::1]:9000", "127.0.0.1:9000",
 * "localhost:9000").  A path too long for sockaddr_un (unix(7): 107 bytes) is
 * refused here.
 */
apr_status_t pm_listen_parse(const char *text, pm_addr_t *addr,
                             pm_reason_t *why);

/** Could a socket be made there?  A unix socket takes the place of another
 *  one, never that of a file or directory. */
apr_status_t pm_listen_check(const pm_addr_t *addr, pm_reason_t *why);

/**
 * Open the socket and listen.  A unix socket is bound under a temporary name
 * in the same directory and renamed over @a text's path, so that a path left
 * behind by a crash is taken over and there is no moment without a socket
 * (rename(2) is atomic).  The file gets mode and owner before it can be
 * reached.
 * @param l filled; strings live in @a p
 */
apr_status_t pm_listen_open(pm_listener_t *l, const char *text,
                            const pm_listen_opts_t *opts, apr_pool_t *p,
                            pm_reason_t *why);

/** Fill @a l for a socket that another process has opened just now.
 *  @param fd is @a l's from here on */
void pm_listen_adopt(pm_listener_t *l, const char *text, int fd, apr_pool_t *p);

/** Backlog, mode and owner of an open listener as they are to be now. */
apr_status_t pm_listen_adjust(const pm_listener_t *l,
                              const pm_listen_opts_t *opts, pm_reason_t *why);

/** Is the file at its path still this socket's? */
int pm_listen_is_there(const pm_listener_t *l);

/** Remove the socket's file if it is still this socket's. */
void pm_listen_unlink(const pm_listener_t *l);

/** Close the descriptor; the file stays. */
void pm_listen_close(pm_listener_t *l);

/** Take and close every connection that waits, so that who called learns at
 *  once that nobody is there.  For a time when no worker accepts. */
void pm_listen_refuse(int fd);

/** Is a connection waiting to be accepted?  Asks, never waits. */
int pm_listen_pending(int fd);

#endif /* PM_LISTEN_H */
