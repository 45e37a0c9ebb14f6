/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file run_files.h
 * @brief fcgipm-run's configuration files: which there are, and their text.
 */
#ifndef RUN_FILES_H
#define RUN_FILES_H

#include "apr_tables.h"
#include "pm_core/base/pm_base.h"

#define RUN_FILES_MAX 1000 /**< files of a directory */

/** List the file @a path, or the *.conf of a directory in the order of their
 *  names.
 *  @param files set to an array of const char *
 *  @return an errno with a reason; ENOENT: the directory has none */
apr_status_t run_files_list(apr_array_header_t **files, const char *path,
                            apr_pool_t *p, pm_reason_t *why);

/** Read a regular file, of PM_CONF_TEXT_FILE bytes at the most.
 *  @param text allocated from @a p */
apr_status_t run_files_read(const char *file, const char **text,
                            apr_size_t *len, apr_pool_t *p, pm_reason_t *why);

#endif /* RUN_FILES_H */
