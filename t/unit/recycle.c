/* SPDX-License-Identifier: Apache-2.0 */
/* pm_recycle: when a worker is due, late or overdue, and how many go at once.
 */
#include <string.h>

#include "pm_core/policy/pm_recycle.h"
#include "tap.h"

#define S APR_USEC_PER_SEC
#define K APR_INT64_C(1024)

/* --- what a worker is given ----------------------------------------------- */

static void test_terms(void)
{
    pm_conf_t conf = {
        .max_requests = {1000, 20}, .lifetime = 3600 * S, .size_check = 10};
    pm_recycle_terms_t terms = pm_recycle_terms(&conf, 0);
    unsigned chance;

    is_int((long)terms.requests, 1000, "terms: no chance, no jitter");
    is_int((long)(terms.lifetime / S), 3600, "terms: nor of the lifetime");
    is_int((long)terms.size_check, 0, "terms: no limit, no look at sizes");
    terms = pm_recycle_terms(&conf, 0xffff);
    is_int((long)terms.requests, 800, "terms: all of the jitter");
    is_int((long)(terms.lifetime / S), 3240, "terms: a tenth of a lifetime");
    terms = pm_recycle_terms(&conf, 0x12347fff);
    ok(terms.requests == 900 || terms.requests == 901, "terms: half of it");
    for (chance = 0; chance <= 0xffff; chance += 0x101) {
        terms = pm_recycle_terms(&conf, chance);
        if (terms.requests < 800 || terms.requests > 1000) {
            break;
        }
    }
    ok(chance > 0xffff, "terms: always within");
    conf.max_size = -1;
    is_int((long)pm_recycle_terms(&conf, 0).size_check, 0, "terms: off");
    conf.min_share = 1;
    is_int((long)pm_recycle_terms(&conf, 0).size_check, 10,
           "terms: a limit, a look");
    conf.max_requests.n = 1;
    is_int((long)pm_recycle_terms(&conf, 0xffff).requests, 1,
           "terms: one request is one");
}

/* --- when it rings -------------------------------------------------------- */

static void test_ring(void)
{
    static const struct {
        const char *name;
        pm_recycle_terms_t terms;
        apr_uint64_t done, at;
    } cases[] = {{"nothing to ring for", {0, 0, 0}, 5, 0},
                 {"the last request", {100, 0, 0}, 5, 100},
                 {"a look at its size", {0, 0, 10}, 0, 10},
                 {"the next look", {0, 0, 10}, 10, 20},
                 {"late to look", {0, 0, 10}, 25, 30},
                 {"the last request comes first", {15, 0, 10}, 10, 15},
                 {"the look comes first", {25, 0, 10}, 10, 20},
                 {"long past the last", {25, 0, 0}, 30, 25}};
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_int((long)pm_recycle_notify_at(&cases[i].terms, cases[i].done),
               (long)cases[i].at, "%s", cases[i].name);
    }
}

/* --- sizes ---------------------------------------------------------------- */

static void test_size(void)
{
    static const struct {
        const char *name;
        apr_int64_t max_size, max_unshared, min_share;
        pm_memory_t memory;
        const char *reason; /* a word of it */
    } cases[] = {
        {"no limit", 0, 0, 0, {900 * K, 100 * K}, NULL},
        {"off", -1, -1, -1, {900 * K, 0}, NULL},
        {"not known", 1, 1, 1, {0, 0}, NULL},
        {"just not too large", 900 * K, 0, 0, {900 * K, 0}, NULL},
        {"too large", 899 * K, 0, 0, {900 * K, 0}, "FcgiPMMaxProcessSize"},
        {"just enough of its own", 0, 800 * K, 0, {900 * K, 100 * K}, NULL},
        {"too much of its own",
         0,
         799 * K,
         0,
         {900 * K, 100 * K},
         "FcgiPMMaxUnsharedSize"},
        {"shares enough", 0, 0, 100 * K, {900 * K, 100 * K}, NULL},
        {"shares too little",
         0,
         0,
         101 * K,
         {900 * K, 100 * K},
         "FcgiPMMinShareSize"}};
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pm_conf_t conf = {.max_size = cases[i].max_size,
                          .max_unshared = cases[i].max_unshared,
                          .min_share = cases[i].min_share};
        const char *reason = pm_recycle_size(&conf, &cases[i].memory);

        ok(cases[i].reason ? reason && strstr(reason, cases[i].reason)
                           : !reason,
           "%s", cases[i].name);
    }
}

/* --- the plan ------------------------------------------------------------- */

