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
    pm_recycle_terms_t terms = pm_recycle_terms(&conf, 0, 0);
    unsigned chance;

    is_int((long)terms.requests, 1000, "terms: no chance, no jitter");
    is_int((long)(terms.lifetime / S), 3600, "terms: nor of the lifetime");
    is_int((long)terms.size_check, 0, "terms: no limit, no look at sizes");
    terms = pm_recycle_terms(&conf, 0xffff, 0);
    is_int((long)terms.requests, 800, "terms: all of the jitter");
    is_int((long)(terms.lifetime / S), 3240, "terms: a tenth of a lifetime");
    terms = pm_recycle_terms(&conf, 0x12347fff, 0);
    ok(terms.requests == 900 || terms.requests == 901, "terms: half of it");
    for (chance = 0; chance <= 0xffff; chance += 0x101) {
        terms = pm_recycle_terms(&conf, chance, 0);
        if (terms.requests < 800 || terms.requests > 1000) {
            break;
        }
    }
    ok(chance > 0xffff, "terms: always within");
    is_int((long)pm_recycle_terms(&conf, 0, 0).soon, 500,
           "terms: at first it is due after half of them");
    is_int((long)pm_recycle_terms(&conf, 0, 30).soon, 970,
           "terms: so many before the last");
    is_int((long)pm_recycle_terms(&conf, 0, 1000).soon, 1,
           "terms: after the first at the earliest");
    conf.max_size = -1;
    is_int((long)pm_recycle_terms(&conf, 0, 0).size_check, 0, "terms: off");
    conf.min_share = 1;
    is_int((long)pm_recycle_terms(&conf, 0, 0).size_check, 10,
           "terms: a limit, a look");
    conf.max_requests.n = 1;
    is_int((long)pm_recycle_terms(&conf, 0xffff, 0).requests, 1,
           "terms: one request is one");
}

/* --- when it rings -------------------------------------------------------- */

static void test_ring(void)
{
    static const struct {
        const char *name;
        pm_recycle_terms_t terms;
        apr_uint64_t done, at;
    } cases[] = {{"nothing to ring for", {0, 0, 0, 1}, 5, 0},
                 {"some before the last request", {100, 0, 0, 95}, 5, 95},
                 {"once", {100, 0, 0, 95}, 95, 0},
                 {"a look at its size", {0, 0, 10, 1}, 0, 10},
                 {"the next look", {0, 0, 10, 1}, 10, 20},
                 {"late to look", {0, 0, 10, 1}, 25, 30},
                 {"the last requests come first", {19, 0, 10, 15}, 10, 15},
                 {"the look comes first", {29, 0, 10, 25}, 10, 20},
                 {"long past the last", {25, 0, 0, 20}, 30, 0},
                 {"long past the last, a look", {25, 0, 10, 20}, 30, 40}};
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_int((long)pm_recycle_notify_at(&cases[i].terms, cases[i].done),
               (long)cases[i].at, "%s", cases[i].name);
    }
}

/* --- how long before the last request ------------------------------------- */

static void test_lead(void)
{
    apr_uint64_t lead = pm_recycle_learn_lead(0, 0, 100);
    int i;

    is_int((long)lead, 1, "lead: another is ready at once");
    lead = pm_recycle_learn_lead(lead, 20, 100);
    is_int((long)lead, 31, "lead: half as many more, and one");
    is_int((long)pm_recycle_learn_lead(lead, 2, 100), 24,
           "lead: it falls slowly");
    for (i = 0; i < 30; i++) {
        lead = pm_recycle_learn_lead(lead, 2, 100);
    }
    is_int((long)lead, 4, "lead: but it falls");
    is_int((long)pm_recycle_learn_lead(lead, (apr_uint64_t)-3, 100), 100,
           "lead: no more than all, whatever a worker says");
    is_int((long)(pm_recycle_leave_by(7 * S, 9 * S) / S), 14,
           "lead: twice the time, and a second");
}

/* --- sizes ---------------------------------------------------------------- */

static const struct {
    const char *name;
    apr_int64_t max_size, max_unshared, min_share;
    pm_memory_t memory;
    const char *reason; /* a word of it */
    int forked;
} sizes[] = {
    {"no limit", 0, 0, 0, {900 * K, 100 * K, 0}, NULL, 0},
    {"off", -1, -1, -1, {900 * K, 0, 0}, NULL, 0},
    {"not known", 1, 1, 1, {0, 0, 0}, NULL, 0},
    {"just not too large", 900 * K, 0, 0, {900 * K, 0, 0}, NULL, 0},
    {"too large", 899 * K, 0, 0, {900 * K, 0, 0}, "FcgiPMMaxProcessSize", 0},
    {"just enough of its own", 0, 800 * K, 0, {900 * K, 100 * K, 0}, NULL, 0},
    {"too much of its own",
     0,
     799 * K,
     0,
     {900 * K, 100 * K, 0},
     "FcgiPMMaxUnsharedSize",
     0},
    {"shares enough", 0, 0, 100 * K, {900 * K, 100 * K, 0}, NULL, 0},
    {"shares too little",
     0,
     0,
     101 * K,
     {900 * K, 100 * K, 0},
     "FcgiPMMinShareSize",
     0},
    {"forked", 800 * K, 0, 0, {900 * K, 100 * K, 0}, NULL, 1},
    {"forked, too large",
     799 * K,
     0,
     0,
     {900 * K, 100 * K, 0},
     "FcgiPMMaxProcessSize",
     1}};

