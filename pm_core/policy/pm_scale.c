/* SPDX-License-Identifier: Apache-2.0 */
#include "pm_core/policy/pm_scale.h"

#include <string.h>

/* --- the workers needed --------------------------------------------------- */

static void raise_to(int *most, int n)
{
    if (*most < n) {
        *most = n;
    }
}

apr_time_t pm_scale_part_end(const pm_scale_window_t *window,
                             apr_time_t idle_timeout)
{
    return idle_timeout ? window->since + idle_timeout / PM_SCALE_PARTS
                        : PM_TIME_NEVER;
}

/* Begins further parts until @a now lies in the present one.  @return 0: all of
 * the window is over */
static int window_move(pm_scale_window_t *window, apr_time_t part,
                       apr_time_t now)
{
    int i;

    for (i = 0; i <= PM_SCALE_PARTS; i++) {
        if (now < window->since + part) {
            return 1;
        }
        memmove(window->most + 1, window->most,
                PM_SCALE_PARTS * sizeof(window->most[0]));
        window->most[0] = 0;
        window->since += part;
    }
    return 0;
}

void pm_scale_note(pm_scale_window_t *window, apr_time_t idle_timeout, int peak,
                   int need, apr_time_t now)
{
    raise_to(&window->most[0], peak);
    if (idle_timeout
        && !window_move(window, idle_timeout / PM_SCALE_PARTS, now)) {
        window->since = now;
    }
    raise_to(&window->most[0], need);
}

int pm_scale_most(const pm_scale_window_t *window)
{
    int most = 0;
    int i;

    for (i = 0; i <= PM_SCALE_PARTS; i++) {
        raise_to(&most, window->most[i]);
    }
    return most;
}

/* --- the plan ------------------------------------------------------------- */

/* How many workers a pool has for so many requests. */
static int workers_for(const pm_conf_t *conf, int requests)
{
    apr_int64_t each = conf->requests_per_worker;
    apr_int64_t n = (requests + each - 1) / each + conf->spare;

    n = n < conf->processes.min ? conf->processes.min : n;
    n = n > conf->processes.max ? conf->processes.max : n;
    return (int)n;
}

apr_uint32_t pm_scale_enough(const pm_conf_t *conf, int workers)
{
    apr_int64_t n = workers - conf->spare;

    return n > 0 ? (apr_uint32_t)(n * conf->requests_per_worker) : 0;
}

/* No start before this time. */
static apr_time_t earliest(const pm_conf_t *conf, const pm_scale_facts_t *facts)
{
    apr_time_t delayed = conf->start_delay && facts->last_start
                             ? facts->last_start + conf->start_delay
                             : 0;

    return delayed > facts->crash_next ? delayed : facts->crash_next;
}

static void plan_stop(pm_scale_plan_t *plan, int most, int want, int alive)
{
    if (alive > want) {
        plan->stop = alive - want;
        plan->busy = alive > most ? alive - most : 0;
    }
}

/* @param missing less than 1: no worker is needed now, but one could be soon */
static void plan_start(pm_scale_plan_t *plan, const pm_scale_facts_t *facts,
                       int missing, int singly)
{
    plan->start = missing > 0 && singly ? 1 : missing > 0 ? missing : 0;
    if (plan->start > facts->room) {
        plan->start = facts->room > 0 ? facts->room : 0;
        plan->want_room = 1;
    }
    plan->open = !plan->want_room && !(plan->start && singly);
}

pm_scale_plan_t pm_scale_plan(const pm_conf_t *conf,
                              const pm_scale_facts_t *facts, apr_time_t end,
                              apr_time_t now)
{
    pm_scale_plan_t plan = {.next = PM_TIME_NEVER};
    apr_time_t at = earliest(conf, facts);
    int want = facts->closing ? 0 : workers_for(conf, facts->most);
    int extra = facts->extra < want ? facts->extra : want;
    int most = facts->closing ? 0 : (int)conf->processes.max + extra;
    int then;

    plan.want = want;
    want += extra;
    plan_stop(&plan, most, want, facts->alive);
    if (facts->trial) {
        want = workers_for(conf, facts->need) + extra;
    }
    if (now >= at && !facts->closing) {
        plan_start(&plan, facts, want - facts->alive,
                   conf->start_delay || facts->trial);
        at = now + conf->start_delay;
    }
    then = facts->alive - plan.stop + plan.start;
    if (then >= most) {
        plan.open = 0;
    }
    else if (!plan.open && !plan.want_room && at > now) {
        plan.next = at;
    }
    if (!facts->closing && then > workers_for(conf, 0) + extra) {
        plan.next = pm_time_min(plan.next, end);
    }
    return plan;
}
