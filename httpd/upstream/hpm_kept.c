/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/upstream/hpm_kept.h"

#include <string.h>
#include <unistd.h>

#include "apr_ring.h"
#include "httpd/upstream/hpm_thread.h"
#include "pm_core/os/pm_futex.h"

/* Of one pool, at the most. */
#define KEPT_MOST 64

/* The closer sleeps so long when nothing is kept. */
#define KEPT_IDLE apr_time_from_sec(86400)

/* Those of one pool. */
typedef struct kept_pool {
    APR_RING_ENTRY(kept_pool) link; /* in hpm_kept_t.pools, unless empty */
    pm_admission_t admission;
    pm_scoreboard_cell_t *cell;
    apr_uint32_t generation; /* of the pool in the slot */
    hpm_keep_lesson_t lesson;
    int count;
    hpm_conn_t conn[KEPT_MOST]; /* as they came */
} kept_pool_t;

APR_RING_HEAD(kept_pool_ring, kept_pool);

struct hpm_kept {
    pthread_mutex_t mutex;
    pthread_t closer;
    enum { KEPT_NEW, KEPT_RUNS, KEPT_ENDED } state; /* of the closer */
    pm_scoreboard_t *board;
    int row;
    const hpm_keep_limits_t *limits;
    apr_uint32_t *recalls;
    apr_pool_t *p;
    apr_time_t wakes_at;         /* the closer, by itself */
    unsigned puts, seen;         /* when it looked last */
    struct kept_pool_ring pools; /* those with connections */
    kept_pool_t *of_slot[PM_SCOREBOARD_SLOTS];
};

static void kept_lock(hpm_kept_t *kept)
{
    (void)pthread_mutex_lock(&kept->mutex);
}

static void kept_unlock(hpm_kept_t *kept)
{
    (void)pthread_mutex_unlock(&kept->mutex);
}

/* --- a pool's connections; the mutex is held ------------------------------ */

/* In the cell first and last: see pm_scoreboard_recall_kept(). */
static void pool_add(hpm_kept_t *kept, kept_pool_t *pool,
                     const hpm_conn_t *conn)
{
    if (!pool->count) {
        APR_RING_INSERT_TAIL(&kept->pools, pool, kept_pool, link);
    }
    pool->conn[pool->count++] = *conn;
    pm_scoreboard_add_kept(pool->cell, 1);
    pm_admission_add_kept(&pool->admission);
}

static hpm_conn_t pool_remove(kept_pool_t *pool, int i)
{
    hpm_conn_t conn = pool->conn[i];

    pm_admission_remove_kept(&pool->admission, 1);
    pm_scoreboard_add_kept(pool->cell, -1);
    pool->count--;
    memmove(&pool->conn[i], &pool->conn[i + 1],
            sizeof(conn) * (size_t)(pool->count - i));
    if (!pool->count) {
        APR_RING_REMOVE(pool, link);
    }
    return conn;
}

static void pool_close(kept_pool_t *pool, int i)
{
    (void)close(pool_remove(pool, i).fd);
}

/* @return how many were closed */
static int pool_close_surplus(kept_pool_t *pool)
{
    int n = 0;

    while (pool->count && pm_admission_kept_surplus(&pool->admission)) {
        pool_close(pool, 0);
        n++;
    }
    return n;
}

/* @return when the next one is due */
static apr_time_t pool_close_due(kept_pool_t *pool, apr_time_t now)
{
    apr_time_t next = PM_TIME_NEVER;
    int i;

    for (i = pool->count - 1; i >= 0; i--) {
        if (pool->conn[i].until <= now) {
            pool_close(pool, i);
        }
        else {
            next = pm_time_min(next, pool->conn[i].until);
        }
    }
    return next;
}

static void pool_close_all(kept_pool_t *pool)
{
    while (pool->count) {
        pool_close(pool, 0);
    }
}

static kept_pool_t *kept_pool_create(hpm_kept_t *kept, int slot)
{
    kept_pool_t *pool = apr_pcalloc(kept->p, sizeof(*pool));

    pool->admission = pm_scoreboard_admission(kept->board, slot);
    pool->cell = pm_scoreboard_cell(kept->board, kept->row, slot);
    kept->of_slot[slot] = pool;
    return pool;
}

/* What was kept of a former pool in the slot is closed. */
static kept_pool_t *kept_pool(hpm_kept_t *kept, const hpm_pool_t *of)
{
    kept_pool_t *pool = kept->of_slot[of->slot];

    if (!pool) {
        pool = kept_pool_create(kept, of->slot);
    }
    if (pool->generation != of->generation) {
        pool_close_all(pool);
        pool->generation = of->generation;
        memset(&pool->lesson, 0, sizeof(pool->lesson));
    }
    return pool;
}

/* --- the closer ----------------------------------------------------------- */

/* @return when it is to look again.  While requests come it need not be woken
 *  for each. */
static apr_time_t kept_look(hpm_kept_t *kept, apr_time_t now)
{
    apr_time_t next = PM_TIME_NEVER;
    kept_pool_t *pool, *after;

    for (pool = APR_RING_FIRST(&kept->pools);
         pool != APR_RING_SENTINEL(&kept->pools, kept_pool, link);
         pool = after) {
        after = APR_RING_NEXT(pool, link);
        if (pool_close_surplus(pool)) {
            hpm_keep_learn(&pool->lesson, HPM_KEEP_RECALLED, now);
        }
        next = pm_time_min(next, pool_close_due(pool, now));
    }
    if (next == PM_TIME_NEVER && kept->puts != kept->seen) {
        next = now + kept->limits->idle;
    }
    kept->seen = kept->puts;
    return next;
}

