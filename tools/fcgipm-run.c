/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fcgipm-run: the manager without httpd, in the foreground.
 *
 *   fcgipm-run --config /etc/fcgipm/fcgipm.conf
 *   fcgipm-run --listen unix:/path --processes 4 --die-timeout 3 -- prog args
 *
 * The file has the sections of httpd.conf (run_config.h).  Without one there is
 * one pool, of the command line: every setting of pm_conf_rows that the manager
 * obeys is an option: FcgiPMDieTimeout is --die-timeout.  Signals and exit
 * status are the manager's: see pm_manager.h; 2 is an error before there was a
 * manager.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apr_escape.h"
#include "apr_general.h"
#include "apr_getopt.h"
#include "apr_lib.h"
#include "apr_strings.h"
#include "ctl_text.h"
#include "pm_core/config/pm_value.h"
#include "pm_core/os/pm_activation.h"
#include "pm_core/os/pm_fds.h"
#include "pm_core/os/pm_ident.h"
#include "pm_core/os/pm_logfile.h"
#include "pm_core/os/pm_names.h"
#include "pm_core/os/pm_pidfile.h"
#include "pm_core/os/pm_sd_notify.h"
#include "pm_core/manager/pm_manager.h"
#include "pm_core/spawn/pm_definition.h"
#include "pm_core/spawn/pm_launch_spec.h"
#include "run_config.h"
#include "run_log.h"

#define EXIT_USAGE 2

/* --- options -------------------------------------------------------------- */

/* Behind the numbers of the rows, which begin at RUN_ROW. */
enum {
    RUN_NAME = 256,
    RUN_LOG_LEVEL,
    RUN_LOG_FORMAT,
    RUN_CONFIG,
    RUN_TEST,
    RUN_METRICS,
    RUN_ROW
};

/* Settings that httpd's side obeys, and that mean nothing for one pool. */
static const int run_httpd_rows[] = {
    PM_ROW_graceful,         PM_ROW_max_scripts,
    PM_ROW_connect_timeout,  PM_ROW_io_timeout,
    PM_ROW_request_buffer,   PM_ROW_response_buffer,
    PM_ROW_header_limit,     PM_ROW_queue_limit,
    PM_ROW_queue_timeout,    PM_ROW_ignore_abort,
    PM_ROW_keep_connections, PM_ROW_xsendfile,
    PM_ROW_xsendfile_path,   PM_ROW_park,
    PM_ROW_max_threads};

static int run_has_option(int row)
{
    apr_size_t i;

    for (i = 0; i < sizeof(run_httpd_rows) / sizeof(run_httpd_rows[0]); i++) {
        if (run_httpd_rows[i] == row) {
            return 0;
        }
    }
    return pm_conf_rows[row].type != PM_T_WORDS
           && pm_conf_rows[row].scope != PM_SCOPE_RULES;
}

/* "FcgiPMDieTimeout" -> "die-timeout" */
static const char *run_option_name(const pm_row_t *row, apr_pool_t *p)
{
    const char *from = row->name + strlen("FcgiPM");
    char *name = apr_palloc(p, 2 * strlen(from) + 1);
    char *to = name;
    char before = 'A';

    for (; *from; before = *from++) {
        if (apr_isupper(*from) && apr_islower(before)) {
            *to++ = '-';
        }
        *to++ = (char)apr_tolower(*from);
    }
    *to = '\0';
    return name;
}

