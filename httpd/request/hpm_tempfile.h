/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_tempfile.h
 * @brief A temporary file without a name: it goes with its last descriptor,
 *        whatever becomes of this process.
 */
#ifndef HPM_TEMPFILE_H
#define HPM_TEMPFILE_H

#include <sys/uio.h>

#include "apr_file_io.h"
#include "pm_core/base/pm_base.h"

/** @param file lives as long as @a p */
apr_status_t hpm_tempfile_open(apr_file_t **file, apr_pool_t *p,
                               pm_reason_t *why);

/** Write all of @a n pieces at the file's own position. */
apr_status_t hpm_tempfile_write(apr_file_t *file, const struct iovec *pieces,
                                int n, pm_reason_t *why);

/** Read up to @a len bytes from @a at, not moving the file's position.
 *  @return bytes, 0 at the end, -1 with errno */
ssize_t hpm_tempfile_read(apr_file_t *file, char *data, apr_size_t len,
                          apr_off_t at);

#endif /* HPM_TEMPFILE_H */
