/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_strings.h"
#include "pm_core/os/pm_safe_dir.h"

#define PIDFILE_MODE  0644 /* whatever the umask is: other users read it */
#define PIDFILE_FLAGS (O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

/* @return an errno */
static int pidfile_fill(int dir, const char *name)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | PIDFILE_FLAGS,
                    PIDFILE_MODE);
    char text[24];
    int len = apr_snprintf(text, sizeof(text), "%d\n", (int)getpid());
    int err = 0;

    if (fd < 0) {
        return errno;
    }
    if (fchmod(fd, PIDFILE_MODE) || write(fd, text, (size_t)len) != len) {
        err = errno;
    }
    if (close(fd) && !err) {
        err = errno;
    }
    return err;
}

apr_status_t pm_pidfile_write(const char *path, apr_pool_t *p, pm_reason_t *why)
{
    const char *name, *temp;
    int dir = -1;
    apr_status_t rv =
        pm_safe_dir_open(&dir, &name, path, (uid_t)-1, (gid_t)-1, why);

    if (rv != APR_SUCCESS) {
        return rv;
    }
    temp = apr_psprintf(p, "%s.%d", name, (int)getpid());
    unlinkat(dir, temp, 0); /* of a manager that died and had this pid */
    rv = pidfile_fill(dir, temp);
    if (rv == APR_SUCCESS && renameat(dir, temp, dir, name)) {
        rv = errno;
    }
    if (rv != APR_SUCCESS) {
        unlinkat(dir, temp, 0);
        pm_fail_os(why, rv, "cannot write the pid file %s", path);
    }
    close(dir);
    return rv;
}

static int pidfile_read(int dir, const char *name)
{
    int fd = openat(dir, name, O_RDONLY | PIDFILE_FLAGS);
    char text[24];
    ssize_t n;

    if (fd < 0) {
        return 0;
    }
    n = read(fd, text, sizeof(text) - 1);
    text[n > 0 ? n : 0] = '\0';
    close(fd);
    return (int)strtol(text, NULL, 10);
}

void pm_pidfile_remove(const char *path)
{
    const char *name;
    int dir = -1;

    if (pm_safe_dir_open(&dir, &name, path, (uid_t)-1, (gid_t)-1, NULL)
        != APR_SUCCESS) {
        return;
    }
    if (pidfile_read(dir, name) == (int)getpid()) {
        unlinkat(dir, name, 0);
    }
    close(dir);
}
