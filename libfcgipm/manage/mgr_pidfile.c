/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The manager's pid file.
 *
 * Another user may own its directory, and so decide what the name leads to: a
 * link to a file of the manager's, a FIFO without a reader.  The manager opens
 * the file without following or waiting, and looks at it before it writes.
 */
#include "libfcgipm/manage/mgr_pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libfcgipm/manage/mgr_object.h"

#define PIDFILE_MODE (S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH)

/* Of files of other users' only root's is accepted: root can have made it for a
 * manager that may not write into the directory. */
static const char *pidfile_reject(const struct stat *st)
{
    if (!S_ISREG(st->st_mode)) {
        return "it is not a regular file";
    }
    if (st->st_nlink > 1) {
        return "it has another name as well (a hard link)";
    }
    if (st->st_uid != geteuid() && st->st_uid != 0) {
        return "it belongs to another user";
    }
    return NULL;
}

/* @return a descriptor; -1, and why */
static int pidfile_open(const char *path, int flags, const char **why)
{
    int fd = open(path, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
                  PIDFILE_MODE);
    struct stat st;

    if (fd < 0) {
        *why = errno == ELOOP ? "it is a symbolic link" : strerror(errno);
        return -1;
    }
    *why = fstat(fd, &st) ? strerror(errno) : pidfile_reject(&st);
    if (*why) {
        close(fd);
        return -1;
    }
    return fd;
}

/* The end of a longer number goes last, so that a reader always finds a whole
 * one in the first line. */
static int pidfile_fill(int fd)
{
    char text[24];
    int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());

    if (pwrite(fd, text, (size_t)len, 0) != len || ftruncate(fd, len)) {
        return -1;
    }
    /* whatever the umask; one of root's stays as root made it */
    return fchmod(fd, PIDFILE_MODE) && errno != EPERM ? -1 : 0;
}

void mgr_pidfile_write(const fcgipm_t *pm)
{
    const char *why;
    int fd;

    if (!pm->pidfile) {
        return;
    }
    fd = pidfile_open(pm->pidfile, O_WRONLY | O_CREAT, &why);
    if (fd >= 0) {
        why = pidfile_fill(fd) ? strerror(errno) : NULL;
        close(fd);
    }
    if (why) {
        fcgipm_notify(pm, "Could not write the PID file because: %s: %s",
                      pm->pidfile, why);
    }
}

static int pidfile_read(int fd)
{
    char text[24];
    ssize_t n = read(fd, text, sizeof(text) - 1);

    text[n > 0 ? n : 0] = '\0';
    return (int)strtol(text, NULL, 10);
}

/* One that another manager has written meanwhile is left to that one. */
void mgr_pidfile_remove(const fcgipm_t *pm)
{
    const char *why;
    int mine = 0;
    int fd;

    if (!pm->pidfile) {
        return;
    }
    fd = pidfile_open(pm->pidfile, O_RDONLY, &why);
    if (fd >= 0) {
        mine = pidfile_read(fd) == (int)getpid();
        close(fd);
    }
    if (mine && unlink(pm->pidfile)) {
        why = strerror(errno);
    }
    if (why) {
        fcgipm_notify(pm, "Could not remove PID file: %s", why);
    }
}
