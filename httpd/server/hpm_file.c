/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/server/hpm_file.h"

#include <unistd.h>

#include "apr_portable.h"

apr_status_t hpm_file_hold(apr_file_t **file, int fd, apr_pool_t *plog)
{
    apr_status_t rv = apr_os_pipe_put_ex(file, &fd, 1, plog);

    if (rv != APR_SUCCESS) {
        close(fd);
        *file = NULL;
    }
    return rv;
}

void hpm_file_move(apr_file_t **file, apr_pool_t *p)
{
    apr_file_t *moved;

    if (*file && apr_file_setaside(&moved, *file, p) == APR_SUCCESS) {
        *file = moved;
    }
}

void hpm_file_close(apr_file_t **file)
{
    if (*file) {
        apr_file_close(*file);
        *file = NULL;
    }
}

int hpm_file_fd(apr_file_t *file)
{
    apr_os_file_t fd = -1;

    if (file) {
        apr_os_file_get(&fd, file);
    }
    return fd;
}
