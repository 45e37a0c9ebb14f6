/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/shm/pm_admission_rows.h"

#include <limits.h>

#include "pm_core/os/pm_futex.h"

/* Requests of two children that came within such a time go in any order. */
#define ROWS_NEAR apr_time_from_msec(10)

/* A row that no child has is not looked at: that alone would make its memory
 * real. */
static int rows_is_used(const pm_admission_rows_t *rows, int row)
{
    const void *pid = rows->owners + (apr_size_t)row * rows->owner_size;

    return __atomic_load_n((const apr_uint32_t *)pid, __ATOMIC_RELAXED) != 0;
}

static apr_time_t rows_head(const pm_admission_rows_t *rows, int row,
                            apr_size_t at)
{
    const void *head = rows->rows + (apr_size_t)row * rows->row_size + at;

    return rows_is_used(rows, row)
               ? __atomic_load_n((const apr_time_t *)head, __ATOMIC_SEQ_CST)
               : 0;
}

static int rows_is_elder(apr_time_t head, apr_time_t since)
{
    return head && head < since - ROWS_NEAR;
}

int pm_admission_rows_oldest(const pm_admission_rows_t *rows, apr_size_t at)
{
    apr_time_t own = rows->own < 0 ? 0 : rows_head(rows, rows->own, at);
    apr_time_t since = 0;
    int oldest = -1;
    int i;

    for (i = 0; i < rows->count; i++) {
        apr_time_t head = rows_head(rows, i, at);

        if (head && (oldest < 0 || head < since)) {
            oldest = i;
            since = head;
        }
    }
    return own && !rows_is_elder(since, own) ? rows->own : oldest;
}

apr_time_t pm_admission_rows_elder(const pm_admission_rows_t *rows,
                                   apr_size_t at, apr_time_t since)
{
    apr_time_t head;
    int i;

    for (i = 0; i < rows->count; i++) {
        head = i == rows->own ? 0 : rows_head(rows, i, at);
        if (rows_is_elder(head, since)) {
            return head;
        }
    }
    return 0;
}

/* It is read much more often than it changes. */
void pm_admission_rows_set_crowded(const pm_admission_rows_t *rows, int crowded)
{
    apr_uint32_t is = crowded != 0;

    if (rows->own >= 0
        && __atomic_load_n(&rows->words[rows->own].crowded, __ATOMIC_RELAXED)
               != is) {
        __atomic_store_n(&rows->words[rows->own].crowded, is, __ATOMIC_RELAXED);
    }
}

int pm_admission_rows_crowded(const pm_admission_rows_t *rows)
{
    int i;

    for (i = 0; i < rows->count; i++) {
        if (rows_is_used(rows, i)
            && __atomic_load_n(&rows->words[i].crowded, __ATOMIC_RELAXED)) {
            return 1;
        }
    }
    return 0;
}

void pm_admission_rows_wake(const pm_admission_rows_t *rows, int row)
{
    apr_uint32_t *calls = &rows->words[row].calls;

    __atomic_add_fetch(calls, 1, __ATOMIC_SEQ_CST);
    pm_futex_wake(calls, 1);
}

/* @return 1: that is this process */
static int rows_call_one(const pm_admission_rows_t *rows, int row)
{
    if (row == rows->own) {
        return 1;
    }
    pm_admission_rows_wake(rows, row);
    return 0;
}

int pm_admission_rows_call(const pm_admission_rows_t *rows, apr_size_t at,
                           int n)
{
    int own = 0;
    int i;

    if (n == 1) {
        i = pm_admission_rows_oldest(rows, at);
        return i >= 0 && rows_call_one(rows, i);
    }
    for (i = 0; i < rows->count; i++) {
        if (n == INT_MAX ? rows_is_used(rows, i) : rows_head(rows, i, at) > 0) {
            own |= rows_call_one(rows, i);
        }
    }
    return own;
}
