/* SPDX-License-Identifier: Apache-2.0 */
/* What fcgipmctl shows: pieces of text, and the lines of top. */
#include <stdlib.h>
#include <string.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "tools/ctl_check.h"
#include "tools/ctl_sample.h"
#include "tools/ctl_text.h"
#include "tap.h"

static void test_text(void)
{
    char buf[64];

    is_str(ctl_text_number(buf, sizeof(buf), 1234567, 8), "1234567",
           "a number that fits");
    is_str(ctl_text_number(buf, sizeof(buf), 123456789, 8), "123457K",
           "one that does not");
    is_str(ctl_text_age(buf, sizeof(buf), 59.9), "59s", "seconds");
    is_str(ctl_text_age(buf, sizeof(buf), 3600), "60m", "minutes");
    is_str(ctl_text_age(buf, sizeof(buf), 90000), "25h", "hours");
    is_str(ctl_text_age(buf, sizeof(buf), 10 * 86400), "10d", "days");
    is_str(ctl_text_size(buf, sizeof(buf), 512 * 1024), "512K", "KB");
    is_str(ctl_text_size(buf, sizeof(buf), 5.5 * 1048576), "5.5M", "MB");
    is_str(ctl_text_safe(buf, sizeof(buf),
                         "a\033[2Jb\xc2\x9b"
                         "c\xc3\xa9"),
           "a?[2Jb?c\xc3\xa9", "no terminal is controlled by it");
    is_str(ctl_text_safe(buf, sizeof(buf),
                         "a\xe2\x80\xae"
                         "b\x9b\xe2\x80"),
           "a?b???", "nor does text look like other text");
    is_str(ctl_text_safe(buf, 4, "ab\xc3\xa9"), "ab", "no half character");
    is_str(ctl_text_safe(buf, 4, "abcdef"), "abc", "it is cut");
}

static const char former_text[] =
    "{\"version\":\"1\",\"manager\":{\"pid\":7,\"uptime\":1.5,\"restarts\":0,"
    "\"reloads\":2},\"pools\":["
    "{\"name\":\"b\",\"listen\":\"x\",\"state\":\"running\",\"requests\":100,"
    "\"workers\":2,\"worker\":[{\"pid\":1,\"state\":\"idle\",\"requests\":60},"
    "{\"pid\":2,\"state\":\"busy\",\"requests\":40}]},"
    "{\"name\":\"a\",\"listen\":\"y\",\"state\":\"running\",\"requests\":5,"
    "\"workers\":0,\"worker\":[]}]}";
static const char next_text[] =
    "{\"version\":\"1\",\"manager\":{\"pid\":7,\"uptime\":3.5,\"restarts\":0,"
    "\"reloads\":2},\"pools\":["
    "{\"name\":\"b\",\"listen\":\"x\",\"state\":\"running\",\"requests\":125,"
    "\"workers\":2,\"worker\":[{\"pid\":1,\"state\":\"idle\",\"requests\":70},"
    "{\"pid\":3,\"state\":\"busy\",\"requests\":9}]},"
    "{\"name\":\"a\",\"listen\":\"y\",\"state\":\"stopped\",\"requests\":4,"
    "\"workers\":0,\"worker\":[]},"
    "{\"name\":\"c\",\"listen\":\"z\",\"state\":\"running\",\"requests\":9,"
    "\"workers\":3,\"worker\":[]}]}";

static int column_of(ctl_view_t view, const char *head)
{
    int n, i;
    const ctl_column_t *c = ctl_sample_columns(view, &n);

    for (i = 0; i < n && strcmp(c[i].head, head); i++) {
        ;
    }
    return i;
}

/* The cells of a column, with a comma between them. */
static const char *column(ctl_sample_t *s, ctl_view_t view, const char *sort,
                          int reverse, const char *head, apr_pool_t *p)
{
    const char *text = "";
    char buf[64];
    int i;

    ctl_sample_sort(s, view, column_of(view, sort), reverse);
    for (i = 0; i < s->lines[view]->nelts; i++) {
        text = apr_pstrcat(
            p, text, i ? "," : "",
            ctl_sample_cell(buf, sizeof(buf), view,
                            APR_ARRAY_IDX(s->lines[view], i, ctl_line_t *),
                            column_of(view, head)),
            NULL);
    }
    return text;
}

static void test_sample(apr_pool_t *p)
{
    ctl_sample_t *a =
        ctl_sample_read(former_text, apr_time_from_sec(10), NULL, NULL, p);
    ctl_sample_t *b;

    ok(a != NULL, "a sample");
    if (!a) {
        return;
    }
    is_str(column(a, CTL_POOLS, "POOL", 0, "REQ/S", p), "0.0,0.0",
           "no rates yet");
    b = ctl_sample_read(next_text, apr_time_from_sec(12), a, NULL, p);
    ok(b != NULL, "another");
    if (!b) {
        return;
    }
    is_int(b->pid, 7, "the manager");
    is_str(column(b, CTL_POOLS, "POOL", 0, "POOL", p), "a,b,c", "by name");
    is_str(column(b, CTL_POOLS, "POOL", 1, "POOL", p), "a,c,b",
           "reverse; the one that fails first");
    is_str(column(b, CTL_POOLS, "REQUESTS", 0, "POOL", p), "a,b,c",
           "by a number: the greatest first, behind the one that fails");
    is_str(column(b, CTL_POOLS, "REQ/S", 0, "REQ/S", p), "0.0,12.5,0.0",
           "rates; none of what is new, or counts less than before");
    ok(b->rate > 12.4 && b->rate < 12.6, "of all pools");
    is_str(column(b, CTL_WORKERS, "PID", 1, "REQ/S", p), "5.0,0.0",
           "of workers");
    is_str(column(b, CTL_WORKERS, "PID", 1, "POOL", p), "b,b", "their pools");
}

