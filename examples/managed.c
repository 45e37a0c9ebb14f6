/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file managed.c
 * @brief A libfcgi program that manages its own workers (fcgipm(3)).
 *
 *     managed [-n WORKERS] [-p PIDFILE] [ADDRESS]
 *
 * Stand-alone, with four workers on a unix socket or ":PORT":
 *
 *     managed -n 4 -p /run/managed.pid /run/managed.sock
 *     kill -HUP $(cat /run/managed.pid)     # new workers
 *
 * As a worker of mod_fcgipm, which then manages, without ADDRESS; the
 * listening socket is descriptor 0, as under spawn-fcgi(1):
 *
 *     FcgiPMCommand /usr/local/bin/managed
 *
 * Build: cc managed.c $(pkg-config --cflags --libs libfcgipm fcgi)
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <fcgiapp.h>
#include <fcgipm.h>

/** What each worker makes before its first request; in a real program, a
 *  connection to a database. */
typedef struct worker {
    time_t since;
} worker_t;

static void prepare(fcgipm_t *pm, void *data)
{
    worker_t *worker = data;

    (void)pm;
    worker->since = time(NULL);
}

static void answer(const fcgipm_t *pm, const worker_t *worker,
                   FCGX_Request *request)
{
    const char *uri = FCGX_GetParam("REQUEST_URI", request->envp);

    FCGX_FPrintF(request->out,
                 "Content-Type: text/plain\r\n\r\n"
                 "pid=%d requests=%d since=%d uri=%s\n",
                 (int)getpid(), (int)fcgipm_request_count(pm) + 1,
                 (int)worker->since, uri ? uri : "");
}

/* -1: not to be understood */
static int read_options(fcgipm_t *pm, int argc, char **argv)
{
    int option;

    while ((option = getopt(argc, argv, "n:p:")) != -1) {
        switch (option) {
        case 'n':
            if (fcgipm_set_n_processes(pm, atoi(optarg))) {
                return -1;
            }
            break;
        case 'p':
            if (fcgipm_set_pidfile(pm, optarg)) {
                return -1;
            }
            break;
        default:
            return -1;
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    fcgipm_t *pm = fcgipm_create();
    worker_t worker;
    FCGX_Request request;
    int fd = 0; /* FCGI_LISTENSOCK_FILENO */

    if (!pm || read_options(pm, argc, argv)) {
        fputs("usage: managed [-n WORKERS] [-p PIDFILE] [ADDRESS]\n", stderr);
        return EXIT_FAILURE;
    }
    if (optind < argc) {
        fd = FCGX_OpenSocket(argv[optind], 128);
        if (fd < 0) {
            perror(argv[optind]);
            return EXIT_FAILURE;
        }
    }
    fcgipm_on_server_init(pm, prepare, &worker);
    fcgipm_manage(pm); /* the manager does not come back */
    if (FCGX_Init() || FCGX_InitRequest(&request, fd, 0)) {
        return EXIT_FAILURE;
    }
    while (fcgipm_accept(pm, &request) == 0) {
        answer(pm, &worker, &request);
    }
    fcgipm_destroy(pm);
    return EXIT_SUCCESS;
}
