/* SPDX-License-Identifier: Apache-2.0 */
/* What decides and does nothing, but for scale.c: crash, stop, life,
 * signals, configuration diff, control words.  Time is a number here. */
#include <errno.h>
#include <signal.h>

#include "apr_general.h"
#include "pm_core/policy/pm_exit_hint.h"
#include "pm_core/policy/pm_restart_policy.h"
#include "pm_core/policy/pm_reload_policy.h"
#include "pm_core/policy/pm_worker_fsm.h"
#include "pm_core/policy/pm_control_protocol.h"
#include "pm_core/base/pm_log_ratelimit.h"
#include "pm_core/policy/pm_signal_map.h"
#include "pm_core/policy/pm_stop_policy.h"
#include "tap.h"

#define S(n)  apr_time_from_sec(n)
#define MS(n) apr_time_from_msec(n)
#define NEVER PM_TIME_NEVER

/* --- what an exit means --------------------------------------------------- */

static const struct {
    const char *name;
    pm_exit_facts_t facts; /* told, runs, clean, served, lived, loading,
                            * daemon */
    pm_exit_t want;
} exits[] = {
    {"told, clean", {1, 1, 1, 0, MS(5), 0, 0}, PM_EXIT_NORMAL},
    {"told, by a signal", {1, 1, 0, 0, MS(5), 0, 0}, PM_EXIT_NORMAL},
    {"told before exec", {1, 0, 0, 0, MS(1), 0, 0}, PM_EXIT_NORMAL},
    {"exec failed", {0, 0, 0, 1, MS(1), 0, 0}, PM_EXIT_FAILED},
    {"exit 0 after a request", {0, 1, 1, 1, MS(5), 0, 0}, PM_EXIT_NORMAL},
    {"exit 0 at once", {0, 1, 1, 0, MS(5), 0, 0}, PM_EXIT_FAILED},
    {"exit 0, settled", {0, 1, 1, 0, S(1), 0, 0}, PM_EXIT_NORMAL},
    {"crash at birth", {0, 1, 0, 0, MS(5), 0, 0}, PM_EXIT_FAILED},
    {"crash after a request", {0, 1, 0, 1, MS(5), 0, 0}, PM_EXIT_CRASHED},
    {"crash, settled", {0, 1, 0, 0, S(1), 0, 0}, PM_EXIT_CRASHED},
    {"still loading", {0, 1, 1, 0, S(9), 1, 0}, PM_EXIT_FAILED},
    {"a daemon, loaded for long", {0, 1, 1, 1, S(9), 0, 1}, PM_EXIT_FAILED}};

static void test_exits(void)
{
    size_t i;

    for (i = 0; i < sizeof(exits) / sizeof(exits[0]); i++) {
        is_int(pm_restart_policy_judge(&exits[i].facts), exits[i].want,
               "exit: %s", exits[i].name);
    }
}

static void test_credit(void)
{
    apr_uint64_t paid = 0;
    int i;

    ok(!pm_restart_policy_spend_credit(0, 1, &paid, 2),
       "credit: the first request waits for the first worker");
    ok(pm_restart_policy_spend_credit(1, 1, &paid, 2),
       "credit: an answer in flight may be its last");
    paid = 100;
    ok(!pm_restart_policy_spend_credit(100, 0, &paid, 2),
       "credit: nothing was answered");
    ok(pm_restart_policy_spend_credit(101, 0, &paid, 2),
       "credit: one answer, one exit");
    ok(!pm_restart_policy_spend_credit(101, 0, &paid, 2),
       "credit: it is used up");
    for (i = 0; i < 3; i++) {
        is_int(pm_restart_policy_spend_credit(9000, 0, &paid, 2), i < 2,
               "credit: thousands of "
               "answers are good for one exit of each worker (%d)",
               i + 1);
    }
}

/* --- workers that count requests -------------------------------------------
 */

static void test_left(void)
{
    pm_exit_left_t few = {0}, slow = {0}, many = {0};
    int i, said = 0;

    for (i = 0; i < 20; i++) {
        said += pm_exit_left_note(&few, PM_EXIT_LEFT_REQUESTS - 1, S(i));
    }
    is_int(said, 0, "left: after few requests each: not said");
    for (i = 0; i < 20; i++) {
        said += pm_exit_left_note(&slow, 500, S(16 * i));
    }
    is_int(said, 0, "left: one now and then: not said");
    for (i = 0; i < 20; i++) {
        said += pm_exit_left_note(&many, 500, S(200 + i));
        is_int(said, i >= PM_EXIT_LEFT_WORKERS - 1, "left: many: said once");
    }
    is_int((int)(many.since == S(200)), 1, "left: since the first");
}

