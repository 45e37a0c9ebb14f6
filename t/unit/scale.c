/* SPDX-License-Identifier: Apache-2.0 */
/* How many workers: cases, the window, and a day of traffic.  Time is a
 * number here. */
#include "tap.h"

#include <limits.h>
#include <stdlib.h>

#include "apr_general.h"
#include "pm_core/policy/pm_restart_policy.h"
#include "pm_core/policy/pm_scale.h"

#define S(n)  apr_time_from_sec(n)
#define MS(n) apr_time_from_msec(n)
#define NEVER PM_TIME_NEVER
#define ANY   INT_MAX

/* --- cases ---------------------------------------------------------------- */

#define END S(25) /* of the window's present part; now is S(10) */

static const struct {
    const char *name;
    int min, max, spare;
    apr_time_t delay;
    pm_scale_facts_t facts; /* alive, closing, last_start, crash_next, trial,
                             * need, most, room, extra */
    pm_scale_plan_t want;   /* start, stop, busy, next, open, want_room;
                             * want when it is not 0 */
} scales[] = {
    /* as many as ever */
    {"empty",
     4,
     4,
     0,
     0,
     {0, 0, 0, 0, 0, 0, 0, ANY, 0},
     {4, 0, 0, NEVER, 0, 0, 0}},
    {"full",
     4,
     4,
     0,
     0,
     {4, 0, S(1), 0, 0, 9, 9, ANY, 0},
     {0, 0, 0, NEVER, 0, 0, 0}},
    {"one missing",
     4,
     4,
     0,
     0,
     {3, 0, S(10), 0, 0, 0, 0, ANY, 0},
     {1, 0, 0, NEVER, 0, 0, 0}},
    {"too many, even if busy",
     2,
     2,
     0,
     0,
     {5, 0, S(1), 0, 0, 5, 5, ANY, 0},
     {0, 3, 3, NEVER, 0, 0, 0}},
    {"closing",
     4,
     4,
     0,
     0,
     {4, 1, S(1), 0, 0, 4, 4, ANY, 0},
     {0, 4, 4, NEVER, 0, 0, 0}},
    {"closing, none",
     4,
     4,
     0,
     0,
     {0, 1, S(1), 0, 0, 0, 0, ANY, 0},
     {0, 0, 0, NEVER, 0, 0, 0}},
    {"none allowed",
     0,
     0,
     0,
     0,
     {0, 0, 0, 0, 0, 5, 5, ANY, 0},
     {0, 0, 0, NEVER, 0, 0, 0}},
    /* the delay between two starts */
    {"delay, first",
     4,
     4,
     0,
     S(2),
     {0, 0, 0, 0, 0, 0, 0, ANY, 0},
     {1, 0, 0, S(12), 0, 0, 0}},
    {"delay, too soon",
     4,
     4,
     0,
     S(2),
     {1, 0, S(9), 0, 0, 0, 0, ANY, 0},
     {0, 0, 0, S(11), 0, 0, 0}},
    {"delay, due",
     4,
     4,
     0,
     S(2),
     {1, 0, S(8), 0, 0, 0, 0, ANY, 0},
     {1, 0, 0, S(12), 0, 0, 0}},
    {"delay, last one",
     4,
     4,
     0,
     S(2),
     {3, 0, S(8), 0, 0, 0, 0, ANY, 0},
     {1, 0, 0, NEVER, 0, 0, 0}},
    {"delay, nobody called for: look when it is over",
     0,
     4,
     0,
     S(2),
     {0, 0, S(9), 0, 0, 0, 0, ANY, 0},
     {0, 0, 0, S(11), 0, 0, 0}},
    {"delay over, nobody called for",
     0,
     4,
     0,
     S(2),
     {0, 0, S(8), 0, 0, 0, 0, ANY, 0},
     {0, 0, 0, NEVER, 1, 0, 0}},
    /* backoff */
    {"backoff",
     4,
     4,
     0,
     0,
     {0, 0, S(9), S(11), 1, 0, 0, ANY, 0},
     {0, 0, 0, S(11), 0, 0, 0}},
    {"backoff is over",
     4,
     4,
     0,
     0,
     {0, 0, S(9), S(10), 1, 0, 0, ANY, 0},
     {1, 0, 0, NEVER, 0, 0, 0}},
    {"backoff and delay",
     4,
     4,
     0,
     S(5),
     {0, 0, S(9), S(11), 1, 0, 0, ANY, 0},
     {0, 0, 0, S(14), 0, 0, 0}},
    {"on demand, backoff over, nobody there any more",
     0,
     4,
     0,
     0,
     {0, 0, S(9), S(10), 1, 0, 7, ANY, 0},
     {0, 0, 0, NEVER, 1, 0, 0}},
    {"on demand, backoff over, somebody there",
     0,
     4,
     0,
     0,
     {0, 0, S(9), S(10), 1, 3, 7, ANY, 0},
     {1, 0, 0, END, 0, 0, 0}},
    {"backoff is no reason to lose those that live",
     0,
     8,
     0,
     0,
     {5, 0, S(9), S(11), 1, 1, 6, ANY, 0},
     {0, 0, 0, S(11), 0, 0, 0}},
    /* elastic */
    {"the least",
     2,
     8,
     0,
     0,
     {0, 0, 0, 0, 0, 0, 0, ANY, 0},
     {2, 0, 0, NEVER, 1, 0, 0}},
    {"all that are missing at once",
     2,
     8,
     0,
     0,
     {2, 0, S(1), 0, 0, 7, 7, ANY, 0},
     {5, 0, 0, END, 1, 0, 0}},
    {"no more than the most",
     2,
     8,
     0,
     0,
     {2, 0, S(1), 0, 0, 99, 99, ANY, 0},
     {6, 0, 0, END, 0, 0, 0}},
    {"needed a while ago",
     2,
     8,
     0,
     0,
     {6, 0, S(1), 0, 0, 0, 6, ANY, 0},
     {0, 0, 0, END, 1, 0, 0}},
    {"two not needed for long",
     2,
     8,
     0,
     0,
     {6, 0, S(1), 0, 0, 1, 4, ANY, 0},
     {0, 2, 0, END, 1, 0, 0}},
    {"from the most",
     2,
     8,
     0,
     0,
     {8, 0, S(1), 0, 0, 1, 4, ANY, 0},
     {0, 4, 0, END, 1, 0, 0}},
    {"down to the least",
     2,
     8,
     0,
     0,
     {6, 0, S(1), 0, 0, 0, 0, ANY, 0},
     {0, 4, 0, NEVER, 1, 0, 0}},
    {"at the least nothing is to come",
     2,
     8,
     0,
     0,
     {2, 0, S(1), 0, 0, 1, 2, ANY, 0},
     {0, 0, 0, NEVER, 1, 0, 0}},
    {"on demand, at rest",
     0,
     8,
     0,
     0,
     {0, 0, 0, 0, 0, 0, 0, ANY, 0},
     {0, 0, 0, NEVER, 1, 0, 0}},
    {"on demand, called",
     0,
     8,
     0,
     0,
     {0, 0, 0, 0, 0, 3, 3, ANY, 0},
     {3, 0, 0, END, 1, 0, 0}},
    {"spare ones are ahead of the need",
     1,
     8,
     2,
     0,
     {3, 0, S(1), 0, 0, 2, 2, ANY, 0},
     {1, 0, 0, END, 1, 0, 0}},
    {"and there at rest",
     0,
     8,
     2,
     0,
     {0, 0, 0, 0, 0, 0, 0, ANY, 0},
     {2, 0, 0, NEVER, 1, 0, 0}},
    {"and no more than the most",
     1,
     8,
     2,
     0,
     {7, 0, S(1), 0, 0, 8, 8, ANY, 0},
     {1, 0, 0, END, 0, 0, 0}},
    /* room for all pools */
    {"room for two",
     0,
     8,
     0,
     0,
     {0, 0, 0, 0, 0, 5, 5, 2, 0},
     {2, 0, 0, END, 0, 1, 0}},
    {"no room",
     0,
     8,
     0,
     0,
     {1, 0, S(1), 0, 0, 5, 5, 0, 0},
     {0, 0, 0, END, 0, 1, 0}},
    {"room was taken away",
     0,
     8,
     0,
     0,
     {1, 0, S(1), 0, 0, 5, 5, -3, 0},
     {0, 0, 0, END, 0, 1, 0}},
    {"no room, none needed",
     0,
     8,
     0,
     0,
     {0, 0, 0, 0, 0, 0, 0, 0, 0},
     {0, 0, 0, NEVER, 1, 0, 0}},
    /* a replacement first */
    {"extra: one more than ever",
     4,
     4,
     0,
     0,
     {4, 0, S(1), 0, 0, 0, 0, ANY, 1},
     {1, 0, 0, NEVER, 0, 0, 4}},
    {"extra: it is there",
     4,
     4,
     0,
     0,
     {5, 0, S(1), 0, 0, 0, 0, ANY, 1},
     {0, 0, 0, NEVER, 0, 0, 4}},
    {"extra: no longer",
     4,
     4,
     0,
     0,
     {5, 0, S(1), 0, 0, 0, 0, ANY, 0},
     {0, 1, 1, NEVER, 0, 0, 4}},
    {"extra: no room",
     4,
     4,
     0,
     0,
     {4, 0, S(1), 0, 0, 0, 0, 0, 1},
     {0, 0, 0, NEVER, 0, 1, 4}},
    {"extra: no more than wanted, however many are due",
     2,
     2,
     0,
     0,
     {4, 0, S(1), 0, 0, 0, 0, ANY, 4},
     {0, 0, 0, NEVER, 0, 0, 2}},
    {"extra: none where none is wanted",
     0,
     2,
     0,
     0,
     {1, 0, S(1), 0, 0, 0, 0, ANY, 1},
     {0, 1, 0, NEVER, 1, 0, 0}}};