/* What check says of a pool of two workers in which requests wait. */
static void test_check(apr_pool_t *p)
{
    static const struct {
        int queue;
        ctl_check_limits_t limits;
        ctl_verdict_t verdict;
        const char *line;
    } cases[] = {
        {1, {-1, -1}, CTL_CHECK_OK, "OK - 1 pools, 2 workers, 2 busy, 1 "},
        {2, {-1, -1}, CTL_CHECK_WARNING, "WARNING - a_b: 2 requests wait"},
        {20, {-1, -1}, CTL_CHECK_CRITICAL, "CRITICAL - a_b: 20 requests wait"},
        {3, {4, -1}, CTL_CHECK_OK, "OK - "},
        {3, {2, 3}, CTL_CHECK_CRITICAL, "(critical at 3) | "},
        {0, {0, 0}, CTL_CHECK_OK, "OK - "},
    };
    unsigned i;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = NULL;
        size_t len;
        FILE *out = open_memstream(&text, &len);
        const char *json = apr_psprintf(
            p,
            "{\"manager\":{},\"pools\":[{\"name\":\"a|b\",\"state\":"
            "\"running\",\"max\":2,\"workers\":2,\"busy\":2,\"queue\":%d}]}",
            cases[i].queue);
        ctl_verdict_t verdict = ctl_check(out, json, NULL, &cases[i].limits, p);

        fclose(out);
        is_int(verdict, cases[i].verdict, "check: %d wait", cases[i].queue);
        ok(strstr(text, cases[i].line) != NULL, "%s", text);
        free(text);
    }
}

/* The longest line of what is written there. */
static size_t widest(const char *text)
{
    size_t most = 0;

    while (*text) {
        size_t len = strcspn(text, "\n");

        most = len > most ? len : most;
        text += len + (text[len] == '\n');
    }
    return most;
}

static void test_width(apr_pool_t *p)
{
    static const char big[] =
        "{\"version\":\"0.1.0\",\"manager\":{\"pid\":4194304,\"uptime\":"
        "99999999.5,\"restarts\":99999,\"reloads\":99999},\"pools\":[{\"name\":"
        "\"1234567890123456789012345678901234567890123456789012345678901234\","
        "\"state\":\"draining\",\"max\":10000,\"workers\":10000,\"idle\":10000,"
        "\"busy\":10000,\"queue\":1000000,\"requests\":99999999999999,"
        "\"crashed\":4294967295,\"killed\":4294967295,\"retry_in\":29.5,"
        "\"last_error\":\""
        "worker 4194304 has died at birth: a reason that is longer than a line "
        "of a terminal is, and has to go on in the next one, which it does\","
        "\"command\":\"/usr/local/a/very/long/path/without/any/blank/in/it/"
        "that/"
        "has/to/be/cut/somewhere/in/the/middle\",\"worker\":[{\"pid\":4194304,"
        "\"state\":\"stopping\",\"requests\":99999999999999,\"uptime\":"
        "99999999.5,\"busy_for\":99999999.5,\"rss\":999999999999999}]}]}";
    char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    int view, n, i;

    ok(ctl_text_status(out, big, 1, NULL, p), "a status of large numbers");
    fclose(out);
    ok(widest(text) <= CTL_COLUMNS, "is %d columns wide", (int)widest(text));
    ok(strstr(text, "does\n") != NULL, "no reason is cut");
    ok(strstr(text, "\n  next start: in 29s\n") != NULL, "nor when it is tried "
                                                         "again");
    free(text);
    for (view = 0; view < CTL_VIEWS; view++) {
        const ctl_column_t *c = ctl_sample_columns((ctl_view_t)view, &n);
        int width = n - 1;

        for (i = 0; i < n; i++) {
            width += abs(c[i].width);
        }
        ok(width <= CTL_COLUMNS, "top: %d columns", width);
    }
}

static void test_nonsense(apr_pool_t *p)
{
    static const char *const texts[] = {"",     "{",
                                        "[]",   "{}",
                                        "7",    "{\"manager\":1,\"pools\":[]}",
                                        "null", "{\"manager\":{}"};
    ctl_sample_t *s;
    size_t i;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        ok(!ctl_sample_read(texts[i], 1, NULL, NULL, p), "no status: %s",
           texts[i]);
    }
    s = ctl_sample_read("{\"manager\":{},\"pools\":[1,{\"name\":[]},"
                        "{\"worker\":[null,{}]}]}",
                        1, NULL, NULL, p);
    ok(s && s->lines[CTL_POOLS]->nelts == 3, "odd pools do no harm");
    if (s) {
        column(s, CTL_POOLS, "STATE", 0, "STATE", p);
    }
}

int main(void)
{
    apr_pool_t *p;

    apr_initialize();
    apr_pool_create(&p, NULL);
    test_text();
    test_sample(p);
    test_check(p);
    test_width(p);
    test_nonsense(p);
    apr_terminate();
    return done_testing();
}
