/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/shm/pm_scoreboard.h"

#include <string.h>

#include "apr_shm.h"

#define CACHE_LINE 64U

/* Sets of statistics of a pool: children are spread over them. */
#define SHARES 8

/* Each has cache lines of its own. */
typedef struct share {
    pm_request_stats_t stats;
} __attribute__((aligned(64))) share_t;

/* How many cells one bit of row_t.used stands for. */
#define BLOCK (PM_SCOREBOARD_SLOTS / 64)

/* Row 0 is the parent's, the last is shared by children that found none. */
typedef struct row {
    apr_uint32_t pid; /* 0: free; claimed with compare-and-swap */
    int config;
    apr_uint64_t used; /* a bit for each block of cells that was used */
    pm_scoreboard_cell_t cells[PM_SCOREBOARD_SLOTS];
} row_t;

struct pm_scoreboard {
    pm_scoreboard_header_t header;
    int nrows;
    pm_scoreboard_slot_t slots[PM_SCOREBOARD_SLOTS];
    pm_admission_t admissions[PM_SCOREBOARD_SLOTS];
    pm_log_ratelimit_t ratelimits[PM_SCOREBOARD_SLOTS];
    pm_request_stats_t
        before[PM_SCOREBOARD_SLOTS]; /* of the slot's former pools */
    share_t shares[PM_SCOREBOARD_SLOTS][SHARES];
    row_t rows[];
};

apr_size_t pm_scoreboard_size(int rows)
{
    return sizeof(pm_scoreboard_t) + CACHE_LINE
           + sizeof(row_t) * (apr_size_t)(rows + 2);
}

