/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_tempfile.h
 * @brief A temporary file without a name: the kernel frees it with its last
 *        descriptor, however this process ends.  One thread uses it.
 */
#ifndef HPM_TEMPFILE_H
#define HPM_TEMPFILE_H

#include <sys/uio.h>

#include "apr_file_io.h"
#include "pm_core/base/pm_base.h"

/** Open one in APR's directory for temporary files.
 *  @param file closed with @a p; NULL on error */
apr_status_t hpm_tempfile_open(apr_file_t **file, apr_pool_t *p,
                               pm_reason_t *why);

/** Write all of @a n pieces at the file's position. */
apr_status_t hpm_tempfile_write(apr_file_t *file, const struct iovec *pieces,
                                int n, pm_reason_t *why);

/** Read up to @a len bytes from the offset @a at; the file's position stays.
 *  @return bytes read, 0 at the end, -1 with errno */
ssize_t hpm_tempfile_read(apr_file_t *file, char *data, apr_size_t len,
                          apr_off_t at);

#endif /* HPM_TEMPFILE_H */
