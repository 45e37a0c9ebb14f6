/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A FastCGI worker on plain sockets that does things in the way it is told:
 *
 *   --wait HOW     what it waits in for a request: accept, poll, select, ppoll,
 *                  pselect, epoll, epoll_pwait2; then it accepts
 *   --loop         an event loop in that: several connections at once
 *   --threads N    N threads do so, the main one in pause()
 *   --main         the main thread is one of them: the program ends with it
 *   --dispatch N   one thread accepts, N others answer
 *   --fork N       N children do so
 *   --copy         on a copy of descriptor 0, which does not block
 *   --close HOW    how it closes a connection: close, fclose, dup2,
 *                  close_range, syscall
 *   --handler HOW  of SIGTERM, to set a flag: sigaction, signal, sysv_signal,
 *                  sigset, once (SA_RESETHAND); cancel: the main thread then
 *                  cancels those who accept; wait: all threads block it and
 *                  one waits for it, without SIGTERM in view; raise: it sets
 *                  the default and raises it again; exit: it exits; jump: it
 *                  jumps out of what is going on, and the program leaves
 *   --late         the main thread comes to pause() when its handler has been
 *                  called
 *   --lock         the threads wait and accept one at a time, in a lock
 *   --relay        a thread that has answered starts another, and ends
 *   --anew         an epoll set for each wait
 *   --keep         connections stay open after the answer; with --loop
 *   --seccomp      a filter that kills it at getpid, gettid, socket, dup2
 *   --vfork        a child by vfork() in each request, which closes everything
 *   --exec         executes itself without this when it has answered
 *   --raw          by system calls that no library sees, with an io_uring
 *
 * Answers "pid=N tag=ways told=N" (the times its handler was called);
 * "sleep=MS" in the query before that.  To "abandon" it does not answer: it
 * closes the connection by syscall(2) and opens a file, which gets its number;
 * not with --loop.  When its handler was called it leaves
 * with status 7.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CONNS  64
#define LEAVES 7

typedef struct conn {
    int fd; /* 0: free */
    size_t got;
    int64_t answer_at; /* 0: it is not read yet */
    char in[4096];
} conn_t;

static struct {
    const char *wait, *close, *handler;
    int loop, threads, main, dispatch, forks, copy, vfork, raw, exec;
    int lock, anew, keep, seccomp, late, relay;
    pid_t pid;             /* getpid() is not to be had with --seccomp */
    pthread_mutex_t mutex; /* of --lock */
    sigjmp_buf out;
    char **argv;
    pthread_t thread[2000];
    int threads_begun;
    int listen;
    int queue[2]; /* of --dispatch: descriptors */
    int told;
} self = {.wait = "accept",
          .close = "close",
          .handler = "",
          .mutex = PTHREAD_MUTEX_INITIALIZER};

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static int is_told(void)
{
    return __atomic_load_n(&self.told, __ATOMIC_SEQ_CST);
}

static void on_term(int sig)
{
    (void)sig;
    __atomic_add_fetch(&self.told, 1, __ATOMIC_SEQ_CST);
}

/* The C library manual, "Termination in Handler". */
static void on_term_raise(int sig)
{
    signal(sig, SIG_DFL);
    raise(sig);
}

static void on_term_exit(int sig)
{
    (void)sig;
    exit(LEAVES);
}

static void on_term_jump(int sig)
{
    (void)sig;
    siglongjmp(self.out, 1);
}

/* --- a request ------------------------------------------------------------ */

/* The end of an empty STDIN record is the end of a request. */
static int is_whole(const conn_t *c)
{
    static const char end[] = {1, 5, 0, 1, 0, 0, 0, 0};

    return c->got >= 8 && !memcmp(c->in + c->got - 8, end, 8);
}

static int64_t sleep_of(const conn_t *c)
{
    const char *at = memmem(c->in, c->got, "sleep=", 6);

    return at ? strtol(at + 6, NULL, 10) : 0;
}

/* @return 0: there is more to come */
static int read_some(conn_t *c)
{
    ssize_t n = read(c->fd, c->in + c->got, sizeof(c->in) - 1 - c->got);

    c->got += n > 0 ? (size_t)n : 0;
    c->in[c->got] = '\0';
    return n <= 0 || is_whole(c);
}

