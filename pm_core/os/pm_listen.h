/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_listen.h
 * @brief Listening sockets: addresses, opening, ownership, what waits there.
 *
 * The parent opens the sockets of the pools and keeps them over managers and
 * restarts, so that a manager that dies loses no queued connection.  The
 * manager opens those of pools of scripts and the control socket.
 */
#ifndef PM_LISTEN_H
#define PM_LISTEN_H

#include <sys/socket.h>
#include <sys/types.h>

#include "pm_core/config/pm_conf.h"

/** An address, parsed. */
typedef struct pm_addr {
    struct sockaddr_storage sa;
    socklen_t len;
} pm_addr_t;

/** A listening socket. */
typedef struct pm_listener {
    int fd;           /**< close-on-exec; -1: closed */
    const char *text; /**< the address as configured */
    const char *path; /**< of a unix socket, else NULL */
    dev_t dev;        /**< of @c path, to recognize it */
    ino_t ino;
    ino_t
        socket;  /**< the socket's own, whatever its descriptor; 0: not known */
    int foreign; /**< 1: another program has made it (pm_activation.h): its file
                  *   keeps its mode and is not removed */
} pm_listener_t;

/** The length of the queue, and mode and owner of a unix socket. */
typedef struct pm_listen_opts {
    int backlog; /**< listen(2) */
    mode_t mode;
    uid_t uid;       /**< (uid_t)-1: leave */
    gid_t gid;       /**< (gid_t)-1: leave */
    pid_t manager;   /**< leader of the session whose processes may listen at
                      *   the path already; 0: none */
    apr_time_t wait; /**< for the workers of a server that has died to leave
                      *   the path; 0: do not wait */
} pm_listen_opts_t;

/**
 * Parse "unix:/path" or "host:port" ("[::1]:9000", "127.0.0.1:9000",
 * "localhost:9000").  A path too long for sockaddr_un (unix(7): 107 bytes) is
 * refused here.  Host names are resolved
 * (getaddrinfo(3)), which can take time.
 * @return APR_EINVAL with a reason
 */
apr_status_t pm_listen_parse(const char *text, pm_addr_t *addr,
                             pm_reason_t *why);

/** Can only processes of this host connect to it? */
int pm_listen_is_loopback(const pm_addr_t *addr);

/** Are those all addresses of this host, 0.0.0.0 or [::]? */
int pm_listen_is_wildcard(const pm_addr_t *addr);

/** Is it said which clients may connect (FcgiPMListenClients)?  Has to be,
 *  where other hosts can.
 *  @return APR_EINVAL with a reason, if not */
apr_status_t pm_listen_check_clients(const pm_addr_t *addr,
                                     const pm_conf_t *conf, pm_reason_t *why);

/** Does FcgiPMListenClients list the address from which this host's own
 *  processes connect to it? */
int pm_listen_takes_own(const pm_addr_t *addr, const pm_conf_t *conf);

/** Can a socket be made at this address?  A unix socket replaces another
 *  socket, never a file or directory, and its directory is safe
 *  (pm_safe_dir.h) or is still to be made.
 *  @return EEXIST or EPERM with a reason, if not */
apr_status_t pm_listen_check(const pm_addr_t *addr,
                             const pm_listen_opts_t *opts, pm_reason_t *why);

/** Does another server listen at this path, on a socket that is not to be
 *  replaced?
 *  @return EADDRINUSE with a reason, if so */
apr_status_t pm_listen_check_free(const char *path,
                                  const pm_listen_opts_t *opts,
                                  pm_reason_t *why);

/**
 * Open the socket and listen.  A unix socket is bound under a temporary name
 * in the same directory and renamed to @a text's path (rename(2) is atomic): a
 * path that a crash left behind is taken over, there is no moment without a
 * socket, and the file has its mode and owner before a client can reach it.
 * A path at which another server listens is refused (EADDRINUSE): connect(2)
 * tells, and SO_PEERCRED (unix(7)) tells this process's own sockets from
 * others. Its directory has to be safe (pm_safe_dir.h).  For a moment the
 * process has another working directory and umask: it has no other thread.
 * @param l filled; strings live in @a p
 */
apr_status_t pm_listen_open(pm_listener_t *l, const char *text,
                            const pm_listen_opts_t *opts, apr_pool_t *p,
                            pm_reason_t *why);

/** The same at an address that is known: @a text is its name. */
apr_status_t pm_listen_open_at(pm_listener_t *l, const char *text,
                               const pm_addr_t *addr,
                               const pm_listen_opts_t *opts, apr_pool_t *p,
                               pm_reason_t *why);

/** Fill @a l for a socket that the parent has opened and sent.
 *  @param fd belongs to @a l from here on */
void pm_listen_adopt(pm_listener_t *l, const char *text, int fd, apr_pool_t *p);

/** Set backlog, mode and owner of an open listener anew. */
apr_status_t pm_listen_adjust(const pm_listener_t *l,
                              const pm_listen_opts_t *opts, pm_reason_t *why);

/** Is the file at its path still this socket's? */
int pm_listen_is_there(const pm_listener_t *l);

/** Are those one socket? */
int pm_listen_is_same(const pm_listener_t *a, const pm_listener_t *b);

/** Has the file of a unix socket this mode?  Its owner can change it.
 *  @return 1 where there is no file as well */
int pm_listen_has_mode(const pm_listener_t *l, mode_t mode);

/** Remove the socket's file if it is still this socket's, and not foreign. */
void pm_listen_unlink(const pm_listener_t *l);

/** Let no client connect any more; what is queued can still be accepted.  A
 *  unix socket loses its file.  A TCP socket is bound to a network interface
 *  that does not exist (SO_BINDTOIFINDEX, Linux), so that the kernel finds no
 *  listener for a SYN, and refuses; handshakes that have begun go on.  close(2)
 *  and shutdown(2) would reset what is queued.  Foreign ones are left alone. */
void pm_listen_shut(const pm_listener_t *l);

/** Close the descriptor; the file stays. */
void pm_listen_close(pm_listener_t *l);

/** Accept and close every queued connection, so that clients get an error at
 *  once.  For a time when no worker is to accept: one that does all the same
 *  costs a wait of two milliseconds.  Uses SIGALRM and ITIMER_REAL.  Manager
 *  only. */
void pm_listen_refuse(int fd);

/** Is a connection queued?  Never waits. */
int pm_listen_pending(int fd);

#endif /* PM_LISTEN_H */
