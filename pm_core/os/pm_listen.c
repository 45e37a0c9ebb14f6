/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "apr_strings.h"
#include "pm_core/os/pm_fds.h"

static apr_status_t parse_unix(const char *path, pm_addr_t *addr,
                               pm_reason_t *why)
{
    struct sockaddr_un *un = (struct sockaddr_un *)&addr->sa;
    apr_size_t len = strlen(path);

    if (path[0] != '/') {
        return pm_fail(why, APR_EINVAL,
                       "\"unix:%s\": the path of a socket "
                       "must be absolute",
                       path);
    }
    if (len >= sizeof(un->sun_path)) {
        return pm_fail(why, APR_EINVAL,
                       "\"unix:%.40s...\" has a path of %" APR_SIZE_T_FMT
                       " characters, a unix socket can have "
                       "1 to %" APR_SIZE_T_FMT,
                       path, len, sizeof(un->sun_path) - 1);
    }
    un->sun_family = AF_UNIX;
    memcpy(un->sun_path, path, len + 1);
    addr->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    return APR_SUCCESS;
}

static apr_status_t listen_resolve(const char *host, const char *port,
                                   const char *text, pm_addr_t *addr,
                                   pm_reason_t *why)
{
    struct addrinfo hints = {0};
    struct addrinfo *found;
    int err;

    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV;
    err = getaddrinfo(host, port, &hints, &found);
    if (err) {
        return pm_fail(why, APR_EINVAL, "\"%s\": %s", text, gai_strerror(err));
    }
    memcpy(&addr->sa, found->ai_addr, found->ai_addrlen);
    addr->len = found->ai_addrlen;
    freeaddrinfo(found);
    return APR_SUCCESS;
}

apr_status_t pm_listen_parse(const char *text, pm_addr_t *addr,
                             pm_reason_t *why)
{
    const char *colon = strrchr(text, ':');
    char host[256];
    apr_size_t len;
    char *end;
    long port;

    memset(addr, 0, sizeof(*addr));
    if (!strncmp(text, "unix:", 5)) {
        return parse_unix(text + 5, addr, why);
    }
    len = colon ? (apr_size_t)(colon - text) : 0;
    if (!len || len >= sizeof(host)) {
        return pm_fail(why, APR_EINVAL,
                       "\"%.100s\" is neither unix:/path "
                       "nor host:port",
                       text);
    }
    port = strtol(colon + 1, &end, 10);
    if (*end || end == colon + 1 || port < 1 || port > 65535) {
        return pm_fail(why, APR_EINVAL,
                       "\"%.100s\": the port must be a "
                       "number from 1 to 65535",
                       text);
    }
    if (text[0] == '[' && text[len - 1] == ']') {
        apr_cpystrn(host, text + 1, len - 1);
    }
    else {
        apr_cpystrn(host, text, len + 1);
    }
    return listen_resolve(host, colon + 1, text, addr, why);
}

static apr_status_t set_owner(const char *path, const pm_listen_opts_t *opts,
                              pm_reason_t *why)
{
    struct stat st;

    if (chmod(path, opts->mode)) {
        return pm_fail_os(why, errno, "cannot set the mode of %s", path);
    }
    /* Only if it changes something: without root, chown(2) to another user is
     * refused. */
    if (stat(path, &st) == 0
        && ((opts->uid != (uid_t)-1 && opts->uid != st.st_uid)
            || (opts->gid != (gid_t)-1 && opts->gid != st.st_gid))
        && chown(path, opts->uid, opts->gid)) {
        return pm_fail_os(why, errno, "cannot set the owner of %s", path);
    }
    return APR_SUCCESS;
}

/* A path that is no socket is another program's file, and stays. */
static apr_status_t listen_check_path(const char *path, pm_reason_t *why)
{
    struct stat st;

    return lstat(path, &st) == 0 && !S_ISSOCK(st.st_mode)
               ? pm_fail(why, EEXIST,
                         "cannot make the socket %s: there is "
                         "something else",
                         path)
               : APR_SUCCESS;
}

apr_status_t pm_listen_check(const pm_addr_t *addr, pm_reason_t *why)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&addr->sa;

    return addr->sa.ss_family == AF_UNIX ? listen_check_path(un->sun_path, why)
                                         : APR_SUCCESS;
}

/* Binds under a temporary name and renames: see pm_listen.h.  Where the
 * temporary name would be too long, the old file is removed instead, and for a
 * moment there is none. */