static void write_answer(int fd)
{
    char out[256];
    char *body = out + 8;
    int n = sprintf(body,
                    "Content-Type: text/plain\r\n\r\n"
                    "pid=%d tag=ways told=%d",
                    (int)self.pid, is_told());
    static const char end[] = {1, 6, 0, 1, 0, 0, 0, 0, 1, 3, 0, 1,
                               0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
    char head[] = {1, 6, 0, 1, 0, (char)n, 0, 0};

    memcpy(out, head, sizeof(head));
    memcpy(body + n, end, sizeof(end));
    if (write(fd, out, 8 + (size_t)n + sizeof(end)) < 0) {
        perror("answer");
    }
}

static void close_conn(int fd)
{
    FILE *f;
    int null;

    if (!strcmp(self.close, "fclose")) {
        f = fdopen(fd, "r+");
        fclose(f);
    }
    else if (!strcmp(self.close, "dup2")) {
        null = open("/dev/null", O_RDWR);
        dup2(null, fd);
        close(null);
        close(fd);
    }
    else if (!strcmp(self.close, "close_range")) {
        close_range((unsigned)fd, (unsigned)fd, 0);
    }
    else if (!strcmp(self.close, "syscall")) {
        syscall(SYS_close, fd);
    }
    else {
        close(fd);
    }
}

/* What Python's subprocess does. */
static void start_child(void)
{
    pid_t pid = vfork(); /* NOLINT: what is tested */

    if (pid == 0) {
        close_range(3, ~0U, 0); /* NOLINT: likewise */
        _exit(0);
    }
    waitpid(pid, NULL, 0);
}

static void finish(conn_t *c)
{
    write_answer(c->fd);
    if (self.exec) {
        self.argv[1] = NULL;
        execv("/proc/self/exe", self.argv);
    }
    if (self.keep) {
        c->got = 0;
        c->answer_at = 0;
        return;
    }
    close_conn(c->fd);
    memset(c, 0, sizeof(*c));
}

static void abandon(int fd)
{
    syscall(SYS_close, fd);
    if (open("/dev/null", O_RDONLY) != fd) { /* NOLINT: it stays open */
        perror("abandon");
    }
}

static void answer(int fd)
{
    conn_t c = {.fd = fd};

    while (!read_some(&c)) {
        ;
    }
    if (memmem(c.in, c.got, "abandon", 7)) {
        abandon(fd);
        return;
    }
    if (self.vfork) {
        start_child();
    }
    usleep((useconds_t)sleep_of(&c) * 1000);
    finish(&c);
}

/* --- waiting -------------------------------------------------------------- */

/* Descriptors to wait for; [0] is the listening one. */
typedef struct waits {
    int epfd;
    int in_epoll[CONNS + 1];
    struct pollfd fds[CONNS + 1];
    nfds_t n;
} waits_t;

static int wait_select(waits_t *w, int ms, int p)
{
    struct timeval tv = {ms / 1000, ms % 1000 * 1000};
    struct timespec ts = {ms / 1000, (long)(ms % 1000) * 1000000};
    fd_set r;
    nfds_t i;
    int rc;

    FD_ZERO(&r);
    for (i = 0; i < w->n; i++) {
        FD_SET(w->fds[i].fd, &r);
    }
    rc = p ? pselect(FD_SETSIZE, &r, NULL, NULL, ms < 0 ? NULL : &ts, NULL)
           : select(FD_SETSIZE, &r, NULL, NULL, ms < 0 ? NULL : &tv);
    for (i = 0; i < w->n; i++) {
        w->fds[i].revents = rc > 0 && FD_ISSET(w->fds[i].fd, &r) ? POLLIN : 0;
    }
    return rc;
}

/* Once is enough for the listening one; the others come and go. */
static int wait_epoll(waits_t *w, int ms, int two)
{
    struct timespec ts = {ms / 1000, (long)(ms % 1000) * 1000000};
    struct epoll_event ev;
    nfds_t i;
    int rc;

    if (!w->epfd) {
        w->epfd = epoll_create1(EPOLL_CLOEXEC);
    }
    for (i = 0; i < w->n; i++) {
        w->fds[i].revents = 0;
        ev.events = EPOLLIN;
        ev.data.u32 = (uint32_t)i;
        if (i > 0 || !w->in_epoll[0]) {
            w->in_epoll[0] = 1;
            if (epoll_ctl(w->epfd, EPOLL_CTL_ADD, w->fds[i].fd, &ev)) {
                epoll_ctl(w->epfd, EPOLL_CTL_MOD, w->fds[i].fd, &ev);
            }
        }
    }
    rc = two ? epoll_pwait2(w->epfd, &ev, 1, ms < 0 ? NULL : &ts, NULL)
             : epoll_wait(w->epfd, &ev, 1, ms);
    if (rc > 0) {
        w->fds[ev.data.u32].revents = POLLIN;
    }
    if (self.anew) {
        close(w->epfd);
        w->epfd = w->in_epoll[0] = 0;
    }
    return rc;
}

static int wait_any(waits_t *w, int ms)
{
    struct timespec ts = {ms / 1000, (long)(ms % 1000) * 1000000};

    return !strcmp(self.wait, "select")    ? wait_select(w, ms, 0)
           : !strcmp(self.wait, "pselect") ? wait_select(w, ms, 1)
           : !strcmp(self.wait, "ppoll")
               ? ppoll(w->fds, w->n, ms < 0 ? NULL : &ts, NULL)
           : !strcmp(self.wait, "epoll")        ? wait_epoll(w, ms, 0)
           : !strcmp(self.wait, "epoll_pwait2") ? wait_epoll(w, ms, 1)
                                                : poll(w->fds, w->n, ms);
}

static int take(void)
{
    return self.raw ? (int)syscall(SYS_accept4, self.listen, NULL, NULL, 0)
                    : accept(self.listen, NULL, NULL);
}

/* @return a connection; -1: look again whether to go */
static int next_conn(waits_t *w)
{
    if (strcmp(self.wait, "accept") != 0) {
        w->fds[0].fd = self.listen;
        w->fds[0].events = POLLIN;
        w->n = 1;
        if (wait_any(w, -1) < 1 || !(w->fds[0].revents & POLLIN)) {
            return -1;
        }
    }
    return take();
}

static void threads(int n, void *(*run)(void *));

static void *serve(void *unused)
{
    waits_t w = {0};

    while (!is_told()) {
        int fd;

        if (self.lock) {
            pthread_mutex_lock(&self.mutex);
        }
        fd = next_conn(&w);
        if (self.lock) {
            pthread_mutex_unlock(&self.mutex);
        }
        if (fd >= 0 && self.dispatch) {
            if (write(self.queue[1], &fd, sizeof(fd)) < 0) {
                perror("queue");
            }
        }
        else if (fd >= 0) {
            answer(fd);
        }
        if (fd >= 0 && self.relay) {
            threads(1, serve);
            break;
        }
    }
    return unused;
}

static void *serve_queue(void *unused)
{
    int fd;

    while (read(self.queue[0], &fd, sizeof(fd)) == sizeof(fd)) {
        answer(fd);
    }
    return unused;
}

/* --- an event loop -------------------------------------------------------- */

static int next_ms(const conn_t *conns)
{
    int64_t ms = -1;
    int i;

    for (i = 0; i < CONNS; i++) {
        if (conns[i].fd && conns[i].answer_at) {
            int64_t left = conns[i].answer_at - now_ms();

            left = left < 0 ? 0 : left;
            ms = ms < 0 || left < ms ? left : ms;
        }
    }
    return (int)ms;
}

static void loop_accept(conn_t *conns)
{
    int fd = take();
    int i;

    for (i = 0; fd >= 0 && i < CONNS; i++) {
        if (!conns[i].fd) {
            conns[i].fd = fd;
            return;
        }
    }
}

/* @return how many are open */
static int loop_turn(waits_t *w, conn_t *conns)
{
    conn_t *of[CONNS + 1] = {0};
    int i, open = 0;

    w->fds[0].fd = self.listen;
    w->fds[0].events = POLLIN;
    w->n = 1;
    for (i = 0; i < CONNS; i++) {
        if (conns[i].fd && !conns[i].answer_at) {
            of[w->n] = &conns[i];
            w->fds[w->n].fd = conns[i].fd;
            w->fds[w->n++].events = POLLIN;
        }
    }
    if (wait_any(w, next_ms(conns)) > 0) {
        for (i = 1; i < (int)w->n; i++) {
            if (w->fds[i].revents && read_some(of[i]) && !of[i]->got) {
                close_conn(of[i]->fd); /* a kept one that is over */
                of[i]->fd = 0;
            }
            else if (w->fds[i].revents && is_whole(of[i])) {
                of[i]->answer_at = now_ms() + sleep_of(of[i]) + 1;
                if (w->epfd) {
                    epoll_ctl(w->epfd, EPOLL_CTL_DEL, of[i]->fd, NULL);
                }
            }
        }
        if (w->fds[0].revents & POLLIN) {
            loop_accept(conns);
        }
    }
    for (i = 0; i < CONNS; i++) {
        if (conns[i].fd && conns[i].answer_at
            && conns[i].answer_at <= now_ms()) {
            finish(&conns[i]);
        }
        open += conns[i].fd != 0;
    }
    return open;
}

static void *serve_loop(void *unused)
{
    conn_t *conns = calloc(CONNS, sizeof(*conns));
    waits_t w = {0};
    int open = 0;

    if (!conns) {
        exit(3);
    }
    while (!is_told() || open) {
        open = loop_turn(&w, conns);
    }
    free(conns);
    return unused;
}

/* --- main ----------------------------------------------------------------- */

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations" /* sigset */
static void handle(void)
{
    static const struct {
        const char *name;
        void (*handler)(int sig);
        int flags;
    } rows[] = {{"sigaction", on_term, 0},
                {"cancel", on_term, 0},
                {"once", on_term, (int)SA_RESETHAND},
                {"raise", on_term_raise, 0},
                {"exit", on_term_exit, 0},
                {"jump", on_term_jump, 0}};
    struct sigaction act;
    size_t i;

    memset(&act, 0, sizeof(act));
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (!strcmp(self.handler, rows[i].name)) {
            act.sa_handler = rows[i].handler;
            act.sa_flags = rows[i].flags;
            sigaction(SIGTERM, &act, NULL);
        }
    }
    if (!strcmp(self.handler, "signal")) {
        signal(SIGTERM, on_term);
    }
    else if (!strcmp(self.handler, "sysv_signal")) {
        sysv_signal(SIGTERM, on_term);
    }
    else if (!strcmp(self.handler, "sigset")) {
        sigset(SIGTERM, on_term);
    }
}

