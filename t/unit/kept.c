/* SPDX-License-Identifier: Apache-2.0 */
/* Connections to workers that a child keeps: for how long, how many, and that
 * none is kept from another child.  Also a program for ThreadSanitizer
 * (t/core/tsan.t). */
#include "tap.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apr_general.h"
#include "httpd/upstream/hpm_kept.h"

#define SLOT    3
#define WORKERS 4
#define THREADS 6

static pm_scoreboard_t *board;
static hpm_kept_t *kept;
static apr_pool_t *memory;
static hpm_pool_t pool = {.name = "app", .slot = SLOT, .generation = 1};
static pm_admission_t admission;
static pm_scoreboard_cell_t *cell;
static int row;

#define GET(word) __atomic_load_n(&(word), __ATOMIC_SEQ_CST)

/* --- policy --------------------------------------------------------------- */

static void test_until(void)
{
    static const hpm_keep_limits_t few = {5, 20};

    is_int(hpm_keep_until(&few, 100, 101), 106,
           "a new one is kept for a moment");
    is_int(hpm_keep_until(&few, 100, 118), 120, "never beyond its age");
    ok(hpm_keep_until(&few, 100, 121) <= 121, "an old one is not kept");
    ok(hpm_keep_limits.idle <= hpm_keep_limits.age
           && hpm_keep_limits.age <= apr_time_from_msec(20),
       "both are moments: what connects to a worker by itself waits as long");
}

static void test_lessons(void)
{
    apr_time_t now = apr_time_from_sec(100);
    hpm_keep_lesson_t lesson = {0};
    int i;

    ok(hpm_keep_may_ask(&lesson, now), "nothing known: a worker is asked");
    for (i = 0; i < 3; i++) {
        hpm_keep_learn(&lesson, HPM_KEEP_CLOSED, now);
    }
    ok(hpm_keep_may_ask(&lesson, now), "some are closed: as workers are "
                                       "replaced");
    hpm_keep_learn(&lesson, HPM_KEEP_WORKED, now);
    for (i = 0; i < 3; i++) {
        hpm_keep_learn(&lesson, HPM_KEEP_CLOSED, now);
    }
    ok(hpm_keep_may_ask(&lesson, now), "one that worked begins the count anew");
    hpm_keep_learn(&lesson, HPM_KEEP_CLOSED, now);
    ok(!hpm_keep_may_ask(&lesson, now + apr_time_from_sec(9)),
       "the program closes: not asked");
    ok(hpm_keep_may_ask(&lesson, now + apr_time_from_sec(10)),
       "but once in a while");
    now += apr_time_from_sec(10);
    hpm_keep_learn(&lesson, HPM_KEEP_RECALLED, now);
    ok(!hpm_keep_may_ask(&lesson, now + apr_time_from_msec(49))
           && hpm_keep_may_ask(&lesson, now + apr_time_from_msec(50)),
       "recalled: not for a moment");
    now += apr_time_from_sec(10);
    for (i = 0; i < 63; i++) {
        hpm_keep_learn(&lesson, HPM_KEEP_UNSIGNED, now);
    }
    ok(hpm_keep_may_ask(&lesson, now), "some do not say that they read on: as "
                                       "new workers");
    hpm_keep_learn(&lesson, HPM_KEEP_UNSIGNED, now);
    ok(!hpm_keep_may_ask(&lesson, now + apr_time_from_msec(999))
           && hpm_keep_may_ask(&lesson, now + apr_time_from_sec(1)),
       "the program does not: not asked for a second");
}

static void test_surplus(void)
{
    static const struct {
        const char *name;
        apr_uint32_t load, kept, requests, surplus;
    } rows[] = {{"none is kept", 9, 0, 4, 0},
                {"all have room", 2, 2, 4, 0},
                {"one request more", 3, 2, 4, 1},
                {"two more", 4, 2, 4, 2},
                {"many more: all are given up", 400, 2, 4, 2},
                {"no worker is left", 0, 2, 0, 2}};
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        is_int(
            pm_admission_surplus(rows[i].load, rows[i].kept, rows[i].requests),
            rows[i].surplus, "surplus: %s", rows[i].name);
    }
}

/* --- a child -------------------------------------------------------------- */

