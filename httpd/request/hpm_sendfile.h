/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_sendfile.h
 * @brief X-Sendfile: a worker names a file, httpd sends it.
 *
 * The file is sent as httpd sends its own: byte ranges, conditional
 * requests, sendfile(2).  Which files may be named is for FcgiPMXSendfilePath
 * to say, and nothing else is asked: not <Directory>, not <Files>.
 *
 * "Within a directory" is meant of the file that is opened, whatever
 * symbolic links and `..` lead to it, and also when somebody changes them at
 * that moment.
 */
#ifndef HPM_SENDFILE_H
#define HPM_SENDFILE_H

#include "httpd/config/hpm_module.h"

/** The header's name. */
#define HPM_SENDFILE_HEADER "X-Sendfile"

/**
 * Take X-Sendfile out of the header that a worker of the pool @a name has
 * sent; no client ever sees it.
 * @return the file, or NULL when there is none, or when FcgiPMXSendfile is
 *         off: then the answer is what the worker sends
 */
const char *hpm_sendfile_take(request_rec *r, const char *name);

/**
 * Answer with a file, and with the header that the worker has sent; its own
 * ETag stands in the place of the file's.
 * @return what the handler is to return: 403 when the file is not one that
 *         may be sent, 404 when there is none, and then a line in the log
 */
int hpm_sendfile(request_rec *r, const char *name, const char *file);

#endif /* HPM_SENDFILE_H */
