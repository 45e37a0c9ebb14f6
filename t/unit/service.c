/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file service.c
 * @brief What fcgipm-run is asked by HTTP (pm_http_server.h), and the parts of
 *        its log's lines (run_log.h).  t/core/service.t runs it.
 */
#include "pm_core/ipc/pm_fcgi_ask.h"
#include "pm_core/ipc/pm_http_server.h"
#include "pm_core/control/pm_openmetrics.h"
#include "tap.h"
#include "tools/run_log.h"

#include <string.h>

#include "apr_general.h"
#include "apr_strings.h"

static void test_requests(apr_pool_t *p)
{
    static const struct {
        const char *head, *path;
        int is_head, status;
    } rows[] = {{"GET /a HTTP/1.0\r\n\r\n", "/a", 0, 0},
                {"HEAD /a HTTP/1.1\r\n\r\n", "/a", 1, 0},
                {"GET / HTTP/1.1\nX: y\n\n", "/", 0, 0},
                {"GET /a?b=c HTTP/1.0\r\n\r\n", "/a", 0, 0},
                {"GET /a#b HTTP/1.0\r\n\r\n", "/a", 0, 0},
                {"GET http://h:1/a?b HTTP/1.1\r\n\r\n", "/a", 0, 0},
                {"GET http://h HTTP/1.1\r\n\r\n", NULL, 0, 400},
                {"GET /a?b HTTP/2\r\n\r\n", NULL, 0, 400},
                {"GET /a\r\nX: HTTP/1.0\r\n\r\n", NULL, 0, 400},
                {"GET  /a HTTP/1.0\r\n\r\n", NULL, 0, 400},
                {"GET\r\n\r\n", NULL, 0, 400},
                {"\r\nGET /a HTTP/1.0\r\n\r\n", NULL, 0, 400},
                {"", NULL, 0, 400},
                {" ", NULL, 0, 405},
                {"POST /a HTTP/1.0\r\n\r\n", NULL, 0, 405},
                {"get /a HTTP/1.0\r\n\r\n", NULL, 0, 405}};
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        int is_head = 0, status = 0;
        const char *path = pm_http_server_parse(apr_pstrdup(p, rows[i].head),
                                                &is_head, &status);

        is_str(path, rows[i].path, "the path of request %d", (int)i);
        is_int(is_head, rows[i].is_head, "whether it is HEAD");
        if (!path) {
            is_int(status, rows[i].status, "why it is refused");
        }
    }
}

/* Records: a header, then what it says. */
#define BEGIN "\1\1\0\7\0\10\0\0\0\1\0\0\0\0\0\0"
#define END   "\1\4\0\7\0\0\0\0"

static void test_fastcgi(apr_pool_t *p)
{
#define ROW(bytes, path, is)                                                   \
    {                                                                          \
        bytes, sizeof(bytes) - 1, path, is                                     \
    }
    static const struct {
        const char *bytes;
        apr_size_t len;
        const char *path;
        pm_fcgi_ask_t is;
    } rows[] = {ROW(BEGIN "\1\4\0\7\0\17\1\0\13\2SCRIPT_NAME/ax" END, "/a",
                    PM_FCGI_ASK_WHOLE),
                ROW(BEGIN "\1\4\0\7\0\7\0\0\13\2SCRIP"
                          "\1\4\0\7\0\25\0\0T_NAME/a\11\2PATH_INFO/b" END,
                    "/a/b", PM_FCGI_ASK_WHOLE),
                ROW(BEGIN "\1\4\0\7\0\21\0\0\200\0\0\13\0SCRIPT_NAMEx" END, "",
                    PM_FCGI_ASK_WHOLE),
                ROW(BEGIN "\1\4\0\7\0\2\0\0\13\377" END, "", PM_FCGI_ASK_WHOLE),
                ROW(BEGIN "\1\4\0\7\0\6\0\0\377\377\377\377\0\0" END, "",
                    PM_FCGI_ASK_WHOLE),
                ROW(BEGIN END, "", PM_FCGI_ASK_WHOLE),
                ROW(BEGIN "\1\4\0\7\0\20", NULL, PM_FCGI_ASK_MORE),
                ROW("\1", NULL, PM_FCGI_ASK_MORE),
                ROW(END, NULL, PM_FCGI_ASK_BAD),
                ROW(BEGIN BEGIN, NULL, PM_FCGI_ASK_BAD),
                ROW(BEGIN "\1\4\0\10\0\0\0\0", NULL, PM_FCGI_ASK_BAD),
                ROW("\1\1\0\0\0\10\0\0\0\1\0\0\0\0\0\0", NULL, PM_FCGI_ASK_BAD),
                ROW(BEGIN "\2\4\0\7\0\0\0\0", NULL, PM_FCGI_ASK_BAD)};
#undef ROW
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *path = NULL;
        int id;

        is_int(pm_fcgi_ask_parse(apr_pmemdup(p, rows[i].bytes, rows[i].len),
                                 rows[i].len, &id, &path, p),
               rows[i].is, "FastCGI request %d", (int)i);
        if (rows[i].is == PM_FCGI_ASK_WHOLE) {
            is_str(path, rows[i].path, "its path");
            is_int(id, 7, "its id");
        }
    }
}

