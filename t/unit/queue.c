/* SPDX-License-Identifier: Apache-2.0 */
/* A child's queue: threads and a waker that grant, park and give up, and the
 * watcher that takes requests out whose clients have gone.  Also a program for
 * ThreadSanitizer (t/core/tsan.t). */
#include "tap.h"

#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "apr_general.h"
#include "httpd/upstream/hpm_queue.h"
#include "httpd/upstream/hpm_watcher.h"

#define SLOT    3
#define THREADS 8
#define WORKERS 2
#define MPM     9 /* threads of the MPM */

static pm_scoreboard_t *board;
static hpm_queue_t *q;
static hpm_watcher_t *watcher;
static pm_conf_t *conf;
static hpm_pool_t pool = {.name = "app", .slot = SLOT};
static pm_admission_t admission;
static pm_scoreboard_cell_t *cell;
static int others; /* the row of another child */

static sem_t idle; /* threads of the MPM */

static apr_uint32_t now_granted, most_granted, served, gone, late;

#define ADD(word, n) __atomic_add_fetch(&(word), (n), __ATOMIC_SEQ_CST)
#define GET(word)    __atomic_load_n(&(word), __ATOMIC_SEQ_CST)

static void set_up(apr_pool_t *p)
{
    pm_reason_t why;
    int row;

    if (pm_scoreboard_create(&board, 4, 64, p, &why) != APR_SUCCESS) {
        exit(1);
    }
    pm_scoreboard_set_parking(board, 65535);
    pm_scoreboard_slot(board, SLOT)->generation = 1;
    pm_scoreboard_slot(board, SLOT)->avail = PM_AVAIL_RUNNING;
    pm_scoreboard_set_workers(board, SLOT, WORKERS, WORKERS, 1);
    others = pm_scoreboard_row_claim(board, 1, 1);
    row = pm_scoreboard_row_claim(board, (apr_uint32_t)getpid(), 1);
    conf = pm_conf_create(p, "app");
    conf->queue_timeout = apr_time_from_sec(60);
    pool.conf = conf;
    pool.generation = 1;
    admission = pm_scoreboard_admission(board, SLOT);
    cell = pm_scoreboard_cell(board, row, SLOT);
    q = hpm_queue_start(board, row, THREADS, MPM, apr_time_from_msec(20), p,
                        &why);
    watcher = hpm_watcher_start(q, 0, p, &why);
    sem_init(&idle, 0, MPM);
}

static int join_at(hpm_waiter_t *w, int park, apr_time_t since)
{
    memset(w, 0, sizeof(*w));
    w->bell = -1;
    pm_scoreboard_add_waiting(cell, 1);
    if (!pm_admission_enqueue(&admission, 0)) {
        pm_scoreboard_add_waiting(cell, -1);
        return 0;
    }
    if (park) {
        hpm_queue_park(w);
    }
    else {
        hpm_queue_add_thread(q);
    }
    hpm_queue_join(q, w, &pool, since);
    return 1;
}

static int join(hpm_waiter_t *w, int park)
{
    return join_at(w, park, pm_time_now());
}

static void serve(void)
{
    apr_uint32_t n = ADD(now_granted, 1);
    apr_uint32_t most = GET(most_granted);

    while (n > most
           && !__atomic_compare_exchange_n(&most_granted, &most, n, 0,
                                           __ATOMIC_SEQ_CST,
                                           __ATOMIC_SEQ_CST)) {
    }
    usleep((useconds_t)(random() % 300));
    ADD(now_granted, -1);
    ADD(served, 1);
    pm_admission_release(&admission, 100000);
    pm_scoreboard_end(cell);
    hpm_queue_return_thread(q);
}

static void take_thread(hpm_waiter_t *w)
{
    sem_wait(&idle);
    if (w) {
        hpm_queue_resumed(q, w);
    }
    hpm_queue_enter(q, w);
}

static void leave_thread(void)
{
    hpm_queue_leave(q);
    sem_post(&idle);
}

