/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_listen.h"

#include <errno.h>
#include <fcntl.h>
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "apr_strings.h"
#include "pm_core/base/pm_prefix.h"
#include "pm_core/os/pm_fds.h"
#include "pm_core/os/pm_safe_dir.h"

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

/* bind(2) would refuse it (ipv6(7)). */
static int listen_lacks_scope(const pm_addr_t *addr)
{
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&addr->sa;

    return addr->sa.ss_family == AF_INET6
           && IN6_IS_ADDR_LINKLOCAL(&in6->sin6_addr) && !in6->sin6_scope_id;
}

static int listen_is_in(const pm_addr_t *addr, const char *prefix)
{
    pm_prefix_t of;
    unsigned char bytes[16];

    return pm_prefix_read(prefix, strlen(prefix), &of)
           && pm_prefix_address(&addr->sa, bytes) && pm_prefix_has(&of, bytes);
}

int pm_listen_is_loopback(const pm_addr_t *addr)
{
    return addr->sa.ss_family == AF_UNIX || listen_is_in(addr, "127.0.0.0/8")
           || listen_is_in(addr, "::1");
}

int pm_listen_is_wildcard(const pm_addr_t *addr)
{
    return listen_is_in(addr, "0.0.0.0") || listen_is_in(addr, "::");
}

/* The kernel takes the loopback address for all addresses. */
int pm_listen_takes_own(const pm_addr_t *addr, const pm_conf_t *conf)
{
    const apr_array_header_t *list = conf->listen_clients;
    pm_addr_t own = *addr;
    int i;

    if (pm_listen_is_wildcard(addr) && own.sa.ss_family == AF_INET) {
        ((struct sockaddr_in *)&own.sa)->sin_addr.s_addr =
            htonl(INADDR_LOOPBACK);
    }
    else if (pm_listen_is_wildcard(addr)) {
        ((struct sockaddr_in6 *)&own.sa)->sin6_addr = in6addr_loopback;
    }
    for (i = 0; list && i < list->nelts; i++) {
        if (listen_is_in(&own, APR_ARRAY_IDX(list, i, const char *))) {
            return 1;
        }
    }
    return 0;
}

