/* SPDX-License-Identifier: Apache-2.0 */
/*
 * See guard.h.  Whether a process can be a fork server is decided by what the
 * kernel says of it, not by which program it is: may a copy of it, and a
 * hundred more, go on from here without any of them missing or disturbing
 * something?  What they would share is judged in guard_fork_fds.c.
 */
#include "libfcgipm/preload/guard.h"
#include "pm_core/ipc/pm_fork_order.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

int guard_fork_refuse(char *why, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, PM_FORK_TEXT, fmt, ap);
    va_end(ap);
    for (; *why; why++) {
        if ((unsigned char)*why < ' ') {
            *why = '?'; /* of a file's name: it is to be one line */
        }
    }
    return 0;
}

int guard_fork_lines(const char *path,
                     int (*line)(const char *text, void *data), void *data)
{
    FILE *f = fopen(path, "re");
    char text[512];
    int go_on = f != NULL;

    while (go_on && fgets(text, sizeof(text), f)) {
        go_on = line(text, data);
    }
    if (f) {
        fclose(f);
    }
    return go_on;
}

/* --- seccomp -------------------------------------------------------------- */

static int filters_line(const char *text, void *data)
{
    int n;

    if (sscanf(text, "Seccomp:%d", &n) == 1) {
        *(int *)data += 1000 * n;
    }
    if (sscanf(text, "Seccomp_filters:%d", &n) == 1) {
        *(int *)data += n;
    }
    return 1;
}

int guard_fork_filters(void)
{
    int filters = 0;

    return guard_fork_lines("/proc/self/status", filters_line, &filters)
               ? filters
               : -1;
}

/* First of all, as it reads a file only: those that the program itself has
 * made can end it at other calls. */
static int has_no_filter(char *why)
{
    int now = guard_fork_filters();

    if (now < 0 || guard.fork_filters < 0) {
        return guard_fork_refuse(why, "/proc/self/status cannot be read");
    }
    return now == guard.fork_filters
           || guard_fork_refuse(why, "it has made a filter for system calls "
                                     "(seccomp)");
}

/* --- threads and children ------------------------------------------------- */

/* A thread is a directory there, which has a link to it. */
static int is_single(char *why)
{
    struct stat st;

    if (stat("/proc/self/task", &st) || st.st_nlink < 3) {
        return guard_fork_refuse(why, "/proc/self/task cannot be read");
    }
    if (st.st_nlink > 3) {
        return guard_fork_refuse(why,
                                 "it has %d threads before its first request",
                                 (int)st.st_nlink - 2);
    }
    return syscall(SYS_gettid) == getpid()
           || guard_fork_refuse(why, "its main thread has ended");
}

static int has_no_child(char *why)
{
    siginfo_t info;

    memset(&info, 0, sizeof(info));
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL)
           || guard_fork_refuse(why, "it has a child process%s",
                                info.si_pid ? ", which has ended" : "");
}

/* --- timers --------------------------------------------------------------- */

static int has_no_itimer(char *why)
{
    static const int which[] = {ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF};
    struct itimerval at;
    unsigned i;

    for (i = 0; i < sizeof(which) / sizeof(which[0]); i++) {
        if (getitimer(which[i], &at) == 0
            && (at.it_value.tv_sec || at.it_value.tv_usec)) {
            return guard_fork_refuse(why, "a timer runs (setitimer, alarm), "
                                          "which a child would not have");
        }
    }
    return 1;
}

static int timers_line(const char *text, void *data)
{
    (void)text;
    (void)data;
    return 0;
}

static int has_no_timer(char *why)
{
    return access("/proc/self/timers", R_OK)
           || guard_fork_lines("/proc/self/timers", timers_line, NULL)
           || guard_fork_refuse(why, "it has a timer (timer_create), which a "
                                     "child would not have");
}

/* --- memory --------------------------------------------------------------- */

typedef struct map {
    char name[120]; /* and where it is */
    const char *what;
} map_t;

/* The kernel's own are "dc" (do not copy), and every process has them. */
static int is_kernels(const char *name)
{
    return strstr(name, "[v") != NULL || strstr(name, "[uprobes]") != NULL;
}

static int map_line(const char *text, void *data)
{
    map_t *map = data;

    if (strncmp(text, "VmFlags:", 8) == 0) {
        if (strstr(text, " dc") && !is_kernels(map->name)) {
            map->what = "memory that a child would not have (MADV_DONTFORK)";
        }
    }
    else if (strchr(text, '-') && strchr("0123456789abcdef", *text)) {
        snprintf(map->name, sizeof(map->name), "%.*s", (int)strcspn(text, "\n"),
                 text);
        if (strstr(text, "/[aio]")) {
            map->what = "asynchronous input and output (io_setup)";
        }
    }
    return map->what == NULL;
}

static int has_all_memory(char *why)
{
    map_t map = {.what = NULL};

    if (guard_fork_lines("/proc/self/smaps", map_line, &map)) {
        return 1;
    }
    return map.what
               ? guard_fork_refuse(why, "it has %s: %s", map.what, map.name)
               : guard_fork_refuse(why, "/proc/self/smaps cannot be "
                                        "read");
}

/* --- libc ----------------------------------------------------------------- */

static int is_to_be_copied(char *why)
{
    void *tid = NULL;

    if (prctl(PR_GET_TID_ADDRESS, &tid, 0, 0, 0) || !tid) {
        return guard_fork_refuse(why, "the kernel does not say where libc has "
                                      "the thread's id (PR_GET_TID_ADDRESS)");
    }
    return guard_fork_hooks_known()
           || guard_fork_refuse(why, "it has too many handlers of "
                                     "pthread_atfork()");
}

/* A newborn could not say what it does. */
static int has_page(char *why)
{
    return guard.table
           || guard_fork_refuse(why, "the descriptor of the pool's shared "
                                     "memory was closed on the way here");
}

/* For what comes with an order. */
static int has_room(char *why)
{
    int fd[2];

    if (pipe2(fd, O_CLOEXEC)) {
        return guard_fork_refuse(why, "it has no room for two more "
                                      "descriptors (FcgiPMRLimit nofile)");
    }
    close(fd[0]);
    close(fd[1]);
    return 1;
}

/* --- all ------------------------------------------------------------------ */

int guard_fork_may(char *why)
{
    static int (*const checks[])(char *) = {
        has_page,       has_no_filter,  is_single, has_no_child,
        has_no_itimer,  has_no_timer,   has_room,  guard_fork_fds_judge,
        has_all_memory, is_to_be_copied};
    unsigned i;

    for (i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        if (!checks[i](why)) {
            return 0;
        }
    }
    return 1;
}