/* What apr_getopt_long() and the help read. */
static const apr_getopt_option_t *run_options(apr_pool_t *p)
{
    static const apr_getopt_option_t own[] = {
        {"config", RUN_CONFIG, 1,
         "file with <FcgiPMPool> sections, or directory of *.conf"},
        {"test", RUN_TEST, 0, "only check the configuration"},
        {"name", RUN_NAME, 1, "name of the pool (default)"},
        {"log-level", RUN_LOG_LEVEL, 1,
         "debug, info, notice, warn, error (info)"},
        {"log-format", RUN_LOG_FORMAT, 1, "text or json (text)"},
        {"metrics", RUN_METRICS, 1,
         "host:port or unix:/path for HTTP: /metrics, /ready"},
        {"help", 'h', 0, "this text"},
        {"version", 'V', 0, "the version of mod_fcgipm"},
        {NULL, 0, 0, NULL}};
    apr_array_header_t *options =
        apr_array_make(p, 64, sizeof(apr_getopt_option_t));
    const apr_getopt_option_t *o;
    int i;

    for (i = 0; pm_conf_rows[i].name; i++) {
        const pm_row_t *row = &pm_conf_rows[i];
        apr_getopt_option_t option = {
            run_option_name(row, p), RUN_ROW + i, 1,
            row->init ? apr_psprintf(p, "%s (%s)", row->help, row->init)
                      : row->help};

        if (run_has_option(i)) {
            APR_ARRAY_PUSH(options, apr_getopt_option_t) = option;
        }
    }
    for (o = own; o->name; o++) {
        APR_ARRAY_PUSH(options, apr_getopt_option_t) = *o;
    }
    APR_ARRAY_PUSH(options, apr_getopt_option_t) = *o;
    return (const apr_getopt_option_t *)(void *)options->elts;
}

static void run_print_help(const apr_getopt_option_t *option, apr_pool_t *p)
{
    printf("usage: fcgipm-run --config FILE|DIRECTORY [OPTION]...\n"
           "       fcgipm-run --listen unix:/PATH|HOST:PORT [OPTION]... -- "
           "PROGRAM [ARGUMENT]...\n\n"
           "Starts and keeps workers that accept FastCGI requests on the "
           "sockets of pools.\nSIGHUP reads the files again and replaces the "
           "workers, SIGTERM and SIGINT end them.\nWith --config, only options "
           "of the manager are allowed.  An option's value follows it,\nas the "
           "next word or after \"=\".  Options are the directives of "
           "mod_fcgipm;\ndefaults are in parentheses:\n\n");
    for (; option->name; option++) {
        printf("  %-26s %s\n", apr_pstrcat(p, "--", option->name, NULL),
               option->description);
    }
}

/* One word more than any setting takes, which then says so. */
#define RUN_WORDS 257