apr_status_t pm_listen_check_clients(const pm_addr_t *addr,
                                     const pm_conf_t *conf, pm_reason_t *why)
{
    return conf->listen_clients || pm_listen_is_loopback(addr)
               ? APR_SUCCESS
               : pm_fail(why, APR_EINVAL,
                         "FcgiPMListenClients is missing: other hosts can "
                         "connect to FcgiPMListen %s and have it run what they "
                         "like; write the addresses of those that may, as "
                         "\"FcgiPMListenClients 192.0.2.7 2001:db8::/32\", or "
                         "\"FcgiPMListenClients any\"",
                         conf->listen);
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
    return listen_lacks_scope(addr)
               ? pm_fail(why, APR_EINVAL,
                         "\"%s\": a link-local address needs an interface, "
                         "\"[fe80::1%%eth0]:9000\"",
                         text)
               : APR_SUCCESS;
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
        return pm_fail(
            why, APR_EINVAL,
            "\"%.100s\" is neither unix:/path nor host:port: "
            "write %s%.100s",
            text,
            text[strspn(text, "0123456789")] ? "unix:" : "127.0.0.1:", text);
    }
    port = strtol(colon + 1, &end, 10);
    if (*end || end == colon + 1 || port < 1 || port > 65535) {
        return pm_fail(why, APR_EINVAL,
                       "\"%.100s\": the port must be a "
                       "number from 1 to 65535",
                       text);
    }
    if (text[0] != '[' && memchr(text, ':', len)) {
        return pm_fail(why, APR_EINVAL,
                       "\"%.100s\": an IPv6 address needs brackets, "
                       "\"[::1]:9000\"",
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

#ifdef O_PATH
#define LISTEN_DIR_FLAGS (O_PATH | O_DIRECTORY | O_CLOEXEC)
#define NODE_FLAGS       (O_PATH | O_NOFOLLOW | O_CLOEXEC)

static int node_chmod(int dir, const char *name, int node, mode_t mode)
{
    char link[40];

    apr_snprintf(link, sizeof(link), "/proc/self/fd/%d", node);
    return chmod(link, mode) && fchmodat(dir, name, mode, AT_SYMLINK_NOFOLLOW)
               ? errno
               : 0;
}

static int node_chown(int dir, const char *name, int node, uid_t uid, gid_t gid)
{
    (void)dir;
    (void)name;
    return fchownat(node, "", uid, gid, AT_EMPTY_PATH) ? errno : 0;
}
#else
#define LISTEN_DIR_FLAGS (O_RDONLY | O_DIRECTORY | O_CLOEXEC)
#define NODE_FLAGS       LISTEN_DIR_FLAGS

static int node_chmod(int dir, const char *name, int node, mode_t mode)
{
    (void)node;
    return fchmodat(dir, name, mode, AT_SYMLINK_NOFOLLOW) ? errno : 0;
}

static int node_chown(int dir, const char *name, int node, uid_t uid, gid_t gid)
{
    (void)node;
    return fchownat(dir, name, uid, gid, AT_SYMLINK_NOFOLLOW) ? errno : 0;
}
#endif

/* Each only if it changes something: without root, chown(2) to another user is
 * refused.  The mode first: it can be set by the owner only.
 * @param node the socket itself, whatever its name leads to by now
 * @return an errno */
static int node_change(int dir, const char *name, int node,
                       const pm_listen_opts_t *opts, struct stat *st)
{
    int err = (node < 0 ? fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW)
                        : fstat(node, st))
                  ? errno
                  : 0;

    if (!err && (!S_ISSOCK(st->st_mode) || st->st_nlink != 1)) {
        err = ESTALE;
    }
    if (!err && (st->st_mode & 07777) != opts->mode) {
        err = node_chmod(dir, name, node, opts->mode);
    }
    if (!err
        && ((opts->uid != (uid_t)-1 && opts->uid != st->st_uid)
            || (opts->gid != (gid_t)-1 && opts->gid != st->st_gid))) {
        err = node_chown(dir, name, node, opts->uid, opts->gid);
    }
    return err;
}

/* @param name of a socket in the directory @a dir
 *  @param st out: what is there */
static apr_status_t set_owner(int dir, const char *name, const char *path,
                              const pm_listen_opts_t *opts, struct stat *st,
                              pm_reason_t *why)
{
    int node = openat(dir, name, NODE_FLAGS); /* Linux only; else -1 */
    int err = node_change(dir, name, node, opts, st);

    pm_fds_close(&node);
    return err ? pm_fail_os(why, err, "cannot set the mode and owner of %s",
                            path)
               : APR_SUCCESS;
}

/* A path that is no socket is another program's file, and stays. */
static apr_status_t listen_check_name(int dir, const char *name,
                                      const char *path, pm_reason_t *why)
{
    struct stat st;

    return fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0
                   && !S_ISSOCK(st.st_mode)
               ? pm_fail(why, EEXIST,
                         "cannot make the socket %s: something "
                         "else is there",
                         path)
               : APR_SUCCESS;
}

apr_status_t pm_listen_check(const pm_addr_t *addr,
                             const pm_listen_opts_t *opts, pm_reason_t *why)
{
    const struct sockaddr_un *un = (const struct sockaddr_un *)&addr->sa;
    const char *name;
    apr_status_t rv;
    int dir = -1;

    if (addr->sa.ss_family != AF_UNIX) {
        return APR_SUCCESS;
    }
    rv = pm_safe_dir_open(&dir, &name, un->sun_path, opts->uid, opts->gid, why);
    if (rv == APR_SUCCESS) {
        rv = listen_check_name(dir, name, un->sun_path, why);
        close(dir);
    }
    return rv == ENOENT ? APR_SUCCESS : rv;
}

/* The process that called listen(2) for the socket at the other end, as
 * unix(7) and getpeereid(3) tell; 0: not known. */
static pid_t listen_peer_pid(int fd)
{
#ifdef SO_PEERCRED
    struct ucred cred;
    socklen_t len = sizeof(cred);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) ? 0 : cred.pid;
#else
    (void)fd;
    return 0;
#endif
}

/* The parent's own former socket, or one on which a worker of its manager has
 * called listen(2) again. */
static int is_ours(pid_t pid, const pm_listen_opts_t *opts)
{
    return pid == getpid()
           || (opts->manager && pid > 0 && getsid(pid) == opts->manager);
}

/* @param fd out: connected to the socket, if another server listens there
 *  @param pid out: of that server; 0: not known */
static int listen_is_taken(const char *path, const pm_listen_opts_t *opts,
                           int *fd, pid_t *pid)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    *pid = 0;
    *fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (*fd < 0) {
        return 0;
    }
    apr_cpystrn(un.sun_path, path, sizeof(un.sun_path));
    if (connect(*fd, (struct sockaddr *)&un, sizeof(un))) {
        return errno == EAGAIN; /* its queue is full */
    }
    *pid = listen_peer_pid(*fd);
    return !is_ours(*pid, opts);
}

/* Workers finish their requests after their server has died; the last one that
 * goes closes the connection. */