/* --- when again ----------------------------------------------------------- */

/* A worker that dies 10 ms after each start: the starts' times. */
static void test_backoff(void)
{
    static const apr_time_t want[] = {
        0,        MS(10),   MS(120),   MS(330),   MS(740),   MS(1550),
        MS(3160), MS(6370), MS(12780), MS(25590), MS(51200), MS(81210)};
    pm_restart_policy_t crash = {0};
    apr_time_t now = S(100);
    size_t i;

    for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        apr_time_t next = pm_restart_policy_next_start(&crash, 0, now);

        now = next > now ? next : now;
        is_int((long)(now - S(100)), (long)want[i], "start %d", (int)i);
        pm_restart_policy_note_start(&crash, now);
        now += MS(10);
        pm_restart_policy_note_failure(&crash, 0, now);
    }
}

static void test_trial(void)
{
    pm_restart_policy_t crash = {0};

    pm_restart_policy_note_failure(&crash, 0, S(10));
    is_int((long)pm_restart_policy_next_start(&crash, 0, S(10)), S(10),
           "one death costs "
           "nothing");
    pm_restart_policy_note_failure(&crash, 0, S(10));
    is_int((long)(pm_restart_policy_next_start(&crash, 0, S(10)) - S(10)),
           MS(100), "two delay");
    pm_restart_policy_note_failure(&crash, 0, S(10));
    is_int(crash.failures, 2, "who dies with others is not counted again");
    pm_restart_policy_note_start(&crash, S(11));
    is_int((long)pm_restart_policy_next_start(&crash, 0, S(11)), S(12),
           "one on trial at a "
           "time");
    ok(pm_restart_policy_next_start(&crash, 0, S(12)) <= S(12),
       "it has settled");
    is_int(crash.failures, 0, "and all is forgotten");
    pm_restart_policy_note_failure(&crash, 0, S(20));
    pm_restart_policy_note_start(&crash, S(20));
    pm_restart_policy_note_failure(&crash, 0, S(3600));
    is_int(crash.failures, 1, "a death an hour later is the first again");
}

/* --- the stop ladder ------------------------------------------------------ */

static const struct {
    const char *name;
    pm_stop_policy_conf_t conf;   /* die, drain timeout */
    pm_stop_policy_facts_t facts; /* told, retold, dying, idle since */
    int act;
    apr_time_t next; /* now is S(10) */
} stops[] = {
    {"busy: told once, looked at again",
     {S(3), 0},
     {S(1), S(1), 0, 0},
     PM_STOP_WAIT,
     S(11)},
    {"busy: drain timeout to come",
     {S(3), MS(9500)},
     {S(1), S(1), 0, 0},
     PM_STOP_WAIT,
     S(10) + MS(500)},
    {"busy: drain timeout",
     {S(3), S(9)},
     {S(1), S(1), 0, 0},
     PM_STOP_KILL,
     NEVER},
    {"idle: told again",
     {S(30), 0},
     {S(9), S(9), 0, S(9)},
     PM_STOP_TELL,
     S(11)},
    {"idle: not yet again",
     {S(30), 0},
     {S(9), S(10) - MS(1), 0, S(9)},
     PM_STOP_WAIT,
     S(11) - MS(1)},
    {"idle: die timeout",
     {S(1), 0},
     {S(9), S(9), 0, S(9)},
     PM_STOP_KILL,
     NEVER},
    {"idle: die timeout, since it became so",
     {S(3), 0},
     {S(1), S(10), 0, S(9)},
     PM_STOP_WAIT,
     S(11)},
    {"idle, busy when told: a second to go",
     {S(3), 0},
     {S(1), S(1), 0, S(10)},
     PM_STOP_WAIT,
     S(11)},
    {"idle: die timeout is the next",
     {MS(1500), 0},
     {S(9), S(10) - MS(1), 0, S(9)},
     PM_STOP_WAIT,
     S(10) + MS(500)},
    {"end: die timeout to come",
     {MS(1500), 0},
     {S(1), S(1), S(9), 0},
     PM_STOP_WAIT,
     S(10) + MS(500)},
    {"end: die timeout", {S(1), 0}, {S(9), S(9), S(9), 0}, PM_STOP_KILL, NEVER},
    {"end: counts from the end, not from being told",
     {S(3), 0},
     {S(1), S(1), S(8), 0},
     PM_STOP_WAIT,
     S(11)},
    {"end: at once", {0, 0}, {S(10), S(10), S(10), 0}, PM_STOP_KILL, NEVER}};

