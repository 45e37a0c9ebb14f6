/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file procmanager.c
 * @brief A program that manages itself by libfcgipm, as a test tells it to;
 *        procmanager.pl is the same on Perl's managers.
 *
 * Arguments are NAME=VALUE: an attribute (n_processes, die_timeout, pidfile,
 * max_requests, ...), `trace=1` (each hook says what it finds), `hold=FILE` (a
 * worker is initialized when there is such a file), `fail=FILE` (a worker ends
 * in server_init while there is such a file), `fd=N` (it serves on that
 * descriptor, not on 0, and does not say so), `handler=own` (one of the
 * program's on SIGTERM and SIGHUP, which tells the library), `loop=own`
 * (FCGX_Accept_r() with pre and post dispatch around, as a Perl program has
 * it, not fcgipm_accept()).  It serves on descriptor 0.
 *
 * A request's query is one of pid, until=FILE (busy until there is such a file,
 * FILE.begun tells since when; both are removed), grow=KB, exit=STATUS; the
 * answer is "pid=N".
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <fcgiapp.h>

#include <fcgipm.h>

/** For the end, which exit(3) calls without an argument. */
static fcgipm_t *self;

static int serve_fd;

static void note(const char *text)
{
    dprintf(STDERR_FILENO, "note (pid %d): %s\n", (int)getpid(), text);
}

/* --- hooks --------------------------------------------------------------- */

static const char *term_kind(void)
{
    struct sigaction act;

    sigaction(SIGTERM, NULL, &act);
    return act.sa_handler == SIG_DFL   ? "default"
           : act.sa_flags & SA_RESTART ? "restarts"
                                       : "interrupts";
}

static const char *title(void)
{
    static char text[64];
    FILE *f = fopen("/proc/self/cmdline", "r");
    size_t n = f != NULL ? fread(text, 1, sizeof(text) - 1, f) : 0;

    text[n] = '\0';
    if (f != NULL) {
        fclose(f);
    }
    return strcmp(text, "fcgi") == 0      ? "server"
           : strcmp(text, "fcgi-pm") == 0 ? "manager"
                                          : "none";
}

static void found(fcgipm_t *pm, void *hook)
{
    const char *file = fcgipm_pidfile(pm);
    struct stat st;
    char text[256];

    snprintf(
        text, sizeof(text), "hook %s: role %s, TERM %s, title %s, pid file %s",
        (const char *)hook,
        fcgipm_role(pm) == FCGIPM_MANAGER ? "manager" : "server", term_kind(),
        title(),
        file != NULL && stat(file, &st) == 0 && st.st_size > 0 ? "there"
                                                               : "missing");
    note(text);
}

static void nap(void)
{
    struct timespec ts = {0, 10 * 1000000L};

    nanosleep(&ts, NULL);
}

static void be_busy(const char *until)
{
    char begun[300];
    FILE *f;

    snprintf(begun, sizeof(begun), "%s.begun", until);
    f = fopen(begun, "w");
    if (f != NULL) {
        fclose(f);
    }
    while (access(until, F_OK) != 0) {
        nap();
    }
    unlink(until);
    unlink(begun);
}

static void hold(fcgipm_t *pm, void *until)
{
    (void)pm;
    be_busy(until);
}

static void fail(fcgipm_t *pm, void *file)
{
    (void)pm;
    if (access(file, F_OK) == 0) {
        _exit(3);
    }
}

static void trace(fcgipm_t *pm)
{
    static char name[4][16] = {"manager_init", "server_init", "pre_dispatch",
                               "post_dispatch"};

    fcgipm_on_manager_init(pm, found, name[0]);
    fcgipm_on_server_init(pm, found, name[1]);
    fcgipm_on_pre_dispatch(pm, found, name[2]);
    fcgipm_on_post_dispatch(pm, found, name[3]);
}

static void at_end(void)
{
    char text[64];

    if (fcgipm_role(self) == FCGIPM_SERVER) {
        snprintf(text, sizeof(text), "end TERM=%d HUP=%d",
                 fcgipm_received_signal(self, SIGTERM, 0),
                 fcgipm_received_signal(self, SIGHUP, 0));
        note(text);
    }
}

static void on_signal(int sig)
{
    if (fcgipm_role(self) == FCGIPM_SERVER) {
        fcgipm_server_sig_handler(self, sig);
    }
    else {
        fcgipm_received_signal(self, sig, 1);
    }
}

static void handle_signals(void)
{
    struct sigaction act = {.sa_handler = on_signal};

    sigaction(SIGTERM, &act, NULL);
    sigaction(SIGHUP, &act, NULL);
}

/* --- arguments ----------------------------------------------------------- */

static int set_listen_fd(fcgipm_t *pm, int fd)
{
    fcgipm_set_listen_fd(pm, fd);
    return 0;
}