static void set_up(apr_pool_t *p)
{
    pm_reason_t why;

    if (pm_scoreboard_create(&board, 4, 64, p, &why) != APR_SUCCESS) {
        exit(1);
    }
    pm_scoreboard_set_workers(board, SLOT, WORKERS, WORKERS, 1);
    row = pm_scoreboard_row_claim(board, (apr_uint32_t)getpid(), 1);
    admission = pm_scoreboard_admission(board, SLOT);
    cell = pm_scoreboard_cell(board, row, SLOT);
    memory = p;
}

/* @return the other end of a connection that is put */
static int put(apr_time_t opened)
{
    hpm_conn_t conn = {.requests = 1, .opened = opened};
    int end[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, end)) {
        exit(1);
    }
    conn.fd = end[0];
    hpm_kept_put(kept, &pool, &conn, pm_time_now());
    return end[1];
}

static int take(void)
{
    hpm_conn_t conn;

    hpm_kept_take(kept, &pool, pm_time_now(), &conn);
    return conn.fd;
}

/* @return 1: the other end is closed within so many milliseconds */
static int closes(int fd, int ms)
{
    struct pollfd pfd = {fd, POLLIN, 0};

    return poll(&pfd, 1, ms) == 1 && pfd.revents & POLLHUP;
}

static int counted(void)
{
    return GET(admission.words->kept) == GET(cell->kept) ? (int)GET(cell->kept)
                                                         : -1;
}

/* They stay for the time of a test, or for moments. */
static void stay(int yes)
{
    static const hpm_keep_limits_t limits[] = {
        {apr_time_from_msec(5), apr_time_from_msec(20)},
        {apr_time_from_sec(1000), apr_time_from_sec(1000)}};

    if (kept) {
        hpm_kept_stop(kept);
    }
    kept = hpm_kept_create(board, row, &limits[yes], memory);
}

static void test_one(void)
{
    int a, b, fd;

    stay(0);
    ok(take() < 0, "there is none at first");
    a = put(pm_time_now());
    ok(closes(a, 5000), "one is closed when it has been idle");
    ok(counted() == 0, "and not counted any more");
    (void)close(a);
    a = put(pm_time_now() - apr_time_from_sec(1));
    ok(closes(a, 0), "an old one is closed at once");
    (void)close(a);
    stay(1);
    a = put(pm_time_now());
    b = put(pm_time_now());
    is_int(counted(), 2, "two are kept");
    fd = take();
    is_int(counted(), 1, "one is taken");
    (void)close(fd);
    ok(closes(b, 0) && !closes(a, 0), "it was the last one");
    (void)close(b);
    (void)close(take());
    ok(closes(a, 0) && counted() == 0, "then the other");
    (void)close(a);
}

/* The pool in the slot is another: nothing of the former one is used. */
static void test_generation(void)
{
    int a = put(pm_time_now());

    pool.generation++;
    ok(take() < 0 && closes(a, 0), "a pool's successor gets none of it");
    (void)close(a);
}

/* --- other children ------------------------------------------------------- */

static void grant(int n)
{
    for (; n > 0; n--) {
        pm_scoreboard_begin(cell);
        ok(pm_admission_try(&admission, 0), "a request");
    }
    for (; n < 0; n++) {
        pm_admission_release(&admission, 100000);
        pm_scoreboard_end(cell);
    }
}

static void test_room(void)
{
    int a;

    grant(WORKERS);
    ok(pm_admission_has_room_to_keep(&admission),
       "each request may leave its own");
    grant(1 - WORKERS);
    a = put(pm_time_now());
    grant(WORKERS - 1);
    hpm_kept_give_up(kept, &pool);
    ok(closes(a, 5000), "a request that needs the worker closes one");
    (void)close(a);
    a = put(pm_time_now());
    ok(closes(a, 0), "and no other is kept");
    (void)close(a);
    grant(-WORKERS);
    ok(counted() == 0, "all are counted off");
}