static void test_stop(void)
{
    size_t i;

    for (i = 0; i < sizeof(stops) / sizeof(stops[0]); i++) {
        pm_stop_policy_plan_t got =
            pm_stop_policy_plan(&stops[i].conf, &stops[i].facts, S(10));

        ok((int)got.act == stops[i].act && got.next == stops[i].next,
           "stop: %s", stops[i].name);
    }
}

/* --- the worker's table --------------------------------------------------- */

static const struct {
    pm_worker_state_t from;
    pm_worker_event_t event;
    pm_worker_state_t to;
    unsigned actions;
} moves[] = {
    {PM_WORKER_BORN, PM_WORKER_EVENT_RUNS, PM_WORKER_LOADING, 0},
    {PM_WORKER_BORN, PM_WORKER_EVENT_READY, PM_WORKER_BORN, 0},
    {PM_WORKER_LOADING, PM_WORKER_EVENT_READY, PM_WORKER_READY, 0},
    {PM_WORKER_LOADING, PM_WORKER_EVENT_STOP, PM_WORKER_STOPPING,
     PM_WORKER_ACT_TERM},
    {PM_WORKER_LOADING, PM_WORKER_EVENT_EXIT, PM_WORKER_LEFT,
     PM_WORKER_ACT_SWEEP},
    {PM_WORKER_BORN, PM_WORKER_EVENT_STOP, PM_WORKER_STOPPING,
     PM_WORKER_ACT_TERM},
    {PM_WORKER_BORN, PM_WORKER_EVENT_EXIT, PM_WORKER_LEFT, PM_WORKER_ACT_SWEEP},
    {PM_WORKER_READY, PM_WORKER_EVENT_RUNS, PM_WORKER_READY, 0},
    {PM_WORKER_READY, PM_WORKER_EVENT_STOP, PM_WORKER_STOPPING,
     PM_WORKER_ACT_TERM},
    {PM_WORKER_READY, PM_WORKER_EVENT_KILL, PM_WORKER_KILLED,
     PM_WORKER_ACT_KILL},
    {PM_WORKER_STOPPING, PM_WORKER_EVENT_STOP, PM_WORKER_STOPPING, 0},
    {PM_WORKER_STOPPING, PM_WORKER_EVENT_RUNS, PM_WORKER_STOPPING, 0},
    {PM_WORKER_STOPPING, PM_WORKER_EVENT_RETELL, PM_WORKER_STOPPING,
     PM_WORKER_ACT_TERM},
    {PM_WORKER_STOPPING, PM_WORKER_EVENT_KILL, PM_WORKER_KILLED,
     PM_WORKER_ACT_KILL},
    {PM_WORKER_KILLED, PM_WORKER_EVENT_KILL, PM_WORKER_KILLED, 0},
    {PM_WORKER_KILLED, PM_WORKER_EVENT_STOP, PM_WORKER_KILLED, 0},
    {PM_WORKER_KILLED, PM_WORKER_EVENT_EXIT, PM_WORKER_LEFT,
     PM_WORKER_ACT_SWEEP},
    {PM_WORKER_LEFT, PM_WORKER_EVENT_EXIT, PM_WORKER_LEFT, 0},
    {PM_WORKER_LEFT, PM_WORKER_EVENT_RETELL, PM_WORKER_LEFT,
     PM_WORKER_ACT_SWEEP},
    {PM_WORKER_LEFT, PM_WORKER_EVENT_EMPTY, PM_WORKER_GONE, PM_WORKER_ACT_FREE},
    {PM_WORKER_LEFT, PM_WORKER_EVENT_KILL, PM_WORKER_GONE,
     PM_WORKER_ACT_KILL | PM_WORKER_ACT_FREE}};

