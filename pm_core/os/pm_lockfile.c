/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_lockfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pm_core/os/pm_fds.h"
#include "pm_core/os/pm_safe_dir.h"

#define LOCKFILE_FLAGS                                                         \
    (O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

/* Removed in between, it is nobody's any more. */
static int lockfile_is_there(int fd, int dir, const char *name)
{
    struct stat mine, st;

    return fstat(fd, &mine) == 0 && S_ISREG(mine.st_mode)
           && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0
           && st.st_ino == mine.st_ino && st.st_dev == mine.st_dev;
}

/* @param pid out: of the process that holds it, 0: not known */
static int lockfile_lock(int fd, pid_t *pid)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int err = fcntl(fd, F_SETLK, &lock) ? errno : 0;

    *pid = 0;
    if ((err == EACCES || err == EAGAIN) && fcntl(fd, F_GETLK, &lock) == 0) {
        *pid = lock.l_type == F_UNLCK ? 0 : lock.l_pid;
    }
    return err == EACCES || err == EAGAIN ? EBUSY : err;
}

/* @return ESTALE: another one is there by now */
static int lockfile_try(int *fd, int dir, const char *name, pid_t *pid)
{
    int mine = openat(dir, name, LOCKFILE_FLAGS, 0600);
    int err = mine < 0 ? errno : lockfile_lock(mine, pid);

    if (!err && !lockfile_is_there(mine, dir, name)) {
        err = ESTALE;
    }
    if (err) {
        pm_fds_close(&mine);
        return err;
    }
    *fd = mine;
    return 0;
}

/* Each server that ends removes it once, so the tries have an end. */
#define LOCKFILE_TRIES 8

static apr_status_t lockfile_take_in(int *fd, int dir, const char *name,
                                     const char *path, pm_reason_t *why)
{
    int i, err = ESTALE;
    pid_t pid = 0;

    for (i = 0; i < LOCKFILE_TRIES && err == ESTALE; i++) {
        err = lockfile_try(fd, dir, name, &pid);
    }
    if (err == EBUSY) {
        return pm_fail(why, err,
                       "another server (pid %" APR_PID_T_FMT ") holds %s", pid,
                       path);
    }
    return err ? pm_fail_os(why, err, "cannot lock %s", path) : APR_SUCCESS;
}

apr_status_t pm_lockfile_take(int *fd, const char *path, uid_t uid, gid_t gid,
                              pm_reason_t *why)
{
    const char *name;
    int dir = -1;
    apr_status_t rv = pm_safe_dir_open(&dir, &name, path, uid, gid, why);

    if (rv == APR_SUCCESS) {
        rv = lockfile_take_in(fd, dir, name, path, why);
        close(dir);
    }
    return rv;
}

void pm_lockfile_remove(int fd, const char *path, uid_t uid, gid_t gid)
{
    const char *name;
    int dir = -1;

    if (pm_safe_dir_open(&dir, &name, path, uid, gid, NULL) == APR_SUCCESS) {
        if (lockfile_is_there(fd, dir, name)) {
            unlinkat(dir, name, 0);
        }
        close(dir);
    }
}
