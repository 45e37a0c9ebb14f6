/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_program.h
 * @brief Why execve(2) would refuse a program to a user: the way to it, its
 *        mode, its first line.
 *
 * What a file's mode says is taken for what the kernel will say, but for files
 * with an access list (acl(5)), which are passed.  Reasons begin with the path.
 * Everything here is blocking: parent, and manager when a start has failed.
 */
#ifndef PM_PROGRAM_H
#define PM_PROGRAM_H

#include "pm_core/os/pm_ident.h"

/** Is it a file that the user may execute?
 *  @return an errno with a reason */
apr_status_t pm_program_check(const char *path, const pm_ident_t *id,
                              pm_reason_t *why);

/** Look for a program along a PATH, in its absolute directories.
 *  @param file out: where it is, of @a size bytes
 *  @return 0: there is none that the user may execute */
int pm_program_search(char *file, apr_size_t size, const char *name,
                      const char *path, const pm_ident_t *id);

/** May the user go along all directories of the path?
 *  @param all 1: also into the last one
 *  @return EACCES with a reason that names the first directory it may not
 *          search */
apr_status_t pm_program_check_way(const char *path, int all,
                                  const pm_ident_t *id, pm_reason_t *why);

/**
 * What pm_program_check() does not look at: the way, and the first line of a
 * script with its interpreter.
 * @param search the worker's PATH, along which env(1) would look
 * @return an errno with a reason
 */
apr_status_t pm_program_check_start(const char *path, const char *search,
                                    const pm_ident_t *id, pm_reason_t *why);

#endif /* PM_PROGRAM_H */