static void test_size(void)
{
    size_t i;

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        pm_conf_t conf = {.max_size = sizes[i].max_size,
                          .max_unshared = sizes[i].max_unshared,
                          .min_share = sizes[i].min_share};
        const char *reason =
            pm_recycle_size(&conf, &sizes[i].memory, sizes[i].forked);

        ok(sizes[i].reason ? reason && strstr(reason, sizes[i].reason)
                           : !reason,
           "%s", sizes[i].name);
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
                   {0, 0, 0, 0},
                   {1 * S, 0, 0, 0, 0},
                   2 * S,
                   PM_RECYCLE_WELL,
                   PM_TIME_NEVER},
                  {"not ready yet",
                   10 * S,
                   0,
                   {0, 0, 0, 0},
                   {1 * S, 0, 0, 0, 0},
                   2 * S,
                   PM_RECYCLE_WELL,
                   11 * S},
                  {"not ready in time",
                   10 * S,
                   0,
                   {0, 0, 0, 0},
                   {1 * S, 0, 0, 0, 0},
                   11 * S,
                   PM_RECYCLE_LATE,
                   PM_TIME_NEVER},
                  {"ready in time",
                   10 * S,
                   0,
                   {0, 0, 0, 0},
                   {1 * S, 1, 0, 0, 0},
                   11 * S,
                   PM_RECYCLE_WELL,
                   PM_TIME_NEVER},
                  {"not ready: its lifetime does not count",
                   10 * S,
                   0,
                   {0, 1 * S, 0, 0},
                   {1 * S, 0, 0, 0, 0},
                   5 * S,
                   PM_RECYCLE_WELL,
                   11 * S},
                  {"enough requests left",
                   10 * S,
                   0,
                   {100, 0, 0, 95},
                   {1 * S, 1, 94, 0, 0},
                   20 * S,
                   PM_RECYCLE_WELL,
                   PM_TIME_NEVER},
                  {"few requests left",
                   10 * S,
                   0,
                   {100, 0, 0, 95},
                   {1 * S, 1, 95, 0, 0},
                   20 * S,
                   PM_RECYCLE_DUE,
                   PM_TIME_NEVER},
                  {"another is ready, requests left",
                   0,
                   0,
                   {100, 0, 0, 95},
                   {1 * S, 1, 99, 0, 21 * S},
                   20 * S,
                   PM_RECYCLE_WELL,
                   21 * S},
                  {"another is ready, the last request has come",
                   0,
                   0,
                   {100, 0, 0, 95},
                   {1 * S, 1, 100, 0, 21 * S},
                   20 * S,
                   PM_RECYCLE_LEAVE,
                   PM_TIME_NEVER},
                  {"another is ready, and no request comes",
                   0,
                   0,
                   {100, 0, 0, 95},
                   {1 * S, 1, 96, 0, 21 * S},
                   21 * S,
                   PM_RECYCLE_LEAVE,
                   PM_TIME_NEVER},
                  {"some life left",
                   0,
                   0,
                   {0, 60 * S, 0, 0},
                   {1 * S, 1, 0, 0, 0},
                   60 * S,
                   PM_RECYCLE_WELL,
                   61 * S},
                  {"no life left",
                   0,
                   0,
                   {0, 60 * S, 0, 0},
                   {1 * S, 1, 0, 0, 0},
                   61 * S,
                   PM_RECYCLE_DUE,
                   PM_TIME_NEVER},
                  {"busy",
                   0,
                   30 * S,
                   {0, 0, 0, 0},
                   {1 * S, 1, 7, 10 * S, 0},
                   39 * S,
                   PM_RECYCLE_WELL,
                   40 * S},
                  {"busy for too long",
                   0,
                   30 * S,
                   {0, 0, 0, 0},
                   {1 * S, 1, 7, 10 * S, 0},
                   40 * S,
                   PM_RECYCLE_OVERDUE,
                   PM_TIME_NEVER},
                  {"busy for too long and due",
                   0,
                   30 * S,
                   {5, 0, 0, 4},
                   {1 * S, 1, 7, 10 * S, 0},
                   40 * S,
                   PM_RECYCLE_OVERDUE,
                   PM_TIME_NEVER},
                  {"idle: no request to be late with",
                   0,
                   30 * S,
                   {0, 0, 0, 0},
                   {1 * S, 1, 7, 0, 0},
                   99 * S,
                   PM_RECYCLE_WELL,
                   PM_TIME_NEVER},
                  {"busy, with a lifetime: what comes first",
                   0,
                   30 * S,
                   {0, 35 * S, 0, 0},
                   {1 * S, 1, 7, 10 * S, 0},
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
        int due[PM_DUE_START + 1]; /* not, recycle, requests, leave, roll,
                                    * reload, start */
        int alive, want;
    } cases[] = {{"nobody is due", {0}, 16, 0},
                 {"one at least", {0, 5}, 1, 1},
                 {"a quarter of few is one", {0, 5}, 7, 1},
                 {"a quarter", {0, 5}, 16, 4},
                 {"no more than are due", {0, 2}, 16, 2},
                 {"all that near their last request", {-5, 0, 3, 2}, 16, 5},
                 {"a rolling reload: one by one", {0, 9, 0, 0, 16}, 16, 1},
                 {"a reload: all", {-16, 0, 0, 0, 0, 5, 11}, 16, 16},
                 {"a reload, and some beside", {0, 9, 0, 0, 0, 2}, 16, 6}};
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
    test_lead();
    test_size();
    test_plan();
    test_extra();
    return done_testing();
}
