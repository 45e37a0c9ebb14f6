/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/shm/pm_worker_shm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pm_core/shm/pm_worker_status.h"
#include "pm_core/os/pm_fds.h"

#define SIZE (PM_WORKER_STATUS_MAX * sizeof(pm_worker_status_t))

struct pm_worker_shm {
    int fd;
    pm_worker_status_t *claims;
    int next; /* where to begin looking for a free one */
    unsigned char taken[PM_WORKER_STATUS_MAX / 8]; /* a bit for each */
};

/* A descriptor of SIZE bytes that stay SIZE bytes. */
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

/* Where a page is best mapped, a wish only (mmap(2)): all pages side by side
 * and far from the heap.  Among it each would cut it into one piece more, and
 * fork() has tables of its own to make for each piece: with a thousand pools
 * that was most of a birth. */
static void *apart(int fd)
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
    pm_worker_shm_t *page = apr_pcalloc(p, sizeof(*page));
    void *claims;

    page->fd = make_file();
    if (page->fd < 0) {
        return pm_fail_os(why, errno, "cannot make a page");
    }
    claims = mmap(apart(page->fd), SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
                  page->fd, 0);
    if (claims == MAP_FAILED) {
        apr_status_t rv = errno;

        pm_fds_close(&page->fd);
        return pm_fail_os(why, rv, "cannot map a page");
    }
    /* a worker maps its descriptor: what it is not to have need not be
     * copied by fork(), which with a thousand pools is most of its cost */
    madvise(claims, SIZE, MADV_DONTFORK);
    page->claims = claims;
    *out = page;
    return APR_SUCCESS;
}

void pm_worker_shm_destroy(pm_worker_shm_t *page)
{
    if (page) {
        munmap(page->claims, SIZE);
        pm_fds_close(&page->fd);
    }
}

int pm_worker_shm_fd(const pm_worker_shm_t *page)
{
    return page ? page->fd : -1;
}

static int is_taken(const pm_worker_shm_t *page, int place)
{
    return page->taken[place / 8] >> place % 8 & 1;
}

static void flip(pm_worker_shm_t *page, int place)
{
    page->taken[place / 8] ^= (unsigned char)(1U << place % 8);
}

int pm_worker_shm_claim(pm_worker_shm_t *page)
{
    int i;

    for (i = 0; page && i < PM_WORKER_STATUS_MAX; i++) {
        int place = (page->next + i) % PM_WORKER_STATUS_MAX;

        if (!is_taken(page, place)) {
            flip(page, place);
            page->next = place + 1;
            memset(&page->claims[place], 0, sizeof(page->claims[place]));
            return place;
        }
    }
    return -1;
}

void pm_worker_shm_release(pm_worker_shm_t *page, int place)
{
    if (page && place >= 0) {
        flip(page, place);
        page->next = place < page->next ? place : page->next;
    }
}

pm_worker_facts_t pm_worker_shm_read(const pm_worker_shm_t *page, int place,
                                     pid_t pid, apr_time_t now)
{
    pm_worker_facts_t facts = {0};
    const pm_worker_status_t *claim;
    uint64_t since;
    uint32_t busy;

    if (!page || place < 0) {
        return facts;
    }
    claim = &page->claims[place];
    facts.forked = __atomic_load_n(&claim->forked, __ATOMIC_ACQUIRE) != 0;
    if (__atomic_load_n(&claim->pid, __ATOMIC_ACQUIRE) != (uint32_t)pid) {
        return facts;
    }
    busy = __atomic_load_n(&claim->busy, __ATOMIC_ACQUIRE);
    since = __atomic_load_n(&claim->busy_since, __ATOMIC_ACQUIRE);
    facts.known = 1;
    facts.busy = busy > 0;
    facts.idle =
        !busy && __atomic_load_n(&claim->waiting, __ATOMIC_ACQUIRE) > 0;
    facts.busy_since = busy && since < (uint64_t)now ? (apr_time_t)since : now;
    facts.requests = __atomic_load_n(&claim->requests, __ATOMIC_ACQUIRE);
    return facts;
}

void pm_worker_shm_notify_at(pm_worker_shm_t *page, int place,
                             apr_uint64_t requests)
{
    if (page && place >= 0) {
        __atomic_store_n(&page->claims[place].notify_at, requests,
                         __ATOMIC_SEQ_CST);
    }
}

void pm_worker_shm_notify_busy(pm_worker_shm_t *page, int place)
{
    if (page && place >= 0) {
        __atomic_store_n(&page->claims[place].notify_busy, 1, __ATOMIC_SEQ_CST);
    }
}