#pragma GCC diagnostic pop

/* What a program may do without that has its descriptors and its handlers. */
static void refuse_calls(void)
{
    static const int call[] = {SYS_getpid, SYS_gettid, SYS_socket, SYS_dup3,
#ifdef SYS_dup2
                               SYS_dup2
#endif
    };
    struct sock_filter code[32] = {
        {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr)}};
    struct sock_fprog program = {1, code};
    size_t i;

    for (i = 0; i < sizeof(call) / sizeof(call[0]); i++) {
        struct sock_filter is = {BPF_JMP | BPF_JEQ | BPF_K, 0, 1,
                                 (unsigned)call[i]};
        struct sock_filter kill = {BPF_RET | BPF_K, 0, 0,
                                   SECCOMP_RET_KILL_PROCESS};

        code[program.len++] = is;
        code[program.len++] = kill;
    }
    code[program.len].code = BPF_RET | BPF_K;
    code[program.len++].k = SECCOMP_RET_ALLOW;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
        perror("seccomp");
        exit(4);
    }
}

static int wait_for_signal(void)
{
    sigset_t term;
    int sig;

    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigwait(&term, &sig);
    usleep(1500000);
    return LEAVES;
}

static int next_thread(void)
{
    return __atomic_fetch_add(&self.threads_begun, 1, __ATOMIC_SEQ_CST) % 2000;
}

