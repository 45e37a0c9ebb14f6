/* SPDX-License-Identifier: Apache-2.0 */
/* Meters: buckets, turns and waits, sums. */
#include "tap.h"

#include "apr_general.h"
#include "pm_core/shm/pm_scoreboard.h"
#include "pm_core/shm/pm_request_stats.h"

static void test_buckets(void)
{
    static const struct {
        apr_interval_time_t time;
        int bucket;
    } rows[] = {{-5, 0},
                {0, 0},
                {1, 0},
                {1000, 0},
                {1001, 1},
                {2500, 1},
                {2501, 2},
                {50000, 5},
                {1000000, 9},
                {1000001, 10},
                {60000000, 14},
                {60000001, 15},
                {APR_INT64_C(0x7fffffffffffffff), 15}};
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        is_int(pm_request_stats_bucket(rows[i].time), rows[i].bucket,
               "bucket of %ld us", (long)rows[i].time);
    }
    for (i = 1; i < PM_REQUEST_STATS_BUCKETS - 1; i++) {
        ok(pm_request_stats_bounds[i] > pm_request_stats_bounds[i - 1],
           "bound %d is above the one before", (int)i);
    }
}

static void test_turns(void)
{
    pm_request_stats_t m = {0};
    pm_histogram_t waits;

    pm_request_stats_add_served(&m, 500, 0);
    pm_request_stats_add_served(&m, 1500, 0);
    pm_request_stats_add_served(&m, 700000, 30000);
    pm_request_stats_add_unserved(&m, 70000000);
    is_int((long)pm_request_stats_total(&m.took), 3, "three turns");
    is_int((long)m.took.sum, 702000, "took so long together");
    is_int((long)m.took.bucket[0], 1, "one of them a blink");
    is_int((long)m.took.bucket[1], 1, "one a bit more");
    is_int((long)m.took.bucket[9], 1, "one long");
    waits = pm_request_stats_waits(&m);
    is_int((long)pm_request_stats_total(&waits), 4, "four have waited, or not");
    is_int((long)waits.bucket[0], 2, "two did not have to");
    is_int((long)waits.bucket[5], 1, "one waited a bit");
    is_int((long)waits.bucket[15], 1, "one in vain");
    is_int((long)waits.sum, 70030000, "so long together");
    m.late = 99;
    waits = pm_request_stats_waits(&m);
    is_int((long)waits.bucket[0], 0, "a sum read in a bad moment");
}

/* Several children, one pool after the other in one slot. */
static void test_board(apr_pool_t *p)
{
    pm_scoreboard_t *board;
    pm_request_stats_t sum;
    int row;

    if (pm_scoreboard_create(&board, 40, 64, p, NULL) != APR_SUCCESS) {
        ok(0, "a board");
        return;
    }
    for (row = 0; row < 42; row++) {
        pm_request_stats_add_served(pm_scoreboard_stats(board, row, 7), 100, 0);
        pm_request_stats_count(pm_scoreboard_stats(board, row, 7),
                               PM_REQUEST_STATS_FULL);
    }
    sum = pm_scoreboard_stats_sum(board, 7);
    is_int((long)pm_request_stats_total(&sum.took), 42, "each child counts");
    is_int((long)sum.event[PM_REQUEST_STATS_FULL], 42, "events as well");
    sum = pm_scoreboard_stats_sum(board, 6);
    is_int((long)pm_request_stats_total(&sum.took), 0, "for its pool alone");
    pm_scoreboard_stats_begin(board, 7);
    sum = pm_scoreboard_stats_sum(board, 7);
    is_int((long)pm_request_stats_total(&sum.took), 0,
           "another pool begins at 0");
    pm_request_stats_add_served(pm_scoreboard_stats(board, 3, 7), 100, 0);
    sum = pm_scoreboard_stats_sum(board, 7);
    is_int((long)pm_request_stats_total(&sum.took), 1, "and counts on");
    is_int((long)sum.took.sum, 100, "times as well");
}

int main(void)
{
    apr_pool_t *p;

    apr_initialize();
    apr_pool_create(&p, NULL);
    test_buckets();
    test_turns();
    test_board(p);
    apr_pool_destroy(p);
    apr_terminate();
    return done_testing();
}