static pm_conf_t *conf_of(apr_pool_t *p, int min, int max)
{
    pm_conf_t *conf = pm_conf_create(p, "x");

    conf->processes.min = min;
    conf->processes.max = max;
    return conf;
}

static void test_cases(apr_pool_t *p)
{
    size_t i;

    for (i = 0; i < sizeof(scales) / sizeof(scales[0]); i++) {
        pm_conf_t *conf = conf_of(p, scales[i].min, scales[i].max);
        const pm_scale_plan_t *want = &scales[i].want;
        pm_scale_plan_t got;

        conf->spare = scales[i].spare;
        conf->start_delay = scales[i].delay;
        got = pm_scale_plan(conf, &scales[i].facts, END, S(10));
        ok(got.start == want->start && got.stop == want->stop
               && got.busy == want->busy && got.next == want->next
               && got.open == want->open && got.want_room == want->want_room
               && (!want->want || got.want == want->want),
           "%s (start %d, stop %d, busy %d, next %ld, open %d, room %d)",
           scales[i].name, got.start, got.stop, got.busy,
           got.next == NEVER ? -1L : (long)apr_time_as_msec(got.next), got.open,
           got.want_room);
    }
}

/* --- the window ----------------------------------------------------------- */

/* Requests in all of this; what workers they come to is seen in the plan. */
static void test_each(apr_pool_t *p)
{
    static const struct {
        int each, spare, requests, workers;
    } rows[] = {{1, 0, 3, 3},       {8, 0, 0, 1},           {8, 0, 1, 1},
                {8, 0, 8, 1},       {8, 0, 9, 2},           {8, 0, 17, 3},
                {8, 1, 8, 2},       {8, 1, 9, 3},           {8, 0, 999, 20},
                {1024, 0, 1024, 1}, {1024, 0, 10240000, 20}};
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        pm_conf_t *conf = conf_of(p, 1, 20);
        pm_scale_facts_t facts = {
            .need = rows[i].requests, .most = rows[i].requests, .room = ANY};
        int n = rows[i].workers;

        conf->requests_per_worker = rows[i].each;
        conf->spare = rows[i].spare;
        is_int(pm_scale_plan(conf, &facts, END, S(10)).start, n,
               "%d requests, %d each, %d spare", rows[i].requests, rows[i].each,
               rows[i].spare);
        ok((int)pm_scale_enough(conf, n) >= rows[i].requests || n == 20,
           "of which there are enough");
        ok((int)pm_scale_enough(conf, n - 1) < rows[i].requests || n == 1,
           "and not without one of them");
    }
}

