/* SPDX-License-Identifier: Apache-2.0 */
/* The board: what children that have gone leave behind, and what it takes. */
#include "tap.h"

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apr_general.h"
#include "pm_core/shm/pm_scoreboard.h"

#define ROWS 200

/* Kilobytes of shared memory that this process has, -1: not known. */
static long shared_memory(void)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[128];
    long kb = -1;

    while (f && fgets(line, sizeof(line), f)) {
        if (!strncmp(line, "RssShmem:", 9)) {
            kb = strtol(line + 9, NULL, 10);
        }
    }
    if (f) {
        fclose(f);
    }
    return kb;
}

/* The slots at both ends, one in the middle, and neighbours. */
static const int slots[] = {0, 1, 63, 64, 2048, PM_SCOREBOARD_SLOTS - 1};
#define N ((int)(sizeof(slots) / sizeof(slots[0])))

static void work(pm_scoreboard_t *board, int row)
{
    int i;

    for (i = 0; i < N; i++) {
        pm_scoreboard_cell_t *cell = pm_scoreboard_cell(board, row, slots[i]);

        pm_scoreboard_begin(cell);
        pm_scoreboard_count_answered(cell);
        pm_scoreboard_count_answered(cell);
        pm_scoreboard_count_aborted(cell);
    }
}

static void test_children(pm_scoreboard_t *board)
{
    pm_scoreboard_totals_t sum;
    int i, row;

    for (i = 1; i <= ROWS; i++) {
        row = pm_scoreboard_row_claim(board, (apr_uint32_t)i, 1);
        if (row != i || !pm_scoreboard_row_is_own(board, row)) {
            ok(0, "a row for child %d", i);
        }
        work(board, row);
    }
    row = pm_scoreboard_row_claim(board, 9999, 1);
    ok(!pm_scoreboard_row_is_own(board, row),
       "one child too many shares a row");
    for (i = 0; i < N; i++) {
        sum = pm_scoreboard_sum(board, slots[i]);
        is_int((long)sum.done, 2L * ROWS, "slot %d: done", slots[i]);
        is_int((long)sum.in_flight, ROWS, "slot %d: under way", slots[i]);
    }
    for (i = 1; i <= ROWS; i++) {
        pm_scoreboard_row_release(board, (apr_uint32_t)i);
    }
    for (i = 0; i < N; i++) {
        sum = pm_scoreboard_sum(board, slots[i]);
        is_int((long)sum.done, 2L * ROWS, "slot %d: done is kept", slots[i]);
        is_int((long)sum.aborted, ROWS, "slot %d: aborted as well", slots[i]);
        is_int((long)sum.in_flight, 0, "slot %d: nothing is under way",
               slots[i]);
    }
    row = pm_scoreboard_row_claim(board, 1, 2);
    is_int(row, 1, "a row that has been given back is had again");
    work(board, row);
    is_int((long)pm_scoreboard_sum(board, 0).done, 2L * ROWS + 2,
           "and begins at 0");
    pm_scoreboard_row_release(board, 1);
    is_int((long)pm_scoreboard_sum(board, 0).done, 2L * ROWS + 2, "given back");
    pm_scoreboard_row_release(board, 77);
    is_int((long)pm_scoreboard_sum(board, 0).done, 2L * ROWS + 2,
           "one that has none gives nothing back");
}

/* Children that come and go and use one pool: a page or two each. */
static void test_memory(pm_scoreboard_t *board)
{
    long before = shared_memory();
    int i;

    for (i = 1; i <= ROWS; i++) {
        int row = pm_scoreboard_row_claim(board, (apr_uint32_t)i, 1);

        pm_scoreboard_count_answered(pm_scoreboard_cell(board, row, 7));
    }
    for (i = 1; i <= ROWS; i++) {
        pm_scoreboard_row_release(board, (apr_uint32_t)i);
    }
    is_int((long)pm_scoreboard_sum(board, 7).done, ROWS, "each has done one");
    if (before < 0) {
        ok(1, "what it takes is not known # SKIP no RssShmem");
        return;
    }
    ok(shared_memory() - before < 12L * ROWS,
       "%ld KB for %d children that have come and gone",
       shared_memory() - before, ROWS);
}

/* --- a child that writes what it likes ------------------------------------ */

#define MOST 64 /* what one child can have at once, see main() */

