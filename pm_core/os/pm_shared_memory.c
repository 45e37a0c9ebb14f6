/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/os/pm_shared_memory.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "apr_mmap.h"
#include "apr_portable.h"
#include "apr_shm.h"
#include "apr_strings.h"
#include "pm_core/os/pm_fds.h"

#define CACHE_LINE 64U

/* A C library older than the system call does not name its number, which is
 * the same on all machines but one. */
#if defined(__linux__) && !defined(SYS_mseal) && !defined(__alpha__)
#define SYS_mseal 462
#endif

#if defined(MFD_ALLOW_SEALING) && defined(F_ADD_SEALS)

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

/* A file beyond the limit would not be an error but a signal. */
static int memory_file_may_grow(apr_size_t size)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_FSIZE, &limit) || limit.rlim_cur == RLIM_INFINITY
           || limit.rlim_cur >= size;
}

static int memory_make_file(apr_size_t size)
{
    int fd;

    if (!memory_file_may_grow(size)) {
        errno = EFBIG;
        return -1;
    }
    fd = memfd_create("fcgipm", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd >= 0 && ftruncate(fd, (off_t)size)) {
        pm_fds_close(&fd);
    }
    return fd;
}

/* The last seal is younger than the others. */
static void memory_seal_file(int fd)
{
    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
    fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE);
    fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL);
}

static int memory_open_readonly(int fd)
{
    char path[64];

    apr_snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* APR unmaps it, whose code stays when a module that maps it is unloaded. */
static apr_status_t memory_map(char **at, int fd, apr_size_t size,
                               apr_int32_t rights, apr_pool_t *p)
{
    apr_file_t *file = NULL;
    apr_mmap_t *map = NULL;
    apr_status_t rv = apr_os_file_put(&file, &fd, APR_FOPEN_READ, p);

    if (rv == APR_SUCCESS) {
        rv = apr_mmap_create(&map, file, 0, size, rights, p);
    }
    *at = rv == APR_SUCCESS ? map->mm : NULL;
    return rv;
}

static apr_status_t memory_map_file(pm_shared_memory_t *memory, apr_pool_t *p)
{
    int fd = memory_make_file(memory->size);
    int reading = fd < 0 ? -1 : memory_open_readonly(fd);
    apr_status_t rv = reading < 0 ? errno : APR_SUCCESS;

    if (rv == APR_SUCCESS) {
        rv = memory_map(&memory->writable, fd, memory->size,
                        APR_MMAP_READ | APR_MMAP_WRITE, p);
        memory_seal_file(fd);
    }
    if (rv == APR_SUCCESS) {
        rv = memory_map(&memory->readonly, reading, memory->size, APR_MMAP_READ,
                        p);
    }
    pm_fds_close(&fd);
    pm_fds_close(&reading);
    return rv;
}

#else

static apr_status_t memory_map_file(pm_shared_memory_t *memory, apr_pool_t *p)
{
    (void)memory;
    (void)p;
    return APR_ENOTIMPL;
}

#endif

/* Fresh anonymous memory is zero, and what is never touched costs nothing. */
static apr_status_t memory_make_anonymous(pm_shared_memory_t *memory,
                                          apr_pool_t *p)
{
    apr_shm_t *shm;
    apr_status_t rv = apr_shm_create(&shm, memory->size + CACHE_LINE, NULL, p);
    apr_uintptr_t base;

    if (rv == APR_SUCCESS) {
        base = (apr_uintptr_t)apr_shm_baseaddr_get(shm);
        base = (base + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE;
        memory->writable = memory->readonly = (char *)base;
    }
    return rv;
}

apr_status_t pm_shared_memory_create(pm_shared_memory_t *memory,
                                     apr_size_t size, apr_pool_t *p,
                                     pm_reason_t *why)
{
    apr_status_t rv;

    memory->size = size;
    rv = memory_map_file(memory, p);
    if (rv == APR_SUCCESS) {
        return rv;
    }
    pm_fail_os(why, rv, "shared memory cannot be made read-only");
    rv = memory_make_anonymous(memory, p);
    if (rv != APR_SUCCESS) {
        return pm_fail_os(why, rv,
                          "cannot get %" APR_SIZE_T_FMT " bytes of "
                          "shared memory",
                          size);
    }
    return rv;
}

/* What is mapped there instead keeps other mappings from the place. */
static void memory_replace(char *from, const char *to)
{
    if (from < to) {
        (void)mmap(from, (apr_size_t)(to - from), PROT_NONE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
                   0);
    }
}

void pm_shared_memory_restrict(const pm_shared_memory_t *memory, apr_size_t at,
                               apr_size_t size)
{
    char *kept = memory->writable + at;

    if (pm_shared_memory_is_protected(memory)) {
        memory_replace(memory->writable, kept);
        memory_replace(kept + size, memory->writable + memory->size);
#ifdef SYS_mseal
        if (size) {
            (void)syscall(SYS_mseal, kept, size, 0);
        }
#endif
    }
}
