/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/shm/pm_scoreboard.h"

#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "pm_core/os/pm_futex.h"
#include "pm_core/os/pm_shared_memory.h"

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
    apr_uint64_t used; /* a bit for each block of cells that was used */
    pm_scoreboard_cell_t cells[PM_SCOREBOARD_SLOTS];
} row_t;

typedef struct owner {
    apr_uint32_t pid; /* 0: free; claimed with compare-and-swap */
    int config;
} owner_t;

/* What children cannot write once they have their row. */
typedef struct trusted {
    pm_scoreboard_header_t header;
    pm_scoreboard_slot_t slots[PM_SCOREBOARD_SLOTS];
    pm_admission_supply_t supplies[PM_SCOREBOARD_SLOTS];
    pm_request_stats_t
        before[PM_SCOREBOARD_SLOTS]; /* of the slot's former pools */
    owner_t owners[];                /* of the rows */
} trusted_t;

/* What all children write. */
typedef struct common {
    pm_admission_words_t admissions[PM_SCOREBOARD_SLOTS];
    pm_log_ratelimit_t ratelimits[PM_SCOREBOARD_SLOTS];
    share_t shares[PM_SCOREBOARD_SLOTS][SHARES];
    pm_admission_word_t words[]; /* of the rows */
} common_t;

/* Each is a file of its own: see pm_shared_memory.h. */
typedef enum part { PART_TRUSTED, PART_COMMON, PART_ROWS, PARTS } part_t;

/* Private memory of each process. */
struct pm_scoreboard {
    pm_shared_memory_t memory[PARTS];
    int nrows;
    apr_size_t row_size;     /* a multiple of a page */
    apr_uint32_t most;       /* requests of one child in one pool at once */
    apr_uint32_t queue_most; /* and in its queue */
    pm_admission_rows_t calls;
    trusted_t *trusted; /* a child can only read it */
    common_t *common;
    char *rows; /* a child can only read them; its own it also has in
                 * memory[PART_ROWS].writable */
};

static apr_size_t row_size(void)
{
    apr_size_t page = (apr_size_t)sysconf(_SC_PAGESIZE);

    return (sizeof(row_t) + page - 1) / page * page;
}

static apr_size_t part_size(part_t part, int nrows)
{
    switch (part) {
    case PART_TRUSTED:
        return sizeof(trusted_t) + sizeof(owner_t) * (apr_size_t)nrows;
    case PART_COMMON:
        return sizeof(common_t)
               + sizeof(pm_admission_word_t) * (apr_size_t)nrows;
    default:
        return row_size() * (apr_size_t)nrows;
    }
}

apr_size_t pm_scoreboard_size(int rows)
{
    return part_size(PART_TRUSTED, rows + 2) + part_size(PART_COMMON, rows + 2)
           + part_size(PART_ROWS, rows + 2) + sizeof(pm_scoreboard_t);
}

/* Where this process finds what pm_admission_rows.h looks at. */
static void map_rows(pm_scoreboard_t *s)
{
    s->calls.owners = (const char *)&s->trusted->owners[0].pid;
    s->calls.owner_size = sizeof(owner_t);
    s->calls.rows = s->rows;
    s->calls.row_size = s->row_size;
    s->calls.words = s->common->words;
}

apr_status_t pm_scoreboard_create(pm_scoreboard_t **scoreboard, int rows,
                                  int most, apr_pool_t *p, pm_reason_t *why)
{
    pm_scoreboard_t *s = apr_pcalloc(p, sizeof(*s));
    int part;

    s->nrows = rows + 2;
    s->row_size = row_size();
    s->most = s->queue_most = (apr_uint32_t)most;
    s->calls.own = -1;
    for (part = 0; part < PARTS; part++) {
        apr_status_t rv = pm_shared_memory_create(
            &s->memory[part], part_size((part_t)part, s->nrows), p, why);

        if (rv != APR_SUCCESS) {
            return rv;
        }
    }
    s->trusted = (trusted_t *)s->memory[PART_TRUSTED].writable;
    s->common = (common_t *)s->memory[PART_COMMON].writable;
    s->rows = s->memory[PART_ROWS].writable;
    map_rows(s);
    *scoreboard = s;
    return APR_SUCCESS;
}

void pm_scoreboard_set_parking(pm_scoreboard_t *scoreboard, int most)
{
    scoreboard->queue_most = (apr_uint32_t)most;
    scoreboard->calls.count = scoreboard->nrows;
}

pm_admission_rows_t *pm_scoreboard_rows(pm_scoreboard_t *scoreboard)
{
    return &scoreboard->calls;
}