static void test_recall(void)
{
    int a;

    grant(WORKERS - 1);
    a = put(pm_time_now());
    pm_scoreboard_recall_kept(board, row + 1, SLOT);
    ok(!closes(a, 100) && counted() == 1,
       "there is a worker for everybody: one is kept");
    grant(1);
    pm_scoreboard_recall_kept(board, row + 1, SLOT);
    ok(closes(a, 5000), "another child needs the worker: it is closed");
    (void)close(a);
    grant(-WORKERS);
    ok(counted() == 0, "all are counted off");
}

/* A word that is not true is put right by the first that looks for those that
 * it tells of; a child that has died keeps none. */
static void test_words(void)
{
    int a, other;

    __atomic_store_n(&admission.words->kept, 7, __ATOMIC_SEQ_CST);
    pm_scoreboard_recall_kept(board, row, SLOT);
    is_int(GET(admission.words->kept), 0, "nobody keeps what the word says");
    a = put(pm_time_now());
    __atomic_store_n(&admission.words->kept, 7, __ATOMIC_SEQ_CST);
    pm_scoreboard_recall_kept(board, row, SLOT);
    is_int(GET(admission.words->kept), 1, "it says what one child keeps");
    (void)close(take());
    (void)close(a);
    other = pm_scoreboard_row_claim(board, 1, 1);
    pm_scoreboard_add_kept(pm_scoreboard_cell(board, other, SLOT), 2);
    pm_admission_add_kept(&admission);
    pm_admission_add_kept(&admission);
    pm_scoreboard_row_release(board, 1);
    is_int(GET(admission.words->kept), 0, "a dead child keeps none");
}

/* --- threads -------------------------------------------------------------- */

static apr_uint32_t most, reused;

static void one_request(unsigned *seed)
{
    hpm_conn_t conn;
    int end[2] = {-1, -1};
    apr_uint32_t n;

    hpm_kept_take(kept, &pool, pm_time_now(), &conn);
    pm_scoreboard_begin(cell);
    while (!pm_admission_try(&admission, 0)) {
        usleep(100);
    }
    if (conn.fd < 0) {
        hpm_kept_give_up(kept, &pool);
        if (socketpair(AF_UNIX, SOCK_STREAM, 0, end)) {
            exit(1);
        }
        conn.fd = end[0];
        conn.opened = pm_time_now();
        (void)close(end[1]);
    }
    else {
        __atomic_add_fetch(&reused, 1, __ATOMIC_RELAXED);
    }
    conn.requests++;
    if (rand_r(seed) % 50 == 0) {
        usleep((useconds_t)(rand_r(seed) % 8000));
    }
    pm_admission_release(&admission, 100000);
    pm_scoreboard_end(cell);
    hpm_kept_put(kept, &pool, &conn, pm_time_now());
    n = GET(admission.words->kept);
    if (n > GET(most)) {
        __atomic_store_n(&most, n, __ATOMIC_SEQ_CST);
    }
    if (rand_r(seed) % 20 == 0) {
        pm_scoreboard_recall_kept(board, row + 1, SLOT);
        usleep((useconds_t)(rand_r(seed) % 2000));
    }
}

static void *thread_run(void *seed)
{
    int i;

    for (i = 0; i < 1000; i++) {
        one_request(seed);
    }
    return NULL;
}

static void test_threads(void)
{
    pthread_t thread[THREADS];
    unsigned seed[THREADS];
    int i;

    stay(0);
    for (i = 0; i < THREADS; i++) {
        seed[i] = (unsigned)i;
        if (pthread_create(&thread[i], NULL, thread_run, &seed[i])) {
            exit(1);
        }
    }
    for (i = 0; i < THREADS; i++) {
        (void)pthread_join(thread[i], NULL);
    }
    ok(reused > 100, "threads: connections are used again (%u)", reused);
    ok(most <= WORKERS + THREADS, "never many more than workers (%u)", most);
    hpm_kept_stop(kept);
    ok(counted() == 0 && GET(cell->in_flight) == 0, "all are counted off");
    i = put(pm_time_now());
    ok(closes(i, 0), "at the end none is kept");
    (void)close(i);
}

int main(void)
{
    apr_pool_t *p;

    apr_initialize();
    apr_pool_create(&p, NULL);
    test_until();
    test_lessons();
    test_surplus();
    set_up(p);
    test_one();
    test_generation();
    test_room();
    test_recall();
    test_words();
    test_threads();
    return done_testing();
}
