/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fcgipmctl: speak with a manager over its control socket.
 *
 * Exit status: 0 done, 1 refused or failed, 2 usage, 3 cannot reach the
 * manager.  What is shown to people is made from the same JSON that --json
 * passes on.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apr_file_info.h"
#include "apr_general.h"
#include "apr_strings.h"
#include "ctl_text.h"
#include "ctl_top.h"
#include "pm_core/ipc/pm_control_client.h"
#include "pm_core/policy/pm_control_protocol.h"

#define EXIT_REFUSED     1
#define EXIT_USAGE       2
#define EXIT_UNREACHABLE 3

/* What the manager may take to answer when it need not wait for an event. */
#define PATIENCE apr_time_from_sec(10)

#ifndef FCGIPM_SOCKET
#define FCGIPM_SOCKET "/var/run/apache2/fcgipm.sock"
#endif

/* What the command line says. */
typedef struct args {
    const char *path;
    const char *line; /* the request */
    int json;
} args_t;

/* --- usage ---------------------------------------------------------------- */

static const struct {
    const char *word, *help;
} helps[] = {{"ping", "is the manager there?"},
             {"status", "what the pools do; of one pool, its workers too"},
             {"config", "the settings in force, and where each comes from"},
             {"reload", "every worker ends after its request and is replaced"},
             {"start", "let a pool that was stopped go on"},
             {"stop", "end a pool's workers; requests get 503 until start"},
             {"scale", "so many workers, in the place of FcgiPMProcesses"},
             {"kill", "SIGKILL to a worker"},
             {"script", "the pool of a script, or why it is not run"},
             {NULL, NULL}};

static void print_word(FILE *out, const char *word, const char *args)
{
    char text[64];
    int i;

    for (i = 0; helps[i].word && strcmp(helps[i].word, word); i++) {
        ;
    }
    snprintf(text, sizeof(text), "%s%s%s", word, args[0] ? " " : "", args);
    fprintf(out, "  %-22s %s\n", text, helps[i].word ? helps[i].help : "");
}

static void usage(FILE *out)
{
    const char *word, *args;
    int i;

    fprintf(out, "usage: fcgipmctl [-s SOCKET] [--json] COMMAND\n\n");
    for (i = 0; (word = pm_control_protocol_word(i, &args)); i++) {
        print_word(out, word, args);
    }
    fprintf(out, "  %-22s %s\n", "top [POOL]", "what the pools do, live");
    fprintf(out,
            "\n"
            "  -s SOCKET   the manager's control socket (FcgiPMSocket); "
            "default\n"
            "              $FCGIPM_SOCKET, then " FCGIPM_SOCKET "\n"
            "  --json      the manager's JSON as it is, for programs\n"
            "  --wait      reload: until all old workers have been replaced, "
            "with the truth\n"
            "\n"
            "Exit status: 0 done, 1 refused or failed, 2 usage, 3 cannot "
            "reach the manager.\n");
}

/* --- a request ------------------------------------------------------------ */

static void complain(const char *text)
{
    char buf[4096];

    fprintf(stderr, "fcgipmctl: %s\n", ctl_text_safe(buf, sizeof(buf), text));
}

static int wrong_usage(const char *text)
{
    char buf[4096];

    fprintf(stderr, "fcgipmctl: %s; see fcgipmctl --help\n",
            ctl_text_safe(buf, sizeof(buf), text));
    return EXIT_USAGE;
}

/* A line before the last: how far a reload is, on a terminal; what a worker
 * that failed has said. */
static void tell(const char *line, int *shown)
{
    int gone, all;
    char pool[65];
    char text[4096];

    if (sscanf(line, "progress %d %d %64s", &gone, &all, pool) == 3) {
        if (isatty(STDERR_FILENO)) {
            fprintf(stderr, "\r\033[K%s: %d of %d",
                    ctl_text_safe(text, sizeof(text), pool), gone, all);
            *shown = 1;
        }
    }
    else if (!strncmp(line, "stderr ", 7)) {
        fprintf(stderr, "%sworker %s\n", *shown ? "\n" : "",
                ctl_text_safe(text, sizeof(text), line + 7));
        *shown = 0;
    }
}

