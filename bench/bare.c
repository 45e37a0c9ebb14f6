/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bare SOCKET CLIENTS SECONDS: what a FastCGI exchange costs when there is
 * nothing around it.  Each client is a thread that does socket, connect,
 * sendmsg (begin, params, end of stdin), recv until END_REQUEST, close, one
 * exchange after the other.  Prints one line:
 *
 *     requests=N bad=N seconds=S mean_us=U p50_us=U p99_us=U
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define CLIENTS_MOST 256
#define SECONDS_MOST 600
#define TIMES_MOST   (1 << 20) /* of one client; further ones are counted */

#define BEGIN  1
#define END    3
#define PARAMS 4
#define STDIN  5
#define STDOUT 6

/* What httpd's util_script gives for such a request, about as long. */
static const char *const params[][2] = {
    {"GATEWAY_INTERFACE", "CGI/1.1"},
    {"SERVER_PROTOCOL", "HTTP/1.1"},
    {"REQUEST_METHOD", "GET"},
    {"QUERY_STRING", ""},
    {"REQUEST_URI", "/app"},
    {"SCRIPT_NAME", "/app"},
    {"SCRIPT_FILENAME", "/srv/www/htdocs/app"},
    {"DOCUMENT_ROOT", "/srv/www/htdocs"},
    {"CONTEXT_DOCUMENT_ROOT", "/srv/www/htdocs"},
    {"CONTEXT_PREFIX", ""},
    {"SERVER_SOFTWARE", "Apache/2.4 (Unix)"},
    {"SERVER_SIGNATURE", ""},
    {"SERVER_NAME", "127.0.0.1"},
    {"SERVER_ADDR", "127.0.0.1"},
    {"SERVER_PORT", "8080"},
    {"SERVER_ADMIN", "[no address given]"},
    {"REMOTE_ADDR", "127.0.0.1"},
    {"REMOTE_PORT", "50000"},
    {"REQUEST_SCHEME", "http"},
    {"HTTP_HOST", "127.0.0.1:8080"},
    {"CONTENT_LENGTH", "0"}};

typedef struct client {
    pthread_t thread;
    unsigned long requests, bad;
    double sum;   /* of all times, microseconds */
    float *times; /* microseconds, of the first TIMES_MOST */
    size_t ntimes;
} client_t;

static struct sockaddr_un addr = {.sun_family = AF_UNIX};
static unsigned char request[4096];
static size_t request_len;
static double end_at;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* --- the request, made once --------------------------------------------- */

static void put_header(unsigned char *at, int type, size_t len)
{
    memset(at, 0, 8);
    at[0] = 1; /* version */
    at[1] = (unsigned char)type;
    at[3] = 1; /* request id */
    at[4] = (unsigned char)(len >> 8);
    at[5] = (unsigned char)len;
}

static void put(const void *bytes, size_t len)
{
    memcpy(request + request_len, bytes, len);
    request_len += len;
}

static void put_param(const char *name, const char *value)
{
    unsigned char len[2];

    len[0] = (unsigned char)strlen(name); /* all are shorter than 128 */
    len[1] = (unsigned char)strlen(value);
    put(len, 2);
    put(name, len[0]);
    put(value, len[1]);
}

static void make_request(void)
{
    static const unsigned char responder[8] = {0, 1};
    unsigned char head[8];
    size_t at, i;

    put_header(head, BEGIN, 8);
    put(head, 8);
    put(responder, 8);
    at = request_len;
    request_len += 8;
    for (i = 0; i < sizeof(params) / sizeof(params[0]); i++) {
        put_param(params[i][0], params[i][1]);
    }
    put_header(request + at, PARAMS, request_len - at - 8);
    put_header(head, PARAMS, 0);
    put(head, 8);
    put_header(head, STDIN, 0);
    put(head, 8);
}

/* --- one exchange -------------------------------------------------------- */

/* @return 1: END_REQUEST is in it, with an answer before it; 0: not yet;
 *         -1: this is no answer */
