/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fcgipmctl: speak with a manager over its control socket.
 *
 * Exit status: 0 done, 1 refused or failed, 2 usage, 3 cannot reach the
 * manager.  For people `status` is a table, made from the same JSON that
 * --json passes on.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <jansson.h>

#include "apr_file_info.h"
#include "apr_general.h"
#include "apr_strings.h"
#include "apr_tables.h"
#include "pm_listen.h"
#include "pm_proto.h"

#define EXIT_REFUSED     1
#define EXIT_USAGE       2
#define EXIT_UNREACHABLE 3

/* How long the manager may take to answer. */
#define PATIENCE apr_time_from_sec(10)

#ifndef FCGIPM_SOCKET
#define FCGIPM_SOCKET "/var/run/apache2/fcgipm.sock"
#endif

static int usage(FILE *out)
{
    fprintf(out,
            "usage: fcgipmctl [-s SOCKET] [--json] COMMAND\n"
            "\n"
            "  ping             is the manager there?\n"
            "  status [POOL]    what the pools do\n"
            "  reload [POOL]    every worker ends after its request and is "
            "replaced\n"
            "\n"
            "  -s SOCKET  the manager's control socket (FcgiPMSocket); "
            "default $FCGIPM_SOCKET,\n"
            "             then " FCGIPM_SOCKET "\n"
            "  --json     status as JSON, for programs\n"
            "\n"
            "Exit status: 0 done, 1 refused or failed, 2 usage, 3 cannot "
            "reach the manager.\n");
    return out == stdout ? 0 : EXIT_USAGE;
}

static int reach(const char *path, apr_pool_t *p, pm_reason_t *why)
{
    pm_addr_t addr;
    char *full;
    int fd;

    if (apr_filepath_merge(&full, NULL, path, 0, p) != APR_SUCCESS
        || pm_listen_parse(apr_pstrcat(p, "unix:", full, NULL), &addr, why)
               != APR_SUCCESS) {
        return -1;
    }
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr.sa, addr.len)) {
        pm_fail_os(why, errno, "cannot reach the manager at %s", path);
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

/* One line of answer, without its newline; NULL with a reason. */
static const char *ask(int fd, const char *request, apr_pool_t *p,
                       pm_reason_t *why)
{
    apr_array_header_t *bytes = apr_array_make(p, 4096, sizeof(char));
    apr_time_t deadline = pm_time_now() + PATIENCE;
    struct pollfd pfd = {fd, POLLIN, 0};
    char c[4096];
    ssize_t n, i;

    if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0) {
        pm_fail_os(why, errno, "cannot ask the manager");
        return NULL;
    }
    for (;;) {
        apr_time_t left = deadline - pm_time_now();

        if (left <= 0 || poll(&pfd, 1, (int)(left / 1000 + 1)) == 0) {
            pm_fail(why, APR_TIMEUP, "the manager does not answer");
            return NULL;
        }
        n = recv(fd, c, sizeof(c), 0);
        if (n <= 0) {
            pm_fail(why, APR_EOF, "the manager closed the connection");
            return NULL;
        }
        for (i = 0; i < n; i++) {
            if (c[i] == '\n') {
                *(char *)apr_array_push(bytes) = '\0';
                return bytes->elts;
            }
            *(char *)apr_array_push(bytes) = c[i];
        }
    }
}

static long member(const json_t *object, const char *name)
{
    return (long)json_integer_value(json_object_get(object, name));
}

static void print_pool(const json_t *pool)
{
    const char *error = json_string_value(json_object_get(pool,
                                                          "last_error"));

    printf("%-20.20s %-9s %4ld %4ld %4ld %4ld %5ld %10ld %7ld %6ld\n",
           json_string_value(json_object_get(pool, "name")),
           json_string_value(json_object_get(pool, "state")),
           member(pool, "max"), member(pool, "workers"),
           member(pool, "idle"), member(pool, "busy"),
           member(pool, "queue"), member(pool, "requests"),
           member(pool, "crashed"), member(pool, "killed"));
    if (error && error[0]) {
        printf("  last error: %s\n", error);
    }
}

/* The JSON of a status, for people; fits 80 columns. */
static int print_table(const char *text)
{
    json_t *status = json_loads(text, 0, NULL);
    json_t *manager = json_object_get(status, "manager");
    json_t *pool;
    size_t i;

    if (!manager) {
        json_decref(status);
        return 0;
    }
    printf("manager %ld, up %ld s, %ld reloads, %ld restarts, version %s\n\n",
           member(manager, "pid"),
           (long)json_number_value(json_object_get(manager, "uptime")),
           member(manager, "reloads"), member(manager, "restarts"),
           json_string_value(json_object_get(status, "version")));
    printf("%-20s %-9s %4s %4s %4s %4s %5s %10s %7s %6s\n", "POOL", "STATE",
           "MAX", "LIVE", "IDLE", "BUSY", "QUEUE", "REQUESTS", "CRASHED",
           "KILLED");
    json_array_foreach(json_object_get(status, "pools"), i, pool)
    {
        print_pool(pool);
    }
    json_decref(status);
    return 1;
}

static int show(const pm_request_t *req, const char *reply, int json)
{
    if (!strncmp(reply, "error ", 6)) {
        fprintf(stderr, "fcgipmctl: %s\n", reply + 6);
        return EXIT_REFUSED;
    }
    if (req->verb != PM_VERB_STATUS || json) {
        puts(reply);
        return 0;
    }
    if (!print_table(reply)) {
        fprintf(stderr, "fcgipmctl: cannot read the manager's answer\n");
        return EXIT_REFUSED;
    }
    return 0;
}

static int run(const char *path, const char *line, int json, apr_pool_t *p)
{
    pm_request_t req;
    pm_reason_t why;
    const char *reply;
    int fd;

    if (pm_proto_parse(&req, line, PM_RIGHT_ALL, &why) != APR_SUCCESS) {
        fprintf(stderr, "fcgipmctl: %s\n", why.text);
        return usage(stderr);
    }
    fd = reach(path, p, &why);
    reply = fd < 0 ? NULL
                   : ask(fd, apr_pstrcat(p, line, "\n", NULL), p, &why);
    if (!reply) {
        fprintf(stderr, "fcgipmctl: %s\n", why.text);
        return EXIT_UNREACHABLE;
    }
    close(fd);
    return show(&req, reply, json);
}

static int run_args(int argc, char **argv, apr_pool_t *p)
{
    const char *path = getenv("FCGIPM_SOCKET");
    const char *line = "";
    int json = 0;
    int i;

    for (i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "-s") && i + 1 < argc) {
            path = argv[++i];
        }
        else if (!strcmp(argv[i], "--json")) {
            json = 1;
        }
        else if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            return usage(stdout);
        }
        else if (argv[i][0] == '-' || strpbrk(argv[i], "\r\n")) {
            return usage(stderr);
        }
        else {
            line = apr_pstrcat(p, line, line[0] ? " " : "", argv[i], NULL);
        }
    }
    if (!line[0]) {
        return usage(stderr);
    }
    return run(path ? path : FCGIPM_SOCKET, line, json, p);
}

int main(int argc, char **argv)
{
    apr_pool_t *p;
    int status;

    if (apr_initialize() != APR_SUCCESS
        || apr_pool_create(&p, NULL) != APR_SUCCESS) {
        return EXIT_UNREACHABLE;
    }
    status = run_args(argc, argv, p);
    apr_terminate();
    return status;
}
