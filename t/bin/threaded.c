/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A FastCGI worker of several threads, as libfcgi's examples/threaded.c: each
 * accepts for itself.  Answers "pid=N tag=threaded most=N" (the most requests
 * that it has had at once) and a newline; "sleep=MS", "until=FILE" in the query
 * before that, and "together=N": when N requests are in it at once, or after 20
 * s.  Four threads, or as many as the argument says.  Alone, SIGTERM does not
 * end it: libfcgi wakes one thread. With the argument "main" the main thread is
 * one of them, as in that example: when it leaves so do all.  With "lock" they
 * accept one at a time, in a lock, as that example has it for systems that need
 * it.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <fcgiapp.h>

#define THREADS 64

static int locks;
static int threads = 4;
static int inside, most; /* requests */
static pthread_cond_t came = PTHREAD_COND_INITIALIZER;
static pthread_mutex_t count_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static int take(FCGX_Request *req)
{
    int rc;

    if (locks) {
        pthread_mutex_lock(&mutex);
    }
    rc = FCGX_Accept_r(req);
    if (locks) {
        pthread_mutex_unlock(&mutex);
    }
    return rc;
}

/* "until=FILE": as long as there is no such file. */
static void wait_for_file(const char *query)
{
    const char *word = query ? strstr(query, "until=") : NULL;
    char file[4096];

    if (word && sscanf(word, "until=%4095[^&]", file) == 1) {
        while (access(file, F_OK)) {
            usleep(10000);
        }
    }
}

static void wait_for_others(const char *query)
{
    const char *word = query ? strstr(query, "together=") : NULL;
    int n = word ? atoi(word + 9) : 0;
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    pthread_mutex_lock(&count_mutex);
    while (most < n && !pthread_cond_timedwait(&came, &count_mutex, &until)) {
        ;
    }
    pthread_mutex_unlock(&count_mutex);
}

/* @param n 1: a request has come; -1: it ends
 * @return the most there have been at once */
static int count(int n)
{
    int so_far;

    pthread_mutex_lock(&count_mutex);
    inside += n;
    most = inside > most ? inside : most;
    so_far = most;
    pthread_cond_broadcast(&came);
    pthread_mutex_unlock(&count_mutex);
    return so_far;
}

static void *serve(void *unused)
{
    FCGX_Request req;
    const char *query;
    const char *ms;

    FCGX_InitRequest(&req, 0, 0);
    while (take(&req) >= 0) {
        count(1);
        query = FCGX_GetParam("QUERY_STRING", req.envp);
        ms = query ? strstr(query, "sleep=") : NULL;
        if (ms) {
            usleep((useconds_t)strtoul(ms + 6, NULL, 10) * 1000);
        }
        wait_for_file(query);
        wait_for_others(query);
        FCGX_FPrintF(req.out,
                     "Content-Type: text/plain\r\n\r\npid=%d "
                     "tag=threaded most=%d\n",
                     (int)getpid(), count(0));
        count(-1);
        FCGX_Finish_r(&req);
    }
    return unused;
}

int main(int argc, char **argv)
{
    pthread_t thread[THREADS];
    int i;

    FCGX_Init();
    locks = argc > 1 && !strcmp(argv[1], "lock");
    if (argc > 1 && atoi(argv[1]) > 0) {
        threads = atoi(argv[1]) < THREADS ? atoi(argv[1]) : THREADS;
        argc = 1;
    }
    for (i = 0; i < threads; i++) {
        if (pthread_create(&thread[i], NULL, serve, NULL)) {
            return 1;
        }
    }
    if (argc > 1) {
        serve(NULL);
        return 0;
    }
    for (i = 0; i < threads; i++) {
        pthread_join(thread[i], NULL);
    }
    return 3;
}