static apr_status_t bind_unix(pm_listener_t *l, const pm_listen_opts_t *opts,
                              apr_pool_t *p, pm_reason_t *why)
{
    const char *slash = strrchr(l->path, '/');
    const char *temp = apr_psprintf(p, "unix:%.*s/.%d", (int)(slash - l->path),
                                    l->path, (int)getpid());
    const char *path = temp + 5;
    struct stat st;
    pm_addr_t addr;
    apr_status_t rv = listen_check_path(l->path, why);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    if (pm_listen_parse(temp, &addr, why) != APR_SUCCESS) {
        path = l->path;
        rv = pm_listen_parse(l->text, &addr, why);
        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    unlink(path);
    if (bind(l->fd, (struct sockaddr *)&addr.sa, addr.len)) {
        return pm_fail_os(why, errno, "cannot make the socket %s", l->path);
    }
    rv = set_owner(path, opts, why);
    if (rv == APR_SUCCESS && path != l->path && rename(path, l->path)) {
        rv = pm_fail_os(why, errno, "cannot make the socket %s", l->path);
    }
    if (rv == APR_SUCCESS && stat(l->path, &st)) {
        rv = pm_fail_os(why, errno, "cannot find the socket %s", l->path);
    }
    if (rv != APR_SUCCESS) {
        unlink(path);
        return rv;
    }
    l->dev = st.st_dev;
    l->ino = st.st_ino;
    return APR_SUCCESS;
}

static apr_status_t bind_tcp(pm_listener_t *l, const pm_addr_t *addr,
                             pm_reason_t *why)
{
    int on = 1;

    /* Connections of the former server in TIME_WAIT are no obstacle. */
    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(l->fd, (const struct sockaddr *)&addr->sa, addr->len)) {
        return pm_fail_os(why, errno, "cannot bind to %s", l->text);
    }
    return APR_SUCCESS;
}

apr_status_t pm_listen_open(pm_listener_t *l, const char *text,
                            const pm_listen_opts_t *opts, apr_pool_t *p,
                            pm_reason_t *why)
{
    pm_addr_t addr;
    apr_status_t rv;

    memset(l, 0, sizeof(*l));
    l->fd = -1;
    rv = pm_listen_parse(text, &addr, why);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    l->text = apr_pstrdup(p, text);
    l->path = addr.sa.ss_family == AF_UNIX ? l->text + 5 : NULL;
    l->fd = socket(addr.sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l->fd < 0) {
        return pm_fail_os(why, errno, "cannot open a socket for %s", text);
    }
    rv = l->path ? bind_unix(l, opts, p, why) : bind_tcp(l, &addr, why);
    if (rv == APR_SUCCESS && listen(l->fd, opts->backlog)) {
        rv = pm_fail_os(why, errno, "cannot listen on %s", text);
    }
    if (rv != APR_SUCCESS) {
        pm_listen_close(l);
    }
    return rv;
}

void pm_listen_adopt(pm_listener_t *l, const char *text, int fd, apr_pool_t *p)
{
    struct stat st;

    memset(l, 0, sizeof(*l));
    l->fd = fd;
    l->text = apr_pstrdup(p, text);
    if (!strncmp(text, "unix:", 5) && lstat(text + 5, &st) == 0) {
        l->path = l->text + 5;
        l->dev = st.st_dev;
        l->ino = st.st_ino;
    }
}

apr_status_t pm_listen_adjust(const pm_listener_t *l,
                              const pm_listen_opts_t *opts, pm_reason_t *why)
{
    if (listen(l->fd, opts->backlog)) {
        return pm_fail_os(why, errno, "cannot listen on %s", l->text);
    }
    return l->path ? set_owner(l->path, opts, why) : APR_SUCCESS;
}

int pm_listen_is_there(const pm_listener_t *l)
{
    struct stat st;

    return l->path && lstat(l->path, &st) == 0 && st.st_ino == l->ino
           && st.st_dev == l->dev;
}

void pm_listen_unlink(const pm_listener_t *l)
{
    if (pm_listen_is_there(l)) {
        unlink(l->path);
    }
}

void pm_listen_close(pm_listener_t *l)
{
    pm_fds_close(&l->fd);
}

int pm_listen_pending(int fd)
{
    struct pollfd pfd = {fd, POLLIN, 0};

    return poll(&pfd, 1, 0) > 0 && (pfd.revents & POLLIN);
}

void pm_listen_refuse(int fd)
{
    while (pm_listen_pending(fd)) {
        int caller = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

        if (caller < 0) {
            return;
        }
        close(caller);
    }
}