static void test_life(void)
{
    size_t i;
    int s, e;

    for (i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
        pm_worker_move_t got =
            pm_worker_fsm_step(moves[i].from, moves[i].event);

        ok(got.next == moves[i].to && got.actions == moves[i].actions,
           "life: state %d, event %d", (int)moves[i].from, (int)moves[i].event);
    }
    for (s = 0; s <= PM_WORKER_LEFT; s++) {
        for (e = 0; e <= PM_WORKER_EVENT_EMPTY; e++) {
            pm_worker_move_t got =
                pm_worker_fsm_step((pm_worker_state_t)s, (pm_worker_event_t)e);

            if (got.next < (pm_worker_state_t)s
                || (s != PM_WORKER_LEFT
                    && (got.actions & PM_WORKER_ACT_FREE))) {
                ok(0, "life: state %d, event %d goes back or frees early", s,
                   e);
            }
        }
    }
}

/* --- signals, diff, control words ----------------------------------------- */

static void test_signals(void)
{
    static const struct {
        int sig;
        pm_signal_command_t running, dying;
    } want[] = {{SIGHUP, PM_SIGNAL_RELOAD, PM_SIGNAL_NONE},
                {SIGTERM, PM_SIGNAL_DIE, PM_SIGNAL_NONE},
                {SIGINT, PM_SIGNAL_DIE, PM_SIGNAL_NONE},
                {SIGCHLD, PM_SIGNAL_REAP, PM_SIGNAL_REAP},
                {SIGUSR1, PM_SIGNAL_NONE, PM_SIGNAL_NONE}};
    size_t i;

    for (i = 0; i < 5; i++) {
        is_int(pm_signal_map(want[i].sig, PM_PHASE_RUNNING), want[i].running,
               "signal %d, running", want[i].sig);
        is_int(pm_signal_map(want[i].sig, PM_PHASE_DYING), want[i].dying,
               "signal %d, dying", want[i].sig);
    }
}

static void test_diff(apr_pool_t *p)
{
    pm_conf_t *a = pm_conf_create(p, "x");
    pm_conf_t *same = pm_conf_create(p, "x");
    pm_conf_t *more = pm_conf_create(p, "x");
    pm_conf_t *nice = pm_conf_create(p, "x");
    const struct {
        const char *name;
        pm_graceful_t graceful;
        const pm_conf_t *was, *is;
        pm_reload_policy_t want;
    } cases[] = {
        {"new", PM_GRACEFUL_HUP, NULL, a, PM_RELOAD_POLICY_START},
        {"new, none", PM_GRACEFUL_NONE, NULL, a, PM_RELOAD_POLICY_START},
        {"same, hup", PM_GRACEFUL_HUP, a, same, PM_RELOAD_POLICY_RELOAD},
        {"same, changed", PM_GRACEFUL_CHANGED, a, same, PM_RELOAD_POLICY_KEEP},
        {"number, changed", PM_GRACEFUL_CHANGED, a, more,
         PM_RELOAD_POLICY_KEEP},
        {"workers, changed", PM_GRACEFUL_CHANGED, a, nice,
         PM_RELOAD_POLICY_RELOAD},
        {"workers, none", PM_GRACEFUL_NONE, a, nice, PM_RELOAD_POLICY_KEEP}};
    size_t i;

    more->processes.max = more->processes.min = 9;
    nice->nice = 9;
    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_int(
            pm_reload_policy_plan(cases[i].graceful, cases[i].was, cases[i].is),
            cases[i].want, "diff: %s", cases[i].name);
    }
}

static void test_reload(void)
{
    static const struct {
        const char *name;
        int reload, ready;
        pm_due_t due, want;
    } cases[] = {
        {"one that serves", 0, 1, PM_DUE_NOT, PM_DUE_START},
        {"again, before another was started", 0, 1, PM_DUE_START, PM_DUE_START},
        {"one that was to be replaced", 0, 1, PM_DUE_RECYCLE, PM_DUE_START},
        {"one that loads", 0, 0, PM_DUE_NOT, PM_DUE_RELOAD},
        {"again, now it serves", 0, 1, PM_DUE_RELOAD, PM_DUE_RELOAD},
        {"rolling", 1, 1, PM_DUE_NOT, PM_DUE_ROLL},
        {"rolling, one that loads", 1, 0, PM_DUE_RELOAD, PM_DUE_ROLL}};
    size_t i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        is_int(
            pm_reload_policy_due(cases[i].reload, cases[i].ready, cases[i].due),
            cases[i].want, "reload: %s", cases[i].name);
    }
}

