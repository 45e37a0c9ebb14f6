/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_sd_notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "apr_strings.h"
#include "pm_core/os/pm_fds.h"

/* @return its length, or 0: none that connect(2) takes */
static socklen_t notify_address(struct sockaddr_un *un, const char *name)
{
    size_t len = strlen(name);

    if ((name[0] != '/' && name[0] != '@') || !name[1]
        || len >= sizeof(un->sun_path)) {
        return 0;
    }
    memset(un, 0, sizeof(*un));
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, name, len);
    if (name[0] == '@') {
        un->sun_path[0] = '\0';
    }
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
}

static apr_status_t notify_connect(pm_sd_notify_t *n, const char *name,
                                   pm_reason_t *why)
{
    int err;

    n->len = notify_address(&n->to, name);
    if (!n->len) {
        return pm_fail(why, EINVAL,
                       "NOTIFY_SOCKET=%.200s is neither a path nor @NAME",
                       name);
    }
    n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (n->fd < 0 || connect(n->fd, (struct sockaddr *)&n->to, n->len)) {
        err = errno;
        pm_fds_close(&n->fd);
        return pm_fail_os(why, err, "NOTIFY_SOCKET=%.200s", name);
    }
    return APR_SUCCESS;
}

/* WATCHDOG_PID: of several processes one is meant. */
static apr_interval_time_t notify_watchdog(void)
{
    const char *usec = getenv("WATCHDOG_USEC");
    const char *pid = getenv("WATCHDOG_PID");
    apr_int64_t n = usec ? apr_atoi64(usec) : 0;

    return n <= 0 || (pid && apr_atoi64(pid) != (apr_int64_t)getpid()) ? 0 : n;
}

apr_status_t pm_sd_notify_open(pm_sd_notify_t *n, pm_reason_t *why)
{
    const char *name = getenv("NOTIFY_SOCKET");
    apr_status_t rv = APR_SUCCESS;

    n->fd = -1;
    if (name) {
        rv = notify_connect(n, name, why);
    }
    n->watchdog = n->fd < 0 ? 0 : notify_watchdog();
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return rv;
}

static int notify_send(const pm_sd_notify_t *n, const char *text)
{
    return send(n->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT) < 0
               ? errno
               : 0;
}

/* The other end is gone, or it is another one. */
static int notify_is_lost(int err)
{
    return err == ECONNREFUSED || err == ENOTCONN || err == ECONNRESET
           || err == EDESTADDRREQ;
}

int pm_sd_notify_send(const pm_sd_notify_t *n, const char *text)
{
    int err = n->fd < 0 ? 0 : notify_send(n, text);

    if (notify_is_lost(err)
        && !connect(n->fd, (const struct sockaddr *)&n->to, n->len)) {
        err = notify_send(n, text);
    }
    return err != EAGAIN && err != ENOBUFS;
}
