/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A CGI program made a FastCGI worker by libfcgi's fcgi_stdio.h.  Answers
 * "pid=N tag=stdio"; "sleep=MS" in the query before that.
 */
#include <fcgi_stdio.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
    const char *query, *ms;

    while (FCGI_Accept() >= 0) {
        query = getenv("QUERY_STRING");
        ms = query ? strstr(query, "sleep=") : NULL;
        if (ms) {
            usleep((useconds_t)strtoul(ms + 6, NULL, 10) * 1000);
        }
        printf("Content-Type: text/plain\r\n\r\npid=%d tag=stdio",
               (int)getpid());
    }
    return 0;
}
