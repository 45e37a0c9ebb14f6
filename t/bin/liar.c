/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fork server that lies (FcgiPMPreload).  It takes the socket for orders past
 * the guard, which has hidden only its number.
 *
 *   liar silent      takes orders and does nothing, and stays
 *   liar noise       tells without end of orders that have failed
 *   liar itself      says that it is the newborn
 *   liar grandchild  so does a child of its own
 *   liar unordered   so does the right child; it makes five more that nobody
 *                    has ordered, and they keep the pool's socket
 *   liar complains   no worker comes, and what would have been one says why
 *   liar leaves      ends after its first order
 *   liar dies        the worker comes, and ends at once
 *   liar crashes     likewise, by SIGSEGV
 *   liar hangs       the worker comes, and never waits for a request
 *
 * Executed without such a socket, or asked to be a worker: answers "pid=N".
 */
#include <fcgiapp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pm_core/ipc/pm_fork_order.h"

static const char *way;
static int output; /* of the newborn */

static void serve(void)
{
    FCGX_Stream *in, *out, *err;
    FCGX_ParamArray env;

    while (FCGX_Accept(&in, &out, &err, &env) >= 0) {
        FCGX_FPrintF(out, "Content-Type: text/plain\r\n\r\npid=%d",
                     (int)getpid());
    }
    exit(0);
}

/* A child of the manager. */
static pid_t sibling(void)
{
    pid_t pid = (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);

    if (pid == 0) {
        setpgid(0, 0);
    }
    return pid;
}

/* @return 1: the manager has welcomed this process */
static int say_born(int newborn, uint32_t serial)
{
    pm_fork_born_t born = {serial};

    return send(newborn, &born, sizeof(born), MSG_NOSIGNAL) > 0
           && recv(newborn, &born, sizeof(born), 0) == (ssize_t)sizeof(born);
}

static void idle(void)
{
    for (;;) {
        pause();
    }
}

/* A worker that fails at birth. */
static void fail(const pm_fork_order_t *order, int newborn)
{
    struct rlimit none = {0, 0};

    if (sibling() == 0) {
        say_born(newborn, order->serial);
        if (!strcmp(way, "hangs")) {
            idle();
        }
        if (!strcmp(way, "crashes")) {
            setrlimit(RLIMIT_CORE, &none);
            kill(getpid(), SIGSEGV);
        }
        _exit(1);
    }
}

static void obey(const pm_fork_order_t *order, int newborn)
{
    int i;

    if (!strcmp(way, "leaves")) {
        _exit(0);
    }
    if (!strcmp(way, "itself")) {
        say_born(newborn, order->serial);
    }
    else if (!strcmp(way, "grandchild") && fork() == 0) {
        setpgid(0, 0);
        say_born(newborn, order->serial);
        idle();
    }
    else if (!strcmp(way, "unordered")) {
        for (i = 0; i < 5; i++) {
            if (sibling() == 0) {
                idle();
            }
        }
        if (sibling() == 0) {
            if (say_born(newborn, order->serial)) {
                serve();
            }
            _exit(0);
        }
    }
    else if (!strcmp(way, "dies") || !strcmp(way, "crashes")
             || !strcmp(way, "hangs")) {
        fail(order, newborn);
    }
    if (!strcmp(way, "complains")) {
        dprintf(output, "no room\nfor a worker\n");
    }
    close(output);
    if (strcmp(way, "silent")) {
        close(newborn);
    }
}

static int take_order(int fd, pm_fork_order_t *order)
{
    int along[2];
    union {
        char bytes[CMSG_SPACE(sizeof(along))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {order, sizeof(*order)};
    struct msghdr msg = {0};

    msg.msg_iov = &iov;
    msg.msg_iovlen = 1;
    msg.msg_control = control.bytes;
    msg.msg_controllen = sizeof(control.bytes);
    if (recvmsg(fd, &msg, MSG_CMSG_CLOEXEC) <= 0 || !CMSG_FIRSTHDR(&msg)) {
        if (!strcmp(way, "silent")) {
            idle();
        }
        _exit(0);
    }
    memcpy(along, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(along));
    output = along[0];
    return along[1];
}

int main(int argc, char **argv)
{
    pm_fork_message_t say = {.kind = PM_FORK_SERVES};
    pm_fork_order_t order = {0};

    way = argc > 1 ? argv[1] : "";
    if (send(PM_FORK_FD, &say, sizeof(say), MSG_NOSIGNAL) < 0) {
        serve();
    }
    signal(SIGTERM, strcmp(way, "silent") ? SIG_DFL : SIG_IGN);
    for (;;) {
        int newborn = take_order(PM_FORK_FD, &order);

        obey(&order, newborn);
        say.kind = PM_FORK_FAILED;
        while (!strcmp(way, "noise")
               && send(PM_FORK_FD, &say, sizeof(say), MSG_NOSIGNAL) > 0) {
            ;
        }
    }
}
