/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fcgipm-run: the manager without httpd, for one pool, in the foreground.
 *
 *   fcgipm-run --listen unix:/path --processes 4 --die-timeout 3 -- prog args
 *
 * Every setting of pm_conf_rows is an option: FcgiPMDieTimeout is
 * --die-timeout.  Signals and exit status are the manager's: see
 * pm_manager.h; 2 is an error before there was a manager.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "apr_escape.h"
#include "apr_general.h"
#include "apr_lib.h"
#include "apr_strings.h"
#include "pm_core/os/pm_fds.h"
#include "pm_core/os/pm_ident.h"
#include "pm_core/os/pm_logfile.h"
#include "pm_core/manager/pm_manager.h"
#include "pm_core/pool/pm_slow_log.h"
#include "pm_core/spawn/pm_spawn.h"

#define EXIT_USAGE 2

static void emit(void *ctx, pm_level_t level, const char *line)
{
    static const char *const names[] = {"",     "",       "crit", "error",
                                        "warn", "notice", "info", "debug"};
    time_t now = time(NULL);
    struct tm tm;
    char text[40];
    char safe[4 * 8192 + 1]; /* a line is 8191 bytes at the most */

    (void)ctx;
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", localtime_r(&now, &tm));
    if (apr_escape_echo(safe, line, APR_ESCAPE_STRING, 0, NULL)
        == APR_SUCCESS) {
        line = safe; /* a terminal is not what a worker's words control */
    }
    fprintf(stderr, "%s [%s] %s\n", text, names[level], line);
}

static void usage(FILE *out)
{
    const pm_row_t *row;

    fprintf(out, "usage: fcgipm-run --listen unix:/PATH|HOST:PORT [OPTION "
                 "VALUE]... -- PROGRAM [ARGUMENT]...\n\n"
                 "Starts and keeps workers that accept FastCGI requests on "
                 "one socket.\nSIGHUP replaces them, SIGTERM and SIGINT end "
                 "them.  Options are the directives\nof mod_fcgipm, "
                 "FcgiPMDieTimeout is --die-timeout:\n\n");
    for (row = pm_conf_rows; row->name; row++) {
        if (row->type != PM_T_WORDS && row->scope != PM_SCOPE_RULES) {
            fprintf(out, "  %-22s %s%s%s%s\n", row->name + 6, row->help,
                    row->init ? " (" : "", row->init ? row->init : "",
                    row->init ? ")" : "");
        }
    }
    fprintf(out, "  %-22s %s\n", "Name", "name of the pool (default)");
    fprintf(out, "  %-22s %s\n", "LogLevel",
            "debug, info, notice, warn, error (info)");
}

/* "--die-timeout" -> "FcgiPMdietimeout": names do not care about case. */
static const pm_row_t *option_row(const char *option)
{
    char name[64] = "FcgiPM";
    apr_size_t n = 6;

    for (; *option && n < sizeof(name) - 1; option++) {
        if (*option != '-') {
            name[n++] = *option;
        }
    }
    name[n] = '\0';
    return pm_conf_row(name);
}

/* "NAME=value" -> two words, "a b c" -> three, else one. */
static int split(const pm_row_t *row, char *value, const char **word)
{
    char *last = NULL;
    int n = 0;

    word[0] = value;
    if (row->type == PM_T_PAIR) {
        char *eq = strchr(value, '=');

        if (!eq) {
            return 1;
        }
        *eq = '\0';
        word[1] = eq + 1;
        return 2;
    }
    if (row->type != PM_T_RLIMIT && row->type != PM_T_NAMES
        && row->type != PM_T_PATHS && row->type != PM_T_RANGE
        && row->type != PM_T_JITTERED && row->type != PM_T_TIMED) {
        return 1;
    }
    for (value = apr_strtok(value, " ", &last); value && n < 32;
         value = apr_strtok(NULL, " ", &last)) {
        word[n++] = value;
    }
    return n;
}

/* What the command line says. */
typedef struct args {
    pm_conf_t *conf;
    pm_global_t *global;
    pm_level_t level;
} args_t;

static apr_status_t set_level(args_t *args, const char *value, pm_reason_t *why)
{
    static const char *const names[] = {"error", "warn", "notice", "info",
                                        "debug"};
    int i;

    for (i = 0; i < 5; i++) {
        if (!strcmp(names[i], value)) {
            args->level = (pm_level_t)(PM_ERROR + i);
            return APR_SUCCESS;
        }
    }
    return pm_fail(why, APR_EINVAL,
                   "--log-level: \"%s\" is not one of "
                   "error|warn|notice|info|debug",
                   value);
}

