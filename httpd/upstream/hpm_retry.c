/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/upstream/hpm_retry.h"

/* A worker that closes before its answer begins may have done its work all
 * the same, so only what may be done twice is asked again.  A pool that was
 * not reached, or answers no requests, has done nothing: any request may move
 * to its successor, and its body is still unread. */
static const struct {
    hpm_upstream_outcome_t outcome;
    unsigned int needed; /* facts that must hold */
    int most;            /* attempts made before, at the most */
    hpm_retry_t retry;
} retry_rows[] = {
    {HPM_UPSTREAM_CLOSED_EARLY,
     HPM_RETRY_SAFE | HPM_RETRY_REPEATABLE | HPM_RETRY_AVAILABLE, 1,
     HPM_RETRY_AGAIN},
    {HPM_UPSTREAM_CLOSED_EARLY,
     HPM_RETRY_SAFE | HPM_RETRY_REPEATABLE | HPM_RETRY_SCRIPT_ENDED, 2,
     HPM_RETRY_MOVE},
    {HPM_UPSTREAM_UNREACHABLE, HPM_RETRY_SCRIPT, 2, HPM_RETRY_MOVE},
    {HPM_UPSTREAM_UNAVAILABLE, HPM_RETRY_SCRIPT_ENDED, 2, HPM_RETRY_MOVE},
};

hpm_retry_t hpm_retry_decide(hpm_upstream_outcome_t outcome, unsigned int facts,
                             int attempts)
{
    unsigned int i;

    for (i = 0; i < sizeof(retry_rows) / sizeof(retry_rows[0]); i++) {
        if (outcome == retry_rows[i].outcome
            && (facts & retry_rows[i].needed) == retry_rows[i].needed
            && attempts <= retry_rows[i].most) {
            return retry_rows[i].retry;
        }
    }
    return HPM_RETRY_GIVE_UP;
}