#define ASK PM_RIGHT_ASK
#define ALL PM_RIGHT_ALL

static const struct {
    const char *line;
    pm_right_t right;
    apr_status_t rv;
    pm_verb_t verb;
    const char *pool; /* NULL: it is refused */
    int wait, n, number[2];
} requests[] = {
    {"ping", ASK, 0, PM_VERB_PING, "", 0, 0, {0, 0}},
    {" status \r", ASK, 0, PM_VERB_STATUS, "", 0, 0, {0, 0}},
    {"status app", ASK, 0, PM_VERB_STATUS, "app", 0, 0, {0, 0}},
    {"status wait", ASK, 0, PM_VERB_STATUS, "wait", 0, 0, {0, 0}},
    {"config app", ALL, 0, PM_VERB_CONFIG, "app", 0, 0, {0, 0}},
    {"config", ASK, EACCES, PM_VERB_PING, NULL, 0, 0, {0, 0}},
    {"reload app", ALL, 0, PM_VERB_RELOAD, "app", 0, 0, {0, 0}},
    {"reload wait", ALL, 0, PM_VERB_RELOAD, "", 1, 0, {0, 0}},
    {"reload app wait", ALL, 0, PM_VERB_RELOAD, "app", 1, 0, {0, 0}},
    {"reload wait wait", ALL, 0, PM_VERB_RELOAD, "wait", 1, 0, {0, 0}},
    {"start app", ALL, 0, PM_VERB_START, "app", 0, 0, {0, 0}},
    {"stop app", ALL, 0, PM_VERB_STOP, "app", 0, 0, {0, 0}},
    {"drain", ALL, 0, PM_VERB_DRAIN, "", 0, 0, {0, 0}},
    {"drain app", ALL, 0, PM_VERB_DRAIN, "app", 0, 0, {0, 0}},
    {"drain app", ASK, EACCES, PM_VERB_PING, NULL, 0, 0, {0, 0}},
    {"scale app 3", ALL, 0, PM_VERB_SCALE, "app", 0, 1, {3, 0}},
    {"scale app 0\t16", ALL, 0, PM_VERB_SCALE, "app", 0, 2, {0, 16}},
    {"kill 999999999", ALL, 0, PM_VERB_KILL, "", 0, 1, {999999999, 0}},
    {"reload", ASK, EACCES, PM_VERB_PING, NULL, 0, 0, {0, 0}},
    {"stop app", ASK, EACCES, PM_VERB_PING, NULL, 0, 0, {0, 0}},
    {"ping", PM_RIGHT_NONE, EACCES, PM_VERB_PING, NULL, 0, 0, {0, 0}},
    {"ping app", ALL, APR_EINVAL, PM_VERB_PING, NULL, 0, 0, {0, 0}},
    {"status a b", ALL, APR_EINVAL, PM_VERB_PING, NULL, 0, 0, {0, 0}},
    {"reload a b", ALL, APR_EINVAL, PM_VERB_PING, NULL, 0, 0, {0, 0}},
    {"reload a wait b", ALL, APR_EINVAL, PM_VERB_PING, NULL, 0, 0, {0, 0}},
    {"stop", ALL, APR_EINVAL, PM_VERB_PING, NULL, 0, 0, {0, 0}},
    {"scale app", ALL, APR_EINVAL, PM_VERB_PING, NULL, 0, 0, {0, 0}},
    {"scale 3", ALL, APR_EINVAL, PM_VERB_PING, NULL, 0, 0, {0, 0}},
    {"scale app -3", ALL, APR_EINVAL, PM_VERB_PING, NULL, 0, 0, {0, 0}},
    {"scale app 1 2 3", ALL, APR_EINVAL, PM_VERB_PING, NULL, 0, 0, {0, 0}},
    {"kill", ALL, APR_EINVAL, PM_VERB_PING, NULL, 0, 0, {0, 0}},
    {"kill 1x", ALL, APR_EINVAL, PM_VERB_PING, NULL, 0, 0, {0, 0}},
    {"kill 1000000000", ALL, APR_EINVAL, PM_VERB_PING, NULL, 0, 0, {0, 0}},
    {"", ALL, APR_EINVAL, PM_VERB_PING, NULL, 0, 0, {0, 0}},
    {"pin", ALL, APR_EINVAL, PM_VERB_PING, NULL, 0, 0, {0, 0}},
    {"pings", ALL, APR_EINVAL, PM_VERB_PING, NULL, 0, 0, {0, 0}},
    {"ping 1 2 3 4 5 6 7 8 9",
     ALL,
     APR_EINVAL,
     PM_VERB_PING,
     NULL,
     0,
     0,
     {0, 0}},
    {"status 1234567890123456789012345678901234567890"
     "1234567890123456789012345",
     ALL,
     APR_EINVAL,
     PM_VERB_PING,
     NULL,
     0,
     0,
     {0, 0}}};