int pm_scoreboard_is_protected(const pm_scoreboard_t *scoreboard)
{
    return pm_shared_memory_is_protected(&scoreboard->memory[PART_TRUSTED])
           && pm_shared_memory_is_protected(&scoreboard->memory[PART_ROWS]);
}

void pm_scoreboard_restrict(pm_scoreboard_t *scoreboard, int row)
{
    const pm_shared_memory_t *memory = scoreboard->memory;

    PM_ASSERT(row > 0 && row < scoreboard->nrows);
    pm_shared_memory_restrict(&memory[PART_TRUSTED], 0, 0);
    pm_shared_memory_restrict(&memory[PART_COMMON], 0,
                              memory[PART_COMMON].size);
    pm_shared_memory_restrict(&memory[PART_ROWS],
                              (apr_size_t)row * scoreboard->row_size,
                              scoreboard->row_size);
    scoreboard->trusted = (trusted_t *)memory[PART_TRUSTED].readonly;
    scoreboard->rows = memory[PART_ROWS].readonly;
    map_rows(scoreboard);
}

/* A row, to read; the parent writes there, too. */
static row_t *row_at(const pm_scoreboard_t *scoreboard, int row)
{
    return (row_t *)(void *)(scoreboard->rows
                             + (apr_size_t)row * scoreboard->row_size);
}

pm_scoreboard_header_t *pm_scoreboard_header(pm_scoreboard_t *scoreboard)
{
    return &scoreboard->trusted->header;
}

pm_scoreboard_slot_t *pm_scoreboard_slot(pm_scoreboard_t *scoreboard, int slot)
{
    PM_ASSERT(slot >= 0 && slot < PM_SCOREBOARD_SLOTS);
    return &scoreboard->trusted->slots[slot];
}

pm_admission_t pm_scoreboard_admission(pm_scoreboard_t *scoreboard, int slot)
{
    PM_ASSERT(slot >= 0 && slot < PM_SCOREBOARD_SLOTS);
    return (pm_admission_t){
        &scoreboard->common->admissions[slot],
        &scoreboard->trusted->supplies[slot], &scoreboard->calls,
        offsetof(row_t, cells) + sizeof(pm_scoreboard_cell_t) * (apr_size_t)slot
            + offsetof(pm_scoreboard_cell_t, head),
        NULL};
}

void pm_scoreboard_set_workers(pm_scoreboard_t *scoreboard, int slot,
                               apr_uint32_t workers, apr_uint32_t requests,
                               int changed)
{
    pm_admission_t admission = pm_scoreboard_admission(scoreboard, slot);

    pm_admission_set_workers(&admission, workers, requests, changed);
}

apr_uint32_t pm_scoreboard_workers(pm_scoreboard_t *scoreboard, int slot)
{
    return pm_scoreboard_admission(scoreboard, slot).supply->workers;
}

pm_log_ratelimit_t *pm_scoreboard_log_ratelimit(pm_scoreboard_t *scoreboard,
                                                int slot)
{
    PM_ASSERT(slot >= 0 && slot < PM_SCOREBOARD_SLOTS);
    return &scoreboard->common->ratelimits[slot];
}

pm_scoreboard_cell_t *pm_scoreboard_cell(pm_scoreboard_t *scoreboard, int row,
                                         int slot)
{
    apr_uint64_t bit = APR_UINT64_C(1) << slot / BLOCK;
    char *rows = scoreboard->memory[PART_ROWS].writable;
    row_t *r = (row_t *)(void *)(rows + (apr_size_t)row * scoreboard->row_size);

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
    return &scoreboard->common->shares[slot][row % SHARES].stats;
}

static void add_shares(pm_request_stats_t *sum,
                       const pm_scoreboard_t *scoreboard, int slot)
{
    int i;

    for (i = 0; i < SHARES; i++) {
        pm_request_stats_add(sum, &scoreboard->common->shares[slot][i].stats);
    }
}

void pm_scoreboard_stats_begin(pm_scoreboard_t *scoreboard, int slot)
{
    memset(&scoreboard->trusted->before[slot], 0,
           sizeof(scoreboard->trusted->before[slot]));
    add_shares(&scoreboard->trusted->before[slot], scoreboard, slot);
}

pm_request_stats_t pm_scoreboard_stats_sum(const pm_scoreboard_t *scoreboard,
                                           int slot)
{
    pm_request_stats_t sum = {0};

    add_shares(&sum, scoreboard, slot);
    pm_request_stats_subtract(&sum, &scoreboard->trusted->before[slot]);
    return sum;
}