static int set_no_signals(fcgipm_t *pm, int no)
{
    fcgipm_set_no_signals(pm, no);
    return 0;
}

static int set_one(const char *name, const char *value)
{
    static const struct {
        const char *name;
        int (*number)(fcgipm_t *pm, int n);
        int (*size)(fcgipm_t *pm, long n);
        int (*text)(fcgipm_t *pm, const char *text);
    } rows[] = {{"n_processes", fcgipm_set_n_processes, NULL, NULL},
                {"start_delay", fcgipm_set_start_delay, NULL, NULL},
                {"die_timeout", fcgipm_set_die_timeout, NULL, NULL},
                {"no_signals", set_no_signals, NULL, NULL},
                {"listen_fd", set_listen_fd, NULL, NULL},
                {"max_requests", NULL, fcgipm_set_max_requests, NULL},
                {"sizecheck_num_requests", NULL,
                 fcgipm_set_sizecheck_num_requests, NULL},
                {"max_process_size", NULL, fcgipm_set_max_process_size, NULL},
                {"max_unshared_size", NULL, fcgipm_set_max_unshared_size, NULL},
                {"min_share_size", NULL, fcgipm_set_min_share_size, NULL},
                {"pidfile", NULL, NULL, fcgipm_set_pidfile}};
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return rows[i].number ? rows[i].number(self, atoi(value))
                   : rows[i].size ? rows[i].size(self, atol(value))
                                  : rows[i].text(self, value);
        }
    }
    fprintf(stderr, "procmanager: what is %s?\n", name);
    return -1;
}

/** @return 1 when the program is to have a loop of its own, -1: wrong */
static int read_arguments(int argc, char **argv)
{
    int own = 0;
    int i;

    for (i = 1; i < argc; i++) {
        char *value = strchr(argv[i], '=');

        if (value == NULL) {
            return -1;
        }
        *value++ = '\0';
        if (strcmp(argv[i], "trace") == 0) {
            trace(self);
        }
        else if (strcmp(argv[i], "hold") == 0) {
            fcgipm_on_server_init(self, hold, strdup(value));
        }
        else if (strcmp(argv[i], "fail") == 0) {
            fcgipm_on_server_init(self, fail, strdup(value));
        }
        else if (strcmp(argv[i], "fd") == 0) {
            serve_fd = atoi(value);
        }
        else if (strcmp(argv[i], "handler") == 0) {
            handle_signals();
        }
        else if (strcmp(argv[i], "loop") == 0) {
            own = 1;
        }
        else if (set_one(argv[i], value) != 0) {
            return -1;
        }
    }
    return own;
}

/* --- requests ------------------------------------------------------------ */

static void obey(const char *what, const char *value)
{
    static char *memory;

    if (strcmp(what, "until") == 0) {
        be_busy(value);
    }
    if (strcmp(what, "grow") == 0) {
        size_t size = strtoul(value, NULL, 10) * 1024;

        free(memory);
        memory = malloc(size);
        if (memory != NULL) {
            memset(memory, 'x', size);
        }
    }
    if (strcmp(what, "exit") == 0) {
        _exit(atoi(value));
    }
}

static void answer(FCGX_Request *request)
{
    const char *query = FCGX_GetParam("QUERY_STRING", request->envp);
    char what[256];
    char *value;

    snprintf(what, sizeof(what), "%s", query != NULL ? query : "");
    value = strchr(what, '=');
    if (value != NULL) {
        *value++ = '\0';
    }
    obey(what, value != NULL ? value : "");
    FCGX_FPrintF(request->out, "Content-Type: text/plain\r\n\r\npid=%d\n",
                 (int)getpid());
}

static void serve_own(FCGX_Request *request)
{
    while (FCGX_Accept_r(request) >= 0) {
        fcgipm_pre_dispatch(self);
        answer(request);
        FCGX_Finish_r(request);
        fcgipm_post_dispatch(self);
    }
}

static void serve(FCGX_Request *request)
{
    while (fcgipm_accept(self, request) == 0) {
        answer(request);
    }
}

int main(int argc, char **argv)
{
    FCGX_Request request;
    int own;

    self = fcgipm_create();
    if (self == NULL) {
        return 1;
    }
    fcgipm_set_process_name(self, "fcgi");
    fcgipm_set_manager_process_name(self, "fcgi-pm");
    own = read_arguments(argc, argv);
    if (own < 0) {
        return 2;
    }
    atexit(at_end);
    fcgipm_manage(self);
    if (FCGX_Init() != 0
        || FCGX_InitRequest(&request, serve_fd, FCGI_FAIL_ACCEPT_ON_INTR)
               != 0) {
        return 1;
    }
    if (own) {
        serve_own(&request);
    }
    else {
        serve(&request);
    }
    return 0;
}
