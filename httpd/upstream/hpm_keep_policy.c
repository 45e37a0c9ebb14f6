/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/upstream/hpm_keep_policy.h"

#include <string.h>

const hpm_keep_limits_t hpm_keep_limits = {apr_time_from_msec(5),
                                           apr_time_from_msec(20)};

/* A worker that is replaced closes a connection, too, and one that is new does
 * not know whether it reads on: only several in a row tell of the program.
 * Being asked in vain costs it little: one more read(). */
static const struct {
    int most;                /* so many of them mean nothing */
    apr_interval_time_t off; /* then none are kept for so long */
} keep_rows[HPM_KEEP_EVENTS] = {
    [HPM_KEEP_CLOSED] = {3, apr_time_from_sec(10)},
    [HPM_KEEP_IGNORED] = {0, apr_time_from_sec(10)},
    [HPM_KEEP_UNSIGNED] = {63, apr_time_from_sec(1)},
    [HPM_KEEP_RECALLED] = {0, apr_time_from_msec(50)},
};

void hpm_keep_learn(hpm_keep_lesson_t *lesson, hpm_keep_event_t event,
                    apr_time_t now)
{
    if (event == HPM_KEEP_WORKED) {
        memset(lesson->count, 0, sizeof(lesson->count));
        return;
    }
    if (++lesson->count[event] <= keep_rows[event].most) {
        return;
    }
    lesson->count[event] = 0;
    if (now + keep_rows[event].off > lesson->off_until) {
        lesson->off_until = now + keep_rows[event].off;
    }
}
