/* SPDX-License-Identifier: Apache-2.0 */
/* The gate: its arithmetic, and processes that fight for it. */
#include "tap.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apr_general.h"
#include "pm_core/shm/pm_admission.h"
#include "pm_core/os/pm_futex.h"

/* --- arithmetic ----------------------------------------------------------- */

static void test_room(void)
{
    static const struct {
        const char *name;
        apr_uint32_t workers, requests, granted, pace, room;
    } rows[] = {
        {"no worker: one may knock", 0, 0, 0, 0, 1},
        {"no worker, a quick pool", 0, 0, 0, 100, 1},
        {"nothing known", 8, 8, 8, 0, 8},
        {"slow requests", 8, 8, 8, 64001, 8},
        {"just quick enough for one", 8, 8, 8, 64000, 9},
        {"one more for each", 8, 8, 8, 8000, 16},
        {"twice as many, of which each takes twice as long", 8, 8, 16, 16000,
         16},
        {"three more", 8, 8, 8, 2500, 33},
        {"quick ones may wait longer", 8, 8, 8, 2000, 136},
        {"and wait for each other", 8, 8, 128, 32000, 136},
        {"32 more", 8, 8, 8, 1000, 264},
        {"never more than that", 8, 8, 8, 1, 264},
        {"one worker", 1, 1, 1, 100, 33},
        {"one worker, slow requests", 1, 1, 1, 8001, 1},
        {"several for each", 2, 16, 16, 50000, 18},
        {"several: more for each worker, not for each request", 2, 16, 16, 2000,
         80},
        {"several, some told to stop", 3, 17, 17, 200000, 17},
        {"as many as there can be", 10000, 10240000, 0xffffffff, 1, 10560000}};
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        is_int(pm_admission_capacity(rows[i].workers, rows[i].requests,
                                     rows[i].granted, rows[i].pace, 0),
               rows[i].room, "room: %s", rows[i].name);
    }
}

static void test_average(void)
{
    apr_uint32_t pace = pm_admission_average(0, 800);
    int i;

    is_int(pace, 800, "average: the first is it");
    is_int(pm_admission_average(800, 1600), 900,
           "average: an eighth of the way");
    is_int(pm_admission_average(800, 0), 700, "average: down as well");
    is_int(pm_admission_average(0, -5), 1,
           "average: never 0, which is unknown");
    for (i = 0; i < 100; i++) {
        pace = pm_admission_average(pace, 50000);
    }
    is_int(pace, 50000, "average: gets there");
    for (i = 0; i < 200; i++) {
        pace = pm_admission_average(pace, 3);
    }
    is_int(pace, 3, "average: and back");
    is_int(pm_admission_excess(3, 8), 0, "excess: none");
    is_int(pm_admission_excess(11, 8), 3, "excess: three");
}

/* What lies in shared memory. */
typedef struct state {
    pm_admission_words_t words;
    pm_admission_supply_t supply;
} state_t;

static pm_admission_t state_of(state_t *state)
{
    return (pm_admission_t){.words = &state->words, .supply = &state->supply};
}

static long waits(const pm_admission_t *g)
{
    return (long)PM_ADMISSION_WAITING(g->words->line);
}

static long reserved(const pm_admission_t *g)
{
    return (long)PM_ADMISSION_RESERVED(g->words->line);
}

/* A child has many more connections than threads. */
static void test_crowded(void)
{
    static state_t state;            /* ASan's stack is not aligned for it */
    static pm_admission_word_t word; /* neither for this */
    apr_uint32_t pid = 1;
    pm_admission_rows_t child = {
        .count = 1, .owners = (const char *)&pid, .words = &word};
    pm_admission_t gate = state_of(&state);
    int i;

    is_int(pm_admission_capacity(8, 8, 8, 1, 1), 24, "crowded: two for each");
    is_int(pm_admission_capacity(8, 8, 8, 16000, 1), 12,
           "crowded: fewer of slow ones");
    is_int(pm_admission_capacity(0, 0, 0, 0, 1), 1, "crowded: one may knock");
    gate.rows = &child;
    pm_admission_set_workers(&gate, 2, 2, 0);
    (void)pm_admission_try(&gate, 0);
    pm_admission_release(&gate, 100); /* microseconds: a quick pool */
    pm_admission_rows_set_crowded(&child, 1);
    for (i = 0; i < 20 && pm_admission_try(&gate, 0); i++) {
        ;
    }
    is_int(i, 6, "crowded: no more are granted");
    pm_admission_rows_set_crowded(&child, 0);
    ok(pm_admission_try(&gate, 0), "crowded: more when it is not any more");
}

