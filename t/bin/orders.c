/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manager's side of pm_fork_order.h, for tests of the guard: starts a
 * program as a fork server and gives it orders.
 *
 *     orders GUARD SOCKET PROGRAM [ARGUMENT...]
 *
 * GUARD is fcgipm-guard.so, SOCKET the path of the pool's socket.  Says "SERVES
 * PID", "REFUSED PID REASON" or "SILENT PID", then does what lines on its
 * standard input tell:
 *
 *     born N       N orders, one after the other: "BORN PID PAGE" each, or
 *                  "FAILED ERRNO"; PAGE is "page" when the newborn has told
 *                  its own pid there
 *     order I      one order for the record I: the same
 *     unwelcome I  one that is not welcomed: "UNWELCOME PID"
 *     bad HOW      an order that is none: short, one, three (descriptors)
 *     kill PID SIG
 *     show PID     its record: "PAGE PID WAITING BUSY REQUESTS"
 *     close        the end of the file for the fork server
 *
 * What is said of a newborn is checked here: that it is a child of this
 * process and leads its own process group, else "LIE PID".  "EXIT PID STATUS"
 * and "KILLED PID SIGNAL" are said as children end, "OUT TEXT" as they write.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pm_core/ipc/pm_fork_order.h"
#include "pm_core/shm/pm_worker_status.h"

#define RECORDS 64
#define PAUSE   30000 /* milliseconds, for each answer */
#define OUTPUTS 1024

static struct {
    int listener, page_fd, server, signals;
    pid_t pid;
    pm_worker_status_t *page;
    int output[OUTPUTS];
    int outputs;
    uint32_t serial;
} self;

__attribute__((noreturn)) static void fail(const char *what)
{
    perror(what);
    exit(1);
}

/* --- the program ---------------------------------------------------------- */

static void open_listener(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
    self.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (self.listener < 0
        || bind(self.listener, (struct sockaddr *)&a, sizeof(a))
        || listen(self.listener, 511)) {
        fail(path);
    }
}

static void open_page(void)
{
    size_t size = RECORDS * sizeof(*self.page);

    self.page_fd = memfd_create("page", MFD_CLOEXEC);
    if (self.page_fd < 0 || ftruncate(self.page_fd, (off_t)size)) {
        fail("memfd_create");
    }
    self.page =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, self.page_fd, 0);
    if (self.page == MAP_FAILED) {
        fail("mmap");
    }
}

static void open_pair(int pair[2])
{
    int on = 1;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair)
        || setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on))) {
        fail("socketpair");
    }
}

/* @return the end to be written to, which is open for reading, too, as
 * pm_spawn.c has it */
static int open_output(void)
{
    char path[40];
    int end[2], both;

    if (self.outputs == OUTPUTS || pipe2(end, O_CLOEXEC)) {
        fail("pipe2");
    }
    fcntl(end[0], F_SETFL, O_NONBLOCK);
    self.output[self.outputs++] = end[0];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", end[1]);
    both = open(path, O_RDWR | O_CLOEXEC);
    close(end[1]);
    return both;
}

__attribute__((noreturn)) static void become(const char *guard, int orders,
                                             int output, char **argv)
{
    char text[40];
    sigset_t none;

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    fcntl(orders, F_DUPFD, 100); /* not in the way of those that follow */
    dup2(orders, 101);
    dup2(self.page_fd, 102);
    dup2(self.listener, 0);
    dup2(output, 1);
    dup2(output, 2);
    dup2(102, 3);
    dup2(101, PM_FORK_FD);
    close_range(PM_FORK_FD + 1, ~0U, 0);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    snprintf(text, sizeof(text), "%d:0:3:%d", (int)getpid(),
             PM_WORKER_STATUS_LAYOUT);
    setenv("LD_PRELOAD", guard, 1);
    setenv("FCGIPM_GUARD", text, 1);
    snprintf(text, sizeof(text), "%d", (int)getppid());
    setenv("FCGIPM_MANAGER", text, 1);
    snprintf(text, sizeof(text), "%d", PM_FORK_FD);
    setenv(PM_FORK_VARIABLE, text, 1);
    execvp(argv[0], argv);
    _exit(127);
}

/* --- what is said --------------------------------------------------------- */

/* @return its bytes, 0 at the end, -1: nothing came
 * @param pid of its sender */
