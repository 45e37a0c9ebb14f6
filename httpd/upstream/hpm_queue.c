/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/upstream/hpm_queue.h"

#include <stddef.h>
#include <unistd.h>

#include "httpd/upstream/hpm_thread.h"
#include "pm_core/os/pm_futex.h"

#ifdef __linux__
#include <sys/eventfd.h>
#endif

/* The waker looks so often whether something was missed, while a request
 * waits: rows and words are claims of other processes. */
#define QUEUE_DOUBT apr_time_from_sec(1)

/* A request of another child is let go first for so long. */
#define QUEUE_YIELD apr_time_from_msec(20)

/* A thread comes so soon for a granted request, if there is one at all. */
#define QUEUE_PROMISE apr_time_from_msec(100)

/* It sleeps so long when none waits. */
#define QUEUE_IDLE apr_time_from_sec(86400)

/* The requests that wait for one pool. */
typedef struct hpm_line {
    APR_RING_ENTRY(hpm_line) link; /* in hpm_queue_t.lines */
    pm_waiters_t waiters;
    pm_admission_t admission;
    pm_scoreboard_cell_t *cell;
    const pm_scoreboard_slot_t *slot;
    apr_uint32_t generation, avail; /* of the slot, when it was looked at */
    apr_time_t doubt_at;
    apr_time_t elder; /* another child's head, which goes first */
    apr_time_t elder_until;
    apr_time_t absent; /* an elder that has not come for a grant */
    int called;        /* the admission's */
    int number;        /* of the slot */
} hpm_line_t;

APR_RING_HEAD(hpm_line_ring, hpm_line);
APR_RING_HEAD(hpm_renew_ring, hpm_waiter);

struct hpm_queue {
    pthread_mutex_t mutex;
    pthread_t waker;
    pm_scoreboard_t *board;
    pm_admission_rows_t *rows;
    int row;
    apr_pool_t *p;
    apr_uint32_t threads_max;
    apr_uint32_t threads; /* that pools hold */
    apr_uint32_t mpm_threads;
    apr_uint32_t busy;   /* of those: with a connection, or promised */
    apr_uint32_t parked; /* requests that would take one more */
    apr_interval_time_t renew_every;
    apr_time_t wakes_at; /* the waker, by itself */
    int stalled;         /* no thread came for a granted request */
    int stop;
    struct hpm_line_ring lines;     /* those that are not empty */
    struct hpm_renew_ring renew;    /* suspended requests, as they are due */
    struct hpm_renew_ring promised; /* granted ones, as they were granted */
    hpm_line_t *of_slot[PM_SCOREBOARD_SLOTS]; /* NULL: never needed */
};

/* A pair of "change one word, look at another", as in pm_admission.c. */
#define LOAD(word)   __atomic_load_n(&(word), __ATOMIC_SEQ_CST)
#define ADD(word, n) __atomic_add_fetch(&(word), (n), __ATOMIC_SEQ_CST)

static void queue_lock(hpm_queue_t *q)
{
    (void)pthread_mutex_lock(&q->mutex);
}

static void queue_unlock(hpm_queue_t *q)
{
    (void)pthread_mutex_unlock(&q->mutex);
}

static hpm_waiter_t *waiter_of(pm_waiter_t *place)
{
    return (hpm_waiter_t *)(void *)((char *)place
                                    - offsetof(hpm_waiter_t, place));
}

/* --- bells ---------------------------------------------------------------- */

#ifdef __linux__
int hpm_queue_park(hpm_waiter_t *w)
{
    w->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    return w->bell >= 0;
}

static void bell_ring(const hpm_waiter_t *w)
{
    (void)eventfd_write(w->bell, 1);
}

static void bell_mute(const hpm_waiter_t *w)
{
    eventfd_t n;

    (void)eventfd_read(w->bell, &n);
}
#else
int hpm_queue_park(hpm_waiter_t *w)
{
    w->bell = -1;
    return 0;
}

static void bell_ring(const hpm_waiter_t *w)
{
    (void)w;
}

static void bell_mute(const hpm_waiter_t *w)
{
    (void)w;
}
#endif

void hpm_queue_forget(hpm_waiter_t *w)
{
    if (w->bell >= 0) {
        (void)close(w->bell);
        w->bell = -1;
    }
}

/* --- threads -------------------------------------------------------------- */

