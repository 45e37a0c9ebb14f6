/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A FastCGI worker as simple as libfcgi allows: a loop around FCGX_Accept_r().
 * Answers "pid=N tag=loop"; "sleep=MS" in the query before that.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fcgiapp.h>

int main(void)
{
    FCGX_Request req;
    const char *ms;

    FCGX_Init();
    FCGX_InitRequest(&req, 0, 0);
    while (FCGX_Accept_r(&req) >= 0) {
        ms = strstr(FCGX_GetParam("QUERY_STRING", req.envp), "sleep=");
        if (ms) {
            usleep((useconds_t)strtoul(ms + 6, NULL, 10) * 1000);
        }
        FCGX_FPrintF(req.out,
                     "Content-Type: text/plain\r\n\r\npid=%d "
                     "tag=loop",
                     (int)getpid());
        FCGX_Finish_r(&req);
    }
    return 0;
}
