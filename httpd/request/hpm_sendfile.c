/* SPDX-License-Identifier: Apache-2.0 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* O_PATH */
#endif
#include "httpd/request/hpm_sendfile.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "apr_portable.h"
#include "apr_strings.h"
#include "http_core.h"
#include "http_protocol.h"
#include "http_request.h"
#include "util_filter.h"

APLOG_USE_MODULE(fcgipm);

#ifndef O_PATH
#define O_PATH O_RDONLY
#endif

const char *hpm_sendfile_take(request_rec *r, const hpm_pool_t *pool)
{
    const char *file = apr_table_get(r->err_headers_out, HPM_SENDFILE_HEADER);

    if (!file) {
        return NULL;
    }
    apr_table_unset(r->err_headers_out, HPM_SENDFILE_HEADER);
    if (!pool->conf->xsendfile) {
        ap_log_rerror(APLOG_MARK, APLOG_DEBUG, 0, r,
                      "pool %s: X-Sendfile is ignored, FcgiPMXSendfile is off",
                      pool->name);
        return NULL;
    }
    return file;
}

/* --- which file --------------------------------------------------------- */

/* @return what of @a path is below @a dir, NULL: nothing.  Neither has a
 * link, `.` or `..` in it, nor a slash at the end but "/" */
static const char *sendfile_below(const char *path, const char *dir)
{
    apr_size_t len = dir[1] ? strlen(dir) : 0;

    return !strncmp(path, dir, len) && path[len] == '/' ? path + len + 1 : NULL;
}

/* Open @a path below @a dir: each part from the directory before it, so that
 * no link that somebody puts there meanwhile is followed, and nothing waits:
 * without O_NONBLOCK a FIFO waits for a writer.
 * @return a descriptor, or -1 with errno */