/* As the MPM: it polls the bell, and then a thread comes. */
static void suspend(hpm_waiter_t *w, int client)
{
    struct pollfd pfd = {w->bell, POLLIN, 0};
    hpm_watched_t watched;

    while (hpm_waiter_state(w) == HPM_WAITER_WAITING) {
        hpm_watcher_add(watcher, &watched, client, w);
        hpm_queue_leave(q);
        hpm_queue_suspended(q, w);
        sem_post(&idle);
        (void)poll(&pfd, 1, 10000);
        hpm_watcher_remove(watcher, &watched);
        take_thread(w);
    }
}

static void one_request(unsigned *seed)
{
    hpm_waiter_t w;
    int park = rand_r(seed) % 3 != 0;
    int leaves = rand_r(seed) % 5 == 0;
    int client[2];

    take_thread(NULL);
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, client) || !join(&w, park)) {
        exit(1);
    }
    if (park) {
        if (leaves) {
            shutdown(client[1], SHUT_RDWR);
        }
        suspend(&w, client[0]);
    }
    else if (leaves) {
        hpm_queue_end(q, &w, HPM_WAITER_LATE);
    }
    hpm_queue_wait(q, &w, NULL);
    hpm_queue_forget(&w);
    switch (hpm_waiter_state(&w)) {
    case HPM_WAITER_GRANTED:
        serve();
        break;
    case HPM_WAITER_GONE:
        ADD(gone, 1);
        break;
    default:
        ADD(late, 1);
        hpm_queue_return_thread(q);
        break;
    }
    leave_thread();
    close(client[0]);
    close(client[1]);
}

static void *client_run(void *ctx)
{
    unsigned seed = (unsigned)(apr_uintptr_t)ctx;
    int i;

    for (i = 0; i < 150; i++) {
        one_request(&seed);
    }
    return NULL;
}

static void test_quiet(void)
{
    is_int(admission.words->granted, 0, "no grant is left");
    is_int(admission.words->line, 0, "no request is queued");
    ok(!GET(cell->waiting) && !GET(cell->parked) && !GET(cell->in_flight)
           && !GET(cell->head),
       "the cell says so");
}

static void test_crowd(void)
{
    pthread_t threads[12];
    apr_uintptr_t i;

    for (i = 0; i < 12; i++) {
        pthread_create(&threads[i], NULL, client_run, (void *)(i + 1));
    }
    for (i = 0; i < 12; i++) {
        pthread_join(threads[i], NULL);
    }
    is_int((long)served + (long)gone + (long)late, 12 * 150,
           "each request has ended");
    ok(served > 900 && gone > 10 && late > 10,
       "served %u, gone %u, given up %u", served, gone, late);
    ok(most_granted <= WORKERS, "never more than %u at once", most_granted);
    test_quiet();
    ok(hpm_queue_take_thread(q), "threads are free");
    hpm_queue_return_thread(q);
}

/* --- one after the other -------------------------------------------------- */

static void end(hpm_waiter_t *w)
{
    hpm_queue_wait(q, w, NULL);
    hpm_queue_forget(w);
    pm_admission_release(&admission, -1);
    pm_scoreboard_end(cell);
    hpm_queue_return_thread(q);
}

static int rings(const hpm_waiter_t *w)
{
    struct pollfd pfd = {w->bell, POLLIN, 0};

    return poll(&pfd, 1, 5000) == 1;
}

static void release_one(void)
{
    pm_scoreboard_end(cell);
    pm_admission_release(&admission, -1);
}

static void test_late(void)
{
    hpm_waiter_t w;

    conf->queue_timeout = apr_time_from_msec(30);
    pm_admission_try(&admission, 0);
    pm_admission_try(&admission, 0);
    join(&w, 1);
    ok(rings(&w), "the bell rings");
    is_int(hpm_waiter_state(&w), HPM_WAITER_LATE, "for the timeout");
    hpm_queue_wait(q, &w, NULL);
    hpm_queue_forget(&w);
    conf->queue_timeout = apr_time_from_sec(60);
}