static void threads(int n, void *(*run)(void *))
{
    pthread_attr_t small;

    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 65536);
    for (; n > 0; n--) {
        if (pthread_create(&self.thread[next_thread()], &small, run, NULL)) {
            exit(3);
        }
    }
}

static int cancel(void)
{
    int i;

    while (!is_told()) {
        pause();
    }
    for (i = self.dispatch; i < self.threads_begun; i++) {
        pthread_cancel(self.thread[i]);
        pthread_join(self.thread[i], NULL);
    }
    return LEAVES;
}

static int forks(int n)
{
    for (; n > 0; n--) {
        if (fork() == 0) {
            self.pid = getpid();
            serve(NULL);
            return LEAVES;
        }
    }
    while (wait(NULL) > 0 || (errno == EINTR && !is_told())) {
        ;
    }
    return LEAVES;
}

static int options(int argc, char **argv)
{
    const struct {
        const char *name;
        const char **text;
        int *number;
        int *flag;
    } rows[] = {{"--wait", &self.wait, NULL, NULL},
                {"--close", &self.close, NULL, NULL},
                {"--handler", &self.handler, NULL, NULL},
                {"--threads", NULL, &self.threads, NULL},
                {"--dispatch", NULL, &self.dispatch, NULL},
                {"--fork", NULL, &self.forks, NULL},
                {"--loop", NULL, NULL, &self.loop},
                {"--main", NULL, NULL, &self.main},
                {"--copy", NULL, NULL, &self.copy},
                {"--vfork", NULL, NULL, &self.vfork},
                {"--exec", NULL, NULL, &self.exec},
                {"--raw", NULL, NULL, &self.raw},
                {"--lock", NULL, NULL, &self.lock},
                {"--anew", NULL, NULL, &self.anew},
                {"--keep", NULL, NULL, &self.keep},
                {"--late", NULL, NULL, &self.late},
                {"--relay", NULL, NULL, &self.relay},
                {"--seccomp", NULL, NULL, &self.seccomp}};
    int i, row;

    for (i = 1; i < argc; i++) {
        for (row = 0; strcmp(rows[row].name, argv[i]) != 0; row++) {
            if (row == (int)(sizeof(rows) / sizeof(rows[0])) - 1) {
                return 0;
            }
        }
        if (rows[row].flag) {
            *rows[row].flag = 1;
        }
        else if (++i == argc) {
            return 0;
        }
        else if (rows[row].number) {
            *rows[row].number = (int)strtol(argv[i], NULL, 10);
        }
        else {
            *rows[row].text = argv[i];
        }
    }
    return 1;
}

