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

static void look_at_process(look_t *look, pid_t pid)
{
    int i;

    look->n = pm_procinfo_sockets(pid, look->inode, SOCKETS);
    if (look->n < 0) {
        look->found = PM_ACCEPTED_UNKNOWN;
    }
    else if (look->family != AF_UNIX) {
        if (!pm_sock_diag_tcp_accepted(look->diag, look->family, look->port,
                                       look_at_connection, look)) {
            look->found = PM_ACCEPTED_UNKNOWN;
        }
    }
    for (i = 0; look->family == AF_UNIX && i < look->n; i++) {
        if (pm_sock_diag_unix_accepted(look->diag, look->inode[i])) {
            look->found = PM_ACCEPTED_SOME;
        }
    }
}

/* A process and its descendants.  @return 0: no more need be seen */
static int look_at_tree(void *ctx, pid_t pid)
{
    look_t *look = ctx;

    look_at_process(look, pid);
    if (look->found != PM_ACCEPTED_NONE) {
        return 0;
    }
    look->depth++;
    if (look->depth > DEPTH
        || !pm_procinfo_each_child(pid, look_at_tree, look)) {
        look->found =
            look->found == PM_ACCEPTED_NONE ? PM_ACCEPTED_UNKNOWN : look->found;
    }
    look->depth--;
    return look->found == PM_ACCEPTED_NONE;
}

static int look_at_orphan(void *ctx, pid_t child)
{
    look_t *look = ctx;

    return child == look->worker || getpgid(child) != look->worker
           || look_at_tree(look, child);
}

/* A kernel without unix_diag says of each socket that it does not exist: it
 * has to know the listening one. */
static int look_begin(look_t *look, int listen_fd)
{
    struct sockaddr_storage name;
    socklen_t len = sizeof(name);
    struct stat st;

    memset(&name, 0, sizeof(name));
    if (getsockname(listen_fd, (struct sockaddr *)&name, &len)
        || fstat(listen_fd, &st)) {
        return 0;
    }
    look->family = name.ss_family;
    look->port = name.ss_family == AF_INET
                     ? ((struct sockaddr_in *)&name)->sin_port
                     : ((struct sockaddr_in6 *)&name)->sin6_port;
    return name.ss_family != AF_UNIX
           || pm_sock_diag_waiting(look->diag, st.st_ino) >= 0;
}

pm_accepted_t pm_accepted_look(pm_sock_diag_t *diag, pid_t worker,
                               int listen_fd)
{
    look_t look = {.diag = diag, .worker = worker, .found = PM_ACCEPTED_NONE};

    if (!look_begin(&look, listen_fd)) {
        return PM_ACCEPTED_UNKNOWN;
    }
    if (look_at_tree(&look, worker)
        && !pm_procinfo_each_child(getpid(), look_at_orphan, &look)) {
        return PM_ACCEPTED_UNKNOWN;
    }
    return look.found;
}