#define MANY 10000

/* A grant comes while the last requests of the line leave it.
 * @return 1: another child is called for it */
static int late_ones_pass_on(void)
{
    const apr_uint32_t *calls = &pm_scoreboard_rows(board)->words[others].calls;
    apr_uint32_t before = GET(*calls);
    apr_time_t since = pm_time_now();
    static hpm_waiter_t w[MANY];
    int tries = 300;
    int i;

    for (i = 0; i < MANY; i++) {
        join_at(&w[i], 0, since);
    }
    while (hpm_waiter_state(&w[0]) == HPM_WAITER_WAITING) {
    }
    pm_admission_release(&admission, -1);
    for (i = 0; i < MANY; i++) {
        hpm_queue_wait(q, &w[i], NULL);
        hpm_queue_return_thread(q);
    }
    while (GET(*calls) == before && --tries) {
        usleep(1000);
    }
    return GET(*calls) != before;
}

static void test_late_ones_pass_on(void)
{
    pm_scoreboard_cell_t *theirs = pm_scoreboard_cell(board, others, SLOT);
    int called = 0;
    int i;

    conf->queue_timeout = apr_time_from_msec(100);
    for (i = 0; i < 4; i++) {
        pm_admission_try(&admission, 0);
        pm_admission_try(&admission, 0);
        pm_scoreboard_add_waiting(theirs, 1);
        pm_admission_enqueue(&admission, 0);
        pm_scoreboard_set_head(theirs, pm_time_now() + apr_time_from_sec(60));
        called += late_ones_pass_on();
        pm_scoreboard_set_head(theirs, 0);
        pm_admission_claim(&admission, 1);
        pm_scoreboard_add_waiting(theirs, -1);
        pm_admission_release(&admission, -1);
        pm_admission_release(&admission, -1);
    }
    is_int(called, 4, "a grant that comes as the last leave goes to another");
    conf->queue_timeout = apr_time_from_sec(60);
}

/* Another child has the oldest request, and has been stopped. */
static void test_stopped_child(void)
{
    pm_scoreboard_cell_t *theirs = pm_scoreboard_cell(board, others, SLOT);
    apr_time_t begin = 0;
    hpm_waiter_t w[8];
    int i;

    for (i = 0; i < WORKERS; i++) {
        pm_admission_try(&admission, 0);
        pm_scoreboard_begin(cell);
    }
    pm_scoreboard_add_waiting(theirs, 1);
    pm_admission_enqueue(&admission, 0);
    pm_scoreboard_set_head(theirs, pm_time_now() - apr_time_from_sec(9));
    for (i = 0; i < 8; i++) {
        join(&w[i], 0);
    }
    for (i = 0; i < 8; i++) {
        release_one();
        hpm_queue_wait(q, &w[i], NULL);
        hpm_queue_return_thread(q);
        begin = begin ? begin : pm_time_now();
    }
    ok(pm_time_now() - begin < apr_time_from_sec(4),
       "it holds each request of this one up for a moment");
    pm_scoreboard_set_head(theirs, 0);
    pm_scoreboard_add_waiting(theirs, -1);
    pm_admission_leave(&admission);
    for (i = 0; i < WORKERS; i++) {
        release_one();
    }
}

/* As the manager. */
static void set_avail(pm_avail_t avail)
{
    __atomic_store_n(&pm_scoreboard_slot(board, SLOT)->avail,
                     (apr_uint32_t)avail, __ATOMIC_RELEASE);
}