/* How many of n workers can be had? */
static int take(const pm_admission_t *g, int n)
{
    int got = 0;

    while (n-- > 0) {
        got += pm_admission_try(g, 0);
    }
    return got;
}

/* --- one after the other -------------------------------------------------- */

static void test_turns(void)
{
    static state_t state; /* ASan's stack is not aligned for it */
    const pm_admission_t g = state_of(&state);

    pm_admission_set_workers(&g, 2, 2, 1);
    is_int(take(&g, 3), 2, "turns: two workers, two grants, no third");
    ok(pm_admission_enqueue(&g, 1), "turns: one may wait");
    ok(!pm_admission_enqueue(&g, 1), "turns: not two");
    is_int(waits(&g), 1, "turns: and nobody is counted for nothing");
    ok(!pm_admission_claim(&g, 0), "turns: there is nothing to be had");
    pm_admission_release(&g, -1);
    is_int(g.words->granted, 2, "turns: what is given back stays granted");
    is_int(reserved(&g), 1, "turns: for who waits");
    ok(!pm_admission_try(&g, 0), "turns: one that comes now does not get it");
    ok(pm_admission_enqueue(&g, 0) && !pm_admission_claim(&g, 0),
       "turns: nor by waiting");
    ok(pm_admission_claim(&g, 1), "turns: who has waited does");
    is_int(reserved(&g), 0, "turns: it is taken");
    pm_admission_leave(&g);
    is_int(waits(&g), 0, "turns: the other has given up");
    pm_admission_release(&g, -1);
    is_int(g.words->granted, 1, "turns: now it is free");
    pm_admission_release(&g, -1);
    is_int(g.words->granted, 0, "turns: all are");
}

/* Workers that all hang. */
static void test_silence(void)
{
    static state_t state;
    const pm_admission_t g = state_of(&state);

    pm_admission_set_workers(&g, 2, 2, 1);
    is_int(take(&g, 1), 1, "silence: one");
    pm_admission_release(&g, 100);
    is_int(take(&g, 5), 5, "silence: a quick pool has room");
    state.words.released -= 40000;
    is_int(take(&g, 1), 0, "silence: unless no request ends");
    pm_admission_release(&g, 100);
    is_int(take(&g, 2), 2, "silence: until one does");
    while (state.words.granted) {
        pm_admission_release(&g, -1);
    }
    state.words.released -= 40000;
    is_int(take(&g, 5), 5, "silence: where nothing was asked there is none");
}

/* What the kernel queues counts as queued. */
static void test_limit(void)
{
    static state_t state;
    const pm_admission_t g = state_of(&state);
    int got = 0;

    pm_admission_set_workers(&g, 2, 2, 1);
    is_int(take(&g, 1), 1, "limit: one");
    pm_admission_release(&g, 100);
    while (got < 50 && pm_admission_try(&g, 3)) {
        got++;
    }
    is_int(got, 5, "limit: two with workers, three behind them");
    ok(!pm_admission_enqueue(&g, 3), "limit: and no other");
}

static void test_given_up(void)
{
    static state_t state; /* ASan's stack is not aligned for it */
    const pm_admission_t g = state_of(&state);

    pm_admission_set_workers(&g, 1, 1, 1);
    pm_admission_try(&g, 0);
    pm_admission_enqueue(&g, 0);
    pm_admission_release(&g, -1);
    is_int(reserved(&g), 1, "given up: a grant is on its way");
    pm_admission_leave(&g);
    is_int(reserved(&g), 0, "given up: nobody waits for it any more");
    ok(pm_admission_try(&g, 0), "given up: the next has it");
}

static void test_workers(void)
{
    static state_t state; /* ASan's stack is not aligned for it */
    const pm_admission_t g = state_of(&state);
    int i;

    is_int(take(&g, 2), 1, "workers: none, and one may knock");
    pm_admission_set_workers(&g, 4, 4, 0);
    is_int(take(&g, 4), 3, "workers: four");
    pm_admission_set_workers(&g, 2, 2, 0);
    pm_admission_enqueue(&g, 0);
    for (i = 0; i < 2; i++) {
        pm_admission_release(&g, -1);
        is_int(reserved(&g), 0, "workers: too many are granted, not handed on");
        ok(!pm_admission_claim(&g, 1), "workers: not to be had");
    }
    pm_admission_release(&g, -1);
    ok(pm_admission_claim(&g, 1), "workers: now it is");
    is_int(g.words->granted, 2, "workers: two of two");
}

