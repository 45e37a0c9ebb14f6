/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_shared_memory.h
 * @brief Memory that processes share by fork(), and how one of them gives up
 *        its right to write there.
 *
 * The memory is mapped twice, for writing and for reading.  A process that is
 * to read only replaces the first mapping by nothing.  No call gives it back:
 * the file has no name, its descriptors are closed, and the second mapping was
 * made from a descriptor that was opened for reading (mprotect(2): EACCES).
 * The file's size is sealed and so are further mappings for writing
 * (F_SEAL_FUTURE_WRITE in fcntl(2)), so that remap_file_pages(2) cannot move
 * the part that a process keeps.  What mremap(2) can do with it, to let it grow
 * over what follows in the file, mseal(2) forbids from Linux 6.10 on.
 */
#ifndef PM_SHARED_MEMORY_H
#define PM_SHARED_MEMORY_H

#include "pm_core/base/pm_base.h"

/** The two mappings; private memory of each process. */
typedef struct pm_shared_memory {
    char *writable;
    char *readonly;
    apr_size_t size; /**< bytes */
} pm_shared_memory_t;

/**
 * Create the memory, zeroed.  It begins with a page, or at least with a
 * cache line where the two mappings are one.
 * @param p   unmaps it when it is cleared
 * @param why on success too, if the two mappings are one: why a process cannot
 *            give up its right
 */
apr_status_t pm_shared_memory_create(pm_shared_memory_t *memory,
                                     apr_size_t size, apr_pool_t *p,
                                     pm_reason_t *why);

/** Can processes give up their right to write? */
static inline int pm_shared_memory_is_protected(const pm_shared_memory_t *m)
{
    return m->readonly != m->writable;
}

/** This process, and those that it forks, write to @a size bytes from @a at on
 *  only; both are multiples of a page.  Does nothing if it cannot be done. */
void pm_shared_memory_restrict(const pm_shared_memory_t *memory, apr_size_t at,
                               apr_size_t size);

#endif /* PM_SHARED_MEMORY_H */