static void test_ended(void)
{
    hpm_waiter_t w;

    join(&w, 1);
    set_avail(PM_AVAIL_STOPPED);
    pm_scoreboard_set_workers(board, SLOT, WORKERS, WORKERS, 1);
    ok(rings(&w), "the bell rings");
    is_int(hpm_waiter_state(&w), HPM_WAITER_ENDED, "the pool is stopped");
    hpm_queue_wait(q, &w, NULL);
    hpm_queue_forget(&w);
    join(&w, 1);
    is_int(hpm_waiter_state(&w), HPM_WAITER_ENDED,
           "the next one is told at once");
    hpm_queue_wait(q, &w, NULL);
    hpm_queue_forget(&w);
    set_avail(PM_AVAIL_RUNNING);
}

/* Pools hold all the threads they may. */
static void test_threads(void)
{
    hpm_waiter_t parked, blocked;
    int i;

    for (i = 0; i < THREADS; i++) {
        ok(hpm_queue_take_thread(q), "thread %d", i + 1);
    }
    ok(!hpm_queue_take_thread(q), "no more");
    join(&parked, 1);
    ok(!GET(cell->head), "none that is parked can be granted");
    pm_admission_release(&admission, -1);
    is_int(hpm_waiter_state(&parked), HPM_WAITER_WAITING, "nor is it");
    join(&blocked, 0);
    hpm_queue_wait(q, &blocked, NULL);
    is_int(hpm_waiter_state(&blocked), HPM_WAITER_GRANTED,
           "one that has its thread is");
    pm_admission_release(&admission, -1);
    pm_scoreboard_end(cell);
    hpm_queue_return_thread(q);
    is_int(hpm_waiter_state(&parked), HPM_WAITER_WAITING,
           "as many threads as before");
    hpm_queue_return_thread(q);
    ok(rings(&parked) && hpm_waiter_state(&parked) == HPM_WAITER_GRANTED,
       "one is free: it is granted");
    end(&parked);
    pm_admission_release(&admission, -1); /* of test_late() */
    for (i = 1; i < THREADS; i++) {
        hpm_queue_return_thread(q);
    }
}

/* Connections that are no pool's have all threads of the MPM but one. */
static void enter_others(void)
{
    int i;

    for (i = 1; i < MPM; i++) {
        hpm_queue_enter(q, NULL);
    }
}

static void leave_others(void)
{
    int i;

    for (i = 1; i < MPM; i++) {
        hpm_queue_leave(q);
    }
}

static int is_waiting(const hpm_waiter_t *w)
{
    return hpm_waiter_state(w) == HPM_WAITER_WAITING;
}

/* Each worker has a request, and one more is parked. */
static void park_one(hpm_waiter_t *w)
{
    pm_admission_try(&admission, 0);
    pm_scoreboard_begin(cell);
    pm_admission_try(&admission, 0);
    pm_scoreboard_begin(cell);
    join(w, 1);
    hpm_queue_suspended(q, w);
}

/* A worker is free, and each thread of the MPM has a connection. */
static void park_without_thread(hpm_waiter_t *w)
{
    park_one(w);
    enter_others();
    hpm_queue_enter(q, NULL);
    release_one();
    hpm_queue_look(q, SLOT);
}

static void test_no_mpm_thread(void)
{
    hpm_waiter_t w;

    park_without_thread(&w);
    ok(!GET(cell->head) && is_waiting(&w), "all threads have a connection");
    hpm_queue_leave(q);
    is_int(hpm_waiter_state(&w), HPM_WAITER_GRANTED, "one leaves: granted");
    hpm_queue_resumed(q, &w);
    hpm_queue_enter(q, &w);
    end(&w);
    hpm_queue_leave(q);
    leave_others();
    release_one();
}

