/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_preload.h
 * @brief Where the guard is, and into which programs it can be preloaded.
 */
#ifndef PM_PRELOAD_H
#define PM_PRELOAD_H

#include "pm_core/base/pm_base.h"

/** The guard's file. */
#define PM_GUARD "fcgipm-guard.so"

/**
 * Where the guard is: beside the object this code is in (a build directory,
 * httpd's modules), else in PM_LIBDIR, where it is installed.
 * @return NULL when it is in neither place
 */
const char *pm_preload_path(apr_pool_t *p);

/**
 * Would the loader preload the guard into this program, and would it be of use
 * there?  Not when the program is linked statically, has another loader (so
 * another libc), is for another processor, or gets rights when executed
 * (ld.so(8)).  Not when it is Go's, whose programs make their system calls
 * without libc.  A script is judged by its interpreter.
 */
int pm_preload_works(const char *program);

#endif /* PM_PRELOAD_H */