static void test_proto(void)
{
    size_t i;

    for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        pm_request_t req;
        pm_reason_t why = {""};

        is_int(pm_control_protocol_parse(&req, requests[i].line,
                                         requests[i].right, &why),
               requests[i].rv, "control: \"%s\" %s", requests[i].line,
               why.text);
        if (requests[i].pool) {
            is_int(req.verb, requests[i].verb, "its verb");
            is_str(req.pool, requests[i].pool, "its pool");
            is_int(req.wait, requests[i].wait, "to be waited for?");
            is_int(req.n, requests[i].n, "how many numbers");
            is_int((long)req.number[0], requests[i].number[0], "the first");
            is_int((long)req.number[1], requests[i].number[1], "the second");
        }
    }
}

/* --- so many in ten seconds ------------------------------------------------
 */

static void test_quota(void)
{
    pm_log_ratelimit_t q = {0, 0, 0};
    int i, n = 0;

    for (i = 0; i < 100; i++) {
        n += pm_log_ratelimit_take(&q, 0, S(5)) == PM_LOG_RATELIMIT_PASS;
    }
    is_int(n, 100, "quota: no limit");
    is_int(pm_log_ratelimit_due(&q, S(20)), NEVER, "quota: nothing to be said");
    for (n = i = 0; i < 10; i++) {
        n += pm_log_ratelimit_take(&q, 4, S(20) + i) == PM_LOG_RATELIMIT_PASS;
    }
    is_int(n, 4, "quota: 4 of 10");
    is_int(q.until, S(30), "quota: ten seconds from the first one on");
    is_int(pm_log_ratelimit_due(&q, S(20)), S(30),
           "quota: then it is to be said");
    is_int(pm_log_ratelimit_take(&q, 4, S(30) - 1), PM_LOG_RATELIMIT_DROP,
           "quota: not yet");
    is_int(pm_log_ratelimit_take_dropped(&q), 7, "quota: 7 were dropped");
    is_int(pm_log_ratelimit_take_dropped(&q), 0, "quota: that is said once");
    is_int(pm_log_ratelimit_take(&q, 4, S(30)), PM_LOG_RATELIMIT_PASS,
           "quota: another ten seconds");
    is_int(q.until, S(40), "quota: from then on");
    is_int(pm_log_ratelimit_take(&q, 1, S(31)), PM_LOG_RATELIMIT_FIRST,
           "quota: the first "
           "one too many");
}

static void test_last(void)
{
    static const char *const last[] = {"ok", "ok 1 0.1.0", "error x", "{}"};
    static const char *const more[] = {
        "progress 1 2 app", "stderr 7 ok", "okay", "errors", "", " ok"};
    size_t i;

    for (i = 0; i < sizeof(last) / sizeof(last[0]); i++) {
        ok(pm_control_protocol_is_last(last[i]), "\"%s\" is the last line",
           last[i]);
    }
    for (i = 0; i < sizeof(more) / sizeof(more[0]); i++) {
        ok(!pm_control_protocol_is_last(more[i]), "\"%s\" is not", more[i]);
    }
}

int main(void)
{
    apr_pool_t *p;

    apr_initialize();
    apr_pool_create(&p, NULL);
    test_exits();
    test_left();
    test_credit();
    test_quota();
    test_backoff();
    test_trial();
    test_stop();
    test_life();
    test_signals();
    test_diff(p);
    test_reload();
    test_proto();
    test_last();
    apr_terminate();
    return done_testing();
}
