/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_listen_state.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#ifdef __linux__
#include <linux/magic.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#endif

#include "pm_core/os/pm_fds.h"

#ifndef POLLRDHUP
#define POLLRDHUP 0
#endif

#define OPTION_SIZE 16

/* Options that harm others, and how they are in a new socket. */
static const struct {
    int name;
    const char *text;
    socklen_t size;
    union {
        struct timeval time;
        struct linger linger;
        int number;
        char bytes[OPTION_SIZE];
    } initial;
} options[] = {{SO_RCVTIMEO, "SO_RCVTIMEO", sizeof(struct timeval), {{0, 0}}},
               {SO_SNDTIMEO, "SO_SNDTIMEO", sizeof(struct timeval), {{0, 0}}},
               {SO_LINGER, "SO_LINGER", sizeof(struct linger), {{0, 0}}},
               {SO_RCVLOWAT, "SO_RCVLOWAT", sizeof(int), {.number = 1}}};

static const char *state_reset_options(int fd)
{
    const char *found = NULL;
    size_t i;

    for (i = 0; i < sizeof(options) / sizeof(options[0]); i++) {
        char now[OPTION_SIZE] = {0};
        socklen_t len = options[i].size;

        if (getsockopt(fd, SOL_SOCKET, options[i].name, now, &len) == 0
            && memcmp(now, options[i].initial.bytes, options[i].size) != 0
            && setsockopt(fd, SOL_SOCKET, options[i].name,
                          options[i].initial.bytes, options[i].size)
                   == 0) {
            found = options[i].text;
        }
    }
    return found;
}

static const char *state_reset_filter(int fd)
{
#ifdef SO_DETACH_FILTER
    int none = 0;

    /* ENOENT: there is no filter (socket(7)) */
    return setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof(none))
               ? NULL
               : "a filter";
#else
    (void)fd;
    return NULL;
#endif
}

static const char *state_reset_flags(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && (flags & O_ASYNC)
                   && fcntl(fd, F_SETFL, flags & ~O_ASYNC) == 0
               ? "O_ASYNC"
               : NULL;
}

static int state_is_shut(const pm_listener_t *l)
{
    struct pollfd pfd = {l->fd, POLLRDHUP, 0};
    int listens = 1;
    socklen_t len = sizeof(listens);

    if (l->path) {
        return poll(&pfd, 1, 0) > 0 && (pfd.revents & (POLLHUP | POLLRDHUP));
    }
#ifdef SO_ACCEPTCONN
    getsockopt(l->fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len);
#endif
    return !listens;
}

pm_listen_state_t pm_listen_state_repair(const pm_listener_t *l, int backlog,
                                         const char **what)
{
    const char *option, *filter, *flags;

    *what = "shutdown()";
    if (state_is_shut(l)) {
        return !l->path && listen(l->fd, backlog) == 0 ? PM_LISTEN_RESET
                                                       : PM_LISTEN_SHUT;
    }
    *what = "its file was removed or replaced";
    if (l->path && !pm_listen_is_there(l)) {
        return PM_LISTEN_LOST;
    }
    option = state_reset_options(l->fd);
    filter = state_reset_filter(l->fd);
    flags = state_reset_flags(l->fd);
    listen(l->fd, backlog); /* the length cannot be asked for */
    *what = option ? option : filter ? filter : flags;
    return *what ? PM_LISTEN_RESET : PM_LISTEN_INTACT;
}

int pm_listen_state_is_nonblocking(const pm_listener_t *l)
{
    int flags = fcntl(l->fd, F_GETFL);

    return flags >= 0 && (flags & O_NONBLOCK);
}

void pm_listen_state_set_blocking(const pm_listener_t *l)
{
    int flags = fcntl(l->fd, F_GETFL);

    if (flags >= 0 && (flags & O_NONBLOCK)) {
        fcntl(l->fd, F_SETFL, flags & ~O_NONBLOCK);
    }
}

#ifdef __linux__
int pm_listen_state_open_watch(const pm_listener_t *l)
{
    struct epoll_event end = {.events = EPOLLRDHUP};
    int fd = epoll_create1(EPOLL_CLOEXEC);

    if (fd >= 0 && epoll_ctl(fd, EPOLL_CTL_ADD, l->fd, &end) != 0) {
        pm_fds_close(&fd);
    }
    return fd;
}

int pm_listen_state_is_former(const pm_listener_t *l, pm_sock_diag_t *diag)
{
    apr_uint32_t file;
    struct statfs fs;
    struct stat st;

    return l->path && statfs(l->path, &fs) == 0
           && fs.f_type != OVERLAYFS_SUPER_MAGIC && fstat(l->fd, &st) == 0
           && pm_sock_diag_file(diag, st.st_ino, &file)
           && file != (apr_uint32_t)l->ino;
}
#else
int pm_listen_state_open_watch(const pm_listener_t *l)
{
    (void)l;
    errno = ENOSYS;
    return -1; /* the next birth looks */
}

int pm_listen_state_is_former(const pm_listener_t *l, pm_sock_diag_t *diag)
{
    (void)l;
    (void)diag;
    return 0;
}
#endif