static int queue_has_thread(const hpm_queue_t *q)
{
    return !q->stalled && LOAD(q->threads) < q->threads_max
           && LOAD(q->busy) < q->mpm_threads;
}

int hpm_queue_take_thread(hpm_queue_t *q)
{
    apr_uint32_t n = LOAD(q->threads);

    while (n < q->threads_max) {
        if (__atomic_compare_exchange_n(&q->threads, &n, n + 1, 1,
                                        __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
            return 1;
        }
    }
    return 0;
}

void hpm_queue_add_thread(hpm_queue_t *q)
{
    ADD(q->threads, 1);
}

/* --- suspended requests; the mutex is held -------------------------------- */

/* The waker sleeps until then at most. */
static void queue_wake_by(hpm_queue_t *q, apr_time_t at)
{
    if (at < q->wakes_at) {
        q->wakes_at = at;
        pm_admission_rows_wake(q->rows, q->row);
    }
}

static void suspended_insert(struct hpm_renew_ring *ring, hpm_waiter_t *w,
                             apr_interval_time_t due)
{
    w->renew_at = pm_time_now() + due;
    APR_RING_INSERT_TAIL(ring, w, hpm_waiter, renew);
}

/* Its bell rings, and then it takes a thread of the MPM. */
static void promise_make(hpm_queue_t *q, hpm_waiter_t *w)
{
    APR_RING_REMOVE(w, renew);
    suspended_insert(&q->promised, w, QUEUE_PROMISE);
    w->promised = 1;
    ADD(q->busy, 1);
    queue_wake_by(q, w->renew_at);
}

static void promise_end(hpm_queue_t *q, hpm_waiter_t *w)
{
    if (w->promised) {
        w->promised = 0;
        ADD(q->busy, -1);
    }
}

/* --- a line; the mutex is held -------------------------------------------- */

static void line_settle(hpm_queue_t *q, hpm_waiter_t *w,
                        hpm_waiter_state_t state)
{
    hpm_line_t *line = w->line;

    pm_waiters_remove(&w->place);
    if (pm_waiters_is_empty(&line->waiters)) {
        APR_RING_REMOVE(line, link);
    }
    if (state != HPM_WAITER_GRANTED) {
        pm_admission_leave(&line->admission);
    }
    if (w->place.parked) {
        ADD(q->parked, -1);
        pm_scoreboard_add_parked(line->cell, -1);
    }
    pm_scoreboard_add_waiting(line->cell, -1);
    __atomic_store_n(&w->state, (apr_uint32_t)state, __ATOMIC_SEQ_CST);
    if (w->suspended && state == HPM_WAITER_GRANTED) {
        promise_make(q, w);
    }
    if (w->place.parked) {
        bell_ring(w);
    }
    else {
        pm_futex_wake(&w->state, 1);
    }
}

/* It goes to a worker. */
static void line_admit(hpm_queue_t *q, hpm_waiter_t *w,
                       hpm_waiter_state_t state)
{
    if (w->place.parked) {
        ADD(q->threads, 1);
    }
    line_settle(q, w, state);
}

static int line_is_answered(const hpm_line_t *line, apr_uint32_t generation)
{
    switch (pm_scoreboard_avail(line->slot, generation)) {
    case PM_AVAIL_STARTING:
    case PM_AVAIL_RUNNING:
    case PM_AVAIL_DRAINING:
        return 1;
    default:
        return 0;
    }
}

static void line_note_pool(hpm_line_t *line)
{
    line->generation =
        __atomic_load_n(&line->slot->generation, __ATOMIC_ACQUIRE);
    line->avail = __atomic_load_n(&line->slot->avail, __ATOMIC_ACQUIRE);
}

static void line_end_unanswered(hpm_queue_t *q, hpm_line_t *line, int parked)
{
    pm_waiter_t *one = pm_waiters_oldest(&line->waiters, parked);
    pm_waiter_t *next;

    for (; one; one = next) {
        next = pm_waiters_next(&line->waiters, one);
        if (!line_is_answered(line, waiter_of(one)->generation)) {
            line_settle(q, waiter_of(one), HPM_WAITER_ENDED);
        }
    }
}

/* Has the pool ceased to answer?  All its requests are looked at when it has
 * changed, and only then. */
static void line_check_pool(hpm_queue_t *q, hpm_line_t *line)
{
    apr_uint32_t generation = line->generation;
    apr_uint32_t avail = line->avail;

    line_note_pool(line);
    if (generation != line->generation || avail != line->avail) {
        line_end_unanswered(q, line, 0);
        line_end_unanswered(q, line, 1);
    }
}

static void line_publish(const hpm_queue_t *q, const hpm_line_t *line)
{
    const pm_waiter_t *first =
        pm_waiters_first(&line->waiters, queue_has_thread(q));

    pm_scoreboard_set_head(line->cell, first ? first->since : 0);
}

/* Several grants may be reserved while only this child is awake: it leaves
 * those to a request of another child that has waited for longer, and passes
 * them on, but not for long.  That child may have been stopped. */
static int line_has_turn(hpm_queue_t *q, hpm_line_t *line,
                         const pm_waiter_t *first)
{
    apr_time_t elder =
        pm_admission_rows_elder(q->rows, line->admission.head, first->since);
    apr_time_t now = elder ? pm_time_now() : 0;

    if (elder != line->elder) {
        line->elder = elder;
        line->elder_until = now + QUEUE_YIELD;
        if (elder) {
            queue_wake_by(q, line->elder_until);
        }
    }
    return !elder || now >= line->elder_until;
}

/* The cell is counted up before the admission, see pm_admission.h. */
static int line_claim(hpm_queue_t *q, hpm_line_t *line,
                      const pm_waiter_t *first)
{
    if (!pm_admission_has_grant(&line->admission)
        || !line_has_turn(q, line, first)) {
        return 0;
    }
    pm_scoreboard_begin(line->cell);
    if (!pm_admission_claim(&line->admission, 1)) {
        pm_scoreboard_end(line->cell);
        return 0;
    }
    line->absent = line->elder;
    return 1;
}

/* Grant what can be granted.  @return how many were */
static int line_grant(hpm_queue_t *q, hpm_line_t *line)
{
    pm_waiter_t *first;
    int n = 0;

    line_check_pool(q, line);
    while ((first = pm_waiters_first(&line->waiters, queue_has_thread(q)))
           && line_claim(q, line, first)) {
        line_admit(q, waiter_of(first), HPM_WAITER_GRANTED);
        n++;
    }
    line_publish(q, line);
    return n;
}

/* Some grants may be left for another child, or have come meanwhile for this
 * one.  If they keep coming the waker goes on. */
static int line_serve(hpm_queue_t *q, hpm_line_t *line)
{
    int tries = 3;
    int n = 0;

    do {
        line->called = 0;
        n += line_grant(q, line);
        pm_admission_pass_on(&line->admission);
    } while (line->called && --tries);
    if (!tries) {
        pm_admission_rows_wake(q->rows, q->row);
    }
    return n;
}

/* Pools take turns: one that was granted something goes to the end. */
static void queue_serve(hpm_queue_t *q)
{
    hpm_line_t *last = APR_RING_LAST(&q->lines);
    hpm_line_t *line = APR_RING_FIRST(&q->lines);
    hpm_line_t *next;
    int more = !APR_RING_EMPTY(&q->lines, hpm_line, link);

    for (; more; line = next) {
        more = line != last;
        next = APR_RING_NEXT(line, link);
        if (line_serve(q, line) && !pm_waiters_is_empty(&line->waiters)) {
            APR_RING_REMOVE(line, link);
            APR_RING_INSERT_TAIL(&q->lines, line, hpm_line, link);
        }
    }
}

static hpm_line_t *queue_line(hpm_queue_t *q, int slot)
{
    hpm_line_t *line = q->of_slot[slot];

    if (!line) {
        line = q->of_slot[slot] = apr_pcalloc(q->p, sizeof(*line));
        pm_waiters_init(&line->waiters);
        line->admission = pm_scoreboard_admission(q->board, slot);
        line->admission.called = &line->called;
        line->cell = pm_scoreboard_cell(q->board, q->row, slot);
        line->slot = pm_scoreboard_slot(q->board, slot);
        line->number = slot;
    }
    return line;
}

static void queue_add(hpm_queue_t *q, hpm_line_t *line, hpm_waiter_t *w)
{
    if (pm_waiters_is_empty(&line->waiters)) {
        line_note_pool(line);
        line->doubt_at = w->place.since + QUEUE_DOUBT;
        APR_RING_INSERT_TAIL(&q->lines, line, hpm_line, link);
    }
    if (w->place.parked) {
        ADD(q->parked, 1);
        pm_scoreboard_add_parked(line->cell, 1);
    }
    pm_waiters_add(&line->waiters, &w->place);
}

/* No thread has come for a granted request: it waits on, and another may have
 * the grant. */
static void promise_break(hpm_queue_t *q, hpm_waiter_t *w)
{
    hpm_line_t *line = w->line;

    promise_end(q, w);
    APR_RING_REMOVE(w, renew);
    suspended_insert(&q->renew, w, q->renew_every);
    pm_scoreboard_add_waiting(line->cell, 1);
    if (!pm_admission_enqueue(&line->admission, 0)) {
        pm_scoreboard_add_waiting(line->cell, -1);
        return;
    }
    __atomic_store_n(&w->state, HPM_WAITER_WAITING, __ATOMIC_SEQ_CST);
    queue_add(q, line, w);
    ADD(q->threads, -1);
    pm_admission_release(&line->admission, -1);
    pm_scoreboard_end(line->cell);
    if (!line_is_answered(line, w->generation)) {
        line_settle(q, w, HPM_WAITER_ENDED);
    }
    line_serve(q, line);
}

static void promise_break_last(hpm_queue_t *q)
{
    if (!APR_RING_EMPTY(&q->promised, hpm_waiter, renew)) {
        promise_break(q, APR_RING_LAST(&q->promised));
    }
}

/* --- requests ------------------------------------------------------------- */

static void queue_count_down(hpm_queue_t *q, apr_uint32_t *n, apr_uint32_t most)
{
    if (__atomic_fetch_sub(n, 1, __ATOMIC_SEQ_CST) >= most && LOAD(q->parked)) {
        queue_lock(q);
        queue_serve(q);
        queue_unlock(q);
    }
}

void hpm_queue_return_thread(hpm_queue_t *q)
{
    queue_count_down(q, &q->threads, q->threads_max);
}

void hpm_queue_leave(hpm_queue_t *q)
{
    queue_count_down(q, &q->busy, q->mpm_threads);
}

/* A request that waits has got a thread, so it takes its turn now. */
static void queue_serve_own(hpm_queue_t *q, hpm_waiter_t *w)
{
    hpm_line_t *line = w->line;

    if (w->state == HPM_WAITER_WAITING && LOAD(q->threads) < q->threads_max
        && pm_waiters_first(&line->waiters, 1) == &w->place
        && line_claim(q, line, &w->place)) {
        line_admit(q, w, HPM_WAITER_GRANTED);
    }
    line_serve(q, line);
}

void hpm_queue_enter(hpm_queue_t *q, hpm_waiter_t *w)
{
    int promised = w && w->promised;
    int over = !promised && ADD(q->busy, 1) > q->mpm_threads;

    if (promised) {
        w->promised = 0; /* this is the thread */
    }
    if (over || (w && hpm_waiter_state(w) == HPM_WAITER_WAITING)) {
        queue_lock(q);
        if (over && LOAD(q->busy) > q->mpm_threads) {
            promise_break_last(q);
        }
        if (w) {
            queue_serve_own(q, w);
        }
        queue_unlock(q);
    }
}

void hpm_queue_join(hpm_queue_t *q, hpm_waiter_t *w, const hpm_pool_t *pool,
                    apr_time_t since)
{
    hpm_line_t *line;

    queue_lock(q);
    line = queue_line(q, pool->slot);
    w->state = HPM_WAITER_WAITING;
    w->line = line;
    w->place.since = since;
    w->place.parked = w->bell >= 0;
    w->until = since + pool->conf->queue_timeout;
    w->generation = pool->generation;
    w->suspended = 0;
    w->promised = 0;
    queue_add(q, line, w);
    if (!line_is_answered(line, w->generation)) {
        line_settle(q, w, HPM_WAITER_ENDED);
    }
    line_publish(q, line);
    /* This child looks itself only if no other has a much older request. */
    pm_admission_pass_on(&line->admission);
    if (line->called) {
        line_serve(q, line);
    }
    queue_wake_by(q, pm_time_min(w->until, line->doubt_at));
    queue_unlock(q);
}

void hpm_queue_look(hpm_queue_t *q, int slot)
{
    queue_lock(q);
    line_serve(q, queue_line(q, slot));
    queue_unlock(q);
}

/* The lock: whatever has woken it has done with it. */
void hpm_queue_wait(hpm_queue_t *q, hpm_waiter_t *w, const hpm_gone_t *client)
{
    while (hpm_waiter_state(w) == HPM_WAITER_WAITING) {
        pm_futex_wait(&w->state, HPM_WAITER_WAITING,
                      client ? HPM_GONE_LOOK : QUEUE_IDLE);
        if (hpm_waiter_state(w) == HPM_WAITER_WAITING && client
            && client->has_gone(client->ctx)) {
            hpm_queue_end(q, w, HPM_WAITER_GONE);
        }
    }
    queue_lock(q);
    queue_unlock(q);
}

void hpm_queue_end(hpm_queue_t *q, hpm_waiter_t *w, hpm_waiter_state_t state)
{
    queue_lock(q);
    if (w->state == HPM_WAITER_WAITING) {
        line_settle(q, w, state);
        line_serve(q, w->line);
    }
    if (w->promised && !w->suspended) { /* its thread does not come */
        promise_end(q, w);
        queue_serve(q);
    }
    queue_unlock(q);
}

/* --- suspended requests --------------------------------------------------- */

void hpm_queue_suspended(hpm_queue_t *q, hpm_waiter_t *w)
{
    queue_lock(q);
    w->suspended = 1;
    suspended_insert(&q->renew, w, q->renew_every);
    queue_wake_by(q, w->renew_at);
    if (w->state == HPM_WAITER_GRANTED) {
        promise_make(q, w);
        if (LOAD(q->busy) > q->mpm_threads) {
            promise_break_last(q);
        }
    }
    queue_unlock(q);
}

/* A bell that has rung for the end rings on for nobody: the state tells. */
void hpm_queue_resumed(hpm_queue_t *q, hpm_waiter_t *w)
{
    queue_lock(q);
    if (w->suspended) {
        APR_RING_REMOVE(w, renew);
        w->suspended = 0;
    }
    if (w->bell >= 0) {
        bell_mute(w);
    }
    if (q->stalled) {
        q->stalled = 0;
        queue_serve(q);
    }
    queue_unlock(q);
}

/* --- the waker ------------------------------------------------------------ */

/* All of a pool's requests have the same timeout, but for those of a pool that
 * the slot had before.
 * @return how many have left */
static int line_end_late(hpm_queue_t *q, hpm_line_t *line, int parked,
                         apr_time_t now)
{
    pm_waiter_t *one;
    int n = 0;

    while ((one = pm_waiters_oldest(&line->waiters, parked))
           && waiter_of(one)->until <= now) {
        line_settle(q, waiter_of(one), HPM_WAITER_LATE);
        n++;
    }
    return n;
}

/* Requests that wait for a word that is not true do so for a moment only.
 * @return how many have left */
static int line_pass_misled(hpm_queue_t *q, hpm_line_t *line, apr_time_t now)
{
    pm_waiter_t *one;
    int n = 0;

    if (now < line->doubt_at || pm_waiters_is_empty(&line->waiters)) {
        return 0;
    }
    line->doubt_at = now + QUEUE_DOUBT;
    if (!pm_scoreboard_correct_admission(q->board, line->number)) {
        return 0;
    }
    while ((one = pm_waiters_first(&line->waiters, queue_has_thread(q)))
           && one->since + QUEUE_DOUBT <= now) {
        pm_scoreboard_begin(line->cell);
        line_admit(q, waiter_of(one), HPM_WAITER_PASSED);
        n++;
    }
    return n;
}

/* What other children have let go is called for the elder first: as long as one
 * that has not come for a grant stands there this child looks by itself. */
static int line_has_elder(const hpm_queue_t *q, const hpm_line_t *line)
{
    const pm_waiter_t *first =
        pm_waiters_first(&line->waiters, queue_has_thread(q));

    return line->elder && first
           && (pm_admission_has_grant(&line->admission)
               || (line->elder == line->absent
                   && pm_admission_rows_elder(q->rows, line->admission.head,
                                              first->since)
                          == line->elder));
}

static apr_time_t line_due(const hpm_queue_t *q, hpm_line_t *line,
                           apr_time_t now)
{
    apr_time_t at = now + QUEUE_IDLE;
    int parked;

    if (!line_has_elder(q, line)) {
        line->elder = 0;
    }
    if (line->elder) {
        at = line->elder_until > now ? line->elder_until : now + QUEUE_YIELD;
    }

    for (parked = 0; parked < 2; parked++) {
        pm_waiter_t *one = pm_waiters_oldest(&line->waiters, parked);

        if (one) {
            at = pm_time_min(
                at, pm_time_min(waiter_of(one)->until, line->doubt_at));
        }
    }
    return at;
}

/* The child may have been called for those that leave, even for the last ones
 * of the line.  @return when it is to be looked at again */
static apr_time_t line_look(hpm_queue_t *q, hpm_line_t *line, apr_time_t now)
{
    int left = line_end_late(q, line, 0, now);

    left += line_end_late(q, line, 1, now);
    left += line_pass_misled(q, line, now);
    if (left) {
        line_serve(q, line);
    }
    return line_due(q, line, now);
}

static apr_time_t suspended_due(const struct hpm_renew_ring *ring,
                                apr_time_t now)
{
    return APR_RING_EMPTY(ring, hpm_waiter, renew)
               ? now + QUEUE_IDLE
               : APR_RING_FIRST(ring)->renew_at;
}

static void queue_renew(hpm_queue_t *q, apr_time_t now)
{
    while (suspended_due(&q->renew, now) <= now) {
        hpm_waiter_t *w = APR_RING_FIRST(&q->renew);

        APR_RING_REMOVE(w, renew);
        suspended_insert(&q->renew, w, q->renew_every);
        bell_ring(w);
    }
}

/* Threads can be busy outside the hook that counts them: one that closes a
 * connection of HTTP/2 waits for its streams.  Until a thread comes for a
 * parked request, the child wants no grant for another. */
static void queue_break_promises(hpm_queue_t *q, apr_time_t now)
{
    while (suspended_due(&q->promised, now) <= now) {
        q->stalled = 1;
        promise_break(q, APR_RING_FIRST(&q->promised));
    }
}

static void queue_look(hpm_queue_t *q)
{
    apr_time_t now = pm_time_now();
    apr_time_t at = now + QUEUE_IDLE;
    hpm_line_t *line, *next;

    q->wakes_at = 0; /* it is awake */
    queue_renew(q, now);
    queue_break_promises(q, now);
    queue_serve(q);
    for (line = APR_RING_FIRST(&q->lines);
         line != APR_RING_SENTINEL(&q->lines, hpm_line, link); line = next) {
        next = APR_RING_NEXT(line, link);
        at = pm_time_min(at, line_look(q, line, now));
    }
    at = pm_time_min(at, suspended_due(&q->renew, now));
    q->wakes_at = pm_time_min(at, suspended_due(&q->promised, now));
}

static void *waker_run(void *ctx)
{
    hpm_queue_t *q = ctx;
    const apr_uint32_t *word = &q->rows->words[q->row].calls;
    apr_interval_time_t left;
    apr_uint32_t seen;
    int stop;

    do {
        seen = LOAD(*word);
        queue_lock(q);
        stop = q->stop;
        if (!stop) {
            queue_look(q);
        }
        left = q->wakes_at - pm_time_now();
        queue_unlock(q);
        if (!stop && left > 0) {
            pm_futex_wait(word, seen, left);
        }
    } while (!stop);
    return NULL;
}

/* --- the child ------------------------------------------------------------ */

hpm_queue_t *hpm_queue_start(pm_scoreboard_t *board, int row, int threads,
                             int mpm_threads, apr_interval_time_t renew,
                             apr_pool_t *p, pm_reason_t *why)
{
    apr_pool_t *own = pm_subpool_create(p);
    hpm_queue_t *q = apr_pcalloc(own, sizeof(*q));
    int err;

    (void)pthread_mutex_init(&q->mutex, NULL);
    q->board = board;
    q->rows = pm_scoreboard_rows(board);
    q->row = row;
    q->p = own;
    q->threads_max = (apr_uint32_t)threads;
    q->mpm_threads = (apr_uint32_t)mpm_threads;
    q->renew_every = renew > 0 ? renew : QUEUE_DOUBT;
    APR_RING_INIT(&q->lines, hpm_line, link);
    APR_RING_INIT(&q->renew, hpm_waiter, renew);
    APR_RING_INIT(&q->promised, hpm_waiter, renew);
    err = hpm_thread_start(&q->waker, waker_run, q);
    if (err) {
        pm_fail_os(why, err, "no thread that wakes requests");
        return NULL;
    }
    return q;
}

void hpm_queue_stop(hpm_queue_t *q)
{
    queue_lock(q);
    q->stop = 1;
    queue_unlock(q);
    pm_admission_rows_wake(q->rows, q->row);
    (void)pthread_join(q->waker, NULL);
}