/* All that a child can write is one row and the common part. */
static void lie(pm_scoreboard_t *board, int row, int byte)
{
    int slot;

    for (slot = 0; slot < PM_SCOREBOARD_SLOTS; slot++) {
        pm_admission_t admission = pm_scoreboard_admission(board, slot);

        memset(pm_scoreboard_cell(board, row, slot), byte,
               sizeof(pm_scoreboard_cell_t));
        memset(admission.words, byte, sizeof(*admission.words));
        memset(pm_scoreboard_log_ratelimit(board, slot), byte,
               sizeof(pm_log_ratelimit_t));
        memset(pm_scoreboard_stats(board, row, slot), byte,
               sizeof(pm_request_stats_t));
    }
}

static void lie_in_child(pm_scoreboard_t *board, int row, int byte)
{
    int status = -1;
    pid_t pid;

    fflush(stdout);
    pid = fork();
    if (pid == 0) {
        pm_scoreboard_restrict(board, row);
        lie(board, row, byte);
        _exit(0);
    }
    waitpid(pid, &status, 0);
    is_int(status, 0, "a child writes %02x wherever it can", (unsigned)byte);
}

static void test_lies(pm_scoreboard_t *board)
{
    static const int bytes[] = {0xff, 0x7f, 0x80, 0x01, 0x00};
    pm_scoreboard_cell_t *honest;
    pm_admission_t admission = pm_scoreboard_admission(board, 5);
    pm_scoreboard_totals_t sum;
    pm_request_stats_t stats;
    size_t i;

    pm_scoreboard_set_workers(board, 5, 2, 2, 0);
    honest =
        pm_scoreboard_cell(board, pm_scoreboard_row_claim(board, 1000, 1), 5);
    for (i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
        int row = pm_scoreboard_row_claim(board, 1001, 1);

        pm_scoreboard_begin(honest);
        lie_in_child(board, row, bytes[i]);
        sum = pm_scoreboard_sum(board, 5);
        ok(sum.in_flight >= 1 && sum.in_flight <= 1 + MOST
               && sum.waiting <= MOST,
           "it is believed as far as can be");
        pm_scoreboard_correct_admission(board, 5);
        ok(!pm_scoreboard_correct_admission(board, 5)
               && pm_admission_load(&admission) <= 1 + 2 * MOST,
           "and the words are corrected");
        stats = pm_scoreboard_stats_sum(board, 5);
        ok((apr_int64_t)stats.took.sum >= 0
               && (apr_int64_t)pm_request_stats_total(&stats.took) >= 0,
           "no figure is negative");
        pm_scoreboard_row_release(board, 1001);
        pm_scoreboard_correct_admission(board, 5);
        sum = pm_scoreboard_sum(board, 5);
        ok(sum.in_flight == 1 && sum.waiting == 0, "nothing of it stays");
        ok(pm_admission_try(&admission, 0), "another's request has a worker");
        pm_admission_release(&admission, -1);
        pm_scoreboard_end(honest);
    }
    pm_scoreboard_row_release(board, 1000);
}

/* It was to call the manager, and has not done so. */
static void test_call_of_the_dead(pm_scoreboard_t *board)
{
    pm_admission_t admission = pm_scoreboard_admission(board, 6);
    int row = pm_scoreboard_row_claim(board, 1002, 1);

    pm_scoreboard_begin(pm_scoreboard_cell(board, row, 6));
    pm_admission_try(&admission, 0);
    ok(pm_admission_need_manager(&admission), "a child is to call the manager");
    ok(!pm_admission_need_manager(&admission), "no other");
    pm_scoreboard_row_release(board, 1002);
    pm_admission_try(&admission, 0);
    ok(pm_admission_need_manager(&admission), "it has died: another is");
    pm_admission_reset_call(&admission);
    pm_admission_release(&admission, -1);
}

int main(void)
{
    pm_scoreboard_t *board, *other;
    apr_pool_t *p;

    apr_initialize();
    apr_pool_create(&p, NULL);
    if (pm_scoreboard_create(&board, ROWS, MOST, p, NULL) != APR_SUCCESS
        || pm_scoreboard_create(&other, ROWS, 64, p, NULL) != APR_SUCCESS) {
        ok(0, "a board");
        return done_testing();
    }
    test_children(board);
    test_memory(other);
    test_lies(other);
    test_call_of_the_dead(other);
    apr_pool_destroy(p);
    apr_terminate();
    return done_testing();
}