static void test_lines(apr_pool_t *p)
{
    static const struct {
        const char *line, *pool;
        long pid;
        int is_output;
        const char *message, *reason;
    } rows[] = {
        {"manager (pid 7): started", NULL, 7, 0, "started", NULL},
        {"manager (pid 7): ends with 0: all workers have gone", NULL, 7, 0,
         "ends with 0: all workers have gone", "all workers have gone"},
        {"pool a.b: worker 12 has gone: exit status 3 after 1.000 s", "a.b", 12,
         0, "worker 12 has gone: exit status 3 after 1.000 s",
         "exit status 3 after 1.000 s"},
        {"pool a: pid 12: slow: GET /", "a", 12, 0, "slow: GET /", "GET /"},
        {"pool a: reload", "a", 0, 0, "reload", NULL},
        {"pool a", NULL, 0, 0, "pool a", NULL},
        {"pool : x", NULL, 0, 0, "pool : x", "x"},
        {"pool a:", NULL, 0, 0, "pool a:", NULL},
        {"pool a: pid 12", "a", 0, 0, "pid 12", NULL},
        {"pool a: pid x: y", "a", 0, 0, "pid x: y", "y"},
        {"the pool of /x goes: y", NULL, 0, 0, "the pool of /x goes: y", "y"},
        {"", NULL, 0, 0, "", NULL}};
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        run_log_parts_t parts = run_log_split(rows[i].line);

        is_str(parts.pool ? apr_pstrmemdup(p, parts.pool, parts.pool_len)
                          : NULL,
               rows[i].pool, "line %d: its pool", (int)i);
        is_int(parts.pid, rows[i].pid, "its pid");
        is_int(parts.is_output, rows[i].is_output, "who said it");
        is_str(parts.message, rows[i].message, "its message");
        is_str(parts.reason, rows[i].reason, "its reason");
    }
}

static void test_seconds(apr_pool_t *p)
{
    static const struct {
        apr_int64_t us;
        const char *text;
    } rows[] = {{0, "0.0"},
                {1, "0.000001"},
                {500000, "0.5"},
                {60000000, "60.0"},
                {-1500000, "-1.5"}};
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        is_str(pm_openmetrics_seconds(rows[i].us, p), rows[i].text,
               "seconds of row %d", (int)i);
    }
}

static const char *say_one(const void *object, const pm_metric_t *m,
                           apr_pool_t *p)
{
    (void)object;
    (void)m;
    (void)p;
    return "1";
}

static const char *say_running(const void *object, const pm_metric_t *m)
{
    (void)object;
    (void)m;
    return "running";
}

static const char *say_times(const void *object, const pm_metric_t *m,
                             apr_uint64_t *counts, apr_pool_t *p)
{
    (void)object;
    (void)m;
    (void)p;
    counts[0] = 1;
    return "1.0";
}

#define MANY 400

static apr_array_header_t *make_pools(apr_pool_t *p)
{
    apr_array_header_t *pools =
        apr_array_make(p, MANY, sizeof(pm_openmetrics_pool_t));
    int i;

    for (i = 0; i < MANY; i++) {
        APR_ARRAY_PUSH(pools, pm_openmetrics_pool_t) = (pm_openmetrics_pool_t){
            .name = apr_psprintf(p, "p%d", i), .object = ""};
    }
    return pools;
}

static int count_text(const char *text, const char *what)
{
    int n = 0;

    for (text = strstr(text, what); text; text = strstr(text + 1, what)) {
        n++;
    }
    return n;
}

/* No part is longer the more pools there are. */
static void test_parts(apr_pool_t *p)
{
    const pm_openmetrics_source_t source = {say_one, say_running, say_times};
    apr_array_header_t *parts = apr_array_make(p, 64, sizeof(const char *));
    pm_openmetrics_t w = {.source = &source,
                          .version = "1",
                          .managed = 1,
                          .manager = "",
                          .pools = make_pools(p)};
    apr_size_t longest = 0;
    const char *part, *text;

    while ((part = pm_openmetrics_next(&w, p))) {
        longest = strlen(part) > longest ? strlen(part) : longest;
        APR_ARRAY_PUSH(parts, const char *) = part;
    }
    text = apr_array_pstrcat(p, parts, '\0');
    ok(longest < 65536, "%d pools: a part has %d bytes at the most", MANY,
       (int)longest);
    is_int(count_text(text, "\nfcgipm_pool_workers_started_total{"), MANY,
           "each pool has its row");
    is_int(count_text(text, "# TYPE fcgipm_pool_workers_started "), 1,
           "the family is described once");
    is_int(count_text(text, "\n# EOF\n"), 1, "and it has an end");
}

int main(void)
{
    apr_pool_t *p;

    apr_initialize();
    apr_pool_create(&p, NULL);
    test_requests(p);
    test_fastcgi(p);
    test_lines(p);
    test_seconds(p);
    test_parts(p);
    apr_terminate();
    return done_testing();
}
