/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_sendfile.h
 * @brief X-Sendfile: a worker names a file, httpd sends it.
 *
 * The file is sent as httpd sends its own: byte ranges, conditional
 * requests, sendfile(2).  FcgiPMXSendfilePath alone decides which files may be
 * named; <Directory> and <Files> are not consulted.
 *
 * The file that is opened lies within one of those directories, whatever
 * symbolic links and `..` lead to it, and also when they change at that
 * moment.  It is a regular file: what a name leads to is judged on the open
 * descriptor (fstat(2)), and opening never waits (O_NONBLOCK, open(2)).
 */
#ifndef HPM_SENDFILE_H
#define HPM_SENDFILE_H

#include "httpd/config/hpm_module.h"
#include "httpd/config/hpm_pool.h"

/** The header's name. */
#define HPM_SENDFILE_HEADER "X-Sendfile"

/**
 * Take X-Sendfile out of the header that a worker of the pool has sent; no
 * client ever sees it.
 * @return the file; NULL when the header is not there, or FcgiPMXSendfile is
 *         off: then the worker's own body is the response
 */
const char *hpm_sendfile_take(request_rec *r, const hpm_pool_t *pool);

/**
 * Respond with the file and with the header that the worker has sent; an ETag
 * of the worker's stands in the place of the file's.  The request's thread
 * calls this.
 * @return what the handler returns: 403 when the file must not be sent, 404
 *         when there is none, each with a line in the log
 */
int hpm_sendfile_send(request_rec *r, const hpm_pool_t *pool, const char *file);

#endif /* HPM_SENDFILE_H */
