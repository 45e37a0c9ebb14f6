/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_file.h
 * @brief Descriptors that the parent keeps over a restart.
 *
 * Each is an apr_file_t in httpd's log pool, which httpd clears when it has
 * read the next configuration.  By then, if the module is still loaded, its
 * first check_config hook has moved the file out of that pool.  If it is not,
 * APR closes the descriptor: listening sockets do not stay open behind a
 * module that has gone, and the manager sees the end of its channel.
 *
 * Parent only.
 */
#ifndef HPM_FILE_H
#define HPM_FILE_H

#include "apr_file_io.h"

/** Own @a fd by a file in @a plog, httpd's log pool.  On failure the
 *  descriptor is closed and @a file is NULL. */
apr_status_t hpm_file_hold(apr_file_t **file, int fd, apr_pool_t *plog);

/** Move a file to another pool.  Harmless for NULL. */
void hpm_file_move(apr_file_t **file, apr_pool_t *p);

/** Close a file and set it to NULL.  Harmless for NULL. */
void hpm_file_close(apr_file_t **file);

/** @return the descriptor of a file, -1 for NULL */
int hpm_file_fd(apr_file_t *file);

#endif /* HPM_FILE_H */
