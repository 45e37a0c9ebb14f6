/* SPDX-License-Identifier: Apache-2.0 */
/*
 * births [WORKERS...]: what it costs to start a process, beside so many workers
 * (8, 800, 4000).  This process is as the manager is: for each worker it has a
 * descriptor and some memory.  Births of /bin/true, one after the other until
 * each is executed, in rounds, in another order each round:
 *
 *     bare     fork and exec in a process that has nothing else
 *     spawner  pm_spawn() by the spawner, one order after the other
 *     orders   the same, several at a time, as the manager gives them
 *     fork     pm_spawn() without the spawner
 *
 * Prints medians: births per second, microseconds of each, for how many of
 * them the manager was busy, and how many times as long as bare it took.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apr_general.h"
#include "apr_strings.h"
#include "pm_core/os/pm_fds.h"
#include "pm_core/spawn/pm_spawn.h"

#define ROUNDS 15
#define BIRTHS 40
#define WAYS   4
#define FLIGHT 8    /* orders at a time */
#define OWN    4096 /* bytes of a worker in its own pool */

static const char *const names[WAYS] = {"bare", "spawner", "orders", "fork"};

typedef struct figures {
    double each; /* microseconds until it is executed */
    double busy; /* of these the manager can do nothing else */
} figures_t;

typedef struct bench {
    apr_pool_t *p;
    pm_spawner_t spawner;
    pm_launch_spec_t *birth, *worker;
    int bare; /* a socket to that process */
    int null;
} bench_t;

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void say(void *ctx, pm_level_t level, const char *line)
{
    (void)ctx;
    (void)level;
    fprintf(stderr, "%s\n", line);
}

/* --- bare ----------------------------------------------------------------- */

static void bare_birth(void)
{
    static char *const argv[] = {"/bin/true", NULL};
    char byte;
    int fd[2];
    pid_t pid;

    if (pipe2(fd, O_CLOEXEC)) {
        fail("pipe");
    }
    pid = fork();
    if (pid == 0) {
        execv(argv[0], argv);
        _exit(127);
    }
    close(fd[1]);
    if (pid < 0 || read(fd[0], &byte, 1) != 0) {
        fail("fork");
    }
    close(fd[0]);
}

static void reap(int n)
{
    while (n--) {
        waitpid(-1, NULL, 0);
    }
}

static int bare_start(void)
{
    int fd[2];
    figures_t f;
    char byte;
    int i;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd)) {
        fail("socketpair");
    }
    if (fork() == 0) {
        close(fd[0]);
        while (recv(fd[1], &byte, 1, 0) == 1) {
            apr_time_t begin = pm_time_now();

            for (i = 0; i < BIRTHS; i++) {
                bare_birth();
            }
            f.each = f.busy = (double)(pm_time_now() - begin) / BIRTHS;
            reap(BIRTHS);
            send(fd[1], &f, sizeof(f), 0);
        }
        _exit(0);
    }
    close(fd[1]);
    return fd[0];
}

static figures_t bare_run(bench_t *b)
{
    figures_t f;

    send(b->bare, "", 1, 0);
    if (recv(b->bare, &f, sizeof(f), 0) != (ssize_t)sizeof(f)) {
        fail("bare");
    }
    return f;
}

/* --- as the manager does -------------------------------------------------- */

static pm_spawned_t spawn(bench_t *b, pm_spawner_t *by,
                          const pm_launch_spec_t *spec)
{
    pm_birth_t birth = {.spec = spec,
                        .listen_fd = b->null,
                        .shm_fd = -1,
                        .shm_index = -1,
                        .fork_fd = -1};
    pm_spawned_t born;
    pm_reason_t why;

    if (pm_spawn(&born, by, &birth, &why) != APR_SUCCESS) {
        fprintf(stderr, "%s\n", why.text);
        exit(1);
    }
    return born;
}

static void wait_executed(pm_spawned_t *born, const pm_launch_spec_t *spec)
{
    struct pollfd pfd = {born->exec_fd, POLLIN, 0};
    pm_reason_t why;
    apr_status_t rv;
    int guarded;

    do {
        poll(&pfd, 1, -1);
        rv = pm_spawn_verdict(born->exec_fd, spec, &guarded, &why);
    } while (APR_STATUS_IS_INCOMPLETE(rv));
    if (rv != APR_SUCCESS) {
        fprintf(stderr, "%s\n", why.text);
        exit(1);
    }
    close(born->exec_fd);
}

