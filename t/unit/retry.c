/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hpm_retry: which failed attempts are followed by another.  The cases name
 * what a user relies on; the sweep shows that nothing else is asked twice.
 */
#include "httpd/upstream/hpm_retry.h"

#include "tap.h"

#define ALL_FACTS  31U
#define CAN_REPEAT (HPM_RETRY_SAFE | HPM_RETRY_REPEATABLE)
#define ENDED      (HPM_RETRY_SCRIPT | HPM_RETRY_SCRIPT_ENDED)

static const struct {
    const char *name;
    hpm_upstream_outcome_t outcome;
    unsigned int facts;
    int attempts;
    hpm_retry_t want;
} cases[] = {
    {"a GET whose worker closed is asked again", HPM_UPSTREAM_CLOSED_EARLY,
     CAN_REPEAT | HPM_RETRY_AVAILABLE, 1, HPM_RETRY_AGAIN},
    {"but once only", HPM_UPSTREAM_CLOSED_EARLY,
     CAN_REPEAT | HPM_RETRY_AVAILABLE, 2, HPM_RETRY_GIVE_UP},
    {"a POST never is", HPM_UPSTREAM_CLOSED_EARLY,
     HPM_RETRY_REPEATABLE | HPM_RETRY_AVAILABLE, 1, HPM_RETRY_GIVE_UP},
    {"nor what has a streamed body", HPM_UPSTREAM_CLOSED_EARLY,
     HPM_RETRY_SAFE | HPM_RETRY_AVAILABLE, 1, HPM_RETRY_GIVE_UP},
    {"nor is a pool that answers none", HPM_UPSTREAM_CLOSED_EARLY, CAN_REPEAT,
     1, HPM_RETRY_GIVE_UP},
    {"a script's pool was ended after the GET was sent",
     HPM_UPSTREAM_CLOSED_EARLY, CAN_REPEAT | ENDED, 1, HPM_RETRY_MOVE},
    {"and once more", HPM_UPSTREAM_CLOSED_EARLY, CAN_REPEAT | ENDED, 2,
     HPM_RETRY_MOVE},
    {"and that is all", HPM_UPSTREAM_CLOSED_EARLY, CAN_REPEAT | ENDED, 3,
     HPM_RETRY_GIVE_UP},
    {"not for a POST", HPM_UPSTREAM_CLOSED_EARLY, HPM_RETRY_REPEATABLE | ENDED,
     1, HPM_RETRY_GIVE_UP},
    {"a POST that reached no worker of a script moves",
     HPM_UPSTREAM_UNREACHABLE, HPM_RETRY_SCRIPT, 1, HPM_RETRY_MOVE},
    {"at most twice", HPM_UPSTREAM_UNREACHABLE, HPM_RETRY_SCRIPT, 3,
     HPM_RETRY_GIVE_UP},
    {"a pool of the configuration has no successor", HPM_UPSTREAM_UNREACHABLE,
     CAN_REPEAT | HPM_RETRY_AVAILABLE, 1, HPM_RETRY_GIVE_UP},
    {"a POST was queued when its script's pool was ended",
     HPM_UPSTREAM_UNAVAILABLE, ENDED, 1, HPM_RETRY_MOVE},
    {"a stopped script's pool has no successor", HPM_UPSTREAM_UNAVAILABLE,
     CAN_REPEAT | HPM_RETRY_SCRIPT, 1, HPM_RETRY_GIVE_UP},
};

/* Whatever else holds, these outcomes stand. */
static const hpm_upstream_outcome_t final[] = {
    HPM_UPSTREAM_OPEN,    HPM_UPSTREAM_COMPLETE, HPM_UPSTREAM_TIMEOUT,
    HPM_UPSTREAM_CLOSED,  HPM_UPSTREAM_BROKEN,   HPM_UPSTREAM_OVERLOADED,
    HPM_UPSTREAM_REFUSED, HPM_UPSTREAM_BODY,     HPM_UPSTREAM_GONE,
    HPM_UPSTREAM_FAILED,
};

static int stands(hpm_upstream_outcome_t outcome)
{
    unsigned int facts;

    for (facts = 0; facts <= ALL_FACTS; facts++) {
        if (hpm_retry_decide(outcome, facts, 1) != HPM_RETRY_GIVE_UP) {
            return 0;
        }
    }
    return 1;
}

/* However the facts lie, a request ends after three attempts. */
static int ends(hpm_upstream_outcome_t outcome)
{
    unsigned int facts;

    for (facts = 0; facts <= ALL_FACTS; facts++) {
        if (hpm_retry_decide(outcome, facts, 3) != HPM_RETRY_GIVE_UP) {
            return 0;
        }
    }
    return 1;
}

int main(void)
{
    unsigned int i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_int(hpm_retry_decide(cases[i].outcome, cases[i].facts,
                                cases[i].attempts),
               cases[i].want, "%s", cases[i].name);
    }
    for (i = 0; i < sizeof(final) / sizeof(final[0]); i++) {
        ok(stands(final[i]), "outcome %d is never tried again", (int) final[i]);
    }
    ok(ends(HPM_UPSTREAM_CLOSED_EARLY), "closed early: three attempts at most");
    ok(ends(HPM_UPSTREAM_UNREACHABLE), "unreachable: three attempts at most");
    ok(ends(HPM_UPSTREAM_UNAVAILABLE), "unavailable: three attempts at most");
    return done_testing();
}
