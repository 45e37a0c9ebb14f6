/* SPDX-License-Identifier: Apache-2.0 */
#include "run_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "apr_strings.h"
#include "pm_core/config/pm_conf_text.h"

static int files_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* As httpd's Include *.conf: no hidden file. */
static int files_is_conf(const char *name)
{
    size_t len = strlen(name);

    return name[0] != '.' && len > 5 && !strcmp(name + len - 5, ".conf");
}

static apr_status_t files_scan(apr_array_header_t *files, DIR *dir,
                               const char *path, apr_pool_t *p,
                               pm_reason_t *why)
{
    const struct dirent *entry;

    while ((entry = readdir(dir))) {
        if (!files_is_conf(entry->d_name)) {
            continue;
        }
        if (files->nelts == RUN_FILES_MAX) {
            return pm_fail(why, EMFILE, "%s: there are more than %d files",
                           path, RUN_FILES_MAX);
        }
        APR_ARRAY_PUSH(files, const char *) =
            apr_pstrcat(p, path, "/", entry->d_name, NULL);
    }
    qsort(files->elts, (size_t)files->nelts, sizeof(const char *),
          files_compare);
    return files->nelts
               ? APR_SUCCESS
               : pm_fail(why, ENOENT, "%s: there is no *.conf in it", path);
}

apr_status_t run_files_list(apr_array_header_t **files, const char *path,
                            apr_pool_t *p, pm_reason_t *why)
{
    DIR *dir = opendir(path);
    apr_status_t rv;

    *files = apr_array_make(p, 8, sizeof(const char *));
    if (!dir && errno != ENOTDIR) {
        return pm_fail_os(why, errno, "%s", path);
    }
    if (!dir) {
        APR_ARRAY_PUSH(*files, const char *) = path;
        return APR_SUCCESS;
    }
    rv = files_scan(*files, dir, path, p, why);
    closedir(dir);
    return rv;
}

static apr_status_t files_fill(int fd, char *text, apr_size_t *len)
{
    ssize_t n;

    for (*len = 0; *len <= PM_CONF_TEXT_FILE; *len += (apr_size_t)n) {
        n = read(fd, text + *len, PM_CONF_TEXT_FILE + 1 - *len);
        if (n <= 0) {
            return n ? errno : APR_SUCCESS;
        }
    }
    return EFBIG;
}

/* A pipe is opened without waiting for its other end, and refused. */
static apr_status_t files_open(int *fd, const char *file, pm_reason_t *why)
{
    struct stat st;

    *fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (*fd < 0) {
        return pm_fail_os(why, errno, "%s", file);
    }
    if (fstat(*fd, &st) || !S_ISREG(st.st_mode)) {
        close(*fd);
        return pm_fail(why, EINVAL, "%s: is not a file", file);
    }
    return APR_SUCCESS;
}

apr_status_t run_files_read(const char *file, const char **text,
                            apr_size_t *len, apr_pool_t *p, pm_reason_t *why)
{
    char *buf = apr_palloc(p, PM_CONF_TEXT_FILE + 1);
    apr_status_t rv;
    int fd;

    rv = files_open(&fd, file, why);
    if (rv != APR_SUCCESS) {
        return rv;
    }
    rv = files_fill(fd, buf, len);
    close(fd);
    *text = buf;
    return rv == EFBIG ? pm_fail(why, rv, "%s: has more than %d bytes", file,
                                 PM_CONF_TEXT_FILE)
           : rv        ? pm_fail_os(why, rv, "%s", file)
                       : APR_SUCCESS;
}