/* A connection has come first. */
static void test_promised_thread_is_taken(void)
{
    hpm_waiter_t w, blocked;

    park_one(&w);
    enter_others();
    release_one();
    hpm_queue_look(q, SLOT);
    is_int(hpm_waiter_state(&w), HPM_WAITER_GRANTED, "the last thread is its");
    hpm_queue_enter(q, NULL);
    ok(is_waiting(&w) && !GET(cell->head), "another has it: it waits on");
    is_int(GET(admission.words->line), 0x10001, "its grant is for any");
    join(&blocked, 0);
    hpm_queue_look(q, SLOT);
    is_int(hpm_waiter_state(&blocked), HPM_WAITER_GRANTED, "for this one");
    end(&blocked);
    ok(is_waiting(&w), "which gives it back");
    hpm_queue_leave(q);
    is_int(hpm_waiter_state(&w), HPM_WAITER_GRANTED, "a thread is free");
    hpm_queue_enter(q, NULL);
    ok(is_waiting(&w), "and is taken again");
    hpm_queue_leave(q);
    hpm_queue_enter(q, NULL);
    hpm_queue_leave(q);
    hpm_queue_resumed(q, &w);
    hpm_queue_enter(q, &w);
    is_int(hpm_waiter_state(&w), HPM_WAITER_GRANTED, "its turn has come");
    end(&w);
    hpm_queue_leave(q);
    leave_others();
    release_one();
}

/* Another connection leaves its thread before this one is counted. */
static void test_promised_thread_comes(void)
{
    hpm_waiter_t w, next;

    park_one(&w);
    enter_others();
    release_one();
    hpm_queue_look(q, SLOT);
    is_int(hpm_waiter_state(&w), HPM_WAITER_GRANTED, "it has the last thread");
    join(&next, 1);
    hpm_queue_suspended(q, &next);
    hpm_queue_resumed(q, &w);
    hpm_queue_leave(q);
    hpm_queue_enter(q, &w);
    ok(GET(cell->head) && is_waiting(&next), "there is one for the next, too");
    release_one();
    hpm_queue_look(q, SLOT);
    is_int(hpm_waiter_state(&next), HPM_WAITER_GRANTED, "which has a worker");
    end(&w);
    hpm_queue_resumed(q, &next);
    hpm_queue_enter(q, &next);
    end(&next);
    hpm_queue_leave(q);
    leave_others();
}

/* It has a thread, though none was promised. */
static void test_thread_comes_first(void)
{
    hpm_waiter_t w;

    park_without_thread(&w);
    ok(is_waiting(&w), "no thread");
    hpm_queue_resumed(q, &w);
    hpm_queue_enter(q, &w);
    is_int(hpm_waiter_state(&w), HPM_WAITER_GRANTED, "it has one: granted");
    end(&w);
    hpm_queue_leave(q);
    hpm_queue_leave(q);
    leave_others();
    release_one();
}

static int waits_again(const hpm_waiter_t *w)
{
    int tries = 5000;

    while (!is_waiting(w) && --tries) {
        usleep(1000);
    }
    return is_waiting(w);
}

/* The threads are busy, but no one has counted them. */
static void test_no_thread_comes(void)
{
    hpm_waiter_t w;

    park_one(&w);
    release_one();
    hpm_queue_look(q, SLOT);
    is_int(hpm_waiter_state(&w), HPM_WAITER_GRANTED, "granted");
    ok(waits_again(&w), "no thread comes: it waits on");
    is_int(GET(admission.words->line), 0x10001, "its grant is for any");
    ok(!GET(cell->head) && rings(&w), "the child wants none until one comes");
    hpm_queue_resumed(q, &w);
    is_int(hpm_waiter_state(&w), HPM_WAITER_GRANTED, "it does: granted");
    hpm_queue_enter(q, &w);
    end(&w);
    hpm_queue_leave(q);
    release_one();
}

int main(void)
{
    apr_pool_t *p;

    apr_initialize();
    apr_pool_create(&p, NULL);
    set_up(p);
    ok(q && watcher, "a queue, and a watcher");
    test_crowd();
    test_late_ones_pass_on();
    test_stopped_child();
    test_late();
    test_ended();
    test_threads();
    test_no_mpm_thread();
    test_promised_thread_is_taken();
    test_promised_thread_comes();
    test_thread_comes_first();
    test_no_thread_comes();
    test_quiet();
    hpm_watcher_stop(watcher);
    hpm_queue_stop(q);
    ok(1, "both threads end");
    return done_testing();
}