static void test_window(void)
{
    pm_scale_window_t w = {0};
    apr_time_t t = S(1000);

    pm_scale_note(&w, S(40), 0, 5, t);
    is_int(pm_scale_most(&w), 5, "window: five are needed");
    is_int((long)(pm_scale_part_end(&w, S(40)) - t), S(10),
           "window: looked "
           "at again after a quarter");
    pm_scale_note(&w, S(40), 7, 0, t + S(9));
    is_int(pm_scale_most(&w), 7, "window: seven were, meanwhile");
    for (t += S(10); t < S(1050); t += S(10)) {
        pm_scale_note(&w, S(40), 1, 1, t);
        is_int(pm_scale_most(&w), 7,
               "window: remembered "
               "at %ld s",
               (long)apr_time_sec(t));
    }
    pm_scale_note(&w, S(40), 1, 1, t);
    is_int(pm_scale_most(&w), 1,
           "window: forgotten after the idle timeout "
           "and a part");
    pm_scale_note(&w, S(40), 9, 2, t + S(3600));
    is_int(pm_scale_most(&w), 2,
           "window: what was at some time within an "
           "hour was long ago");
    is_int((long)(w.since - t), S(3600), "window: and begins anew");
    pm_scale_note(&w, 0, 4, 3, t + S(7200));
    pm_scale_note(&w, 0, 0, 0, t + S(99999));
    is_int(pm_scale_most(&w), 4,
           "window: without an idle timeout nothing "
           "is forgotten");
    ok(pm_scale_part_end(&w, 0) == NEVER, "window: and nothing looked at");
}

