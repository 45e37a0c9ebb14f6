/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_strings.h"
#include "pm_core/os/pm_fds.h"
#include "pm_core/os/pm_safe_dir.h"

#define PIDFILE_MODE  0644 /* whatever the umask is: other users read it */
#define PIDFILE_OWN   0600 /* until it is locked */
#define PIDFILE_FLAGS (O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

/* Locks go with the process (fcntl(2)), not with those it forks. */
static int pidfile_lock(int fd, int command, struct flock *lock)
{
    *lock = (struct flock){.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, command, lock);
}

/* Who can read a file can lock it for reading, which would keep the manager
 * from its own lock: nobody else can until it has that.
 * @param fd out: open and locked @return an errno */
static int pidfile_fill(int *fd, int dir, const char *name)
{
    char text[24];
    int len = apr_snprintf(text, sizeof(text), "%d\n", (int)getpid());
    struct flock lock;

    *fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | PIDFILE_FLAGS,
                 PIDFILE_OWN);
    return *fd < 0 || write(*fd, text, (size_t)len) != len
                   || pidfile_lock(*fd, F_SETLK, &lock)
                   || fchmod(*fd, PIDFILE_MODE)
               ? errno
               : 0;
}

/* A manager's lock is one for writing, at a file of its user's.  Others can
 * lock one that was left behind for reading, or in /tmp make one. */
static apr_status_t pidfile_check(int dir, const char *name, const char *path,
                                  pm_reason_t *why)
{
    int fd = openat(dir, name, O_RDONLY | PIDFILE_FLAGS);
    struct flock lock = {.l_type = F_UNLCK};
    struct stat st;

    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_uid == geteuid()) {
        pidfile_lock(fd, F_GETLK, &lock);
    }
    pm_fds_close(&fd);
    return lock.l_type != F_WRLCK
               ? APR_SUCCESS
               : pm_fail(why, EBUSY,
                         "the pid file %s is another manager's (pid "
                         "%" APR_PID_T_FMT "), which runs",
                         path, lock.l_pid);
}

apr_status_t pm_pidfile_check_free(const char *path, pm_reason_t *why)
{
    const char *name;
    int dir = -1;
    apr_status_t rv =
        pm_safe_dir_open(&dir, &name, path, (uid_t)-1, (gid_t)-1, why);

    if (rv == APR_SUCCESS) {
        rv = pidfile_check(dir, name, path, why);
        close(dir);
    }
    return rv;
}

static apr_status_t pidfile_write_in(pm_pidfile_t *file, int dir,
                                     const char *name, apr_pool_t *p,
                                     pm_reason_t *why)
{
    const char *temp = apr_psprintf(p, "%s.%d", name, (int)getpid());
    apr_status_t rv = pidfile_check(dir, name, file->path, why);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    unlinkat(dir, temp, 0); /* of a manager that died and had this pid */
    rv = pidfile_fill(&file->fd, dir, temp);
    if (rv == APR_SUCCESS && renameat(dir, temp, dir, name)) {
        rv = errno;
    }
    if (rv != APR_SUCCESS) {
        unlinkat(dir, temp, 0);
        pm_fail_os(why, rv, "cannot write the pid file %s", file->path);
    }
    return rv;
}

apr_status_t pm_pidfile_write(pm_pidfile_t *file, const char *path,
                              apr_pool_t *p, pm_reason_t *why)
{
    const char *name;
    int dir = -1;
    apr_status_t rv =
        pm_safe_dir_open(&dir, &name, path, (uid_t)-1, (gid_t)-1, why);

    file->fd = -1;
    file->path = path;
    if (rv == APR_SUCCESS) {
        rv = pidfile_write_in(file, dir, name, p, why);
        close(dir);
    }
    if (rv != APR_SUCCESS) {
        pm_fds_close(&file->fd);
        file->path = NULL;
    }
    return rv;
}

/* Is it still the file that was written? */
static int pidfile_is_there(const pm_pidfile_t *file, int dir, const char *name)
{
    struct stat mine, st;

    return fstat(file->fd, &mine) == 0
           && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0
           && st.st_ino == mine.st_ino && st.st_dev == mine.st_dev;
}

void pm_pidfile_remove(pm_pidfile_t *file)
{
    const char *name;
    int dir = -1;

    if (!file->path) {
        return;
    }
    if (pm_safe_dir_open(&dir, &name, file->path, (uid_t)-1, (gid_t)-1, NULL)
        == APR_SUCCESS) {
        if (pidfile_is_there(file, dir, name)) {
            unlinkat(dir, name, 0);
        }
        close(dir);
    }
    pm_fds_close(&file->fd);
    file->path = NULL;
}
