/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_sd_notify.h
 * @brief Tell a service manager: the protocol of sd_notify(3), without
 *        libsystemd.
 *
 * A message is a datagram of lines VARIABLE=value to the socket that
 * NOTIFY_SOCKET names, a path or an abstract name ("@name").  Sending never
 * waits.  Manager under fcgipm-run; workers do not get the variables.
 */
#ifndef PM_SD_NOTIFY_H
#define PM_SD_NOTIFY_H

#include <sys/socket.h>
#include <sys/un.h>

#include "pm_core/base/pm_base.h"

typedef struct pm_sd_notify {
    int fd; /**< connected, close-on-exec; -1: nobody wants to be told */
    struct sockaddr_un to; /**< where it is connected to */
    socklen_t len;
    apr_interval_time_t watchdog; /**< WATCHDOG_USEC: a message WATCHDOG=1 has
                                   *   to come at least so often; 0: none, or
                                   *   nobody can be told */
} pm_sd_notify_t;

/**
 * Take NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment and
 * connect.
 * @param n filled in any case; fd is -1 without NOTIFY_SOCKET
 * @return an errno with a reason: there is no such socket
 */
apr_status_t pm_sd_notify_open(pm_sd_notify_t *n, pm_reason_t *why);

/** Send a message; to a socket that was made anew at the same address as well.
 *  @return 0: there is no room in the queue; it can be watched for POLLOUT.  1:
 *          it has been sent, or the other end has gone */
int pm_sd_notify_send(const pm_sd_notify_t *n, const char *text);

#endif /* PM_SD_NOTIFY_H */