static int sendfile_open_below(apr_pool_t *p, const char *dir, const char *path)
{
    int fd = open(dir, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    const char *slash;
    int next, err;

    while (fd >= 0) {
        slash = strchr(path, '/');
        next = slash
                   ? openat(fd,
                            apr_pstrmemdup(p, path, (apr_size_t)(slash - path)),
                            O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                   : openat(fd, path,
                            O_RDONLY | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW
                                | O_CLOEXEC);
        err = errno;
        close(fd);
        errno = err;
        fd = next;
        if (!slash) {
            break;
        }
        path = slash + 1;
    }
    return fd;
}

/* realpath() into a pool; NULL with errno. */
static const char *sendfile_realpath(apr_pool_t *p, const char *path)
{
    char *real = realpath(path, NULL);
    const char *copy = real ? apr_pstrdup(p, real) : NULL;

    free(real);
    return copy;
}

static int sendfile_status(int err)
{
    return err == ENOENT || err == ENOTDIR ? HTTP_NOT_FOUND : HTTP_FORBIDDEN;
}

/* The one of @a dirs that @a real is in, as it is without links.
 * @param rest what of @a real is below it */
static const char *sendfile_find_dir(apr_pool_t *p,
                                     const apr_array_header_t *dirs,
                                     const char *real, const char **rest)
{
    int i;

    for (i = 0; dirs && i < dirs->nelts; i++) {
        const char *dir =
            sendfile_realpath(p, APR_ARRAY_IDX(dirs, i, const char *));

        if (dir && (*rest = sendfile_below(real, dir))) {
            return dir;
        }
    }
    return NULL;
}

/* The descriptor as a file of the request's; it is closed here in any case.
 * @return OK, or a status and a reason */
static int sendfile_take_descriptor(request_rec *r, int fd, apr_file_t **file,
                                    pm_reason_t *why)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
    apr_int32_t flags = APR_FOPEN_READ | APR_FOPEN_BINARY
                        | AP_SENDFILE_ENABLED(core->enable_sendfile);
    apr_file_t *raw = NULL;
    /* the duplicate is closed with the pool, also when a filter sets it
     * aside */
    apr_status_t rv = apr_os_file_put(&raw, &fd, flags, r->pool);

    if (rv == APR_SUCCESS) {
        rv = apr_file_dup(file, raw, r->pool);
    }
    close(fd);
    if (rv == APR_SUCCESS) {
        rv = apr_file_info_get(&r->finfo, APR_FINFO_NORM | APR_FINFO_IDENT,
                               *file);
    }
    if (rv != APR_SUCCESS) {
        pm_fail_os(why, rv, "cannot look at it");
        return HTTP_FORBIDDEN;
    }
    if (r->finfo.filetype != APR_REG) {
        pm_fail(why, APR_EINVAL, "it is not a regular file");
        return HTTP_FORBIDDEN;
    }
    return OK;
}

/* @return OK, or a status and a reason */
static int sendfile_open(request_rec *r, const apr_array_header_t *dirs,
                         const char *name, apr_file_t **file, pm_reason_t *why)
{
    const char *real, *dir, *rest;
    int fd, err;

    if (name[0] != '/') {
        pm_fail(why, APR_EINVAL, "it is not an absolute path");
        return HTTP_NOT_FOUND;
    }
    real = sendfile_realpath(r->pool, name);
    if (!real) {
        err = errno;
        pm_fail_os(why, APR_FROM_OS_ERROR(err), "cannot find it");
        return sendfile_status(err);
    }
    dir = sendfile_find_dir(r->pool, dirs, real, &rest);
    if (!dir) {
        pm_fail(why, APR_EACCES, "it is not within FcgiPMXSendfilePath");
        return HTTP_FORBIDDEN;
    }
    fd = sendfile_open_below(r->pool, dir, rest);
    if (fd < 0) {
        err = errno;
        pm_fail_os(why, APR_FROM_OS_ERROR(err), "cannot open it");
        return sendfile_status(err);
    }
    return sendfile_take_descriptor(r, fd, file, why);
}

/* --- the answer --------------------------------------------------------- */

/* The worker's header describes a file that is not sent: forget it. */
static int sendfile_refuse(request_rec *r, const char *name, const char *file,
                           int status, const char *why)
{
    ap_log_rerror(APLOG_MARK, APLOG_ERR, 0, r, "pool %s: X-Sendfile %s: %s",
                  name, file, why);
    apr_table_clear(r->headers_out);
    apr_table_clear(r->err_headers_out);
    r->status = HTTP_OK;
    r->status_line = NULL;
    return status;
}

/* @return OK, or 304, 412 for a conditional request */
static int sendfile_set_header(request_rec *r)
{
    ap_update_mtime(r, r->finfo.mtime);
    ap_set_last_modified(r);
    if (!apr_table_get(r->headers_out, "ETag")) {
        ap_set_etag(r);
    }
    ap_set_accept_ranges(r);
    ap_set_content_length(r, r->finfo.size);
    return r->method_number == M_GET ? ap_meets_conditions(r) : OK;
}

int hpm_sendfile_send(request_rec *r, const hpm_pool_t *pool, const char *file)
{
    const core_dir_config *core = ap_get_core_module_config(r->per_dir_config);
    conn_rec *c = r->connection;
    apr_bucket_brigade *bb;
    apr_bucket *b;
    apr_file_t *fd = NULL;
    pm_reason_t why;
    int status = sendfile_open(r, pool->conf->xsendfile_path, file, &fd, &why);

    if (status != OK) {
        return sendfile_refuse(r, pool->name, file, status, why.text);
    }
    status = sendfile_set_header(r);
    if (status != OK) {
        apr_file_close(fd);
        return status;
    }
    bb = apr_brigade_create(r->pool, c->bucket_alloc);
    b = apr_brigade_insert_file(bb, fd, 0, r->finfo.size, r->pool);
#if APR_HAS_MMAP
    if (core->enable_mmap == ENABLE_MMAP_OFF) {
        (void)apr_bucket_file_enable_mmap(b, 0);
    }
#endif
    APR_BRIGADE_INSERT_TAIL(bb, apr_bucket_eos_create(c->bucket_alloc));
    if (ap_pass_brigade(r->output_filters, bb) != APR_SUCCESS
        && r->status == HTTP_OK && !c->aborted) {
        return AP_FILTER_ERROR;
    }
    return OK;
}
