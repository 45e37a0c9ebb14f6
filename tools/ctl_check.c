/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl_check.h"

#include <stdlib.h>
#include <string.h>

#include "apr_lib.h"
#include "apr_strings.h"
#include "ctl_text.h"
#include "pm_core/control/pm_control_reply.h"

static const char *const check_names[] = {"OK", "WARNING", "CRITICAL",
                                          "UNKNOWN"};

/* A worker that dies at birth is replaced at once; two in a row delay the next
 * start. */
#define CHECK_STARTS 2

/* Requests that wait, in times of those that workers may have. */
#define CHECK_WARNING  1
#define CHECK_CRITICAL 10

/* What is found in all pools. */
typedef struct check {
    const char *text[CTL_CHECK_UNKNOWN]; /* of each verdict, joined; OK: which
                                          * pools drain */
    const char *perf;
    ctl_verdict_t worst;
    int pools;
    double workers, busy, queue;
    apr_pool_t *p;
} check_t;

int ctl_check_limit(const char *text, long *limit)
{
    char *end;

    *limit = strtol(text, &end, 10);
    return apr_isdigit(text[0]) && !*end;
}

static void check_note(check_t *c, ctl_verdict_t verdict, const char *text)
{
    const char *before = c->text[verdict];

    c->worst = verdict > c->worst ? verdict : c->worst;
    c->text[verdict] =
        before ? apr_pstrcat(c->p, before, "; ", text, NULL) : text;
}

/* A separator of the format is none inside of a text. */
static const char *check_plain(const char *text, apr_pool_t *p)
{
    char buf[600];
    char *plain = apr_pstrdup(p, ctl_text_safe(buf, sizeof(buf), text));
    char *c;

    for (c = plain; (c = strpbrk(c, "|'=")); c++) {
        *c = '_';
    }
    return plain;
}

/* --- one pool ------------------------------------------------------------- */

static void check_state(check_t *c, const json_t *pool, const char *name)
{
    const char *state = pm_control_reply_text(pool, "state");
    const char *error = pm_control_reply_text(pool, "last_error");
    double serving = pm_control_reply_number(pool, "idle")
                     + pm_control_reply_number(pool, "busy");
    int stopped = !strcmp(state, "stopped");
    int backoff = !strcmp(state, "backoff");
    int serves = !stopped && (!backoff || serving > 0);

    if (serves && !backoff
        && pm_control_reply_number(pool, "failed_starts") < CHECK_STARTS) {
        return;
    }
    check_note(c, serves ? CTL_CHECK_WARNING : CTL_CHECK_CRITICAL,
               apr_psprintf(c->p, "%s: %s%s%s", name,
                            stopped  ? "stopped"
                            : serves ? "new workers die at birth"
                                     : "workers die at birth",
                            error[0] ? ": " : "", check_plain(error, c->p)));
}

/* @return the limit, in requests */
static double check_limit(const json_t *pool, long given, int times)
{
    double each = pm_control_reply_number(pool, "requests_per_worker");
    double most = pm_control_reply_number(pool, "max");

    return given >= 0 ? (double)given : times * most * (each > 1 ? each : 1);
}

static void check_queue(check_t *c, const json_t *pool, const char *name,
                        double warning, double critical)
{
    double queue = pm_control_reply_number(pool, "queue");
    ctl_verdict_t verdict = queue >= critical  ? CTL_CHECK_CRITICAL
                            : queue >= warning ? CTL_CHECK_WARNING
                                               : CTL_CHECK_OK;

    if (queue > 0 && verdict != CTL_CHECK_OK) {
        check_note(c, verdict,
                   apr_psprintf(
                       c->p, "%s: %.0f requests wait (%s at %.0f)", name, queue,
                       verdict == CTL_CHECK_CRITICAL ? "critical" : "warning",
                       verdict == CTL_CHECK_CRITICAL ? critical : warning));
    }
}