/* --- a pool and its traffic ----------------------------------------------- */

#define AT_ONCE 256

typedef struct sim {
    const pm_conf_t *conf;
    pm_scale_window_t window;
    pm_restart_policy_t crash;
    apr_time_t now;
    apr_time_t timer;
    apr_time_t last_start;
    apr_time_t ends[AT_ONCE]; /* of requests under way */
    int load;
    int peak; /* as the gate keeps it */
    int alive;
    int open;
    long requests;
    long plans;
    long starts;
    long stops;
    apr_time_t started[1 << 16];
    int over, under, unmet; /* what must not be */
} sim_t;

static apr_uint32_t dice(void)
{
    static apr_uint32_t seed = 1;

    seed = seed * 1664525U + 1013904223U;
    return seed >> 8;
}

/* A number from 0 to 1. */
static double chance(void)
{
    return dice() / 16777216.0;
}

static void plan(sim_t *s)
{
    pm_scale_facts_t facts = {0};
    pm_scale_plan_t got;
    int need = s->load;
    long i;

    s->plans++;
    pm_scale_note(&s->window, s->conf->idle_timeout, s->peak, need, s->now);
    s->peak = need;
    facts.crash_next = pm_restart_policy_next_start(&s->crash, 0, s->now);
    facts.trial = s->crash.failures > 1;
    facts.alive = s->alive;
    facts.last_start = s->last_start;
    facts.need = need;
    facts.most = pm_scale_most(&s->window);
    facts.room = ANY;
    got = pm_scale_plan(s->conf, &facts,
                        pm_scale_part_end(&s->window, s->conf->idle_timeout),
                        s->now);
    s->timer = got.next;
    s->open = got.open;
    for (i = 0; i < got.start; i++) {
        s->started[s->starts++ & 0xffff] = s->now;
        s->last_start = s->now;
        pm_restart_policy_note_start(&s->crash, s->now);
    }
    s->stops += got.stop;
    s->alive += got.start - got.stop;
    s->over += s->alive > s->conf->processes.max;
    s->under += s->alive < s->conf->processes.min;
    s->unmet += s->alive * s->conf->requests_per_worker < need
                && s->alive < s->conf->processes.max;
}

