/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_strings.h"
#include "pm_core/base/pm_utf8.h"
#include "pm_core/os/pm_fds.h"
#include "pm_core/os/pm_safe_dir.h"

#define TEXT_MAX 8192 /* of the text before it is escaped */
#define ROOM     (4 * TEXT_MAX + 256)

/* O_NONBLOCK: neither open(2) nor write(2) waits for a reader of a named pipe.
 */
#define LOGFILE_FLAGS                                                          \
    (O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

/* In a directory with the sticky bit every user can make a link, also after
 * this look; only root can exchange one of root's.
 * @param follow out: O_NOFOLLOW, or 0 where it is a link that may be followed
 */
static apr_status_t open_dir(int *dir, const char **name, int *follow,
                             const char *path, pm_reason_t *why)
{
    struct stat st;
    apr_status_t rv =
        pm_safe_dir_open(dir, name, path, (uid_t)-1, (gid_t)-1, why);
    int is_link = rv == APR_SUCCESS
                  && fstatat(*dir, *name, &st, AT_SYMLINK_NOFOLLOW) == 0
                  && S_ISLNK(st.st_mode);

    *follow = is_link ? 0 : O_NOFOLLOW;
    if (is_link && geteuid() == 0 && st.st_uid != 0) {
        rv = pm_fail(why, EPERM, "%s is a link of another user's", path);
        pm_fds_close(dir);
    }
    return rv;
}

apr_status_t pm_logfile_check(const char *path, pm_reason_t *why)
{
    const char *name;
    int dir = -1;
    int follow;
    apr_status_t rv = open_dir(&dir, &name, &follow, path, why);

    pm_fds_close(&dir);
    return rv;
}

apr_status_t pm_logfile_open(int *fd, const char *path, pm_reason_t *why)
{
    const char *name;
    int dir = -1;
    int follow;
    apr_status_t rv = open_dir(&dir, &name, &follow, path, why);

    *fd = -1;
    if (rv == APR_SUCCESS) {
        *fd = openat(dir, name, LOGFILE_FLAGS | follow, 0644);
        rv = *fd < 0 ? pm_fail_os(why, errno, "cannot write to %s", path)
                     : APR_SUCCESS;
    }
    pm_fds_close(&dir);
    return rv;
}

int pm_logfile_unblock(int fd)
{
    char name[40];
    int other;

    apr_snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
    other = open(name, O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK);
    return other < 0 ? fcntl(fd, F_DUPFD_CLOEXEC, 3) : other;
}

/* The time as in httpd's error log. */
static apr_size_t put_time(char *to, apr_size_t size)
{
    apr_time_exp_t t;

    apr_time_exp_lt(&t, apr_time_now());
    return (apr_size_t)apr_snprintf(
        to, size, "[%s %s %.2d %.2d:%.2d:%.2d.%06d %d] ",
        apr_day_snames[t.tm_wday], apr_month_snames[t.tm_mon], t.tm_mday,
        t.tm_hour, t.tm_min, t.tm_sec, t.tm_usec, t.tm_year + 1900);
}

static char *put_escaped(char *to, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char special[] = "\a\b\t\n\v\f\r\\";
    static const char letter[] = "abtnvfr\\";
    const char *known = c ? strchr(special, c) : NULL;

    *to++ = '\\';
    if (known) {
        *to++ = letter[known - special];
        return to;
    }
    *to++ = 'x';
    *to++ = hex[c >> 4];
    *to++ = hex[c & 15];
    return to;
}

static char *put_text(char *to, const char *text)
{
    const char *end = text + strnlen(text, TEXT_MAX);
    apr_uint32_t code = 0;
    apr_size_t n;

    while (text < end) {
        n = pm_utf8_read(text, &code);
        if (n && code != '\\' && pm_utf8_is_visible(code)) {
            memcpy(to, text, n);
            to += n;
            text += n;
        }
        else {
            for (n = n ? n : 1; n; n--) {
                to = put_escaped(to, (unsigned char)*text++);
            }
        }
    }
    return to;
}

/* More than PIPE_BUF bytes into a pipe can mix with others (pipe(7)). */
static apr_size_t atomic_size(int fd, apr_size_t len)
{
    struct stat st;

    return len > PIPE_BUF && fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode)
               ? PIPE_BUF
               : len;
}

int pm_logfile_write(int fd, const char *pool, const char *source,
                     const char *text)
{
    char line[ROOM];
    apr_size_t len;
    ssize_t n;

    if (fd < 0) {
        return 0;
    }
    len = put_time(line, 64);
    len += (apr_size_t)apr_snprintf(line + len, 180, "[pool %.64s:%.100s] ",
                                    pool, source);
    len = (apr_size_t)(put_text(line + len, text) - line);
    len = atomic_size(fd, len + 1);
    line[len - 1] = '\n';
    do {
        n = write(fd, line, len);
    } while (n < 0 && errno == EINTR);
    return n == (ssize_t)len;
}