static int show(const pm_request_t *req, const char *reply, int json,
                apr_pool_t *p)
{
    if (!strncmp(reply, "error ", 6)) {
        complain(reply + 6);
        return EXIT_REFUSED;
    }
    if (json || req->verb == PM_VERB_PING) {
        puts(reply);
        return 0;
    }
    if ((req->verb == PM_VERB_STATUS
         && !ctl_text_status(stdout, reply, req->pool[0] != '\0', p))
        || (req->verb == PM_VERB_CONFIG
            && !ctl_text_config(stdout, reply, p))) {
        complain("cannot read the manager's answer");
        return EXIT_REFUSED;
    }
    return 0;
}

/* `top` is `status`, again and again. */
static int run_top(const args_t *args, apr_pool_t *p)
{
    const char *line = apr_pstrcat(p, "status", args->line + 3, NULL);
    pm_request_t req;
    pm_reason_t why;

    if (args->json
        || pm_control_protocol_parse(&req, line, PM_RIGHT_ALL, &why)
               != APR_SUCCESS) {
        return wrong_usage("usage: top [POOL]");
    }
    return ctl_top(args->path, line, p);
}

/* @return the last line of the answer; NULL with a reason */
static const char *ask(const char *path, const char *line, int wait,
                       apr_pool_t *p, pm_reason_t *why)
{
    apr_time_t until = pm_time_now() + PATIENCE;
    pm_control_client_t a;
    char *reply = NULL;
    int shown = 0;
    int good = pm_control_client_open(&a, path, until, p, why) == APR_SUCCESS
               && pm_control_client_send(&a, line, why) == APR_SUCCESS;

    while (good) {
        good = pm_control_client_receive(&a, wait ? PM_TIME_NEVER : until,
                                         &reply, why)
               == APR_SUCCESS;
        if (!good || pm_control_protocol_is_last(reply)) {
            break;
        }
        tell(reply, &shown);
    }
    if (shown) {
        fputc('\n', stderr);
    }
    pm_control_client_close(&a);
    return good ? reply : NULL;
}

static int run(const args_t *args, apr_pool_t *p)
{
    pm_request_t req;
    pm_reason_t why;
    const char *reply;

    if (!strcmp(args->line, "top") || !strncmp(args->line, "top ", 4)) {
        return run_top(args, p);
    }
    if (pm_control_protocol_parse(&req, args->line, PM_RIGHT_ALL, &why)
        != APR_SUCCESS) {
        return wrong_usage(why.text);
    }
    reply = ask(args->path, args->line, req.wait, p, &why);
    if (!reply) {
        complain(why.text);
        return EXIT_UNREACHABLE;
    }
    return show(&req, reply, args->json, p);
}

/* --- the command line ----------------------------------------------------- */

static void add_word(args_t *args, const char *word, apr_pool_t *p)
{
    args->line =
        apr_pstrcat(p, args->line, args->line[0] ? " " : "", word, NULL);
}

/* @return -1: go on, else the exit status */
static int read_args(args_t *args, int argc, char **argv, apr_pool_t *p)
{
    int wait = 0;
    int i;

    for (i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "-s") && i + 1 < argc) {
            args->path = argv[++i];
        }
        else if (!strcmp(argv[i], "--json")) {
            args->json = 1;
        }
        else if (!strcmp(argv[i], "--wait")) {
            wait = 1;
        }
        else if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            usage(stdout);
            return 0;
        }
        else if (argv[i][0] == '-' || strpbrk(argv[i], " \t\r\n")) {
            return wrong_usage(apr_psprintf(p,
                                            "\"%s\" is no option and no "
                                            "command",
                                            argv[i]));
        }
        else {
            add_word(args, argv[i], p);
        }
    }
    if (wait) {
        add_word(args, "wait", p);
    }
    return args->line[0] ? -1 : wrong_usage("a command is missing");
}

int main(int argc, char **argv)
{
    args_t args = {getenv("FCGIPM_SOCKET"), "", 0};
    apr_pool_t *p;
    char *path;
    int status;

    if (apr_initialize() != APR_SUCCESS
        || apr_pool_create(&p, NULL) != APR_SUCCESS) {
        return EXIT_UNREACHABLE;
    }
    args.path = args.path ? args.path : FCGIPM_SOCKET;
    status = read_args(&args, argc, argv, p);
    if (status < 0) {
        if (apr_filepath_merge(&path, NULL, args.path, 0, p) == APR_SUCCESS) {
            args.path = path; /* absolute */
        }
        status = run(&args, p);
    }
    apr_terminate();
    return status;
}