static int is_whole(const unsigned char *b, size_t n)
{
    int said = 0;

    while (n >= 8) {
        size_t len = 8 + ((size_t)b[4] << 8) + b[5] + b[6];

        if (b[0] != 1 || len > n) {
            return b[0] != 1 ? -1 : 0;
        }
        if (b[1] == END) {
            return said ? 1 : -1;
        }
        said |= b[1] == STDOUT && (b[4] || b[5]);
        b += len;
        n -= len;
    }
    return 0;
}

static int converse(int fd)
{
    struct iovec iov = {request, request_len};
    struct msghdr msg = {0};
    unsigned char answer[8192];
    size_t have = 0;
    int whole = 0;

    msg.msg_iov = &iov;
    msg.msg_iovlen = 1;
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr))
        || sendmsg(fd, &msg, MSG_NOSIGNAL) != (ssize_t)request_len) {
        return 0;
    }
    while (!whole && have < sizeof(answer)) {
        ssize_t n = recv(fd, answer + have, sizeof(answer) - have, 0);

        if (n <= 0) {
            return 0;
        }
        have += (size_t)n;
        whole = is_whole(answer, have);
    }
    return whole == 1;
}

static int exchange(void)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int ok;

    if (fd < 0) {
        return 0;
    }
    ok = converse(fd);
    close(fd);
    return ok;
}

static void *client(void *data)
{
    client_t *c = data;
    double begin = now();

    while (begin < end_at) {
        int ok = exchange();
        double end = now();

        c->requests++;
        c->bad += !ok;
        c->sum += end - begin;
        if (c->ntimes < TIMES_MOST) {
            c->times[c->ntimes++] = (float)(end - begin);
        }
        begin = end;
    }
    return NULL;
}

/* --- the sum ------------------------------------------------------------- */

static int by_time(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;

    return (x > y) - (x < y);
}

static int report(const client_t *clients, int n, double seconds)
{
    unsigned long requests = 0, bad = 0;
    size_t have = 0, total = 0;
    double sum = 0;
    float *times;
    int i;

    for (i = 0; i < n; i++) {
        total += clients[i].ntimes;
    }
    times = total ? malloc(total * sizeof(*times)) : NULL;
    if (!times) {
        return 1;
    }
    for (i = 0; i < n; i++) {
        const client_t *c = &clients[i];

        requests += c->requests;
        bad += c->bad;
        sum += c->sum;
        memcpy(times + have, c->times, c->ntimes * sizeof(*times));
        have += c->ntimes;
    }
    qsort(times, total, sizeof(*times), by_time);
    printf("requests=%lu bad=%lu seconds=%.3f mean_us=%.2f p50_us=%.2f "
           "p99_us=%.2f\n",
           requests, bad, seconds, sum / (double)requests, times[total / 2],
           times[total * 99 / 100]);
    free(times);
    return 0;
}

static int run(client_t *clients, int n, double seconds)
{
    /* touched only as far as they are used */
    float *times = calloc((size_t)n, TIMES_MOST * sizeof(*times));
    double begin = now();
    int i, rc;

    if (!times) {
        perror("bare");
        return 1;
    }
    end_at = begin + seconds * 1e6;
    for (i = 0; i < n; i++) {
        clients[i].times = times + (size_t)i * TIMES_MOST;
        errno = pthread_create(&clients[i].thread, NULL, client, &clients[i]);
        if (errno) {
            perror("bare");
            exit(1);
        }
    }
    for (i = 0; i < n; i++) {
        pthread_join(clients[i].thread, NULL);
    }
    rc = report(clients, n, (now() - begin) / 1e6);
    free(times);
    return rc;
}

int main(int argc, char **argv)
{
    static client_t clients[CLIENTS_MOST];
    int n = argc == 4 ? (int)strtol(argv[2], NULL, 10) : 0;
    double seconds = argc == 4 ? strtod(argv[3], NULL) : 0;

    if (n < 1 || n > CLIENTS_MOST || !(seconds > 0 && seconds < SECONDS_MOST)
        || strlen(argv[1]) >= sizeof(addr.sun_path)) {
        fprintf(stderr, "usage: bare SOCKET CLIENTS SECONDS\n");
        return 2;
    }
    memcpy(addr.sun_path, argv[1], strlen(argv[1]) + 1);
    make_request();
    return run(clients, n, seconds);
}