/* A worker that may have several: what counts is requests. */
static void test_several(void)
{
    static state_t state; /* ASan's stack is not aligned for it */
    const pm_admission_t g = state_of(&state);

    pm_admission_set_workers(&g, 2, 8, 1);
    pm_admission_set_enough(&g, 8);
    is_int(take(&g, 9), 8, "several: two workers, four each");
    ok(!pm_admission_need_manager(&g), "several: that is enough");
    ok(pm_admission_enqueue(&g, 1), "several: one may wait");
    ok(pm_admission_need_manager(&g), "several: for it a worker is missing");
    ok(!pm_admission_enqueue(&g, 1), "several: not two");
    pm_admission_set_workers(&g, 2, 5, 0);
    pm_admission_release(&g, -1);
    ok(!pm_admission_claim(&g, 1), "several: one that goes takes no other");
    pm_admission_set_workers(&g, 3, 9, 0);
    ok(pm_admission_claim(&g, 1), "several: one that comes does");
}

static void test_bury(void)
{
    static state_t state; /* ASan's stack is not aligned for it */
    const pm_admission_t g = state_of(&state);

    pm_admission_set_workers(&g, 2, 2, 1);
    pm_admission_try(&g, 0);
    pm_admission_try(&g, 0);
    pm_admission_enqueue(&g, 0);
    pm_admission_enqueue(&g, 0);
    pm_admission_release(&g, -1);
    pm_admission_forget_process(&g, 1, 1);
    is_int(waits(&g), 1, "a death: one waits still");
    is_int(g.words->granted, 1, "a death: its grant is back");
    ok(pm_admission_claim(&g, 1), "a death: what was on its way is taken");
    pm_admission_release(&g, -1);
    is_int(g.words->granted + reserved(&g) + waits(&g), 0,
           "a death: all is back");
}

/* --- what cannot be ------------------------------------------------------- */

#define LINE(waits, reserved) ((reserved) << 16 | (waits))

static void test_lies(void)
{
    static const struct {
        const char *name;
        pm_admission_said_t said;
        apr_uint32_t in_flight, waiting;
        int can_be;
    } rows[] = {{"nothing", {0, 0}, 0, 0, 1},
                {"as the rows say", {3, LINE(2U, 0U)}, 3, 2, 1},
                {"one is about to begin", {3, LINE(2U, 0U)}, 4, 3, 1},
                {"a reserved grant is in no row", {3, LINE(2U, 1U)}, 2, 2, 1},
                {"one granted too many", {4, LINE(2U, 0U)}, 3, 2, 0},
                {"one waits too many", {3, LINE(3U, 0U)}, 3, 2, 0},
                {"more reserved than wait", {3, LINE(2U, 3U)}, 3, 2, 0},
                {"all bits", {~0U, ~0U}, 3, 2, 0}};
    static state_t state; /* ASan's stack is not aligned for it */
    const pm_admission_t g = state_of(&state);
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        is_int(pm_admission_can_be(rows[i].said, rows[i].in_flight,
                                   rows[i].waiting),
               rows[i].can_be, "can be: %s", rows[i].name);
        g.words->granted = rows[i].said.granted;
        g.words->line = rows[i].said.line;
        pm_admission_correct(&g, rows[i].said, rows[i].in_flight,
                             rows[i].waiting);
        ok(pm_admission_can_be(pm_admission_read(&g), rows[i].in_flight,
                               rows[i].waiting),
           "corrected: %s", rows[i].name);
    }
    g.words->line = LINE(0U, 7U);
    ok(!pm_admission_claim(&g, 1) || waits(&g) == 0,
       "what is reserved for nobody is not taken");
    is_int(pm_admission_average(~0U, 100), 100,
           "no average begins at nonsense");
}

/* --- all at once ---------------------------------------------------------- */

#define WORKERS  8
#define FIGHTERS 32
#define TURNS    1000

typedef struct arena {
    state_t state;
    pm_admission_t gate;
    apr_uint32_t inside;
    apr_uint32_t most;
    apr_uint32_t failed;
    int impatient; /* some give up early */
    int moody;     /* some are quick, some are slow */
} arena_t;

/* @return 1 with a grant, 0 given up, -1 waited in vain */
static int enter(arena_t *a, unsigned *seed)
{
    const pm_admission_t *g = &a->gate;
    apr_uint32_t seen;
    int woken = 0;

    if (pm_admission_try(g, 0)) {
        return 1;
    }
    seen = pm_admission_wakeups(g);
    pm_admission_enqueue(g, 0);
    while (!pm_admission_claim(g, woken)) {
        int gives_up = a->impatient && rand_r(seed) % 20 == 0;
        apr_time_t begin = pm_time_now();

        pm_admission_sleep(g, seen, gives_up ? 50 : apr_time_from_sec(10));
        if (gives_up || pm_time_now() - begin >= apr_time_from_sec(9)) {
            pm_admission_leave(g);
            return gives_up ? 0 : -1;
        }
        woken = 1;
        seen = pm_admission_wakeups(g);
    }
    return 1;
}