apr_status_t pm_scoreboard_create(pm_scoreboard_t **scoreboard, int rows,
                                  apr_pool_t *p, pm_reason_t *why)
{
    apr_size_t size = pm_scoreboard_size(rows);
    apr_shm_t *shm;
    apr_uintptr_t base;
    apr_status_t rv;

    /* Fresh anonymous memory is zero, and what is never touched costs
     * nothing. */
    rv = apr_shm_create(&shm, size, NULL, p);
    if (rv != APR_SUCCESS) {
        return pm_fail_os(why, rv,
                          "cannot get %" APR_SIZE_T_FMT " bytes of "
                          "shared memory",
                          size);
    }
    base = (apr_uintptr_t)apr_shm_baseaddr_get(shm);
    *scoreboard =
        (pm_scoreboard_t *)((base + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
    (*scoreboard)->nrows = rows + 2;
    return APR_SUCCESS;
}

pm_scoreboard_header_t *pm_scoreboard_header(pm_scoreboard_t *scoreboard)
{
    return &scoreboard->header;
}

pm_scoreboard_slot_t *pm_scoreboard_slot(pm_scoreboard_t *scoreboard, int slot)
{
    PM_ASSERT(slot >= 0 && slot < PM_SCOREBOARD_SLOTS);
    return &scoreboard->slots[slot];
}

pm_admission_t *pm_scoreboard_admission(pm_scoreboard_t *scoreboard, int slot)
{
    PM_ASSERT(slot >= 0 && slot < PM_SCOREBOARD_SLOTS);
    return &scoreboard->admissions[slot];
}

pm_log_ratelimit_t *pm_scoreboard_log_ratelimit(pm_scoreboard_t *scoreboard,
                                                int slot)
{
    PM_ASSERT(slot >= 0 && slot < PM_SCOREBOARD_SLOTS);
    return &scoreboard->ratelimits[slot];
}

pm_scoreboard_cell_t *pm_scoreboard_cell(pm_scoreboard_t *scoreboard, int row,
                                         int slot)
{
    apr_uint64_t bit = APR_UINT64_C(1) << slot / BLOCK;
    row_t *r = &scoreboard->rows[row];

    PM_ASSERT(slot >= 0 && slot < PM_SCOREBOARD_SLOTS && row >= 0
              && row < scoreboard->nrows);
    if (!(__atomic_load_n(&r->used, __ATOMIC_RELAXED) & bit)) {
        __atomic_or_fetch(&r->used, bit, __ATOMIC_RELAXED);
    }
    return &r->cells[slot];
}

pm_request_stats_t *pm_scoreboard_stats(pm_scoreboard_t *scoreboard, int row,
                                        int slot)
{
    PM_ASSERT(slot >= 0 && slot < PM_SCOREBOARD_SLOTS && row >= 0);
    return &scoreboard->shares[slot][row % SHARES].stats;
}

static void add_shares(pm_request_stats_t *sum,
                       const pm_scoreboard_t *scoreboard, int slot)
{
    int i;

    for (i = 0; i < SHARES; i++) {
        pm_request_stats_add(sum, &scoreboard->shares[slot][i].stats);
    }
}

void pm_scoreboard_stats_begin(pm_scoreboard_t *scoreboard, int slot)
{
    memset(&scoreboard->before[slot], 0, sizeof(scoreboard->before[slot]));
    add_shares(&scoreboard->before[slot], scoreboard, slot);
}

pm_request_stats_t pm_scoreboard_stats_sum(const pm_scoreboard_t *scoreboard,
                                           int slot)
{
    pm_request_stats_t sum = {0};

    add_shares(&sum, scoreboard, slot);
    pm_request_stats_subtract(&sum, &scoreboard->before[slot]);
    return sum;
}

int pm_scoreboard_row_claim(pm_scoreboard_t *scoreboard, apr_uint32_t pid,
                            int config)
{
    int i;

    for (i = 1; i < scoreboard->nrows - 1; i++) {
        apr_uint32_t none = 0;

        if (__atomic_compare_exchange_n(&scoreboard->rows[i].pid, &none, pid, 0,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
            __atomic_store_n(&scoreboard->rows[i].config, config,
                             __ATOMIC_RELEASE);
            return i;
        }
    }
    return scoreboard->nrows - 1;
}

int pm_scoreboard_row_is_own(const pm_scoreboard_t *scoreboard, int row)
{
    return row > 0 && row < scoreboard->nrows - 1;
}

/* What a dead child counted goes to row 0; its grants and queued requests are
 * taken back. */
static void cell_release(pm_scoreboard_t *scoreboard,
                         pm_scoreboard_cell_t *cell, int slot)
{
    pm_scoreboard_cell_t *sum = &scoreboard->rows[0].cells[slot];

    if (cell->done) {
        __atomic_add_fetch(&sum->done, cell->done, __ATOMIC_RELAXED);
        __atomic_store_n(&cell->done, 0, __ATOMIC_RELAXED);
    }
    if (cell->aborted) {
        __atomic_add_fetch(&sum->aborted, cell->aborted, __ATOMIC_RELAXED);
        __atomic_store_n(&cell->aborted, 0, __ATOMIC_RELAXED);
    }
    if (cell->in_flight || cell->waiting) {
        __atomic_add_fetch(&sum->lost, cell->in_flight, __ATOMIC_RELAXED);
        pm_admission_forget_process(&scoreboard->admissions[slot],
                                    cell->in_flight, cell->waiting);
        __atomic_store_n(&cell->in_flight, 0, __ATOMIC_RELAXED);
        __atomic_store_n(&cell->waiting, 0, __ATOMIC_RELAXED);
    }
}

void pm_scoreboard_row_release(pm_scoreboard_t *scoreboard, apr_uint32_t pid)
{
    row_t *row;
    int i, slot;

    for (i = 1; i < scoreboard->nrows - 1; i++) {
        if (__atomic_load_n(&scoreboard->rows[i].pid, __ATOMIC_ACQUIRE)
            == pid) {
            break;
        }
    }
    if (i == scoreboard->nrows - 1) {
        return;
    }
    row = &scoreboard->rows[i];
    /* Memory that was never used becomes real even by being read. */
    for (slot = 0; slot < PM_SCOREBOARD_SLOTS; slot++) {
        if (row->used >> slot / BLOCK & 1) {
            cell_release(scoreboard, &row->cells[slot], slot);
        }
    }
    __atomic_store_n(&row->used, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&row->config, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&row->pid, 0, __ATOMIC_RELEASE);
}

int pm_scoreboard_has_older(pm_scoreboard_t *scoreboard, int config)
{
    int i;

    for (i = 1; i < scoreboard->nrows - 1; i++) {
        if (__atomic_load_n(&scoreboard->rows[i].pid, __ATOMIC_ACQUIRE)
            && __atomic_load_n(&scoreboard->rows[i].config, __ATOMIC_ACQUIRE)
                   < config) {
            return 1;
        }
    }
    return 0;
}

pm_scoreboard_totals_t pm_scoreboard_sum(pm_scoreboard_t *scoreboard, int slot)
{
    pm_scoreboard_totals_t sum = {0};
    int i;

    for (i = 0; i < scoreboard->nrows; i++) {
        const pm_scoreboard_cell_t *cell = &scoreboard->rows[i].cells[slot];

        if (i == 0 || i == scoreboard->nrows - 1 || scoreboard->rows[i].pid) {
            sum.in_flight +=
                __atomic_load_n(&cell->in_flight, __ATOMIC_RELAXED);
            sum.waiting += __atomic_load_n(&cell->waiting, __ATOMIC_RELAXED);
            sum.aborted += __atomic_load_n(&cell->aborted, __ATOMIC_RELAXED);
            sum.lost += __atomic_load_n(&cell->lost, __ATOMIC_RELAXED);
            sum.done += __atomic_load_n(&cell->done, __ATOMIC_RELAXED);
        }
    }
    return sum;
}
