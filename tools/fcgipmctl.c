/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fcgipmctl: speak with a manager over its control socket.
 *
 * Exit status: 0 done, 1 refused or failed, 2 usage, 3 cannot reach the
 * manager; of `check` those of ctl_check.h.  The tables for people are made
 * from the JSON that --json prints.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apr_file_info.h"
#include "apr_general.h"
#include "apr_getopt.h"
#include "apr_strings.h"
#include "ctl_check.h"
#include "ctl_text.h"
#include "ctl_top.h"
#include "ctl_where.h"
#include "pm_core/ipc/pm_control_client.h"
#include "pm_core/policy/pm_control_protocol.h"

#define EXIT_REFUSED     1
#define EXIT_USAGE       2
#define EXIT_UNREACHABLE 3

/* How long the manager may take to answer when it waits for no event. */
#define CTL_TIMEOUT apr_time_from_sec(10)

#ifndef FCGIPM_SOCKET
#define FCGIPM_SOCKET "/var/run/apache2/fcgipm.sock"
#endif

/* What the command line says. */
typedef struct args {
    const char *path;
    const char *named; /* where the path comes from */
    const char *line;  /* the request */
    const char *filter;
    ctl_check_limits_t limits;
    int json;
    int wait;
} args_t;

/* --- usage ---------------------------------------------------------------- */

static const struct {
    const char *word, *help;
} helps[] = {
    {"ping", "the manager's process id and version"},
    {"status", "the state of the pools; of one pool, its workers too"},
    {"config", "the settings in force, and where each comes from"},
    {"reload", "replace every worker; each finishes its request"},
    {"start", "start a pool that was stopped"},
    {"stop", "stop a pool's workers; requests get 503 until start"},
    {"drain", "as stop, but fail readiness first; all: end fcgipm-run"},
    {"scale", "set the number of workers, instead of FcgiPMProcesses"},
    {"kill", "send SIGKILL to a worker"},
    {"script", "the pool of a script, or why it is not run"},
    {NULL, NULL}};

static void ctl_print_word(FILE *out, const char *word, const char *args)
{
    char text[64];
    int i;

    for (i = 0; helps[i].word && strcmp(helps[i].word, word); i++) {
        ;
    }
    snprintf(text, sizeof(text), "%s%s%s", word, args[0] ? " " : "", args);
    fprintf(out, "  %-22s %s\n", text, helps[i].word ? helps[i].help : "");
}

enum { CTL_JSON = 256, CTL_WAIT, CTL_FILTER };

static const apr_getopt_option_t ctl_options[] = {
    {"socket", 's', 1,
     "the manager's control socket (FcgiPMSocket); default\n"
     "                       $FCGIPM_SOCKET, then " FCGIPM_SOCKET},
    {"json", CTL_JSON, 0, "print the manager's JSON, for programs"},
    {"wait", CTL_WAIT, 0,
     "reload: wait until all old workers have been replaced"},
    {"filter", CTL_FILTER, 1,
     "status, top, check: only pools with a name like 'web*';\n"
     "                       \"failing\": those that fail"},
    {"warning", 'w', 1,
     "check: warn when so many requests wait in a pool; default\n"
     "                       as many as its workers may have at once"},
    {"critical", 'c', 1,
     "check: the same for critical; default ten times as many"},
    {"help", 'h', 0, "this text"},
    {"version", 'V', 0, "the version of mod_fcgipm"},
    {NULL, 0, 0, NULL}};

/* What stands behind the name of an option. */
static const char *ctl_option_words(const apr_getopt_option_t *option)
{
    switch (option->optch) {
    case 's':
        return "socket SOCKET";
    case CTL_FILTER:
        return "filter PATTERN";
    case 'w':
        return "warning N";
    case 'c':
        return "critical N";
    default:
        return option->name;
    }
}

static void ctl_print_help(FILE *out)
{
    const apr_getopt_option_t *option;
    const char *word, *args;
    int i;

    fprintf(out, "usage: fcgipmctl [-s SOCKET] [--json] COMMAND\n\n");
    for (i = 0; (word = pm_control_protocol_word(i, &args)); i++) {
        ctl_print_word(out, word, args);
    }
    fprintf(out, "  %-22s %s\n", "top [POOL]", "the state of the pools, live");
    fprintf(out, "  %-22s %s\n", "check [POOL]",
            "a line and an exit status for monitoring (Nagios)");
    fputc('\n', out);
    for (option = ctl_options; option->name; option++) {
        fprintf(out, "  %s%c%s --%-*s %s\n", option->optch < 256 ? "-" : " ",
                option->optch < 256 ? option->optch : ' ',
                option->optch < 256 ? "," : " ", 14, ctl_option_words(option),
                option->description);
    }
    fprintf(out, "\n"
                 "Exit status: 0 done, 1 refused or failed, 2 usage, 3 cannot "
                 "reach the manager.\n"
                 "check: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.\n");
}