static int work(void)
{
    void *(*run)(void *);
    int sig = 0;

    run = self.loop ? serve_loop : serve;
    if (self.copy) {
        self.listen = dup(0);
        fcntl(self.listen, F_SETFL, O_NONBLOCK);
    }
    handle();
    if (!strcmp(self.handler, "wait")) {
        sigset_t term;

        sigemptyset(&term);
        sigaddset(&term, SIGTERM);
        sigprocmask(SIG_BLOCK, &term, NULL);
        sig = 1;
    }
    if (self.raw) {
        char params[256] = "";

        syscall(SYS_io_uring_setup, 4, params);
    }
    if (self.seccomp) {
        refuse_calls();
    }
    if (self.forks) {
        return forks(self.forks);
    }
    if (self.dispatch) {
        if (pipe(self.queue)) {
            return 3;
        }
        threads(self.dispatch, serve_queue);
    }
    threads(self.threads - self.main, run);
    if (sig) {
        return wait_for_signal();
    }
    if (!strcmp(self.handler, "cancel")) {
        return cancel();
    }
    while (self.late && !is_told()) {
        usleep(1000);
    }
    if (self.threads && !self.main) {
        pause();
    }
    else {
        run(NULL);
    }
    return LEAVES;
}

int main(int argc, char **argv)
{
    if (!options(argc, argv)) {
        return 2;
    }
    self.argv = argv;
    self.pid = getpid();
    return sigsetjmp(self.out, 1) ? LEAVES : work();
}
