/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_preload.h
 * @brief Layer 2: can the guard be preloaded, and from where?
 */
#ifndef PM_PRELOAD_H
#define PM_PRELOAD_H

#include "pm_core/base/pm_base.h"

/**
 * Where libfcgipm.so is: beside the object this code is in (a build
 * directory, httpd's modules), else in PM_LIBDIR, where it is installed.
 * @return NULL when it is in neither place
 */
const char *pm_preload_path(apr_pool_t *p);

/**
 * Would the loader preload the guard into this program, and would it be of use
 * there?  Not into one that is linked statically, has another loader (so
 * another libc), is for another kind of processor, or gets rights when executed
 * (ld.so(8)); not in one of Go's, which makes its system calls itself.  Of a
 * script its interpreter is asked.
 */
int pm_preload_works(const char *program);

#endif /* PM_PRELOAD_H */