/* --- a request ------------------------------------------------------------ */

static void ctl_complain(const char *text)
{
    char buf[4096];

    fprintf(stderr, "fcgipmctl: %s\n", ctl_text_safe(buf, sizeof(buf), text));
}

static int ctl_refuse(const char *text)
{
    char buf[4096];

    fprintf(stderr, "fcgipmctl: %s; see fcgipmctl --help\n",
            ctl_text_safe(buf, sizeof(buf), text));
    return EXIT_USAGE;
}

/* A line before the last: how far a reload is, on a terminal; what a worker
 * that failed has said. */
static void ctl_progress(const char *line, int *shown)
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

static int ctl_show(const pm_request_t *req, const char *reply,
                    const args_t *args, apr_pool_t *p)
{
    if (!strncmp(reply, "error ", 6)) {
        ctl_complain(reply + 6);
        return EXIT_REFUSED;
    }
    if (args->json || !strncmp(reply, "ok ", 3)) {
        puts(reply);
        return 0;
    }
    if ((req->verb == PM_VERB_STATUS
         && !ctl_text_status(stdout, reply, req->pool[0] != '\0', args->filter,
                             p))
        || (req->verb == PM_VERB_CONFIG
            && !ctl_text_config(stdout, reply, p))) {
        ctl_complain("cannot read the manager's answer");
        return EXIT_REFUSED;
    }
    return 0;
}

/* `top` is `status`, again and again. */
static int ctl_run_top(const args_t *args, apr_pool_t *p)
{
    const char *line = apr_pstrcat(p, "status", args->line + 3, NULL);
    pm_request_t req;
    pm_reason_t why;

    if (args->json
        || pm_control_protocol_parse(&req, line, PM_RIGHT_ALL, &why)
               != APR_SUCCESS) {
        return ctl_refuse("usage: top [POOL]");
    }
    return ctl_top(args->path, line, args->filter, p);
}

/* `check` is `status` for a program.  No socket, and nothing that listens
 * there, is what monitoring is for; a right that is missing is none of the
 * pools'. */
static int ctl_run_check(const args_t *args, apr_pool_t *p)
{
    const char *line = apr_pstrcat(p, "status", args->line + 5, NULL);
    pm_request_t req;
    pm_reason_t why;
    char *reply;
    apr_status_t rv;

    if (args->json
        || pm_control_protocol_parse(&req, line, PM_RIGHT_ALL, &why)
               != APR_SUCCESS) {
        return ctl_check_fail(stdout, CTL_CHECK_UNKNOWN,
                              "usage: fcgipmctl check [POOL] [-w N] [-c N]");
    }
    rv = pm_control_client_ask(args->path, line, pm_time_now() + CTL_TIMEOUT, p,
                               &reply, &why);
    if (rv != APR_SUCCESS) {
        return ctl_check_fail(stdout,
                              APR_STATUS_IS_EACCES(rv) ? CTL_CHECK_UNKNOWN
                                                       : CTL_CHECK_CRITICAL,
                              why.text);
    }
    if (!strncmp(reply, "error ", 6)) {
        return ctl_check_fail(stdout, CTL_CHECK_UNKNOWN, reply + 6);
    }
    return (int)ctl_check(stdout, reply, args->filter, &args->limits, p);
}

/* @return the last line of the answer; NULL: there is none, which was told */
static const char *ctl_ask(const args_t *args, int wait, apr_pool_t *p,
                           pm_reason_t *why)
{
    apr_time_t until = pm_time_now() + CTL_TIMEOUT;
    pm_control_client_t a;
    char *reply = NULL;
    int shown = 0;
    apr_status_t rv = pm_control_client_open(&a, args->path, until, p, why);
    int good = rv == APR_SUCCESS
               && pm_control_client_send(&a, args->line, why) == APR_SUCCESS;

    while (good) {
        good = pm_control_client_receive(&a, wait ? PM_TIME_NEVER : until,
                                         &reply, why)
               == APR_SUCCESS;
        if (!good || pm_control_protocol_is_last(reply)) {
            break;
        }
        ctl_progress(reply, &shown);
    }
    if (shown) {
        fputc('\n', stderr);
    }
    pm_control_client_close(&a);
    if (!good) {
        ctl_complain(why->text);
    }
    if (rv != APR_SUCCESS && !APR_STATUS_IS_TIMEUP(rv)) {
        ctl_where_explain(stderr, args->path, args->named, p);
    }
    return good ? reply : NULL;
}