/* As the gate does: a plan only when there are too few workers. */
static void arrive(sim_t *s, apr_time_t takes)
{
    if (s->load == AT_ONCE) {
        return;
    }
    s->requests++;
    s->ends[s->load++] = s->now + takes;
    s->peak = s->peak > s->load ? s->peak : s->load;
    if (s->open && s->load > (int)pm_scale_enough(s->conf, s->alive)) {
        plan(s);
    }
}

static apr_time_t first_end(const sim_t *s, int *which)
{
    apr_time_t first = NEVER;
    int i;

    for (i = 0; i < s->load; i++) {
        if (s->ends[i] < first) {
            first = s->ends[i];
            *which = i;
        }
    }
    return first;
}

/* Answers and timers up to a time. */
static void pass(sim_t *s, apr_time_t until)
{
    int i = 0;

    for (;;) {
        apr_time_t end = first_end(s, &i);
        apr_time_t next = pm_time_min(end, s->timer);

        if (next > until) {
            break;
        }
        s->now = next;
        if (next == end) {
            s->ends[i] = s->ends[--s->load];
        }
        else {
            plan(s);
        }
    }
    s->now = until;
}

/* Requests a second: little at night, most at noon and in the evening. */
static double rate_at(apr_time_t t)
{
    static const double hour[24] = {0.02, 0.01, 0,  0,  0,  0.01, 0.1, 1,
                                    4,    9,    14, 20, 24, 12,   10,  9,
                                    8,    9,    12, 18, 22, 9,    2,   0.2};

    return hour[apr_time_sec(t) / 3600 % 24];
}

/* How many starts there were at most within any one idle timeout. */
static int densest(const sim_t *s, long n)
{
    long first = 0, i;
    int most = 0;

    for (i = 0; i < n; i++) {
        while (s->started[i] - s->started[first] > s->conf->idle_timeout) {
            first++;
        }
        most = most > (int)(i - first + 1) ? most : (int)(i - first + 1);
    }
    return most;
}

static sim_t *sim_create(apr_pool_t *p, int min, int max, int spare, int each)
{
    sim_t *s = apr_pcalloc(p, sizeof(*s));
    pm_conf_t *conf = conf_of(p, min, max);

    conf->spare = spare;
    conf->requests_per_worker = each;
    s->conf = conf;
    s->now = S(1);
    s->timer = NEVER;
    plan(s);
    s->starts = 0;
    return s;
}

/* Requests of 50 ms to 1 s, and once in a while a burst of 8. */
static void one_day(sim_t *s)
{
    apr_time_t end = S(24 * 3600);
    apr_time_t t;
    int i;

    for (t = s->now; t < end; t += MS(20)) {
        if (chance() < rate_at(t) * 0.02) {
            int n = dice() % 500 ? 1 : 8;

            pass(s, t);
            for (i = 0; i < n; i++) {
                arrive(s, MS(50) + (apr_time_t)(chance() * 950000));
            }
        }
    }
    pass(s, end + S(600));
}

