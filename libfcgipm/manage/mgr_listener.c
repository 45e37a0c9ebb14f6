/* SPDX-License-Identifier: Apache-2.0 */
#include "libfcgipm/manage/mgr_listener.h"

#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "libfcgipm/manage/mgr_object.h"
#include "libfcgipm/manage/mgr_pidfile.h"

/* A program opens its socket at its start, when descriptors are low. */
#define LISTENER_FDS 1024

static int listener_listens(int fd)
{
    int listens = 0;
    socklen_t len = sizeof(listens);

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) == 0
           && listens;
}

void mgr_listener_name(fcgipm_t *pm, int fd)
{
    pm->listen_fd = fd;
    pm->listener = MGR_LISTENER_NAMED;
}

int fcgipm_listen_fd(const fcgipm_t *pm)
{
    return pm->listen_fd;
}

void fcgipm_set_listen_fd(fcgipm_t *pm, int fd)
{
    mgr_listener_name(pm, fd);
}

void mgr_listener_find(fcgipm_t *pm)
{
    int fd;

    if (pm->listener >= MGR_LISTENER_FOUND) {
        return;
    }
    pm->listener = MGR_LISTENER_NONE;
    for (fd = 0; fd < LISTENER_FDS; fd++) {
        if (!listener_listens(fd)) {
            continue;
        }
        if (pm->listener == MGR_LISTENER_FOUND) {
            pm->listen_fd = 0;
            pm->listener = MGR_LISTENER_SEVERAL;
            return;
        }
        pm->listen_fd = fd;
        pm->listener = MGR_LISTENER_FOUND;
        if (fd == 0) {
            return; /* FCGI_LISTENSOCK_FILENO */
        }
    }
}

void mgr_listener_require(fcgipm_t *pm)
{
    char why[160];

    mgr_listener_find(pm);
    if (pm->listener == MGR_LISTENER_NAMED && pm->listen_fd >= 0
        && !listener_listens(pm->listen_fd)) {
        snprintf(why, sizeof(why), "descriptor %d is not a listening socket",
                 pm->listen_fd);
    }
    else if (pm->listener == MGR_LISTENER_NONE) {
        snprintf(why, sizeof(why),
                 "descriptor 0 is not a listening socket, "
                 "and the program has not opened one");
    }
    else {
        return;
    }
    mgr_pidfile_remove(pm);
    fcgipm_abort(pm, why, 1);
}

void mgr_listener_doubt(fcgipm_t *pm)
{
    if (pm->listener >= MGR_LISTENER_FOUND) {
        return;
    }
    mgr_listener_find(pm);
    if (pm->listener == MGR_LISTENER_SEVERAL) {
        fcgipm_notify(pm, "several descriptors listen: without "
                          "fcgipm_set_listen_fd() a signal between two "
                          "requests ends this worker only after the next");
    }
    pm->listener = MGR_LISTENER_FOUND; /* look once, say it once */
}

/* An unconnected socket takes its place, so that the descriptor does not become
 * another file while the program still accepts on it.  A worker that was told
 * takes no other request, so it can be closed at any moment. */
void mgr_listener_close(const fcgipm_t *pm)
{
    const int fd = pm->listen_fd;
    int dead;

    if (!listener_listens(fd)) {
        return;
    }
    dead = socket(AF_UNIX, SOCK_STREAM, 0);
    if (dead < 0 || dup2(dead, fd) < 0) {
        close(fd);
    }
    if (dead >= 0) {
        close(dead);
    }
}