static ssize_t hear(int fd, void *to, size_t n, pid_t *pid, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    struct iovec io = {to, n};
    union {
        char room[CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr align;
    } control;
    struct msghdr m = {.msg_iov = &io,
                       .msg_iovlen = 1,
                       .msg_control = control.room,
                       .msg_controllen = sizeof(control.room)};
    struct cmsghdr *c;
    ssize_t got;

    if (poll(&p, 1, ms) <= 0) {
        return -1;
    }
    got = recvmsg(fd, &m, MSG_CMSG_CLOEXEC);
    c = got > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    if (c && c->cmsg_type == SCM_CREDENTIALS) {
        *pid = ((struct ucred *)(void *)CMSG_DATA(c))->pid;
    }
    return got;
}

static void start(const char *guard, char **argv)
{
    pm_fork_message_t m = {.kind = 0};
    int pair[2], output = open_output();
    pid_t pid = 0;

    open_pair(pair);
    self.pid = fork();
    if (self.pid == 0) {
        become(guard, pair[1], output, argv);
    }
    close(pair[1]);
    close(output);
    self.server = pair[0];
    if (hear(self.server, &m, sizeof(m), &pid, PAUSE) != sizeof(m)
        || pid != self.pid) {
        printf("SILENT %d\n", (int)self.pid);
    }
    else if (m.kind == PM_FORK_SERVES) {
        printf("SERVES %d\n", (int)self.pid);
    }
    else {
        printf("REFUSED %d %s\n", (int)self.pid, m.text);
    }
}

/* --- orders --------------------------------------------------------------- */

static void send_order(const void *order, size_t n, const int *fd, size_t fds)
{
    union {
        char room[CMSG_SPACE(4 * sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec io = {(void *)(uintptr_t)order, n};
    struct msghdr m = {.msg_iov = &io, .msg_iovlen = 1};
    struct cmsghdr *c;

    memset(&control, 0, sizeof(control));
    m.msg_control = control.room;
    m.msg_controllen = CMSG_SPACE(fds * sizeof(int));
    c = CMSG_FIRSTHDR(&m);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(fds * sizeof(int));
    memcpy(CMSG_DATA(c), fd, fds * sizeof(int));
    if (sendmsg(self.server, &m, MSG_NOSIGNAL) < 0) {
        printf("GONE %s\n", strerror(errno));
    }
}

static int is_own_child(pid_t pid)
{
    siginfo_t info;

    memset(&info, 0, sizeof(info));
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0
           && getpgid(pid) == pid;
}

/* The news that it waits, see pm_worker_status.h. */
static const char *page_says(int output, int index, pid_t pid)
{
    struct pollfd p = {.fd = output, .events = POLLIN};
    char byte = 1;

    if (index < 0) {
        return "none";
    }
    if (poll(&p, 1, PAUSE) <= 0 || read(output, &byte, 1) != 1 || byte != 0) {
        return "no-news";
    }
    return self.page[index].pid == (uint32_t)pid ? "page" : "another";
}

/* @param how 'u': it is not welcomed */
static void wait_newborn(int fd, int output, int index, char how)
{
    pm_fork_born_t born = {0};
    pm_fork_message_t m = {.kind = 0};
    pid_t pid = 0;

    if (hear(fd, &born, sizeof(born), &pid, PAUSE) == sizeof(born)) {
        if (how == 'u') {
            printf("UNWELCOME %d\n", (int)pid);
            return;
        }
        (void)!send(fd, &born, sizeof(born), MSG_NOSIGNAL);
        printf("%s %d %s\n",
               born.serial == self.serial && is_own_child(pid) ? "BORN" : "LIE",
               (int)pid, page_says(output, index, pid));
    }
    else if (hear(self.server, &m, sizeof(m), &pid, PAUSE) == sizeof(m)
             && m.kind == PM_FORK_FAILED && m.serial == self.serial) {
        printf("FAILED %d\n", m.error);
    }
    else {
        printf("NOTHING\n");
    }
}

static void do_order(int index, size_t size, size_t fds, char how)
{
    pm_fork_order_t order = {++self.serial, index};
    int pair[2], fd[3];

    open_pair(pair);
    fd[0] = fd[2] = open_output();
    fd[1] = pair[1];
    if (index >= 0 && index < RECORDS) {
        memset(&self.page[index], 0, sizeof(self.page[index]));
    }
    if (size != sizeof(order)) {
        self.serial = 0; /* that of an order which cannot be read */
    }
    send_order(&order, size, fd, fds);
    close(fd[0]);
    close(pair[1]);
    wait_newborn(pair[0], self.output[self.outputs - 1], index, how);
    close(pair[0]);
    self.serial = order.serial;
}

static void do_show(uint32_t pid)
{
    int i;

    for (i = 0; i < RECORDS; i++) {
        const pm_worker_status_t *w = &self.page[i];

        if (w->pid == pid) {
            printf("PAGE %u %u %u %llu\n", w->pid, w->waiting, w->busy,
                   (unsigned long long)w->requests);
        }
    }
}

static void do_line(const char *line)
{
    int a, b;

    if (sscanf(line, "born %d", &a) == 1) {
        for (b = 0; b < a; b++) {
            do_order((int)(self.serial % RECORDS), sizeof(pm_fork_order_t), 2,
                     ' ');
        }
    }
    else if (sscanf(line, "order %d", &a) == 1) {
        do_order(a, sizeof(pm_fork_order_t), 2, ' ');
    }
    else if (sscanf(line, "unwelcome %d", &a) == 1) {
        do_order(a, sizeof(pm_fork_order_t), 2, 'u');
    }
    else if (strncmp(line, "bad short", 9) == 0) {
        do_order(0, 3, 2, ' ');
    }
    else if (strncmp(line, "bad one", 7) == 0) {
        do_order(0, sizeof(pm_fork_order_t), 1, ' ');
    }
    else if (strncmp(line, "bad three", 9) == 0) {
        do_order(0, sizeof(pm_fork_order_t), 3, ' ');
    }
    else if (sscanf(line, "kill %d %d", &a, &b) == 2) {
        kill(a, b);
    }
    else if (sscanf(line, "show %d", &a) == 1) {
        do_show((uint32_t)a);
    }
    else if (strncmp(line, "close", 5) == 0) {
        close(self.server);
    }
    printf("DONE\n");
}

/* --- what comes by itself ------------------------------------------------- */

static void reap(void)
{
    struct signalfd_siginfo info;
    int status;
    pid_t pid;

    (void)!read(self.signals, &info, sizeof(info));
    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (WIFSIGNALED(status)) {
            printf("KILLED %d %d\n", (int)pid, WTERMSIG(status));
        }
        else {
            printf("EXIT %d %d\n", (int)pid, WEXITSTATUS(status));
        }
    }
}

static void pump(int i)
{
    char text[4096];
    ssize_t n = read(self.output[i], text, sizeof(text) - 1);
    ssize_t from;

    if (n <= 0) {
        close(self.output[i]);
        self.output[i] = -1;
        return;
    }
    for (from = 0; from < n && text[from] == '\0'; from++) {
        continue; /* news */
    }
    if (from < n) {
        printf("OUT %.*s\n", (int)(n - from), text + from);
    }
}

static void loop(void)
{
    static struct pollfd p[OUTPUTS + 2];
    char line[200];
    int i, n;

    for (;;) {
        p[0] = (struct pollfd){.fd = 0, .events = POLLIN};
        p[1] = (struct pollfd){.fd = self.signals, .events = POLLIN};
        n = self.outputs;
        for (i = 0; i < n; i++) {
            p[i + 2] = (struct pollfd){.fd = self.output[i], .events = POLLIN};
        }
        if (poll(p, (nfds_t)n + 2, -1) < 0) {
            fail("poll");
        }
        for (i = 0; i < n; i++) {
            if (p[i + 2].revents) {
                pump(i);
            }
        }
        if (p[1].revents) {
            reap();
        }
        if (p[0].revents) {
            if (!fgets(line, sizeof(line), stdin)) {
                return;
            }
            do_line(line);
        }
    }
}

int main(int argc, char **argv)
{
    sigset_t child;

    if (argc < 4) {
        return 2;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    setvbuf(stdin, NULL, _IONBF, 0); /* poll() sees what is left */
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    self.signals = signalfd(-1, &child, SFD_CLOEXEC);
    open_listener(argv[2]);
    open_page();
    start(argv[1], argv + 3);
    loop();
    return 0;
}
