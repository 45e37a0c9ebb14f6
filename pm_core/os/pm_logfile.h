/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_logfile.h
 * @brief Layer 2: a pool's own log (FcgiPMErrorLog).
 *
 * Several processes write to one descriptor: httpd's children, the manager.
 * Each line is one write(2) to a file opened for appending, so lines do not
 * mix.  Into a pipe whose reader is slow nobody waits to write: that line is
 * refused, and goes elsewhere.
 */
#ifndef PM_LOGFILE_H
#define PM_LOGFILE_H

#include "pm_core/base/pm_base.h"

/** Open a file for appending, make it if it is not there; a symbolic link is
 *  followed.  @param fd close-on-exec */
apr_status_t pm_logfile_open(int *fd, const char *path, pm_reason_t *why);

/** The pipe to a program: another descriptor of it on which nobody waits, as
 *  far as there can be one (Linux with /proc).  @return -1: failed */
int pm_logfile_unblock(int fd);

/**
 * Write "[time] [pool NAME:WHO] text", with backslashes, control characters and
 * what is no UTF-8 as C writes them.
 * @param who "pid 123", or whoever else says it
 * @return 0: it could not be written, or not at once, or @a fd is -1
 */
int pm_logfile_write(int fd, const char *pool, const char *who,
                     const char *text);

#endif /* PM_LOGFILE_H */
