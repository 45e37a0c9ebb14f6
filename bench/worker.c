/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every server of the benchmark runs: a libfcgi program that answers
 * with 13 bytes.  With the query ms=N it takes N milliseconds, like one that
 * waits for a database.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <fcgiapp.h>

#define MS_MOST 60000

static void be_slow(const char *query)
{
    struct timespec t;
    long ms;

    if (!query || strncmp(query, "ms=", 3)) {
        return;
    }
    ms = strtol(query + 3, NULL, 10);
    if (ms > 0 && ms <= MS_MOST) {
        t.tv_sec = ms / 1000;
        t.tv_nsec = ms % 1000 * 1000000;
        nanosleep(&t, NULL);
    }
}

int main(void)
{
    static const char answer[] =
        "Content-Type: text/plain\r\n\r\nHello, world\n";
    FCGX_Request r;

    if (FCGX_Init() || FCGX_InitRequest(&r, 0, 0)) {
        return 1;
    }
    while (FCGX_Accept_r(&r) == 0) {
        be_slow(FCGX_GetParam("QUERY_STRING", r.envp));
        FCGX_PutStr(answer, sizeof(answer) - 1, r.out);
        FCGX_Finish_r(&r);
    }
    return 0;
}
