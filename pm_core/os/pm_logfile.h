/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_logfile.h
 * @brief The log of a pool (FcgiPMErrorLog).
 *
 * httpd's children and the manager write to one descriptor, which the parent
 * opens.  Each line is one write(2) to a file opened for appending, so lines do
 * not mix.  No process waits for a pipe whose reader is slow: the line is
 * refused, and the caller logs it elsewhere.
 */
#ifndef PM_LOGFILE_H
#define PM_LOGFILE_H

#include "pm_core/base/pm_base.h"

/** Could pm_logfile_open() take that path?  Opens and makes nothing.
 *  @return EPERM with a reason: it is not safe; or another errno */
apr_status_t pm_logfile_check(const char *path, pm_reason_t *why);

/** Open a file for appending, or create it.  Its directory has to be safe
 *  (pm_safe_dir.h); a symbolic link of root's is followed.
 *  @param fd out: close-on-exec; -1: failed */
apr_status_t pm_logfile_open(int *fd, const char *path, pm_reason_t *why);

/** @return another descriptor of the pipe @a fd, which does not block (Linux
 *  with /proc; elsewhere it blocks as @a fd does); -1: failed */
int pm_logfile_unblock(int fd);

/**
 * Write "[time] [pool NAME:SOURCE] text", with backslashes, characters that
 * are not visible (pm_utf8.h) and bytes that are not UTF-8 escaped as in C.
 * @param source "pid 123", or what else the text comes from
 * @return 0: it was not written: an error, a full pipe, or @a fd is -1
 */
int pm_logfile_write(int fd, const char *pool, const char *source,
                     const char *text);

#endif /* PM_LOGFILE_H */
