/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/request/hpm_tempfile.h"

#include <errno.h>
#include <unistd.h>

#include "apr_portable.h"
#include "apr_strings.h"

apr_status_t hpm_tempfile_open(apr_file_t **file, apr_pool_t *p,
                               pm_reason_t *why)
{
    const char *dir;
    char *name;
    apr_status_t rv;

    rv = apr_temp_dir_get(&dir, p);
    if (rv != APR_SUCCESS) {
        return pm_fail_os(why, rv,
                          "there is no directory for temporary "
                          "files");
    }
    name = apr_pstrcat(p, dir, "/fcgipm.XXXXXX", NULL);
    rv = apr_file_mktemp(file, name,
                         APR_FOPEN_CREATE | APR_FOPEN_READ | APR_FOPEN_WRITE
                             | APR_FOPEN_EXCL,
                         p);
    if (rv != APR_SUCCESS) {
        *file = NULL;
        return pm_fail_os(why, rv, "cannot make a temporary file in %s", dir);
    }
    (void)apr_file_remove(name, p);
    return APR_SUCCESS;
}

apr_status_t hpm_tempfile_write(apr_file_t *file, const struct iovec *pieces,
                                int n, pm_reason_t *why)
{
    apr_status_t rv = apr_file_writev_full(file, pieces, (apr_size_t)n, NULL);

    return rv == APR_SUCCESS
               ? rv
               : pm_fail_os(why, rv, "cannot write to a temporary file");
}

ssize_t hpm_tempfile_read(apr_file_t *file, char *data, apr_size_t len,
                          apr_off_t at)
{
    apr_os_file_t fd;
    ssize_t n;

    apr_os_file_get(&fd, file);
    do {
        n = pread(fd, data, len, (off_t)at);
    } while (n < 0 && errno == EINTR);
    return n;
}