int pm_scoreboard_row_claim(pm_scoreboard_t *scoreboard, apr_uint32_t pid,
                            int config)
{
    owner_t *owners = scoreboard->trusted->owners;
    int i;

    for (i = 1; i < scoreboard->nrows - 1; i++) {
        apr_uint32_t none = 0;

        if (__atomic_compare_exchange_n(&owners[i].pid, &none, pid, 0,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
            __atomic_store_n(&owners[i].config, config, __ATOMIC_RELEASE);
            scoreboard->calls.own = i;
            return i;
        }
    }
    return scoreboard->nrows - 1;
}

int pm_scoreboard_row_is_own(const pm_scoreboard_t *scoreboard, int row)
{
    return row > 0 && row < scoreboard->nrows - 1;
}

static int row_is_used(const pm_scoreboard_t *scoreboard, int row)
{
    return row == scoreboard->nrows - 1
           || __atomic_load_n(&scoreboard->trusted->owners[row].pid,
                              __ATOMIC_RELAXED);
}

/* --- what rows say -------------------------------------------------------- */

/* A child that counts for centuries comes no further. */
#define DONE_MOST (APR_UINT64_C(1) << 40)

static apr_uint32_t believe(const apr_uint32_t *word, apr_uint32_t most)
{
    apr_uint32_t n = __atomic_load_n(word, __ATOMIC_RELAXED);

    return n <= most ? n : 0;
}

/* What a child says in its cell, each number as far as it can be true.  One
 * that cannot counts for nothing: a child that has been taken over can say no
 * more than it can do by sending requests. */
static pm_scoreboard_totals_t cell_read(const pm_scoreboard_t *scoreboard,
                                        const pm_scoreboard_cell_t *cell)
{
    pm_scoreboard_totals_t said = {0};

    said.in_flight = believe(&cell->in_flight, scoreboard->most);
    said.waiting = believe(&cell->waiting, scoreboard->queue_most);
    said.parked = believe(&cell->parked, said.waiting);
    said.aborted = __atomic_load_n(&cell->aborted, __ATOMIC_RELAXED);
    said.done = __atomic_load_n(&cell->done, __ATOMIC_RELAXED);
    if (said.done > DONE_MOST) {
        said.done = 0;
    }
    return said;
}

/* Row 0 is the parent's own, which only adds. */
static void row_add_gone(pm_scoreboard_t *scoreboard, int slot,
                         const pm_scoreboard_totals_t *said)
{
    pm_scoreboard_cell_t *sum = &row_at(scoreboard, 0)->cells[slot];

    if (said->done) {
        __atomic_add_fetch(&sum->done, said->done, __ATOMIC_RELAXED);
    }
    if (said->aborted) {
        __atomic_add_fetch(&sum->aborted, said->aborted, __ATOMIC_RELAXED);
    }
    if (said->in_flight) {
        __atomic_add_fetch(&sum->lost, said->in_flight, __ATOMIC_RELAXED);
    }
}

/* What a dead child counted goes to row 0; its grants and queued requests are
 * taken back.  It may have died before it called the manager, as it was the one
 * to do: the next request calls. */
static void cell_release(pm_scoreboard_t *scoreboard,
                         pm_scoreboard_cell_t *cell, int slot)
{
    pm_scoreboard_totals_t said = cell_read(scoreboard, cell);
    pm_admission_t admission = pm_scoreboard_admission(scoreboard, slot);

    row_add_gone(scoreboard, slot, &said);
    pm_admission_remove_kept(&admission,
                             believe(&cell->kept, scoreboard->most));
    pm_scoreboard_set_head(cell, 0);
    if (said.in_flight || said.waiting) {
        pm_admission_forget_process(&admission, said.in_flight, said.waiting);
        pm_admission_reset_call(&admission);
    }
    memset(cell, 0, sizeof(*cell));
}

apr_uint32_t *pm_scoreboard_recalls(pm_scoreboard_t *scoreboard, int row)
{
    PM_ASSERT(row >= 0 && row < scoreboard->nrows);
    return &scoreboard->common->words[row].recalls;
}

/* All of them: a child closes only while too many are kept, and of two that are
 * needed the first child may have but one.
 *
 * A child counts in its cell first and last, so the pool's word never says more
 * than the cells: one that does is not true, and would be looked after in vain
 * for ever. */
void pm_scoreboard_recall_kept(pm_scoreboard_t *scoreboard, int row, int slot)
{
    pm_admission_t admission = pm_scoreboard_admission(scoreboard, slot);
    apr_uint32_t said =
        __atomic_load_n(&admission.words->kept, __ATOMIC_SEQ_CST);
    apr_uint32_t sum = 0;
    int i;

    for (i = 1; i < scoreboard->nrows - 1; i++) {
        apr_uint32_t kept =
            row_is_used(scoreboard, i) ? believe(
                &row_at(scoreboard, i)->cells[slot].kept, scoreboard->most)
                                       : 0;

        if (kept && i != row) {
            apr_uint32_t *recalls = pm_scoreboard_recalls(scoreboard, i);

            __atomic_add_fetch(recalls, 1, __ATOMIC_SEQ_CST);
            pm_futex_wake(recalls, 1);
        }
        sum += kept;
    }
    if (said > sum) {
        (void)__atomic_compare_exchange_n(&admission.words->kept, &said, sum, 0,
                                          __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }
}

/* A row is not zero only where it was written. */
static int cell_was_used(const pm_scoreboard_cell_t *cell)
{
    static const pm_scoreboard_cell_t unused;

    return memcmp(cell, &unused, sizeof(unused)) != 0;
}

void pm_scoreboard_row_release(pm_scoreboard_t *scoreboard, apr_uint32_t pid)
{
    owner_t *owners = scoreboard->trusted->owners;
    apr_uint64_t used;
    row_t *row;
    int i, slot;

    for (i = 1; i < scoreboard->nrows - 1; i++) {
        if (__atomic_load_n(&owners[i].pid, __ATOMIC_ACQUIRE) == pid) {
            break;
        }
    }
    if (i == scoreboard->nrows - 1) {
        return;
    }
    row = row_at(scoreboard, i);
    used = __atomic_load_n(&row->used, __ATOMIC_RELAXED);
    /* Memory that was never used becomes real even by being read. */
    for (slot = 0; slot < PM_SCOREBOARD_SLOTS; slot++) {
        if (used >> slot / BLOCK & 1 && cell_was_used(&row->cells[slot])) {
            cell_release(scoreboard, &row->cells[slot], slot);
        }
    }
    __atomic_store_n(&row->used, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&scoreboard->common->words[i].crowded, 0,
                     __ATOMIC_RELAXED);
    __atomic_store_n(&owners[i].config, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&owners[i].pid, 0, __ATOMIC_RELEASE);
}

int pm_scoreboard_has_older(pm_scoreboard_t *scoreboard, int config)
{
    const owner_t *owners = scoreboard->trusted->owners;
    int i;

    for (i = 1; i < scoreboard->nrows - 1; i++) {
        if (__atomic_load_n(&owners[i].pid, __ATOMIC_ACQUIRE)
            && __atomic_load_n(&owners[i].config, __ATOMIC_ACQUIRE) < config) {
            return 1;
        }
    }
    return 0;
}

pm_scoreboard_totals_t pm_scoreboard_sum(pm_scoreboard_t *scoreboard, int slot)
{
    const pm_scoreboard_cell_t *gone = &row_at(scoreboard, 0)->cells[slot];
    pm_scoreboard_totals_t sum = {0};
    int i;

    sum.done = __atomic_load_n(&gone->done, __ATOMIC_RELAXED);
    sum.aborted = __atomic_load_n(&gone->aborted, __ATOMIC_RELAXED);
    sum.lost = __atomic_load_n(&gone->lost, __ATOMIC_RELAXED);
    for (i = 1; i < scoreboard->nrows; i++) {
        if (row_is_used(scoreboard, i)) {
            pm_scoreboard_totals_t said =
                cell_read(scoreboard, &row_at(scoreboard, i)->cells[slot]);

            sum.in_flight += said.in_flight;
            sum.waiting += said.waiting;
            sum.parked += said.parked;
            sum.aborted += said.aborted;
            sum.done += said.done;
        }
    }
    return sum;
}

apr_uint32_t pm_scoreboard_requests_max(const pm_scoreboard_t *scoreboard)
{
    apr_uint32_t n = 0;
    int i;

    for (i = 1; i < scoreboard->nrows; i++) {
        n += row_is_used(scoreboard, i) ? scoreboard->queue_most : 0;
    }
    return n;
}

/* The words and the rows are not read at one moment: what changes in between
 * can look as if it could not be, but hardly so many times in a row. */
#define LOOKS 3

int pm_scoreboard_correct_admission(pm_scoreboard_t *scoreboard, int slot)
{
    pm_admission_t admission = pm_scoreboard_admission(scoreboard, slot);
    pm_scoreboard_totals_t sum = {0};
    pm_admission_said_t said = {0, 0};
    int i;

    for (i = 0; i < LOOKS; i++) {
        said = pm_admission_read(&admission);
        sum = pm_scoreboard_sum(scoreboard, slot);
        if (pm_admission_can_be(said, sum.in_flight, sum.waiting)) {
            return 0;
        }
    }
    pm_admission_correct(&admission, said, sum.in_flight, sum.waiting);
    return 1;
}
