/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/shm/pm_roster.h"

#include <sys/mman.h>

#include "pm_core/os/pm_procinfo.h"

typedef struct memory {
    int used;
    pm_roster_entry_t entry[PM_ROSTER_MAX];
} memory_t;

struct pm_roster {
    memory_t *memory;
    int next; /* where the search for a free place begins */
};

pm_roster_t *pm_roster_create(apr_pool_t *p)
{
    pm_roster_t *roster = apr_pcalloc(p, sizeof(*roster));

    roster->memory = mmap(NULL, sizeof(*roster->memory), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (roster->memory == MAP_FAILED) {
        return NULL;
    }
    pm_roster_inherit(roster, 0);
    return roster;
}

/* The pid last: by it an entry is known to be whole. */
static void fill(pm_roster_entry_t *entry, pid_t pid,
                 const pm_accepted_at_t *at)
{
    entry->started = pm_procinfo_started(pid);
    entry->at = *at;
    entry->drain_timeout = 0;
    __atomic_store_n(&entry->pid, pid, __ATOMIC_RELEASE);
}

int pm_roster_enter(pm_roster_t *roster, pid_t pid, const pm_accepted_at_t *at)
{
    int place = roster ? roster->next : PM_ROSTER_MAX;

    while (place < PM_ROSTER_MAX && roster->memory->entry[place].pid) {
        place++;
    }
    if (place == PM_ROSTER_MAX) {
        return -1;
    }
    roster->next = place + 1;
    fill(&roster->memory->entry[place], pid, at);
    if (roster->memory->used <= place) {
        __atomic_store_n(&roster->memory->used, place + 1, __ATOMIC_RELEASE);
    }
    return place;
}

void pm_roster_set_drain(pm_roster_t *roster, int place, apr_time_t timeout)
{
    if (place >= 0) {
        roster->memory->entry[place].drain_timeout = timeout;
    }
}

void pm_roster_leave(pm_roster_t *roster, int place)
{
    if (place >= 0) {
        __atomic_store_n(&roster->memory->entry[place].pid, 0,
                         __ATOMIC_RELEASE);
        roster->next = place < roster->next ? place : roster->next;
    }
}

int pm_roster_used(const pm_roster_t *roster)
{
    return __atomic_load_n(&roster->memory->used, __ATOMIC_ACQUIRE);
}

const pm_roster_entry_t *pm_roster_at(const pm_roster_t *roster, int place)
{
    return &roster->memory->entry[place];
}

void pm_roster_inherit(const pm_roster_t *roster, int inherit)
{
#ifdef MADV_DONTFORK
    madvise(roster->memory, sizeof(*roster->memory),
            inherit ? MADV_DOFORK : MADV_DONTFORK);
#else
    (void)roster;
    (void)inherit;
#endif
}
