/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_path.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef O_PATH
#define O_PATH O_NONBLOCK /* elsewhere; it must not wait either */
#endif

#define LOOK (O_PATH | O_CLOEXEC | O_NOCTTY)

#ifdef __APPLE__
#define st_mtim st_mtimespec
#define st_ctim st_ctimespec
#endif

static apr_int64_t nanoseconds(const struct timespec *ts)
{
    return (apr_int64_t)ts->tv_sec * 1000000000 + ts->tv_nsec;
}

static int read_inode(int fd, pm_inode_t *inode)
{
    struct stat st;

    if (fstat(fd, &st)) {
        return errno;
    }
    inode->dev = (apr_uint64_t)st.st_dev;
    inode->ino = (apr_uint64_t)st.st_ino;
    inode->mode = st.st_mode;
    inode->uid = st.st_uid;
    inode->gid = st.st_gid;
    inode->size = st.st_size;
    inode->mtime = nanoseconds(&st.st_mtim);
    inode->ctime = nanoseconds(&st.st_ctim);
    return 0;
}

/* Opens the next part; @a fd becomes it.  Of a symbolic link the link itself is
 * opened. */
static int walk_step(int *fd, const char *name, int flags, pm_inode_t *inode)
{
    int next = openat(*fd, name, LOOK | flags);
    int err = next < 0 ? errno : 0;

    memset(inode, 0, sizeof(*inode));
    err = next < 0 ? err : read_inode(next, inode);
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = next;
    return err ? err : S_ISLNK(inode->mode) ? ELOOP : 0;
}

/* Copies a part of a path.  @return its length; 0: it is empty or too long */
static apr_size_t copy_part(const char *path, apr_size_t len, char *name,
                            apr_size_t size)
{
    if (len >= size) {
        return 0;
    }
    memcpy(name, path, len);
    name[len] = '\0';
    return len;
}

/* @param at out: how many bytes of the path were walked */
static int walk_parts(pm_walk_t *walk, int *fd, const char *path,
                      apr_size_t fixed, apr_size_t *at)
{
    char name[4096];
    int err = 0;

    *at = fixed ? fixed : 1;
    if (!copy_part(path, *at, name, sizeof(name))) {
        return ENAMETOOLONG;
    }
    err = walk_step(fd, name, O_DIRECTORY, &walk->dirs[0]);
    for (walk->ndirs = 1; !err; walk->ndirs++) {
        const char *begin = path + *at + strspn(path + *at, "/");
        apr_size_t len = strcspn(begin, "/");

        *at = (apr_size_t)(begin - path) + len;
        if (!copy_part(begin, len, name, 256)) {
            return len ? ENAMETOOLONG : EISDIR;
        }
        if (!path[*at]) {
            return walk_step(fd, name, O_NOFOLLOW, &walk->file);
        }
        if (walk->ndirs == PM_WALK_DIRS) {
            return ENAMETOOLONG;
        }
        err = walk_step(fd, name, O_NOFOLLOW, &walk->dirs[walk->ndirs]);
        if (!err && !S_ISDIR(walk->dirs[walk->ndirs].mode)) {
            err = ENOTDIR;
        }
    }
    return err;
}

apr_status_t pm_path_walk(pm_walk_t *walk, const char *path, apr_size_t fixed,
                          pm_reason_t *why)
{
    int fd = AT_FDCWD;
    apr_size_t at;
    int err = walk_parts(walk, &fd, path, fixed, &at);

    if (fd >= 0) {
        close(fd);
    }
    if (err == ELOOP) {
        return pm_fail(why, err, "%.*s is a symbolic link", (int)at, path);
    }
    return err ? pm_fail_os(why, err, "%.*s", (int)at, path) : APR_SUCCESS;
}

int pm_path_check(const char *path, apr_size_t fixed, const pm_inode_t *inode)
{
    pm_walk_t walk;
    int fd = AT_FDCWD;
    apr_size_t at;
    int err = walk_parts(&walk, &fd, path, fixed, &at);

    if (fd >= 0) {
        close(fd);
    }
    if (!err
        && (walk.file.dev != inode->dev || walk.file.ino != inode->ino
            || walk.file.uid != inode->uid || walk.file.gid != inode->gid
            || walk.file.mode != inode->mode)) {
        err = ESTALE;
    }
    return err;
}
