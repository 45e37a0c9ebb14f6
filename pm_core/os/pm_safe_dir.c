/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_safe_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_strings.h"

#ifndef O_PATH
#define O_PATH O_RDONLY
#endif

#define DIR_FLAGS  (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
#define DIR_LINKS  40   /* as many as the kernel follows (path_resolution(7)) */
#define GID_USERS  1000 /* groups of people begin here (login.defs(5)) */
#define DIR_LENGTH (2 * PATH_MAX)

/* How far the way was gone. */
typedef struct dir_walk {
    int fd;
    uid_t uid;
    gid_t gid;
    int links;
    char rest[DIR_LENGTH]; /* still to go */
    char name[NAME_MAX + 1];
} dir_walk_t;

/* @return what is wrong with a directory or link, or NULL */
static const char *dir_reject(const dir_walk_t *w, const struct stat *st)
{
    if (geteuid() != 0) {
        return NULL;
    }
    if (st->st_uid != 0 && st->st_uid != w->uid) {
        return "belongs to another user";
    }
    if (S_ISLNK(st->st_mode) || (st->st_mode & S_ISVTX)) {
        return NULL;
    }
    if (st->st_mode & S_IWOTH) {
        return "can be written by every user";
    }
    return (st->st_mode & S_IWGRP) && st->st_gid >= GID_USERS
                   && st->st_gid != w->gid
               ? "can be written by a group of users"
               : NULL;
}

/* The directory @a w->fd is at becomes that one. */
static int dir_enter(dir_walk_t *w, int at, const char *name, struct stat *st)
{
    int fd = openat(at, name, DIR_FLAGS);

    if (fd < 0) {
        return errno;
    }
    if (w->fd >= 0) {
        close(w->fd);
    }
    w->fd = fd;
    return fstat(fd, st) ? errno : 0;
}

/* The text of the link @a w->name is what is to go next. */
static int dir_follow(dir_walk_t *w)
{
    char rest[DIR_LENGTH];
    ssize_t n = readlinkat(w->fd, w->name, rest, PATH_MAX);
    struct stat st;

    if (n < 0) {
        return errno;
    }
    if (++w->links > DIR_LINKS || (size_t)n + strlen(w->rest) + 2 > PATH_MAX) {
        return ELOOP;
    }
    rest[n] = '/';
    memcpy(rest + n + 1, w->rest, strlen(w->rest) + 1);
    memcpy(w->rest, rest, strlen(rest + n) + (size_t)n + 1);
    return rest[0] == '/' ? dir_enter(w, AT_FDCWD, "/", &st) : 0;
}

/* Take the next part of the way into @a w->name.
 * @return 0: there is none, or it is too long: @a err */
static int dir_next(dir_walk_t *w, int *err)
{
    size_t skip = strspn(w->rest, "/");
    size_t len = strcspn(w->rest + skip, "/");

    if (!len || len > NAME_MAX) {
        *err = len ? ENAMETOOLONG : 0;
        return 0;
    }
    memcpy(w->name, w->rest + skip, len);
    w->name[len] = '\0';
    memmove(w->rest, w->rest + skip + len, strlen(w->rest + skip + len) + 1);
    return 1;
}

/* @param wrong out: what is not safe about @a w->name; NULL: nothing
 *  @return an errno */
static int dir_go(dir_walk_t *w, const char **wrong)
{
    struct stat st = {0};
    int err = dir_enter(w, AT_FDCWD, w->rest[0] == '/' ? "/" : ".", &st);

    apr_cpystrn(w->name, w->rest[0] == '/' ? "/" : ".", sizeof(w->name));
    *wrong = err ? NULL : dir_reject(w, &st);
    while (!err && !*wrong && dir_next(w, &err)) {
        if (fstatat(w->fd, w->name, &st, AT_SYMLINK_NOFOLLOW)) {
            return errno;
        }
        *wrong = dir_reject(w, &st);
        if (!*wrong) {
            err = S_ISLNK(st.st_mode) ? dir_follow(w)
                                      : dir_enter(w, w->fd, w->name, &st);
        }
    }
    return err;
}

apr_status_t pm_safe_dir_open(int *fd, const char **name, const char *path,
                              uid_t uid, gid_t gid, pm_reason_t *why)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) + 1 : 0;
    dir_walk_t w = {.fd = -1, .uid = uid, .gid = gid};
    const char *wrong = NULL;
    int err = len < PATH_MAX ? 0 : ENAMETOOLONG;

    if (!err) {
        memcpy(w.rest, path, len);
        err = dir_go(&w, &wrong);
    }
    if (!err && !wrong) {
        *fd = w.fd;
        *name = path + len;
        return APR_SUCCESS;
    }
    if (w.fd >= 0) {
        close(w.fd);
    }
    return wrong ? pm_fail(why, EPERM,
                           "the way to %s is not safe: the directory or link "
                           "\"%s\" %s, who could put another file in its "
                           "place",
                           path, w.name, wrong)
                 : pm_fail_os(why, err, "%s", path);
}
