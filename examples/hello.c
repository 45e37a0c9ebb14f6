/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hello.c
 * @brief The plainest worker: libfcgi, one request at a time.
 *
 * The page shows the worker's pid and the variables it was given.  The worker
 * needs no guard: SIGTERM ends it at once while it waits, else after the
 * request.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <fcgiapp.h>

static volatile sig_atomic_t told_to_stop;

static void on_term(int sig)
{
    (void)sig;
    told_to_stop = 1;
    FCGX_ShutdownPending();
}

/* Without SA_RESTART, so that a waiting accept() returns. */
static void catch_term(void)
{
    struct sigaction act;

    memset(&act, 0, sizeof(act));
    act.sa_handler = on_term;
    sigemptyset(&act.sa_mask);
    sigaction(SIGTERM, &act, NULL);
}

static const char *entity(char c)
{
    switch (c) {
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '&':
        return "&amp;";
    case '"':
        return "&quot;";
    default:
        return NULL;
    }
}

static void put_text(const char *text, FCGX_Stream *out)
{
    const char *as;

    for (; *text; text++) {
        as = entity(*text);
        if (as) {
            FCGX_PutS(as, out);
        }
        else {
            FCGX_PutChar((unsigned char)*text, out);
        }
    }
}

static void put_row(const char *pair, FCGX_Stream *out)
{
    const char *eq = strchr(pair, '=');
    char name[128];

    if (!eq || (size_t)(eq - pair) >= sizeof(name)) {
        return;
    }
    memcpy(name, pair, (size_t)(eq - pair));
    name[eq - pair] = '\0';
    FCGX_PutS("<tr><th>", out);
    put_text(name, out);
    FCGX_PutS("<td>", out);
    put_text(eq + 1, out);
    FCGX_PutS("\n", out);
}

static void answer(const FCGX_Request *req, long count)
{
    FCGX_Stream *out = req->out;
    char **pair;

    FCGX_FPrintF(out,
                 "Content-Type: text/html; charset=utf-8\r\n\r\n"
                 "<!DOCTYPE html>\n<html lang=\"en\">\n"
                 "<title>Hello from mod_fcgipm</title>\n"
                 "<style>body { font-family: sans-serif; margin: 2em }\n"
                 "th { text-align: left; padding-right: 1em }</style>\n"
                 "<h1>Hello from worker %d</h1>\n"
                 "<p>This is its request number %d.</p>\n<table>\n",
                 (int)getpid(), (int)count);
    for (pair = req->envp; *pair; pair++) {
        put_row(*pair, out);
    }
    FCGX_PutS("</table>\n</html>\n", out);
}

int main(void)
{
    FCGX_Request req;
    long count = 0;

    if (FCGX_Init() != 0
        || FCGX_InitRequest(&req, 0, FCGI_FAIL_ACCEPT_ON_INTR) != 0) {
        return EXIT_FAILURE;
    }
    catch_term();
    while (!told_to_stop && FCGX_Accept_r(&req) == 0) {
        answer(&req, ++count);
        FCGX_Finish_r(&req);
    }
    return EXIT_SUCCESS;
}