static int listen_wait(int fd, pid_t pid, apr_time_t wait)
{
    struct pollfd pfd = {fd, POLLIN, 0};

    return wait && pid > 0 && kill(pid, 0) && errno == ESRCH
           && poll(&pfd, 1, (int)apr_time_as_msec(wait)) >= 0;
}

apr_status_t pm_listen_check_free(const char *path,
                                  const pm_listen_opts_t *opts,
                                  pm_reason_t *why)
{
    pid_t pid;
    int fd;
    int taken = listen_is_taken(path, opts, &fd, &pid);

    if (taken && listen_wait(fd, pid, opts->wait)) {
        pm_fds_close(&fd);
        taken = listen_is_taken(path, opts, &fd, &pid);
    }
    pm_fds_close(&fd);
    return taken ? pm_fail(why, EADDRINUSE,
                           "cannot make the socket %s: another server (pid "
                           "%" APR_PID_T_FMT ") listens there",
                           path, pid)
                 : APR_SUCCESS;
}

/* bind(2) takes a path and no descriptor, so the process goes into the
 * directory for a moment; a short name fits into sockaddr_un from there.  The
 * umask gives the file its mode before a client can reach it. */
static int listen_bind_in(int fd, int dir, const char *name, mode_t mode)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int here = open(".", LISTEN_DIR_FLAGS);
    mode_t before;
    int err;

    if (here < 0 || fchdir(dir)) {
        err = errno;
        pm_fds_close(&here);
        return err;
    }
    apr_cpystrn(un.sun_path, name, sizeof(un.sun_path));
    unlink(name); /* of a process that died and had this pid */
    before = umask(0777 & ~mode);
    err = bind(fd, (struct sockaddr *)&un, sizeof(un)) ? errno : 0;
    umask(before);
    if (fchdir(here) && !err) {
        err = errno;
    }
    close(here);
    return err;
}