static figures_t spawn_run(bench_t *b, pm_spawner_t *by, int flight)
{
    pm_spawned_t born[BIRTHS];
    apr_time_t begin = pm_time_now();
    figures_t f = {0, 0};
    int i, done = 0;

    for (i = 0; i < BIRTHS; i++) {
        apr_time_t from = pm_time_now();

        born[i] = spawn(b, by, b->birth);
        f.busy += (double)(pm_time_now() - from) / BIRTHS;
        if (i - done + 1 == flight) {
            wait_executed(&born[done++], b->birth);
        }
    }
    while (done < BIRTHS) {
        wait_executed(&born[done++], b->birth);
    }
    f.each = (double)(pm_time_now() - begin) / BIRTHS;
    reap(BIRTHS);
    for (i = 0; i < BIRTHS; i++) {
        close(born[i].output_fd);
    }
    return f;
}

static figures_t run(bench_t *b, int way)
{
    return way == 0   ? bare_run(b)
           : way == 1 ? spawn_run(b, &b->spawner, 1)
           : way == 2 ? spawn_run(b, &b->spawner, FLIGHT)
                      : spawn_run(b, NULL, 1);
}

static void add_worker(bench_t *b)
{
    pm_spawned_t born = spawn(b, &b->spawner, b->worker);
    apr_pool_t *p;

    wait_executed(&born, b->worker);
    apr_pool_create(&p, b->p);
    memset(apr_palloc(p, OWN), 1, OWN);
}

static pm_launch_spec_t *prepare(const char *program, const char *arg,
                                 apr_pool_t *p)
{
    pm_conf_t *conf = pm_conf_create(p, "births");
    pm_launch_spec_t *spec;
    pm_reason_t why;

    conf->command = apr_array_make(p, 2, sizeof(char *));
    *(const char **)apr_array_push(conf->command) = program;
    if (arg) {
        *(const char **)apr_array_push(conf->command) = arg;
    }
    conf->user = getuid() ? NULL : "nobody";
    conf->guard = 0;
    if (pm_launch_spec_prepare(&spec, conf, NULL, p, &why) != APR_SUCCESS) {
        fprintf(stderr, "%s\n", why.text);
        exit(1);
    }
    return spec;
}

/* --- figures -------------------------------------------------------------- */

static int by_each(const void *a, const void *b)
{
    double x = ((const figures_t *)a)->each, y = ((const figures_t *)b)->each;

    return (x > y) - (x < y);
}

static void measure(bench_t *b, int workers)
{
    figures_t f[WAYS][ROUNDS], *bare = &f[0][ROUNDS / 2];
    int round, i;

    for (round = -1; round < ROUNDS; round++) { /* the first does not count */
        for (i = 0; i < WAYS; i++) {
            int way = (i + round + 1) % WAYS;

            f[way][round < 0 ? 0 : round] = run(b, way);
        }
    }
    for (i = 0; i < WAYS; i++) {
        figures_t *median = &f[i][ROUNDS / 2];

        qsort(f[i], ROUNDS, sizeof(f[i][0]), by_each);
        printf("%7d  %-7s %9.0f %9.0f %9.0f %8.2f\n", workers, names[i],
               1e6 / median->each, median->each, median->busy,
               median->each / bare->each);
    }
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const int usual[] = {8, 800, 4000};
    static pm_log_t log = {.level = PM_NOTICE, .emit = say};
    bench_t b;
    struct rlimit limit;
    int i, n = 0;

    b.bare = bare_start();
    apr_initialize();
    apr_pool_create(&b.p, NULL);
    pm_fds_raise(&limit);
    pm_spawner_start(&b.spawner, &log, b.p);
    b.null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    b.birth = prepare("/bin/true", NULL, b.p);
    b.worker = prepare("/bin/sleep", "100000", b.p);
    printf("workers  way      births/s   us each   us busy   x bare\n");
    for (i = 0; i < (argc > 1 ? argc - 1 : 3); i++) {
        int workers = argc > 1 ? atoi(argv[i + 1]) : usual[i];

        for (; n < workers; n++) {
            add_worker(&b);
        }
        measure(&b, n);
    }
    pm_spawner_end(&b.spawner);
    return 0; /* the workers get SIGTERM */
}