static void stay(arena_t *a, unsigned *seed)
{
    apr_uint32_t n = __atomic_add_fetch(&a->inside, 1, __ATOMIC_SEQ_CST);

    if (n > a->most) {
        a->most = n;
    }
    usleep((useconds_t)rand_r(seed) % 200);
    __atomic_sub_fetch(&a->inside, 1, __ATOMIC_SEQ_CST);
}

static void fight(arena_t *a, unsigned seed)
{
    int i, got;

    for (i = 0; i < TURNS; i++) {
        got = enter(a, &seed);
        if (got < 0) {
            __atomic_add_fetch(&a->failed, 1, __ATOMIC_SEQ_CST);
        }
        if (got > 0) {
            stay(a, &seed);
            pm_admission_release(&a->gate, !a->moody ? -1
                                           : rand_r(&seed) % 8
                                               ? 300
                                               : rand_r(&seed) % 30000);
        }
    }
}

static void test_fight(const char *name, int impatient, int moody)
{
    arena_t *a = mmap(NULL, sizeof(*a), PROT_READ | PROT_WRITE,
                      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    unsigned i;

    a->gate = state_of(&a->state);
    a->impatient = impatient;
    a->moody = moody;
    pm_admission_set_workers(&a->gate, WORKERS, WORKERS, 1);
    fflush(stdout);
    for (i = 0; i < FIGHTERS; i++) {
        if (fork() == 0) {
            fight(a, i + 1);
            _exit(0);
        }
    }
    while (wait(NULL) > 0) {
        ;
    }
    is_int(a->failed, 0, "%s: nobody slept when there was a grant", name);
    ok(a->most <= pm_admission_capacity(WORKERS, WORKERS, WORKERS, moody, 0),
       "%s: never more inside than "
       "there is room for (%u)",
       name, a->most);
    is_int(a->gate.words->granted, 0, "%s: all grants are back", name);
    is_int(a->gate.words->line, 0, "%s: nobody waits, nothing is reserved",
           name);
    munmap(a, sizeof(*a));
}

/* --- are there enough? ---------------------------------------------------- */

static void test_short(void)
{
    static state_t state; /* ASan's stack is not aligned for it */
    const pm_admission_t g = state_of(&state);

    pm_admission_try(&g, 0);
    ok(pm_admission_need_manager(&g), "short: who said nothing yet is called");
    ok(!pm_admission_need_manager(&g), "short: once");
    pm_admission_reset_call(&g);
    pm_admission_set_workers(&g, 2, 2, 1);
    pm_admission_set_enough(&g, 2);
    ok(!pm_admission_need_manager(&g), "short: one request, two workers");
    pm_admission_try(&g, 0);
    ok(!pm_admission_need_manager(&g), "short: two");
    pm_admission_enqueue(&g, 0);
    is_int(pm_admission_load(&g), 3, "short: who waits counts");
    ok(pm_admission_need_manager(&g), "short: the third is one more");
    pm_admission_release(&g, -1);
    is_int(pm_admission_load(&g), 2,
           "short: what is on its way to somebody "
           "counts once");
    is_int(pm_admission_take_peak(&g, pm_admission_load(&g)), 3,
           "peak: three at once");
    is_int(pm_admission_take_peak(&g, pm_admission_load(&g)), 2,
           "peak: then two");
    pm_admission_claim(&g, 1);
    pm_admission_release(&g, -1);
    pm_admission_release(&g, -1);
    is_int(pm_admission_take_peak(&g, pm_admission_load(&g)), 2,
           "peak: two since it was asked");
    is_int(pm_admission_take_peak(&g, pm_admission_load(&g)), 0,
           "peak: then none");
}

int main(void)
{
    apr_initialize();
    test_room();
    test_crowded();
    test_average();
    test_turns();
    test_silence();
    test_limit();
    test_given_up();
    test_workers();
    test_several();
    test_lies();
    test_bury();
    test_short();
    if (PM_FUTEX_WORKS) {
        test_fight("a fight", 0, 0);
        test_fight("some give up", 1, 0);
        test_fight("the room changes", 0, 1);
        test_fight("both", 1, 1);
    }
    return done_testing();
}
