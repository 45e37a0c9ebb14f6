/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every server of the benchmark runs: a libfcgi program that answers
 * with 13 bytes.  With the query ms=N it takes N milliseconds, like one that
 * waits for a database; with big=N the answer is N bytes, with records=N it is
 * N pieces of 100 bytes, each written by itself.  It reads what is sent to
 * it.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <fcgiapp.h>

#define MS_MOST 60000

static char piece[65536];

static void read_all(FCGX_Stream *in)
{
    while (FCGX_GetStr(piece, sizeof(piece), in) > 0) {
    }
}

/* @return the number behind "name=", 0 when the query is another */
static long long number(const char *query, const char *name)
{
    size_t len = strlen(name);

    return query && !strncmp(query, name, len) ? strtoll(query + len, NULL, 10)
                                               : 0;
}

static void answer(FCGX_Stream *out, const char *query)
{
    long long left = number(query, "big=");
    long long records = number(query, "records=");

    FCGX_PutS("Content-Type: text/plain\r\n\r\n", out);
    if (!left && !records) {
        FCGX_PutS("Hello, world\n", out);
    }
    for (; records > 0; records--) {
        FCGX_PutStr(piece, 100, out);
        FCGX_FFlush(out);
    }
    while (left > 0) {
        int n =
            left < (long long)sizeof(piece) ? (int)left : (int)sizeof(piece);

        if (FCGX_PutStr(piece, n, out) != n) {
            return;
        }
        left -= n;
    }
}

static void be_slow(const char *query)
{
    struct timespec t;
    long long ms = number(query, "ms=");

    if (ms > 0 && ms <= MS_MOST) {
        t.tv_sec = ms / 1000;
        t.tv_nsec = ms % 1000 * 1000000;
        nanosleep(&t, NULL);
    }
}

int main(void)
{
    const char *query;
    FCGX_Request r;

    if (FCGX_Init() || FCGX_InitRequest(&r, 0, 0)) {
        return 1;
    }
    while (FCGX_Accept_r(&r) == 0) {
        query = FCGX_GetParam("QUERY_STRING", r.envp);
        be_slow(query);
        read_all(r.in);
        answer(r.out, query);
        FCGX_Finish_r(&r);
    }
    return 0;
}
