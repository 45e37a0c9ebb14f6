/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_accepted.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pm_core/os/pm_procinfo.h"

/* A process with more than these is not looked at: the manager has other
 * things to do. */
#define SOCKETS 1024
#define DEPTH   8

/* A look at a worker. */
typedef struct look {
    pm_sock_diag_t *diag;
    int family;
    int port; /* of a TCP socket, network order */
    pid_t worker;
    int depth;
    pm_accepted_t found;
    apr_uint64_t inode[SOCKETS]; /* of one process */
    int n;
} look_t;

static void look_at_connection(void *ctx, apr_uint64_t inode, int asked)
{
    look_t *look = ctx;
    int i;

    for (i = 0; asked && inode && i < look->n; i++) {
        if (look->inode[i] == inode) {
            look->found = PM_ACCEPTED_SOME;
        }
    }
}

/* Nothing has been found that decides. */
static int look_goes_on(const look_t *look)
{
    return look->found == PM_ACCEPTED_NONE || look->found == PM_ACCEPTED_LEFT;
}

static void look_at_unix(look_t *look)
{
    int i;

    for (i = 0; i < look->n && look_goes_on(look); i++) {
        switch (pm_sock_diag_unix_accepted(look->diag, look->inode[i])) {
        case PM_SOCK_DIAG_OPEN:
            look->found = PM_ACCEPTED_SOME;
            break;
        case PM_SOCK_DIAG_LEFT:
            look->found = PM_ACCEPTED_LEFT;
            break;
        case PM_SOCK_DIAG_OTHER:
            break;
        }
    }
}

static void look_at_process(look_t *look, pid_t pid)
{
    look->n = pm_procinfo_sockets(pid, look->inode, SOCKETS);
    if (look->n < 0
        || (look->family != AF_UNIX
            && !pm_sock_diag_tcp_accepted(look->diag, look->family, look->port,
                                          look_at_connection, look))) {
        look->found = PM_ACCEPTED_UNKNOWN;
    }
    else if (look->family == AF_UNIX) {
        look_at_unix(look);
    }
}

/* A process and its descendants.  @return 0: no more need be seen */
static int look_at_tree(void *ctx, pid_t pid)
{
    look_t *look = ctx;

    look_at_process(look, pid);
    if (!look_goes_on(look)) {
        return 0;
    }
    look->depth++;
    if ((look->depth > DEPTH
         || !pm_procinfo_each_child(pid, look_at_tree, look))
        && look_goes_on(look)) {
        look->found = PM_ACCEPTED_UNKNOWN;
    }
    look->depth--;
    return look_goes_on(look);
}

static int look_at_orphan(void *ctx, pid_t child)
{
    look_t *look = ctx;

    return child == look->worker || getpgid(child) != look->worker
           || look_at_tree(look, child);
}

pm_accepted_at_t pm_accepted_at(int listen_fd)
{
    pm_accepted_at_t at = {0};
    struct sockaddr_storage name;
    socklen_t len = sizeof(name);
    struct stat st;

    memset(&name, 0, sizeof(name));
    if (fstat(listen_fd, &st) == 0
        && getsockname(listen_fd, (struct sockaddr *)&name, &len) == 0) {
        at.inode = st.st_ino;
        at.family = name.ss_family;
        at.port = name.ss_family == AF_INET
                      ? ((struct sockaddr_in *)&name)->sin_port
                  : name.ss_family == AF_INET6
                      ? ((struct sockaddr_in6 *)&name)->sin6_port
                      : 0;
    }
    return at;
}

/* A kernel without unix_diag says of each socket that it does not exist: it
 * has to know the listening one. */
static int is_known(pm_sock_diag_t *diag, const pm_accepted_at_t *at)
{
    return at->family
           && (at->family != AF_UNIX
               || pm_sock_diag_waiting(diag, at->inode) >= 0);
}

pm_accepted_t pm_accepted_look(pm_sock_diag_t *diag, pid_t worker,
                               const pm_accepted_at_t *at)
{
    look_t look = {.diag = diag,
                   .family = at->family,
                   .port = at->port,
                   .worker = worker,
                   .found = PM_ACCEPTED_NONE};

    if (!is_known(diag, at)) {
        return PM_ACCEPTED_UNKNOWN;
    }
    if (look_at_tree(&look, worker)
        && !pm_procinfo_each_child(getpid(), look_at_orphan, &look)) {
        return PM_ACCEPTED_UNKNOWN;
    }
    return look.found;
}
