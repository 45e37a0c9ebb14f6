/* SPDX-License-Identifier: Apache-2.0 */
/* Queued requests of one child, and which child is called. */
#include "tap.h"

#include <limits.h>
#include <stddef.h>

#include "apr_general.h"
#include "pm_core/shm/pm_admission.h"
#include "pm_core/shm/pm_waiters.h"

/* --- one child's ---------------------------------------------------------- */

static void test_order(void)
{
    pm_waiter_t parked[3] = {{.since = 10, .parked = 1},
                             {.since = 30, .parked = 1},
                             {.since = 20, .parked = 1}};
    pm_waiter_t blocked[2] = {{.since = 15}, {.since = 25}};
    pm_waiters_t all;
    int i;

    pm_waiters_init(&all);
    ok(pm_waiters_is_empty(&all) && !pm_waiters_first(&all, 1), "empty");
    for (i = 0; i < 3; i++) {
        pm_waiters_add(&all, &parked[i]);
    }
    ok(!pm_waiters_first(&all, 0), "no thread, nothing for those parked");
    pm_waiters_add(&all, &blocked[0]);
    pm_waiters_add(&all, &blocked[1]);
    ok(pm_waiters_first(&all, 1) == &parked[0], "the oldest of all");
    ok(pm_waiters_first(&all, 0) == &blocked[0],
       "without a thread the oldest that has one");
    pm_waiters_remove(&parked[0]);
    ok(pm_waiters_first(&all, 1) == &blocked[0], "the kinds take turns");
    pm_waiters_remove(&blocked[0]);
    ok(pm_waiters_first(&all, 1) == &parked[2],
       "one that came late to the queue stands where it belongs");
    ok(pm_waiters_next(&all, &parked[2]) == &parked[1], "the next one");
    ok(!pm_waiters_next(&all, &parked[1]), "the last one");
    pm_waiters_remove(&parked[2]);
    pm_waiters_remove(&parked[1]);
    ok(pm_waiters_oldest(&all, 0) == &blocked[1] && !pm_waiters_oldest(&all, 1),
       "one is left");
    pm_waiters_remove(&blocked[1]);
    ok(pm_waiters_is_empty(&all), "none is");
}

static void test_same_age(void)
{
    pm_waiter_t one[2] = {{.since = 5, .parked = 1}, {.since = 5, .parked = 1}};
    pm_waiter_t blocked = {.since = 5};
    pm_waiters_t all;

    pm_waiters_init(&all);
    pm_waiters_add(&all, &one[0]);
    pm_waiters_add(&all, &one[1]);
    ok(pm_waiters_first(&all, 1) == &one[0], "of the same age: as they came");
    pm_waiters_add(&all, &blocked);
    ok(pm_waiters_first(&all, 1) == &blocked,
       "of the same age: the one that holds a thread");
}

/* --- children ------------------------------------------------------------- */

#define ROWS 5

typedef struct row {
    apr_uint64_t other;
    apr_time_t head[2];
} row_t;

typedef struct owner {
    apr_uint32_t pid;
    int config;
} owner_t;

static row_t rows[ROWS];
static owner_t owners[ROWS];
static pm_admission_word_t words[ROWS];
static pm_admission_rows_t view = {ROWS,
                                   -1,
                                   (const char *)owners,
                                   sizeof(owner_t),
                                   (const char *)rows,
                                   sizeof(row_t),
                                   words};

#define AT(pool)                                                               \
    (offsetof(row_t, head) + (apr_size_t)(pool) * sizeof(apr_time_t))

static int calls(int row)
{
    int n = (int)words[row].calls;

    words[row].calls = 0;
    return n;
}

static int all_calls(void)
{
    int n = 0;
    int i;

    for (i = 0; i < ROWS; i++) {
        n = n * 10 + calls(i);
    }
    return n;
}