static const struct {
    const char *name;
    apr_time_t start_timeout, request_timeout;
    pm_recycle_terms_t terms;
    pm_recycle_facts_t facts;
    apr_time_t now;
    pm_recycle_verdict_t verdict;
    apr_time_t next;
} plan_cases[] = {{"young, no limits",
                   0,
                   0,
                   {0, 0, 0},
                   {1 * S, 0, 0, 0},
                   2 * S,
                   PM_RECYCLE_WELL,
                   PM_TIME_NEVER},
                  {"not ready yet",
                   10 * S,
                   0,
                   {0, 0, 0},
                   {1 * S, 0, 0, 0},
                   2 * S,
                   PM_RECYCLE_WELL,
                   11 * S},
                  {"not ready in time",
                   10 * S,
                   0,
                   {0, 0, 0},
                   {1 * S, 0, 0, 0},
                   11 * S,
                   PM_RECYCLE_LATE,
                   PM_TIME_NEVER},
                  {"ready in time",
                   10 * S,
                   0,
                   {0, 0, 0},
                   {1 * S, 1, 0, 0},
                   11 * S,
                   PM_RECYCLE_WELL,
                   PM_TIME_NEVER},
                  {"not ready: its lifetime does not count",
                   10 * S,
                   0,
                   {0, 1 * S, 0},
                   {1 * S, 0, 0, 0},
                   5 * S,
                   PM_RECYCLE_WELL,
                   11 * S},
                  {"requests left",
                   10 * S,
                   0,
                   {100, 0, 0},
                   {1 * S, 1, 99, 0},
                   20 * S,
                   PM_RECYCLE_WELL,
                   PM_TIME_NEVER},
                  {"no request left",
                   10 * S,
                   0,
                   {100, 0, 0},
                   {1 * S, 1, 100, 0},
                   20 * S,
                   PM_RECYCLE_DUE,
                   PM_TIME_NEVER},
                  {"some life left",
                   0,
                   0,
                   {0, 60 * S, 0},
                   {1 * S, 1, 0, 0},
                   60 * S,
                   PM_RECYCLE_WELL,
                   61 * S},
                  {"no life left",
                   0,
                   0,
                   {0, 60 * S, 0},
                   {1 * S, 1, 0, 0},
                   61 * S,
                   PM_RECYCLE_DUE,
                   PM_TIME_NEVER},
                  {"busy",
                   0,
                   30 * S,
                   {0, 0, 0},
                   {1 * S, 1, 7, 10 * S},
                   39 * S,
                   PM_RECYCLE_WELL,
                   40 * S},
                  {"busy for too long",
                   0,
                   30 * S,
                   {0, 0, 0},
                   {1 * S, 1, 7, 10 * S},
                   40 * S,
                   PM_RECYCLE_OVERDUE,
                   PM_TIME_NEVER},
                  {"busy for too long and due",
                   0,
                   30 * S,
                   {5, 0, 0},
                   {1 * S, 1, 7, 10 * S},
                   40 * S,
                   PM_RECYCLE_OVERDUE,
                   PM_TIME_NEVER},
                  {"idle: no request to be late with",
                   0,
                   30 * S,
                   {0, 0, 0},
                   {1 * S, 1, 7, 0},
                   99 * S,
                   PM_RECYCLE_WELL,
                   PM_TIME_NEVER},
                  {"busy, with a lifetime: what comes first",
                   0,
                   30 * S,
                   {0, 35 * S, 0},
                   {1 * S, 1, 7, 10 * S},
                   20 * S,
                   PM_RECYCLE_WELL,
                   36 * S}};

static void test_plan(void)
{
    size_t i;

    for (i = 0; i < sizeof(plan_cases) / sizeof(plan_cases[0]); i++) {
        pm_conf_t conf = {.start_timeout = plan_cases[i].start_timeout,
                          .request_timeout = plan_cases[i].request_timeout};
        pm_recycle_plan_t plan =
            pm_recycle_plan(&conf, &plan_cases[i].terms, &plan_cases[i].facts,
                            plan_cases[i].now);

        ok(plan.verdict == plan_cases[i].verdict
               && (plan.next == plan_cases[i].next
                   || plan.verdict == PM_RECYCLE_DUE)
               && (plan.verdict == PM_RECYCLE_DUE) == (plan.reason != NULL),
           "%s", plan_cases[i].name);
    }
}

static void test_extra(void)
{
    static const struct {
        const char *name;
        int due[PM_DUE_START + 1]; /* not, recycle, roll, reload, start */
        int alive, want;
    } cases[] = {{"nobody is due", {0}, 16, 0},
                 {"one at least", {0, 5}, 1, 1},
                 {"a quarter of few is one", {0, 5}, 7, 1},
                 {"a quarter", {0, 5}, 16, 4},
                 {"no more than are due", {0, 2}, 16, 2},
                 {"a rolling reload: one by one", {0, 9, 16}, 16, 1},
                 {"a reload: all", {-16, 0, 0, 5, 11}, 16, 16},
                 {"a reload, and some beside", {0, 9, 0, 2}, 16, 6}};
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_int(pm_recycle_extra(cases[i].due, cases[i].alive), cases[i].want,
               "extra: %s", cases[i].name);
    }
}

int main(void)
{
    test_terms();
    test_ring();
    test_size();
    test_plan();
    test_extra();
    return done_testing();
}
