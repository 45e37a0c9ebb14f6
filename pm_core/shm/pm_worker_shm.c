/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/shm/pm_worker_shm.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pm_core/os/pm_fds.h"

#define SIZE (PM_WORKER_STATUS_MAX * sizeof(pm_worker_status_t))

struct pm_worker_shm {
    int fd;
    pm_worker_status_t *records;
    int next; /* where the search for a free record begins */
    unsigned char taken[PM_WORKER_STATUS_MAX / 8]; /* a bit for each */
};

/* Make a memory file whose size cannot change. */
static int make_file(void)
{
#if defined(MFD_ALLOW_SEALING) && defined(F_ADD_SEALS)
    int fd = memfd_create("fcgipm", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd >= 0
        && (ftruncate(fd, (off_t)SIZE)
            || fcntl(fd, F_ADD_SEALS,
                     F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))) {
        pm_fds_close(&fd);
    }
    return fd;
#else
    errno = ENOSYS;
    return -1;
#endif
}

/* The address the memory is best mapped at, a hint to mmap(2): that of all
 * pools side by side, and far from the heap.  Mapped into the heap's range,
 * each would make one more region with shm tables of its own, which fork() has
 * to copy: with a thousand pools that was most of a worker's start. */
static void *map_hint(int fd)
{
#if APR_SIZEOF_VOIDP >= 8
    return (char *)((apr_uintptr_t)1 << 44) + (apr_uintptr_t)fd * SIZE;
#else
    (void)fd;
    return NULL;
#endif
}

apr_status_t pm_worker_shm_create(pm_worker_shm_t **out, apr_pool_t *p,
                                  pm_reason_t *why)
{
    pm_worker_shm_t *shm = apr_pcalloc(p, sizeof(*shm));
    void *records;

    shm->fd = make_file();
    if (shm->fd < 0) {
        return pm_fail_os(why, errno, "cannot make shared memory");
    }
    records = mmap(map_hint(shm->fd), SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
                   shm->fd, 0);
    if (records == MAP_FAILED) {
        apr_status_t rv = errno;

        pm_fds_close(&shm->fd);
        return pm_fail_os(why, rv, "cannot map shared memory");
    }
    /* A worker maps the descriptor itself.  What it is not to have fork() need
     * not copy, which with a thousand pools is most of its cost. */
    madvise(records, SIZE, MADV_DONTFORK);
    shm->records = records;
    *out = shm;
    return APR_SUCCESS;
}

void pm_worker_shm_destroy(pm_worker_shm_t *shm)
{
    if (shm) {
        munmap(shm->records, SIZE);
        pm_fds_close(&shm->fd);
    }
}

int pm_worker_shm_fd(const pm_worker_shm_t *shm)
{
    return shm ? shm->fd : -1;
}

static int is_taken(const pm_worker_shm_t *shm, int index)
{
    return shm->taken[index / 8] >> index % 8 & 1;
}

static void flip_taken(pm_worker_shm_t *shm, int index)
{
    shm->taken[index / 8] ^= (unsigned char)(1U << index % 8);
}

int pm_worker_shm_claim(pm_worker_shm_t *shm)
{
    int i;

    for (i = 0; shm && i < PM_WORKER_STATUS_MAX; i++) {
        int index = (shm->next + i) % PM_WORKER_STATUS_MAX;

        if (!is_taken(shm, index)) {
            flip_taken(shm, index);
            shm->next = index + 1;
            memset(&shm->records[index], 0, sizeof(shm->records[index]));
            return index;
        }
    }
    return -1;
}

void pm_worker_shm_release(pm_worker_shm_t *shm, int index)
{
    if (shm && index >= 0) {
        flip_taken(shm, index);
        shm->next = index < shm->next ? index : shm->next;
    }
}

pm_worker_facts_t pm_worker_shm_read(const pm_worker_shm_t *shm, int index,
                                     pid_t pid, apr_time_t now)
{
    pm_worker_facts_t facts = {0};
    const pm_worker_status_t *record;
    uint64_t since;
    uint32_t busy, waiting;

    if (!shm || index < 0) {
        return facts;
    }
    record = &shm->records[index];
    facts.forked = __atomic_load_n(&record->forked, __ATOMIC_ACQUIRE);
    if (__atomic_load_n(&record->pid, __ATOMIC_ACQUIRE) != (uint32_t)pid) {
        return facts;
    }
    /* In this order a worker with one thread, which begins a request
     * meanwhile, does not look like one that waits while it has one. */
    waiting = __atomic_load_n(&record->waiting, __ATOMIC_ACQUIRE);
    busy = __atomic_load_n(&record->busy, __ATOMIC_ACQUIRE);
    since = __atomic_load_n(&record->busy_since, __ATOMIC_ACQUIRE);
    facts.known = 1;
    facts.busy = busy > 0;
    facts.requests_now = busy < INT_MAX ? (int)busy : INT_MAX;
    facts.takes_more = waiting && busy && since < (uint64_t)now;
    facts.idle =
        !busy && __atomic_load_n(&record->waiting, __ATOMIC_ACQUIRE) > 0;
    facts.busy_since = busy && since < (uint64_t)now ? (apr_time_t)since : now;
    facts.requests = __atomic_load_n(&record->requests, __ATOMIC_ACQUIRE);
    facts.refused = __atomic_load_n(&record->refused, __ATOMIC_ACQUIRE);
    return facts;
}

void pm_worker_shm_notify_at(pm_worker_shm_t *shm, int index,
                             apr_uint64_t requests)
{
    if (shm && index >= 0) {
        __atomic_store_n(&shm->records[index].notify_at, requests,
                         __ATOMIC_SEQ_CST);
    }
}

void pm_worker_shm_notify_busy(pm_worker_shm_t *shm, int index)
{
    if (shm && index >= 0) {
        __atomic_store_n(&shm->records[index].notify_busy, 1, __ATOMIC_SEQ_CST);
    }
}

void pm_worker_shm_leave_at(pm_worker_shm_t *shm, int index,
                            apr_uint64_t requests)
{
    if (shm && index >= 0) {
        __atomic_store_n(&shm->records[index].leave_at, requests,
                         __ATOMIC_SEQ_CST);
    }
}