/* 'label'=value;warning;critical;least;most, c: a counter */
static void check_perf(check_t *c, const json_t *pool, const char *name,
                       double warning, double critical)
{
    static const char *const counters[] = {"requests", "refused", "crashed",
                                           "killed", "timed_out"};
    unsigned i;

    c->perf =
        apr_psprintf(c->p,
                     "%s '%s workers'=%.0f;;;%.0f;%.0f '%s busy'=%.0f;;;0;%.0f "
                     "'%s queue'=%.0f;%.0f;%.0f;0",
                     c->perf, name, pm_control_reply_number(pool, "workers"),
                     pm_control_reply_number(pool, "min"),
                     pm_control_reply_number(pool, "max"), name,
                     pm_control_reply_number(pool, "busy"),
                     pm_control_reply_number(pool, "max"), name,
                     pm_control_reply_number(pool, "queue"), warning, critical);
    for (i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
        c->perf =
            apr_psprintf(c->p, "%s '%s %s'=%.0fc", c->perf, name, counters[i],
                         pm_control_reply_number(pool, counters[i]));
    }
}

static void check_pool(check_t *c, const json_t *pool,
                       const ctl_check_limits_t *limits)
{
    const char *name = check_plain(pm_control_reply_text(pool, "name"), c->p);
    double warning = check_limit(pool, limits->warning, CHECK_WARNING);
    double critical = check_limit(pool, limits->critical, CHECK_CRITICAL);

    if (!strcmp(pm_control_reply_text(pool, "state"), "draining")) {
        /* it is no more in the configuration, or was told to drain */
        check_note(c, CTL_CHECK_OK, apr_pstrcat(c->p, name, " drains", NULL));
        return;
    }
    c->pools++;
    c->workers += pm_control_reply_number(pool, "workers");
    c->busy += pm_control_reply_number(pool, "busy");
    c->queue += pm_control_reply_number(pool, "queue");
    check_state(c, pool, name);
    check_queue(c, pool, name, warning, critical);
    check_perf(c, pool, name, warning, critical);
}

/* --- all ------------------------------------------------------------------ */

ctl_verdict_t ctl_check_fail(FILE *out, ctl_verdict_t verdict, const char *why)
{
    char buf[600];

    fprintf(out, "FCGIPM %s - %s\n", check_names[verdict],
            ctl_text_safe(buf, sizeof(buf), why));
    return verdict;
}

static void check_put(FILE *out, const check_t *c)
{
    const char *sep = "";
    int i;

    fprintf(out, "FCGIPM %s - ", check_names[c->worst]);
    if (c->worst == CTL_CHECK_OK && c->pools) {
        fprintf(out, "%d pools, %.0f workers, %.0f busy, %.0f requests wait",
                c->pools, c->workers, c->busy, c->queue);
        sep = "; ";
    }
    for (i = CTL_CHECK_CRITICAL; i >= CTL_CHECK_OK; i--) {
        if (c->text[i]) {
            fprintf(out, "%s%s", sep, c->text[i]);
            sep = "; ";
        }
    }
    fprintf(out, " |%s\n", c->perf);
}

ctl_verdict_t ctl_check(FILE *out, const char *json, const char *filter,
                        const ctl_check_limits_t *limits, apr_pool_t *p)
{
    const json_t *status = pm_control_reply_read(json, p);
    check_t c = {.perf = "", .p = p};
    const apr_array_header_t *pools;
    int i;

    if (!json_is_object(json_object_get(status, "manager"))) {
        return ctl_check_fail(out, CTL_CHECK_UNKNOWN,
                              "cannot read the manager's answer");
    }
    pools = pm_control_reply_pools(status, p);
    for (i = 0; i < pools->nelts; i++) {
        const json_t *pool = APR_ARRAY_IDX(pools, i, const json_t *);

        if (ctl_text_matches(filter, pool)) {
            check_pool(&c, pool, limits);
        }
    }
    if (!c.pools && !c.text[CTL_CHECK_OK]) {
        return ctl_check_fail(out, CTL_CHECK_UNKNOWN,
                              filter ? "no pool matches --filter"
                                     : "there is no pool");
    }
    check_put(out, &c);
    return c.worst;
}