/* Is it the first one? */
static int ctl_is_word(const char *line, const char *word)
{
    size_t len = strlen(word);

    return !strncmp(line, word, len) && (!line[len] || line[len] == ' ');
}

static int ctl_run(const args_t *args, apr_pool_t *p)
{
    pm_request_t req;
    pm_reason_t why;
    const char *reply;

    if (ctl_is_word(args->line, "top")) {
        return ctl_run_top(args, p);
    }
    if (ctl_is_word(args->line, "check")) {
        return ctl_run_check(args, p);
    }
    if (pm_control_protocol_parse(&req, args->line, PM_RIGHT_ALL, &why)
        != APR_SUCCESS) {
        return ctl_refuse(why.text);
    }
    reply = ctl_ask(args, req.wait, p, &why);
    return reply ? ctl_show(&req, reply, args, p) : EXIT_UNREACHABLE;
}

/* --- the command line ----------------------------------------------------- */

static void ctl_add_word(args_t *args, const char *word, apr_pool_t *p)
{
    args->line =
        apr_pstrcat(p, args->line, args->line[0] ? " " : "", word, NULL);
}

static int ctl_set_limit(long *limit, const char *value)
{
    return ctl_check_limit(value, limit)
               ? -1
               : ctl_refuse("-w and -c want a number of requests");
}

/* @return -1: go on, else the exit status */
static int ctl_set_option(args_t *args, int option, const char *value)
{
    switch (option) {
    case 's':
        args->path = value;
        args->named = "the path given by -s";
        return -1;
    case CTL_JSON:
        args->json = 1;
        return -1;
    case CTL_WAIT:
        args->wait = 1;
        return -1;
    case CTL_FILTER:
        args->filter = value;
        return -1;
    case 'w':
        return ctl_set_limit(&args->limits.warning, value);
    case 'c':
        return ctl_set_limit(&args->limits.critical, value);
    case 'V':
        puts("fcgipmctl " PM_VERSION);
        return 0;
    case 'h':
    default:
        ctl_print_help(stdout);
        return 0;
    }
}

/* apr_getopt_long()'s complaint. */
static void ctl_refuse_option(void *ctx, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    (void)ctx;
    va_start(ap, fmt);
    ctl_refuse(ctl_text_complaint(text, sizeof(text), fmt, ap));
    va_end(ap);
}

/* @return -1: go on, else the exit status */
static int ctl_read_args(args_t *args, int argc, char **argv, apr_pool_t *p)
{
    apr_status_t rv;
    apr_getopt_t *os;
    const char *value;
    int status = -1;
    int option;

    rv = apr_getopt_init(&os, p, argc, (const char *const *)argv);
    os->interleave = 1;
    os->errfn = ctl_refuse_option;
    while (rv == APR_SUCCESS && status < 0) {
        rv = apr_getopt_long(os, ctl_options, &option, &value);
        if (rv == APR_SUCCESS) {
            status = ctl_set_option(args, option, value);
        }
    }
    if (status >= 0 || rv != APR_EOF) {
        return status >= 0 ? status : EXIT_USAGE;
    }
    for (; os->ind < argc; os->ind++) {
        if (strpbrk(os->argv[os->ind], " \t\r\n")) {
            return ctl_refuse(
                apr_psprintf(p, "\"%s\" is no command", os->argv[os->ind]));
        }
        ctl_add_word(args, os->argv[os->ind], p);
    }
    if (args->wait) {
        ctl_add_word(args, "wait", p);
    }
    return args->line[0] ? -1 : ctl_refuse("a command is missing");
}

static int ctl_is_check(int argc, char **argv)
{
    int i;

    for (i = 1; i < argc && strcmp(argv[i], "check"); i++) {
        ;
    }
    return i < argc;
}

int main(int argc, char **argv)
{
    args_t args = {.path = getenv("FCGIPM_SOCKET"),
                   .named = "the path in $FCGIPM_SOCKET",
                   .line = "",
                   .limits = {-1, -1}};
    apr_pool_t *p;
    char *path;
    int status;

    if (apr_initialize() != APR_SUCCESS
        || apr_pool_create(&p, NULL) != APR_SUCCESS) {
        return EXIT_UNREACHABLE;
    }
    if (!args.path) {
        args.path = FCGIPM_SOCKET;
        args.named = "the default";
    }
    status = ctl_read_args(&args, argc, argv, p);
    if (status == EXIT_USAGE && ctl_is_check(argc, argv)) {
        status = CTL_CHECK_UNKNOWN; /* 2 would be CRITICAL */
    }
    if (status < 0) {
        if (apr_filepath_merge(&path, NULL, args.path, 0, p) == APR_SUCCESS) {
            args.path = path; /* absolute */
        }
        status = ctl_run(&args, p);
    }
    apr_terminate();
    return status;
}