static apr_status_t set_option(args_t *args, const char *option, char *value,
                               apr_pool_t *p, pm_reason_t *why)
{
    const pm_row_t *row = option_row(option);
    const char *word[33];
    void *target;

    if (!value) {
        return pm_fail(why, APR_EINVAL, "%s wants a value", option);
    }
    if (!strcmp(option, "--log-level")) {
        return set_level(args, value, why);
    }
    if (!strcmp(option, "--name")) {
        args->conf->name = apr_pstrdup(p, value);
        return pm_conf_name_check(value, why);
    }
    if (!row || row->type == PM_T_WORDS || row->scope == PM_SCOPE_RULES) {
        return pm_fail(why, APR_EINVAL, "%s is not an option; see --help",
                       option);
    }
    target = row->scope == PM_SCOPE_GLOBAL ? (void *)args->global
                                           : (void *)args->conf;
    pm_conf_note(target, row, apr_pstrcat(p, "option ", option, NULL), p);
    return pm_conf_set(target, row, split(row, value, word), word, p, why);
}

static apr_status_t read_args(args_t *args, int argc, char **argv,
                              apr_pool_t *p, pm_reason_t *why)
{
    apr_status_t rv = APR_SUCCESS;
    int i;

    for (i = 1; i < argc && rv == APR_SUCCESS; i += 2) {
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            usage(stdout);
            exit(0);
        }
        if (strncmp(argv[i], "--", 2) || !argv[i][2]) {
            break;
        }
        rv = set_option(args, argv[i], argv[i + 1], p, why);
    }
    if (rv == APR_SUCCESS && i < argc && !strcmp(argv[i], "--")) {
        i++;
    }
    if (rv == APR_SUCCESS && (i >= argc || !args->conf->listen)) {
        return pm_fail(why, APR_EINVAL, "%s is missing; see --help",
                       i >= argc ? "the program" : "--listen");
    }
    return rv != APR_SUCCESS
               ? rv
               : pm_conf_set(args->conf, &pm_conf_rows[PM_ROW_command],
                             argc - i, (const char *const *)(argv + i), p, why);
}

/* The one pool, its socket open. */
static apr_status_t make_set(pm_pool_set_t **out, pm_listener_t *l,
                             const args_t *args, apr_pool_t *p,
                             pm_reason_t *why)
{
    pm_pool_set_t *set = pm_pool_set_create(p);
    pm_listen_opts_t opts = {(int)args->conf->listen_backlog,
                             (mode_t)args->conf->listen_mode, 0, 0};
    pm_member_t *member = apr_array_push(set->members);
    pm_launch_spec_t *birth;
    apr_status_t rv;

    rv = pm_launch_spec_prepare(&birth, args->conf, p, why);
    if (rv == APR_SUCCESS) {
        rv = pm_slow_log_prepare(&birth, args->conf, p, why);
    }
    if (rv == APR_SUCCESS) {
        rv = pm_ident_parse_owner(args->conf->listen_owner, &opts.uid,
                                  &opts.gid, why);
    }
    if (rv == APR_SUCCESS) {
        rv = pm_listen_open(l, args->conf->listen, &opts, p, why);
    }
    if (rv != APR_SUCCESS) {
        return rv;
    }
    set->global = args->global;
    set->log_level = args->level;
    member->conf = args->conf;
    member->slot = 0;
    member->generation = 1;
    member->fd = l->fd;
    member->log_fd = -1;
    if (args->conf->error_log) {
        rv = args->conf->error_log[0] == '|'
                 ? pm_fail(why, APR_EINVAL,
                           "--error-log: a program to pipe "
                           "to is httpd's to start")
                 : pm_logfile_open(&member->log_fd, args->conf->error_log, why);
    }
    member->failed = NULL;
    *out = set;
    return rv;
}

static int run(int argc, char **argv, apr_pool_t *p)
{
    pm_log_t log = {PM_INFO, emit, NULL};
    args_t args = {pm_conf_create(p, "default"), pm_global_create(p), PM_INFO};
    pm_manager_opts_t opts = {&log,      NULL,      -1,   -1,  -1,
                              geteuid(), (gid_t)-1, NULL, NULL};
    pm_manager_t *manager;
    pm_listener_t listener;
    pm_reason_t why;
    pm_pool_set_t *set;
    int status;

    if (read_args(&args, argc, argv, p, &why) != APR_SUCCESS
        || make_set(&set, &listener, &args, p, &why) != APR_SUCCESS) {
        fprintf(stderr, "fcgipm-run: %s\n", why.text);
        return EXIT_USAGE;
    }
    if (pm_scoreboard_create(&opts.board, 0, p, &why) != APR_SUCCESS
        || pm_manager_create(&manager, &opts, p, &why) != APR_SUCCESS) {
        fprintf(stderr, "fcgipm-run: %s\n", why.text);
        pm_listen_unlink(&listener);
        return EXIT_USAGE;
    }
    pm_manager_adopt(manager, set);
    status = pm_manager_run(manager);
    pm_listen_unlink(&listener);
    return status;
}

/* Who is started without standard descriptors must not get them for something
 * else: what a worker is to have as 0, 1 and 2 is put there. */
static void open_standard(void)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd > STDERR_FILENO) {
        close(fd);
    }
}

int main(int argc, char **argv)
{
    apr_pool_t *p;
    int status;

    open_standard();
    if (apr_initialize() != APR_SUCCESS
        || apr_pool_create(&p, NULL) != APR_SUCCESS) {
        return EXIT_USAGE;
    }
    status = run(argc, argv, p);
    apr_terminate();
    return status;
}