/* "NAME=value" -> two words, "a b c" -> three, else one. */
static int run_split(const pm_row_t *row, char *value, const char **word)
{
    char *last = NULL;
    int n = 0;

    word[0] = value;
    if (pm_value_is_pair(row)) {
        char *eq = strchr(value, '=');

        if (!eq) {
            return 1;
        }
        *eq = '\0';
        word[1] = eq + 1;
        return 2;
    }
    if (row->type != PM_T_RLIMIT && row->type != PM_T_NAMES
        && row->type != PM_T_PATHS && row->type != PM_T_URLS
        && row->type != PM_T_CLIENTS && row->type != PM_T_RANGE
        && row->type != PM_T_JITTERED && row->type != PM_T_TIMED) {
        return 1;
    }
    for (value = apr_strtok(value, " ", &last); value && n < RUN_WORDS;
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
    pm_log_t *log;
    pm_activation_t passed;
    const char *metrics;     /* address, or NULL */
    const char *config;      /* NULL: the pool is conf */
    const char *pool_option; /* one that was given; NULL: none was */
    int test;
} args_t;

static apr_status_t run_set_level(args_t *args, const char *value,
                                  pm_reason_t *why)
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

static apr_status_t run_set_row(args_t *args, const pm_row_t *row,
                                const char *value, apr_pool_t *p,
                                pm_reason_t *why)
{
    void *target = row->scope == PM_SCOPE_GLOBAL ? (void *)args->global
                                                 : (void *)args->conf;
    const char *word[RUN_WORDS];

    if (row->scope == PM_SCOPE_POOL) {
        args->pool_option = run_option_name(row, p);
    }
    pm_conf_note(target, row,
                 apr_pstrcat(p, "option --", run_option_name(row, p), NULL), p);
    return pm_conf_set(target, row, run_split(row, apr_pstrdup(p, value), word),
                       word, p, why);
}

static apr_status_t run_set_option(args_t *args, int option, const char *value,
                                   apr_pool_t *p, pm_reason_t *why)
{
    switch (option) {
    case 'h':
        run_print_help(run_options(p), p);
        exit(0);
    case 'V':
        puts("fcgipm-run " PM_VERSION);
        exit(0);
    case RUN_LOG_LEVEL:
        return run_set_level(args, value, why);
    case RUN_CONFIG:
        args->config = apr_pstrdup(p, value);
        return APR_SUCCESS;
    case RUN_METRICS:
        args->metrics = apr_pstrdup(p, value);
        return APR_SUCCESS;
    case RUN_TEST:
        args->test = 1;
        return APR_SUCCESS;
    case RUN_LOG_FORMAT:
        return run_log_set_format(args->log, value, why);
    case RUN_NAME:
        args->pool_option = "name";
        args->conf->name = apr_pstrdup(p, value);
        return pm_conf_name_check(value, why);
    default:
        return run_set_row(args, &pm_conf_rows[option - RUN_ROW], value, p,
                           why);
    }
}

/* apr_getopt_long()'s complaint. */
static void run_complain(void *ctx, const char *fmt, ...)
{
    char text[1024];
    va_list ap;

    va_start(ap, fmt);
    pm_fail(ctx, APR_EINVAL, "%s; see --help",
            ctl_text_complaint(text, sizeof(text), fmt, ap));
    va_end(ap);
}

/* A socket that was passed says where it listens. */
static void run_fill_listen(const args_t *args, apr_pool_t *p)
{
    const pm_passed_t *passed =
        pm_activation_find(&args->passed, args->conf->name);

    if (passed) {
        pm_definition_fill(args->conf, PM_ROW_listen, passed->address,
                           "systemd", p, NULL);
    }
}

static apr_status_t run_read_args(args_t *args, int argc, char **argv,
                                  apr_pool_t *p, pm_reason_t *why)
{
    const apr_getopt_option_t *options = run_options(p);
    apr_status_t rv;
    apr_getopt_t *os;
    const char *value;
    int option;

    rv = apr_getopt_init(&os, p, argc, (const char *const *)argv);
    os->errfn = run_complain;
    os->errarg = why;
    while (rv == APR_SUCCESS) {
        rv = apr_getopt_long(os, options, &option, &value);
        if (rv == APR_SUCCESS) {
            rv = run_set_option(args, option, value, p, why);
        }
    }
    if (rv != APR_EOF) {
        return rv;
    }
    if (args->config && (args->pool_option || os->ind < argc)) {
        return pm_fail(why, APR_EINVAL,
                       "%s%s: a pool's settings belong in the file of --config",
                       args->pool_option ? "--" : "",
                       args->pool_option ? args->pool_option : argv[os->ind]);
    }
    if (args->config) {
        return APR_SUCCESS;
    }
    run_fill_listen(args, p);
    if (os->ind >= argc || !args->conf->listen) {
        return pm_fail(why, APR_EINVAL, "%s is missing; see --help",
                       os->ind >= argc ? "the program" : "--listen");
    }
    return pm_conf_set(args->conf, &pm_conf_rows[PM_ROW_command],
                       argc - os->ind, (const char *const *)(argv + os->ind), p,
                       why);
}

/* Two managers with one control socket would answer for each other. */
static apr_status_t run_check_alone(const pm_global_t *global, pm_reason_t *why)
{
    pm_listen_opts_t opts = {.wait = global->die_timeout};
    apr_status_t rv = APR_SUCCESS;

    if (global->socket) {
        rv = pm_listen_check_free(global->socket, &opts, why);
    }
    if (rv == APR_SUCCESS && global->pid_file) {
        pm_reason_t text;

        rv = pm_pidfile_check_free(global->pid_file, &text);
        if (rv != APR_SUCCESS) {
            return pm_fail(why, rv, "--pid-file: %s", text.text);
        }
    }
    return rv;
}

static apr_status_t run_check_conf(const pm_conf_t *conf, apr_pool_t *p,
                                   pm_reason_t *why)
{
    pm_launch_spec_t *spec;
    pm_addr_t addr;
    apr_status_t rv = pm_listen_parse(conf->listen, &addr, why);

    if (rv == APR_SUCCESS) {
        rv = pm_listen_check_clients(&addr, conf, why);
    }
    if (rv == APR_SUCCESS) {
        rv = pm_launch_spec_prepare(&spec, conf, NULL, p, why);
    }
    return rv == APR_SUCCESS
               ? pm_launch_spec_prepare_slow_log(&spec, conf, NULL, p, why)
               : rv;
}

static apr_status_t run_open_socket(pm_listener_t *l, const args_t *args,
                                    const pm_listen_opts_t *opts, apr_pool_t *p,
                                    pm_reason_t *why)
{
    const char *listen = args->conf->listen;
    const pm_passed_t *passed =
        pm_activation_find(&args->passed, args->conf->name);

    if (!passed) {
        return pm_listen_open(l, listen, opts, p, why);
    }
    if (strcmp(passed->address, listen) != 0) {
        return pm_fail(why, APR_EINVAL,
                       "--listen %s: the socket that was passed as \"%s\" is "
                       "%s: give that, or nothing",
                       listen, passed->name, passed->address);
    }
    pm_listen_adopt(l, listen, passed->fd, p);
    l->foreign = 1;
    return APR_SUCCESS;
}

/* The one pool, its socket open. */
static apr_status_t run_make_set(pm_pool_set_t **out, pm_listener_t *l,
                                 const args_t *args, apr_pool_t *p,
                                 pm_reason_t *why)
{
    pm_pool_set_t *set = pm_pool_set_create(p);
    pm_listen_opts_t opts = {(int)args->conf->listen_backlog,
                             (mode_t)args->conf->listen_mode,
                             0,
                             0,
                             0,
                             args->global->die_timeout};
    pm_member_t *member = apr_array_push(set->members);
    apr_status_t rv = run_check_conf(args->conf, p, why);

    if (rv == APR_SUCCESS) {
        rv = pm_ident_parse_owner(args->conf->listen_owner, &opts.uid,
                                  &opts.gid, why);
    }
    if (rv == APR_SUCCESS) {
        rv = run_open_socket(l, args, &opts, p, why);
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
    member->foreign = l->foreign;
    member->log_fd = -1;
    if (args->conf->error_log) {
        rv = args->conf->error_log[0] == '|'
                 ? pm_fail(why, APR_EINVAL,
                           "--error-log: only httpd can pipe the log "
                           "to a program")
                 : pm_logfile_open(&member->log_fd, args->conf->error_log, why);
    }
    member->failed = NULL;
    *out = set;
    return rv;
}

/* --- the program ---------------------------------------------------------- */

/* What lives as long as the process. */
typedef struct run {
    pm_log_t log;
    pm_sd_notify_t notify;
    args_t args;
    run_config_opts_t config_opts;
    run_config_t *config; /* NULL: the pool is that of the command line */
    int rereading;
    pm_listener_t listener; /* of that pool */
    pm_listener_t metrics;  /* fd 0: there is none */
} run_t;

static void run_each(const run_t *run, pm_level_t level,
                     const apr_array_header_t *texts)
{
    int i;

    for (i = 0; texts && i < texts->nelts; i++) {
        run_log_say(&run->log, level, APR_ARRAY_IDX(texts, i, const char *));
    }
}

static void run_tell_config(const run_t *run)
{
    run_each(run, PM_WARNING, run_config_warnings(run->config));
    run_each(run, PM_ERROR, run_config_faults(run->config));
}

/* The same, of a manager that runs. */
static void run_log_each(const run_t *run, pm_level_t level, const char *what,
                         const apr_array_header_t *texts)
{
    int i;

    for (i = 0; i < texts->nelts; i++) {
        pm_log(&run->log, level, "manager (pid %d): %s%s", (int)getpid(), what,
               APR_ARRAY_IDX(texts, i, const char *));
    }
}

/* SIGHUP: see pm_manager.h. */
static int run_reread(void *ctx, apr_time_t end, pm_pool_set_t **set)
{
    run_t *run = ctx;

    if (!run->rereading) {
        run_config_begin(run->config);
    }
    run->rereading = run_config_go_on(run->config, end, set) == RUN_CONFIG_MORE;
    if (!run->rereading) {
        run_log_each(run, PM_WARNING, "", run_config_warnings(run->config));
        run_log_each(run, PM_ERROR, "the configuration is left as it was: ",
                     run_config_faults(run->config));
    }
    return !run->rereading;
}

static int run_test_config(run_t *run)
{
    int good = run_config_test(run->config);

    run_tell_config(run);
    if (good) {
        fprintf(stderr, "Syntax OK\n");
    }
    return good ? 0 : EXIT_USAGE;
}

/* The first set of the files.  @return NULL: what is wrong has been told */
static pm_pool_set_t *run_read_config(run_t *run)
{
    pm_pool_set_t *set = NULL;

    run_config_begin(run->config);
    run_config_go_on(run->config, PM_TIME_NEVER, &set);
    run_tell_config(run);
    return set;
}

/* Sockets that are not the one pool's. */
static void run_warn_passed(const run_t *run, apr_pool_t *p)
{
    const apr_array_header_t *passed = run->args.passed.passed;
    int i;

    for (i = 0; i < passed->nelts; i++) {
        const pm_passed_t *one = &APR_ARRAY_IDX(passed, i, pm_passed_t);

        if (strcmp(one->name, PM_ACTIVATION_METRICS) != 0
            && strcmp(one->name, run->args.conf->name) != 0) {
            run_log_say(&run->log, PM_WARNING, pm_activation_warning(one, p));
        }
    }
}

/* The set of the one pool.  @return as above */
static pm_pool_set_t *run_read_pool(run_t *run, apr_pool_t *p)
{
    pm_pool_set_t *set = NULL;
    pm_reason_t why;

    run_warn_passed(run, p);
    if (run_check_alone(run->args.global, &why) != APR_SUCCESS
        || run_make_set(&set, &run->listener, &run->args, p, &why)
               != APR_SUCCESS) {
        run_log_say(&run->log, PM_ERROR, why.text);
        return NULL;
    }
    return set;
}

#define METRICS_BACKLOG 64

/* The socket of --metrics, or that which was passed as "metrics". */
static apr_status_t run_open_metrics(run_t *run, apr_pool_t *p,
                                     pm_reason_t *why)
{
    const pm_passed_t *passed =
        pm_activation_find(&run->args.passed, PM_ACTIVATION_METRICS);
    pm_listen_opts_t opts = {.backlog = METRICS_BACKLOG,
                             .mode = 0660,
                             .uid = (uid_t)-1,
                             .gid = (gid_t)-1};
    pm_reason_t cause;

    if (passed && run->args.metrics
        && strcmp(passed->address, run->args.metrics) != 0) {
        return pm_fail(why, APR_EINVAL,
                       "--metrics %s: the socket that was passed as \"%s\" is "
                       "%s: give that, or nothing",
                       run->args.metrics, passed->name, passed->address);
    }
    if (passed) {
        pm_listen_adopt(&run->metrics, passed->address, passed->fd, p);
        run->metrics.foreign = 1;
    }
    else if (run->args.metrics
             && pm_listen_open(&run->metrics, run->args.metrics, &opts, p,
                               &cause)
                    != APR_SUCCESS) {
        return pm_fail(why, APR_EGENERAL, "--metrics: %s", cause.text);
    }
    return APR_SUCCESS;
}

/* What the manager has not removed already. */
static void run_unlink(const run_t *run)
{
    pm_listen_unlink(&run->metrics);
    if (run->config) {
        run_config_unlink(run->config);
    }
    else {
        pm_listen_unlink(&run->listener);
    }
}

static int run_manage(run_t *run, pm_pool_set_t *set, apr_pool_t *p)
{
    pm_manager_opts_t opts = {.log = &run->log,
                              .channel = -1,
                              .wakeup = -1,
                              .slow_report = -1,
                              .log_fd = run_log_fd(&run->log),
                              .peer_uid = geteuid(),
                              .peer_gid = (gid_t)-1,
                              .notify = &run->notify,
                              .names = run->config_opts.names,
                              .reread = run->config ? run_reread : NULL,
                              .ctx = run};
    pm_manager_t *manager;
    pm_reason_t why;
    int status;

    if (run_open_metrics(run, p, &why) != APR_SUCCESS) {
        run_log_say(&run->log, PM_ERROR, why.text);
        run_unlink(run);
        return EXIT_USAGE;
    }
    opts.metrics = run->metrics.fd;
    if (pm_scoreboard_create(&opts.scoreboard, 0, 64, p, &why) != APR_SUCCESS
        || pm_manager_create(&manager, &opts, p, &why) != APR_SUCCESS) {
        run_log_say(&run->log, PM_ERROR, why.text);
        run_unlink(run);
        return EXIT_USAGE;
    }
    pm_manager_adopt(manager, set);
    status = pm_manager_run(manager);
    run_unlink(run);
    return status;
}

static int run_test_pool(const run_t *run, apr_pool_t *p)
{
    pm_reason_t why;

    if (run_check_conf(run->args.conf, p, &why) != APR_SUCCESS) {
        run_log_say(&run->log, PM_ERROR, why.text);
        return EXIT_USAGE;
    }
    fprintf(stderr, "Syntax OK\n");
    return 0;
}

/* What comes until the manager takes signals over is for it: a start can wait,
 * for names or for a former manager's socket, and as PID 1 it would not get
 * SIGTERM at all. */
static void run_hold_signals(void)
{
    sigset_t held;

    sigemptyset(&held);
    sigaddset(&held, SIGHUP);
    sigaddset(&held, SIGINT);
    sigaddset(&held, SIGTERM);
    sigprocmask(SIG_BLOCK, &held, NULL);
}

/* The log is one of the manager's last cleanups, by apr_terminate(). */
static int run_program(int argc, char **argv, apr_pool_t *p)
{
    run_t *run = apr_palloc(p, sizeof(*run));
    pm_pool_set_t *set;
    pm_reason_t why;

    *run = (run_t){.log = {.level = PM_INFO},
                   .args = {.conf = pm_conf_create(p, "default"),
                            .global = pm_global_create(p),
                            .level = PM_INFO,
                            .log = &run->log}};
    run_log_open(&run->log, p);
    if (pm_activation_take(&run->args.passed, p, &why) != APR_SUCCESS
        || run_read_args(&run->args, argc, argv, p, &why) != APR_SUCCESS) {
        run_log_say(&run->log, PM_ERROR, why.text);
        return EXIT_USAGE;
    }
    if (run->args.passed.other && run->args.level >= PM_DEBUG) {
        run_log_say(&run->log, PM_DEBUG,
                    apr_psprintf(p,
                                 "LISTEN_FDS: the sockets were passed to "
                                 "process %ld, this is %d",
                                 run->args.passed.other, (int)getpid()));
    }
    if (!pm_conf_is_given(run->args.global,
                          &pm_conf_rows[PM_ROW_manager_name])) {
        run->args.global->manager_name = "fcgipm-run";
    }
    if (run->args.config) {
        run->config_opts = (run_config_opts_t){.path = run->args.config,
                                               .given = run->args.global,
                                               .activation = &run->args.passed,
                                               .names = pm_names_create(p),
                                               .alone = run_check_alone,
                                               .log_level = run->args.level};
        run->config = run_config_create(&run->config_opts, p);
    }
    if (pm_sd_notify_open(&run->notify, &why) != APR_SUCCESS) {
        run_log_say(&run->log, PM_WARNING, why.text);
    }
    if (run->args.test) {
        return run->config ? run_test_config(run) : run_test_pool(run, p);
    }
    run_hold_signals();
    set = run->config ? run_read_config(run) : run_read_pool(run, p);
    return set ? run_manage(run, set, p) : EXIT_USAGE;
}

/* A process started without standard descriptors must not get them for
 * something else: spawn puts there what a worker is to have as 0, 1 and 2. */
static void run_open_standard(void)
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

    run_open_standard();
    if (apr_initialize() != APR_SUCCESS
        || apr_pool_create(&p, NULL) != APR_SUCCESS) {
        return EXIT_USAGE;
    }
#ifdef __SANITIZE_ADDRESS__ /* what is destroyed goes back to the system */
    apr_allocator_max_free_set(apr_pool_allocator_get(p), 1);
#endif
    status = run_program(argc, argv, p);
    apr_terminate();
    return status;
}