static void test_day(apr_pool_t *p)
{
    static const struct {
        const char *name;
        int min, max, spare, each;
    } rows[] = {{"elastic", 2, 16, 0, 1},
                {"on demand", 0, 16, 0, 1},
                {"with spare ones", 1, 16, 2, 1},
                {"too small", 1, 4, 0, 1},
                {"static", 8, 8, 0, 1},
                {"four requests each", 1, 8, 0, 4},
                {"four each, with a spare one", 0, 8, 1, 4}};
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        sim_t *s = sim_create(p, rows[i].min, rows[i].max, rows[i].spare,
                              rows[i].each);
        int rest = rows[i].min > rows[i].spare ? rows[i].min : rows[i].spare;

        one_day(s);
        printf("# a day, %s: %ld requests, %ld plans, %ld starts, %ld "
               "stops\n",
               rows[i].name, s->requests, s->plans, s->starts, s->stops);
        ok(s->requests > 300000, "day, %s: requests", rows[i].name);
        is_int(s->over, 0, "day, %s: never more than max", rows[i].name);
        is_int(s->under, 0, "day, %s: never less than min", rows[i].name);
        is_int(s->unmet, 0, "day, %s: the need was met", rows[i].name);
        is_int(s->alive, rest, "day, %s: in the end as at first", rows[i].name);
        ok(s->starts < (1 << 16), "day, %s: the starts can be looked at",
           rows[i].name);
        ok(densest(s, s->starts) <= rows[i].max,
           "day, %s: no flapping: at "
           "most %d starts within an idle timeout",
           rows[i].name, densest(s, s->starts));
        ok(s->starts < s->requests / 200,
           "day, %s: one start for %ld "
           "requests",
           rows[i].name, s->starts ? s->requests / s->starts : 0);
    }
}

/* 12 under way, one ends and another comes, for an hour. */
static void test_steady(apr_pool_t *p)
{
    sim_t *s = sim_create(p, 2, 16, 0, 1);
    long starts;
    int i;

    for (i = 0; i < 12; i++) {
        arrive(s, MS(100) + MS(i));
    }
    starts = s->starts;
    for (i = 0; i < 36000; i++) {
        int which = 0;

        pass(s, first_end(s, &which));
        arrive(s, MS(100));
    }
    is_int(starts, 10, "steady: ten more than the least");
    is_int(s->starts - starts, 0, "steady: no start in an hour");
    is_int(s->stops, 0, "steady: and nobody goes");
    pass(s, s->now + S(60) + S(15) + S(1));
    is_int(s->alive, 2, "steady: when it is over all go that may");
    is_int((long)s->timer, (long)NEVER, "steady: and nothing is to come");
}

/* A program that dies 10 ms after its start, a client each 50 ms who is sent
 * away while there is nobody. */
static void test_broken(apr_pool_t *p)
{
    sim_t *s = sim_create(p, 0, 16, 0, 1);
    apr_time_t end = s->now + S(60);
    apr_time_t t;

    for (t = s->now; t < end; t += MS(50)) {
        pass(s, t);
        if (s->open) {
            arrive(s, MS(10));
        }
        pass(s, t + MS(10));
        if (s->alive) {
            s->alive = 0;
            pm_restart_policy_note_failure(&s->crash, 0, s->now);
            plan(s);
        }
    }
    ok(s->starts >= 9 && s->starts <= 12, "broken: %ld starts in a minute",
       s->starts);
    pass(s, end + S(3600));
    t = s->starts;
    pass(s, end + S(7200));
    is_int(s->starts, (long)t, "broken: without a client there is no trial");
    ok(s->open, "broken: the next client is one");
}

int main(void)
{
    apr_pool_t *p;

    apr_initialize();
    apr_pool_create(&p, NULL);
    test_cases(p);
    test_each(p);
    test_window();
    test_day(p);
    test_steady(p);
    test_broken(p);
    return done_testing();
}