static void *closer_run(void *ctx)
{
    hpm_kept_t *kept = ctx;
    apr_interval_time_t left;
    apr_uint32_t seen;
    int ended;

    do {
        seen = __atomic_load_n(kept->recalls, __ATOMIC_SEQ_CST);
        kept_lock(kept);
        kept->wakes_at = kept_look(kept, pm_time_now());
        left = pm_time_min(kept->wakes_at - pm_time_now(), KEPT_IDLE);
        ended = kept->state == KEPT_ENDED;
        kept_unlock(kept);
        if (!ended && left > 0) {
            pm_futex_wait(kept->recalls, seen, left);
        }
    } while (!ended);
    return NULL;
}

static void kept_wake(hpm_kept_t *kept)
{
    __atomic_add_fetch(kept->recalls, 1, __ATOMIC_SEQ_CST);
    pm_futex_wake(kept->recalls, 1);
}

/* @return 1: there is a closer, which will look by @a at */
static int kept_has_closer(hpm_kept_t *kept, apr_time_t at)
{
    if (kept->state == KEPT_NEW) {
        kept->state = hpm_thread_start(&kept->closer, closer_run, kept)
                          ? KEPT_ENDED
                          : KEPT_RUNS;
    }
    if (kept->state == KEPT_RUNS && kept->wakes_at > at) {
        kept->wakes_at = at;
        kept_wake(kept);
    }
    return kept->state == KEPT_RUNS;
}

/* --- requests ------------------------------------------------------------- */

void hpm_kept_take(hpm_kept_t *kept, const hpm_pool_t *pool, apr_time_t now,
                   hpm_conn_t *conn)
{
    kept_pool_t *of;

    memset(conn, 0, sizeof(*conn));
    conn->fd = -1;
    kept_lock(kept);
    of = kept_pool(kept, pool);
    if (of->count) {
        *conn = pool_remove(of, of->count - 1);
    }
    conn->may_keep =
        kept->state != KEPT_ENDED && hpm_keep_may_ask(&of->lesson, now);
    kept_unlock(kept);
}

void hpm_kept_put(hpm_kept_t *kept, const hpm_pool_t *pool, hpm_conn_t *conn,
                  apr_time_t now)
{
    kept_pool_t *of;

    conn->until = hpm_keep_until(kept->limits, conn->opened, now);
    kept_lock(kept);
    of = kept_pool(kept, pool);
    if (conn->requests > 1) {
        hpm_keep_learn(&of->lesson, HPM_KEEP_WORKED, now);
    }
    if (of->count < KEPT_MOST && conn->until > now
        && kept_has_closer(kept, conn->until)) {
        kept->puts++;
        pool_add(kept, of, conn);
        pool_close_surplus(of);
    }
    else {
        (void)close(conn->fd);
    }
    kept_unlock(kept);
    conn->fd = -1;
}

void hpm_kept_give_up(hpm_kept_t *kept, const hpm_pool_t *pool)
{
    pm_admission_t admission = pm_scoreboard_admission(kept->board, pool->slot);

    if (!pm_admission_kept_surplus(&admission)) {
        return;
    }
    kept_lock(kept);
    pool_close_surplus(kept_pool(kept, pool));
    kept_unlock(kept);
    if (pm_admission_kept_surplus(&admission)) {
        pm_scoreboard_recall_kept(kept->board, kept->row, pool->slot);
    }
}

void hpm_kept_learn(hpm_kept_t *kept, const hpm_pool_t *pool,
                    hpm_keep_event_t event, apr_time_t now)
{
    kept_lock(kept);
    hpm_keep_learn(&kept_pool(kept, pool)->lesson, event, now);
    kept_unlock(kept);
}

/* --- the child ------------------------------------------------------------ */

hpm_kept_t *hpm_kept_create(pm_scoreboard_t *board, int row,
                            const hpm_keep_limits_t *limits, apr_pool_t *p)
{
    apr_pool_t *own = pm_subpool_create(p);
    hpm_kept_t *kept = apr_pcalloc(own, sizeof(*kept));

    (void)pthread_mutex_init(&kept->mutex, NULL);
    kept->p = own;
    kept->board = board;
    kept->row = row;
    kept->limits = limits;
    kept->recalls = pm_scoreboard_recalls(board, row);
    kept->wakes_at = PM_TIME_NEVER;
    APR_RING_INIT(&kept->pools, kept_pool, link);
    return kept;
}

void hpm_kept_stop(hpm_kept_t *kept)
{
    int runs;

    kept_lock(kept);
    runs = kept->state == KEPT_RUNS;
    kept->state = KEPT_ENDED;
    while (!APR_RING_EMPTY(&kept->pools, kept_pool, link)) {
        pool_close_all(APR_RING_FIRST(&kept->pools));
    }
    kept_unlock(kept);
    if (runs) {
        kept_wake(kept);
        (void)pthread_join(kept->closer, NULL);
    }
}
