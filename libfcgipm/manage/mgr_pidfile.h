/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mgr_pidfile.h
 * @brief The manager's pid file.
 *
 * Both functions say what went wrong and go on.  Without a path they do
 * nothing.
 */
#ifndef MGR_PIDFILE_H
#define MGR_PIDFILE_H

#include "libfcgipm/manage/fcgipm.h"

#pragma GCC visibility push(hidden)

/** Write this process's pid.  @see fcgipm_set_pidfile() */
void mgr_pidfile_write(const fcgipm_t *pm);

/** Remove the file if it still holds this process's pid. */
void mgr_pidfile_remove(const fcgipm_t *pm);

#pragma GCC visibility pop

#endif /* MGR_PIDFILE_H */
