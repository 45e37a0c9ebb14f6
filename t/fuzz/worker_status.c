/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: what a worker says of itself in shared memory, and what the
 * manager makes of it (pm_worker_shm.h).
 *
 * Input: the number of a record, two bytes; the time, eight; then bytes that a
 * worker writes into its record and beyond.
 *
 * What must hold: nothing is known of a record with another pid; a worker is
 * not idle and busy at once; it is busy since a time that has come.
 */
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "apr_general.h"
#include "must.h"
#include "pm_core/shm/pm_worker_shm.h"
#include "pm_core/shm/pm_worker_status.h"

#define PID 4711

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* @param records the memory as a worker has it */
static pm_worker_shm_t *make(pm_worker_status_t **records, apr_pool_t *p)
{
    pm_worker_shm_t *shm;

    MUST(pm_worker_shm_create(&shm, p, NULL) == APR_SUCCESS);
    *records =
        mmap(NULL, PM_WORKER_STATUS_MAX * sizeof(**records),
             PROT_READ | PROT_WRITE, MAP_SHARED, pm_worker_shm_fd(shm), 0);
    MUST(*records != MAP_FAILED);
    return shm;
}

static void check(const pm_worker_shm_t *shm, int index,
                  const pm_worker_status_t *said, apr_time_t now)
{
    pm_worker_facts_t facts = pm_worker_shm_read(shm, index, PID, now);

    MUST(facts.known == (said->pid == PID));
    MUST(facts.known || (!facts.idle && !facts.busy && !facts.requests));
    MUST(!facts.idle || !facts.busy);
    MUST(!facts.known || (facts.busy_since >= 0 && facts.busy_since <= now));
    MUST(!facts.busy || now - facts.busy_since >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static pm_worker_shm_t *shm;
    static pm_worker_status_t *records;
    apr_pool_t *p;
    uint16_t index;
    uint64_t now;
    size_t left;

    if (!shm) {
        MUST(apr_initialize() == APR_SUCCESS
             && apr_pool_create(&p, NULL) == APR_SUCCESS);
        shm = make(&records, p);
    }
    if (size < sizeof(index) + sizeof(now)) {
        return 0;
    }
    memcpy(&index, data, sizeof(index));
    memcpy(&now, data + sizeof(index), sizeof(now));
    data += sizeof(index) + sizeof(now);
    size -= sizeof(index) + sizeof(now);
    index %= PM_WORKER_STATUS_MAX;
    now >>= 1; /* a clock is never negative */
    left = (size_t)(PM_WORKER_STATUS_MAX - index) * sizeof(*records);
    memcpy(&records[index], data, size < left ? size : left);
    check(shm, index, &records[index], (apr_time_t)now);
    pm_worker_shm_notify_at(shm, index, now);
    pm_worker_shm_notify_busy(shm, index);
    pm_worker_shm_leave_at(shm, index, now);
    check(shm, index, &records[index], (apr_time_t)now);
    return 0;
}