static void test_oldest(void)
{
    int i;

    for (i = 0; i < ROWS; i++) {
        owners[i].pid = i == 4 ? 0 : 100U + (unsigned)i;
    }
    is_int(pm_admission_rows_oldest(&view, AT(0)), -1, "no head, no child");
    rows[1].head[0] = 300;
    rows[2].head[0] = 200;
    rows[3].head[1] = 100;
    rows[4].head[0] = 50;
    is_int(pm_admission_rows_oldest(&view, AT(0)), 2, "the oldest head");
    is_int(pm_admission_rows_oldest(&view, AT(1)), 3, "of each pool");
    view.own = 1;
    is_int(pm_admission_rows_oldest(&view, AT(0)), 1, "its own is near");
    is_int(pm_admission_rows_oldest(&view, AT(1)), 3, "it has none");
    rows[1].head[0] = 10201;
    is_int(pm_admission_rows_oldest(&view, AT(0)), 2, "its own is too young");
    rows[1].head[0] = 300;
    view.own = -1;
    owners[4].pid = 104;
    is_int(pm_admission_rows_oldest(&view, AT(0)), 4, "of rows in use");
    owners[4].pid = 0;
}

static void test_crowded(void)
{
    ok(!pm_admission_rows_crowded(&view), "no child is crowded");
    pm_admission_rows_set_crowded(&view, 1);
    ok(!pm_admission_rows_crowded(&view), "a process without a row is none");
    view.own = 3;
    pm_admission_rows_set_crowded(&view, 1);
    view.own = 1;
    ok(pm_admission_rows_crowded(&view), "one is, for all");
    owners[3].pid = 0;
    ok(!pm_admission_rows_crowded(&view), "its row is free");
    owners[3].pid = 103;
    view.own = 3;
    pm_admission_rows_set_crowded(&view, 0);
    ok(!pm_admission_rows_crowded(&view), "it is not any more");
    view.own = -1;
}

static void test_elder(void)
{
    static const struct {
        const char *name;
        int own;
        apr_time_t since, elder;
    } cases[] = {{"it is the oldest", 1, 150, 0},
                 {"nearly", 1, 10200, 0},
                 {"another has waited for longer", 1, 10201, 200},
                 {"that is this child", 2, 10201, 0},
                 {"for much longer", 2, 10301, 300}};
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        view.own = cases[i].own;
        is_int(pm_admission_rows_elder(&view, AT(0), cases[i].since),
               cases[i].elder, "elder: %s", cases[i].name);
    }
    view.own = -1;
}

static void test_call(void)
{
    ok(!pm_admission_rows_call(&view, AT(0), 1), "not this process");
    is_int(all_calls(), 100, "one: the oldest is called");
    pm_admission_rows_call(&view, AT(0), 2);
    is_int(all_calls(), 1100, "several: all with a head");
    pm_admission_rows_call(&view, AT(0), INT_MAX);
    is_int(all_calls(), 11110, "all: those without as well");
    view.own = 2;
    ok(pm_admission_rows_call(&view, AT(0), 1), "it is this process");
    is_int(all_calls(), 0, "which is not woken");
}

/* A request of another child is queued, and a worker is free. */
static void test_pass_on(void)
{
    static pm_admission_words_t state;
    static pm_admission_supply_t supply = {.workers = 1, .requests = 1};
    int called = 0;
    pm_admission_t a = {&state, &supply, &view, AT(0), &called};

    view.own = -1;
    pm_admission_pass_on(&a);
    is_int(all_calls(), 0, "no request is queued, no child is called");
    ok(pm_admission_try(&a, 0) && pm_admission_enqueue(&a, 0), "one is");
    pm_admission_pass_on(&a);
    is_int(all_calls(), 0, "there is no grant");
    pm_admission_release(&a, -1);
    is_int(all_calls(), 100, "a grant is released: the oldest is called");
    pm_admission_pass_on(&a);
    is_int(all_calls(), 100, "it is not taken, and is passed on");
    view.own = 2;
    pm_admission_pass_on(&a);
    ok(called && !all_calls(), "to this process");
    called = 0;
    a.called = NULL;
    pm_admission_pass_on(&a);
    is_int(all_calls(), 100, "or to its thread that sleeps");
    ok(pm_admission_claim(&a, 1), "it is taken");
    pm_admission_pass_on(&a);
    is_int(all_calls(), 0, "nothing is left to pass on");
}

int main(void)
{
    apr_initialize();
    test_order();
    test_same_age();
    test_oldest();
    test_crowded();
    test_elder();
    test_call();
    test_pass_on();
    return done_testing();
}