/* Binds under a temporary name and renames: see pm_listen.h. */
static apr_status_t bind_in_dir(pm_listener_t *l, int dir, const char *name,
                                const pm_listen_opts_t *opts, pm_reason_t *why)
{
    apr_status_t rv = listen_check_name(dir, name, l->path, why);
    struct stat st;
    char temp[24];

    if (rv == APR_SUCCESS) {
        rv = pm_listen_check_free(l->path, opts, why);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    apr_snprintf(temp, sizeof(temp), ".%d", (int)getpid());
    rv = listen_bind_in(l->fd, dir, temp, opts->mode);
    if (rv != APR_SUCCESS) {
        return pm_fail_os(why, rv, "cannot make the socket %s", l->path);
    }
    rv = set_owner(dir, temp, l->path, opts, &st, why);
    if (rv == APR_SUCCESS && renameat(dir, temp, dir, name)) {
        rv = pm_fail_os(why, errno, "cannot make the socket %s", l->path);
    }
    if (rv != APR_SUCCESS) {
        unlinkat(dir, temp, 0);
        return rv;
    }
    l->dev = st.st_dev;
    l->ino = st.st_ino;
    return APR_SUCCESS;
}

static apr_status_t bind_unix(pm_listener_t *l, const pm_listen_opts_t *opts,
                              pm_reason_t *why)
{
    const char *name;
    apr_status_t rv;
    int dir = -1;

    rv = pm_safe_dir_open(&dir, &name, l->path, opts->uid, opts->gid, why);
    if (rv != APR_SUCCESS) {
        pm_reason_t cause = *why;

        return pm_fail(why, rv, "cannot make a socket: %s", cause.text);
    }
    rv = bind_in_dir(l, dir, name, opts, why);
    close(dir);
    return rv;
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

static void listen_note_socket(pm_listener_t *l)
{
    struct stat st;

    l->socket = l->fd >= 0 && fstat(l->fd, &st) == 0 ? st.st_ino : 0;
}

apr_status_t pm_listen_open_at(pm_listener_t *l, const char *text,
                               const pm_addr_t *addr,
                               const pm_listen_opts_t *opts, apr_pool_t *p,
                               pm_reason_t *why)
{
    apr_status_t rv;

    memset(l, 0, sizeof(*l));
    l->text = apr_pstrdup(p, text);
    l->path = addr->sa.ss_family == AF_UNIX ? l->text + 5 : NULL;
    l->fd = socket(addr->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l->fd < 0) {
        return pm_fail_os(why, errno, "cannot open a socket for %s", text);
    }
    rv = l->path ? bind_unix(l, opts, why) : bind_tcp(l, addr, why);
    if (rv == APR_SUCCESS && listen(l->fd, opts->backlog)) {
        rv = pm_fail_os(why, errno, "cannot listen on %s", text);
    }
    if (rv != APR_SUCCESS) {
        pm_listen_close(l);
    }
    listen_note_socket(l);
    return rv;
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
    return rv == APR_SUCCESS ? pm_listen_open_at(l, text, &addr, opts, p, why)
                             : rv;
}

void pm_listen_adopt(pm_listener_t *l, const char *text, int fd, apr_pool_t *p)
{
    struct stat st;

    memset(l, 0, sizeof(*l));
    l->fd = fd;
    l->text = apr_pstrdup(p, text);
    listen_note_socket(l);
    if (strncmp(text, "unix:", 5) != 0) {
        return;
    }
    l->path = l->text + 5;
    if (lstat(l->path, &st) == 0) {
        l->dev = st.st_dev;
        l->ino = st.st_ino;
    }
}

static apr_status_t listen_adjust_file(const pm_listener_t *l,
                                       const pm_listen_opts_t *opts,
                                       pm_reason_t *why)
{
    struct stat st;
    const char *name;
    int dir = -1;
    apr_status_t rv =
        pm_safe_dir_open(&dir, &name, l->path, opts->uid, opts->gid, why);

    if (rv == APR_SUCCESS) {
        rv = set_owner(dir, name, l->path, opts, &st, why);
        close(dir);
    }
    return rv;
}

apr_status_t pm_listen_adjust(const pm_listener_t *l,
                              const pm_listen_opts_t *opts, pm_reason_t *why)
{
    if (listen(l->fd, opts->backlog)) {
        return pm_fail_os(why, errno, "cannot listen on %s", l->text);
    }
    return l->path ? listen_adjust_file(l, opts, why) : APR_SUCCESS;
}

int pm_listen_is_there(const pm_listener_t *l)
{
    struct stat st;

    return l->path && lstat(l->path, &st) == 0 && st.st_ino == l->ino
           && st.st_dev == l->dev;
}

int pm_listen_is_same(const pm_listener_t *a, const pm_listener_t *b)
{
    return a->fd >= 0 && b->fd >= 0 && a->socket && a->socket == b->socket;
}

int pm_listen_has_mode(const pm_listener_t *l, mode_t mode)
{
    struct stat st;

    return !l->path || l->foreign || lstat(l->path, &st)
           || (st.st_mode & 07777) == mode;
}

/* In one directory, whatever its path leads to meanwhile. */
void pm_listen_unlink(const pm_listener_t *l)
{
    const char *slash = l->path ? strrchr(l->path, '/') : NULL;
    char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
    struct stat st;
    int dir;

    if (!slash || l->foreign) {
        return;
    }
    apr_cpystrn(path, l->path, (apr_size_t)(slash - l->path) + 2);
    dir = open(path, LISTEN_DIR_FLAGS);
    if (dir < 0) {
        return;
    }
    if (fstatat(dir, slash + 1, &st, AT_SYMLINK_NOFOLLOW) == 0
        && st.st_ino == l->ino && st.st_dev == l->dev) {
        unlinkat(dir, slash + 1, 0);
    }
    close(dir);
}

#define NO_INTERFACE 0x7fffffff

void pm_listen_shut(const pm_listener_t *l)
{
    pm_listen_unlink(l);
#ifdef SO_BINDTOIFINDEX
    if (l->fd >= 0 && !l->path && !l->foreign) {
        int index = NO_INTERFACE;

        setsockopt(l->fd, SOL_SOCKET, SO_BINDTOIFINDEX, &index, sizeof(index));
    }
#endif
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

static void listen_on_tick(int sig)
{
    (void)sig;
}

/* Clients that connect as fast as they are refused do not keep the manager. */
#define REFUSED_MOST 4096

/* The socket blocks, as workers expect, and O_NONBLOCK would be theirs, too.
 * So another process that takes a connection between poll() and accept() lets
 * accept() wait, until a signal comes; the first tick can come before that. */
void pm_listen_refuse(int fd)
{
    static const struct itimerval never, ticks = {{0, 1000}, {0, 1000}};
    struct sigaction on_tick = {.sa_handler = listen_on_tick};
    int caller, n;

    if (!pm_listen_pending(fd)) {
        return;
    }
    sigaction(SIGALRM, &on_tick, NULL);
    setitimer(ITIMER_REAL, &ticks, NULL);
    for (n = 0; n < REFUSED_MOST && pm_listen_pending(fd); n++) {
        caller = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
        if (caller < 0) {
            break;
        }
        close(caller);
    }
    setitimer(ITIMER_REAL, &never, NULL);
}
