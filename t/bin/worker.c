/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file worker.c
 * @brief A FastCGI worker that does what a test tells it to.
 *
 * WHAT IT IS TOLD IN A REQUEST
 *   The query string, or when that is empty the last part of the path
 *   (/any/where/sleep=50), is a list of commands, carried out in order and
 *   separated by `&`; a value is escaped as in a URL:
 *
 *     pid               "pid=N tag=T requests=N"; also what no command gives
 *     env               the request's variables, a line each
 *     environ           the process's own environment, a line each
 *     proc              ids, groups, directory, umask, nice, limits, a line
 *                       each
 *     text=T            T as it is
 *     big=N             N bytes, 'a' to 'z' over and over
 *     chunks=N,MS,SIZE  N pieces of SIZE bytes, each flushed, MS apart
 *     echo              "length=N adler32=X" of the request's body
 *     cat               the request's body
 *     sleep=MS  hang    before what follows; for ever
 *     until=FILE        before what follows, until there is such a file
 *     status=N          Status: N Told
 *     location=URL      Location: URL
 *     header=LINE       any header line
 *     stderr=T          T on FCGI_STDERR
 *     fd1=T  fd2=T      T written to the descriptor, nothing added
 *     nonblock          O_NONBLOCK on the listening socket
 *     socket=HOW        harm to the listening socket: shutdown,
 *                       shutdown-read, timeout, linger, queue, filter, async
 *     child             forks a child that stays; child=deaf: and ignores
 *                       SIGTERM
 *     exit=N            exits with status N after the answer
 *     crash=WHERE,HOW   WHERE before|header|body|after (the answer); HOW a
 *                       signal (11) or, with a leading `x`, a status (x3)
 *
 * WHAT IT IS TOLD BY ARGUMENTS
 *     --slow-start MS   pause before the first accept()
 *     --ignore-term     SIGTERM ignored
 *     --exit-at-once N  exits with status N before the first accept()
 *     --crash-at-birth  SIGSEGV before the first accept()
 *     --exit-after N    exits with status 0 after N answers
 *     --children        forks a child that stays, at birth
 *     --daemon          puts itself into the background, in another session
 *     --background      puts itself into the background, in the same group
 *     --trace FILE      appends "born PID", "term PID", "exit PID"
 *     --tag T           shown by `pid`, to tell one pool from another
 *     --plain           no handler for SIGTERM, accept() by libfcgi
 *     --sigwait         SIGTERM is taken by a thread, as a runtime with one
 *                       for signals does; the second one ends the process
 *
 * SIGTERM (but for --plain and --ignore-term) while it waits ends it at
 * once with status 0; during a request, after the answer.  There is no
 * moment in which a signal or a connection gets lost: the handler closes fd
 * 0, so that an accept() that is about to begin fails, one that waits is
 * interrupted, and one that is done keeps its connection.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <fcgiapp.h>

/** What the arguments say. */
typedef struct options {
    long slow_start;
    long exit_at_once; /**< -1: no */
    long exit_after;   /**< 0: no */
    int ignore_term;
    int crash_at_birth;
    int children;
    int daemon;
    int background;
    int plain;
    int sigwait;
    const char *trace;
    const char *tag;
} options_t;

/** A worker; there is one per process, a signal handler needs it. */
typedef struct worker {
    options_t opt;
    FCGX_Request req;
    long requests;
    int body_begun;          /**< the header is out */
    long exit_status;        /**< after this answer; -1: go on */
    const char *crash_after; /**< HOW, after this answer */
    volatile sig_atomic_t waiting;
    volatile sig_atomic_t told;
} worker_t;

static worker_t self;

extern char **environ;

/* --- small things -------------------------------------------------------- */

static void nap(long ms)
{
    struct timespec left = {ms / 1000, (ms % 1000) * 1000000L};

    while (nanosleep(&left, &left) == -1 && errno == EINTR) {
        ;
    }
}

/* Also called by the signal handler: no stdio. */
static void put_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);

        if (n == -1 && errno != EINTR) {
            return;
        }
        if (n > 0) {
            text += n;
            len -= (size_t)n;
        }
    }
}

/* Also called by the signal handler: one write(), so that lines of several
 * workers never mix. */
static void trace(const char *what)
{
    char line[64];
    char digits[24];
    size_t at = sizeof(digits);
    size_t len = strlen(what);
    long pid = (long)getpid();
    int fd;

    if (self.opt.trace == NULL) {
        return;
    }
    digits[--at] = '\n';
    for (; pid > 0; pid /= 10) {
        digits[--at] = (char)('0' + pid % 10);
    }
    memcpy(line, what, len);
    memcpy(line + len, digits + at, sizeof(digits) - at);
    fd = open(self.opt.trace, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd != -1) {
        put_all(fd, line, len + sizeof(digits) - at);
        close(fd);
    }
}

__attribute__((noreturn)) static void leave(int status)
{
    trace("exit ");
    _exit(status);
}

__attribute__((noreturn)) static void die_by(const char *how)
{
    struct rlimit none = {0, 0};
    int sig;

    if (how[0] == 'x') {
        _exit(atoi(how + 1));
    }
    sig = atoi(how);
    setrlimit(RLIMIT_CORE, &none);
    signal(sig, SIG_DFL);
    kill(getpid(), sig);
    for (;;) {
        pause();
    }
}

static void stay(int deaf)
{
    if (fork() == 0) {
        signal(SIGTERM, deaf ? SIG_IGN : SIG_DFL);
        for (;;) {
            pause();
        }
    }
}

static int hex(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c ? strchr(digits, c | 0x20) : NULL;

    return at != NULL ? (int)(at - digits) : -1;
}

/** Undo a URL's escapes, in place.  @return the length */
static size_t unescape(char *s)
{
    char *to = s;
    char *from = s;

    for (; *from != '\0'; from++) {
        if (*from == '%' && hex(from[1]) >= 0 && hex(from[2]) >= 0) {
            *to++ = (char)(hex(from[1]) * 16 + hex(from[2]));
            from += 2;
        }
        else {
            *to++ = *from == '+' ? ' ' : *from;
        }
    }
    *to = '\0';
    return (size_t)(to - s);
}

/* --- the answer ---------------------------------------------------------- */

static void header(const char *name, const char *value)
{
    FCGX_FPrintF(self.req.out, "%s%s\r\n", name, value);
}

/** The body begins: end the header if that was not done. */
static FCGX_Stream *body(void)
{
    if (!self.body_begun) {
        header("Content-Type: ", "text/plain");
        FCGX_PutS("\r\n", self.req.out);
        self.body_begun = 1;
    }
    return self.req.out;
}

static void put_fill(size_t len)
{
    char block[26 * 315];
    FCGX_Stream *out = body();
    size_t i;

    for (i = 0; i < sizeof(block); i++) {
        block[i] = (char)('a' + i % 26);
    }
    while (len > 0) {
        size_t n = len < sizeof(block) ? len : sizeof(block);

        if (FCGX_PutStr(block, (int)n, out) < 0) {
            return;
        }
        len -= n;
    }
}

/* --- commands ------------------------------------------------------------ */

static void do_pid(char *value)
{
    (void)value;
    FCGX_FPrintF(body(), "pid=%ld tag=%s requests=%ld\n", (long)getpid(),
                 self.opt.tag, self.requests);
}

static void put_lines(char **list)
{
    for (; list != NULL && *list != NULL; list++) {
        FCGX_FPrintF(body(), "%s\n", *list);
    }
}

static void do_env(char *value)
{
    (void)value;
    put_lines(self.req.envp);
}

static void do_environ(char *value)
{
    (void)value;
    put_lines(environ);
}

static void put_limits(void)
{
    static const struct {
        const char *name;
        __rlimit_resource_t what;
    } rows[] = {{"cpu", RLIMIT_CPU},
                {"as", RLIMIT_AS},
                {"core", RLIMIT_CORE},
                {"nofile", RLIMIT_NOFILE},
                {"nproc", RLIMIT_NPROC}};
    size_t i;

    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct rlimit r = {0, 0};

        getrlimit(rows[i].what, &r);
        FCGX_FPrintF(body(), "rlimit_%s=%ld %ld\n", rows[i].name,
                     (long)r.rlim_cur, (long)r.rlim_max);
    }
}

static void put_groups(void)
{
    gid_t groups[256];
    int n = getgroups(256, groups);
    int i;

    FCGX_PutS("groups=", body());
    for (i = 0; i < n; i++) {
        FCGX_FPrintF(body(), "%s%ld", i > 0 ? " " : "", (long)groups[i]);
    }
    FCGX_PutS("\n", body());
}

static void do_proc(char *value)
{
    char dir[4096];
    mode_t mask = umask(0);

    (void)value;
    umask(mask);
    FCGX_FPrintF(body(), "pid=%ld\nppid=%ld\npgid=%ld\nsid=%ld\n",
                 (long)getpid(), (long)getppid(), (long)getpgrp(),
                 (long)getsid(0));
    FCGX_FPrintF(body(), "uid=%ld\neuid=%ld\ngid=%ld\negid=%ld\n",
                 (long)getuid(), (long)geteuid(), (long)getgid(),
                 (long)getegid());
    FCGX_FPrintF(body(), "cwd=%s\numask=%03o\nnice=%d\n",
                 getcwd(dir, sizeof(dir)) != NULL ? dir : "?", (unsigned)mask,
                 getpriority(PRIO_PROCESS, 0));
    put_groups();
    put_limits();
}

static void do_text(char *value)
{
    size_t len = unescape(value);

    FCGX_PutStr(value, (int)len, body());
}

static void do_big(char *value)
{
    put_fill((size_t)strtoull(value, NULL, 10));
}

static void do_chunks(char *value)
{
    long n = 0;
    long ms = 0;
    long size = 0;

    if (sscanf(value, "%ld,%ld,%ld", &n, &ms, &size) != 3) {
        return;
    }
    for (; n > 0; n--) {
        put_fill((size_t)size);
        FCGX_FFlush(self.req.out);
        nap(n > 1 ? ms : 0);
    }
}

static void do_echo(char *value)
{
    unsigned char buf[8192];
    uint32_t a = 1;
    uint32_t b = 0;
    long long len = 0;
    int n;
    int i;

    (void)value;
    while ((n = FCGX_GetStr((char *)buf, sizeof(buf), self.req.in)) > 0) {
        for (i = 0; i < n; i++) {
            a = (a + buf[i]) % 65521;
            b = (b + a) % 65521;
        }
        len += n;
    }
    snprintf((char *)buf, sizeof(buf), "length=%lld adler32=%08lx\n", len,
             (unsigned long)(b << 16 | a));
    FCGX_PutS((char *)buf, body());
}

static void do_cat(char *value)
{
    char buf[8192];
    int n;

    (void)value;
    body();
    while ((n = FCGX_GetStr(buf, sizeof(buf), self.req.in)) > 0) {
        FCGX_PutStr(buf, n, self.req.out);
    }
}

static void do_sleep(char *value)
{
    nap(strtol(value, NULL, 10));
}

static void do_until(char *value)
{
    unescape(value);
    while (access(value, F_OK)) {
        nap(10);
    }
}

static void do_hang(char *value)
{
    (void)value;
    FCGX_FFlush(self.req.out);
    for (;;) {
        pause();
    }
}

static void do_status(char *value)
{
    unescape(value);
    header("Status: ", value);
}

static void do_location(char *value)
{
    unescape(value);
    header("Location: ", value);
}

static void do_header(char *value)
{
    unescape(value);
    header("", value);
}

static void do_stderr(char *value)
{
    size_t len = unescape(value);

    FCGX_PutStr(value, (int)len, self.req.err);
    FCGX_FFlush(self.req.err);
}

static void do_fd1(char *value)
{
    put_all(1, value, unescape(value));
}

static void do_fd2(char *value)
{
    put_all(2, value, unescape(value));
}

static void do_nonblock(char *value)
{
    (void)value;
    fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_NONBLOCK);
}

static void do_socket(char *value)
{
    struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog filter = {1, &nothing};
    struct timeval soon = {0, 1000};
    struct linger reset = {1, 0};

    if (strcmp(value, "shutdown") == 0) {
        shutdown(0, SHUT_RDWR);
    }
    else if (strcmp(value, "shutdown-read") == 0) {
        shutdown(0, SHUT_RD);
    }
    else if (strcmp(value, "timeout") == 0) {
        setsockopt(0, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof(soon));
    }
    else if (strcmp(value, "linger") == 0) {
        setsockopt(0, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    }
    else if (strcmp(value, "queue") == 0) {
        listen(0, 0);
    }
    else if (strcmp(value, "filter") == 0) {
        setsockopt(0, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter));
    }
    else if (strcmp(value, "async") == 0) {
        fcntl(0, F_SETFL, fcntl(0, F_GETFL) | O_ASYNC);
    }
}

static void do_child(char *value)
{
    stay(strcmp(value, "deaf") == 0);
}

static void do_exit(char *value)
{
    self.exit_status = strtol(value, NULL, 10);
}

static void do_crash(char *value)
{
    char *how = strchr(value, ',');

    if (how == NULL) {
        return;
    }
    *how++ = '\0';
    if (strcmp(value, "after") == 0) {
        self.crash_after = how;
        return;
    }
    if (strcmp(value, "header") == 0) {
        FCGX_PutS("X-Half: he", self.req.out);
    }
    if (strcmp(value, "body") == 0) {
        put_fill(100);
    }
    FCGX_FFlush(self.req.out);
    die_by(how);
}

static const struct command {
    const char *name;
    void (*run)(char *value);
} commands[] = {{"pid", do_pid},           {"env", do_env},
                {"environ", do_environ},   {"proc", do_proc},
                {"text", do_text},         {"big", do_big},
                {"chunks", do_chunks},     {"echo", do_echo},
                {"cat", do_cat},           {"sleep", do_sleep},
                {"until", do_until},       {"hang", do_hang},
                {"status", do_status},     {"location", do_location},
                {"header", do_header},     {"stderr", do_stderr},
                {"fd1", do_fd1},           {"fd2", do_fd2},
                {"nonblock", do_nonblock}, {"socket", do_socket},
                {"child", do_child},       {"exit", do_exit},
                {"crash", do_crash}};

/** @return 1 when there is such a command */
static int command_run(char *word)
{
    static char nothing[1];
    char *value = strchr(word, '=');
    size_t i;

    if (value != NULL) {
        *value++ = '\0';
    }
    for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcmp(commands[i].name, word) == 0) {
            commands[i].run(value != NULL ? value : nothing);
            return 1;
        }
    }
    return 0;
}

/* --- a request ----------------------------------------------------------- */

/** @return the text the commands stand in, to be freed */
static char *script_of(char **envp)
{
    const char *s = FCGX_GetParam("QUERY_STRING", envp);
    const char *slash;

    if (s == NULL || *s == '\0') {
        s = FCGX_GetParam("PATH_INFO", envp);
        if (s == NULL || *s == '\0') {
            s = FCGX_GetParam("SCRIPT_NAME", envp);
        }
        slash = s != NULL ? strrchr(s, '/') : NULL;
        s = slash != NULL ? slash + 1 : s;
    }
    return strdup(s != NULL ? s : "");
}

static void answer(void)
{
    char *script = script_of(self.req.envp);
    char *rest = NULL;
    char *word;
    int known = 0;

    self.body_begun = 0;
    self.crash_after = NULL;
    self.requests++;
    for (word = strtok_r(script, "&", &rest); word != NULL;
         word = strtok_r(NULL, "&", &rest)) {
        known += command_run(word);
    }
    if (known == 0) {
        do_pid(NULL);
    }
    body();
    FCGX_Finish_r(&self.req);
    if (self.crash_after != NULL) {
        die_by(self.crash_after);
    }
    free(script);
}

/* --- waiting for a request ------------------------------------------------ */

static void on_term(int sig)
{
    (void)sig;
    self.told = 1;
    trace("term ");
    if (self.waiting) {
        close(0);
    }
}

/** Handlers as FCGI::ProcManager has them: no SA_RESTART around accept(),
 *  SA_RESTART during a request. */
static void term_handler(int flags)
{
    struct sigaction sa;

    if (self.opt.plain || self.opt.ignore_term) {
        return;
    }
    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = on_term;
    sa.sa_flags = flags;
    sigaction(SIGTERM, &sa, NULL);
}

static void *take_terms(void *set)
{
    int sig;

    sigwait(set, &sig);
    trace("term ");
    sigwait(set, &sig);
    trace("term ");
    leave(0);
}

/** Before there is another thread. */
static int start_sigwait(void)
{
    static sigset_t set;
    pthread_t thread;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    return pthread_create(&thread, NULL, take_terms, &set);
}

/** Does the connection bring anything?  libfcgi goes back to an accept() of
 *  its own when it does not. */
static int speaks(int fd)
{
    char byte;
    ssize_t n;

    do {
        n = recv(fd, &byte, 1, MSG_PEEK);
    } while (n == -1 && errno == EINTR);
    return n == 1;
}

/** @return a connection that has begun to speak, or -1: it is time to go */
static int next_connection(void)
{
    for (;;) {
        int fd = -1;

        term_handler(0);
        self.waiting = 1;
        if (!self.told) {
            fd = accept(0, NULL, NULL);
        }
        self.waiting = 0;
        term_handler(SA_RESTART);
        if (fd == -1) {
            if (self.told || errno != EINTR) {
                return -1;
            }
            continue;
        }
        if (speaks(fd)) {
            return fd;
        }
        close(fd);
    }
}

/** @return 0 with a request begun, else it is time to go */
static int next_request(void)
{
    if (!self.opt.plain && self.req.ipcFd < 0) {
        self.req.ipcFd = next_connection();
        if (self.req.ipcFd < 0) {
            return -1;
        }
        /* libfcgi uses a connection it is told to have kept. */
        self.req.keepConnection = 1;
    }
    return FCGX_Accept_r(&self.req);
}

static void serve(void)
{
    while (next_request() == 0) {
        answer();
        if (self.exit_status >= 0) {
            leave((int)self.exit_status);
        }
        if (self.told || self.requests == self.opt.exit_after) {
            leave(0);
        }
    }
    leave(self.told ? 0 : 1);
}

/* --- main ---------------------------------------------------------------- */

static int usage(const char *what)
{
    fprintf(stderr, "worker: what is %s?\n", what);
    return 2;
}

static int options_read(options_t *o, int argc, char **argv)
{
    const struct {
        const char *name;
        long *number;
        int *flag;
        const char **text;
    } rows[] = {{"--slow-start", &o->slow_start, NULL, NULL},
                {"--exit-at-once", &o->exit_at_once, NULL, NULL},
                {"--exit-after", &o->exit_after, NULL, NULL},
                {"--ignore-term", NULL, &o->ignore_term, NULL},
                {"--crash-at-birth", NULL, &o->crash_at_birth, NULL},
                {"--children", NULL, &o->children, NULL},
                {"--daemon", NULL, &o->daemon, NULL},
                {"--background", NULL, &o->background, NULL},
                {"--plain", NULL, &o->plain, NULL},
                {"--sigwait", NULL, &o->sigwait, NULL},
                {"--trace", NULL, NULL, &o->trace},
                {"--tag", NULL, NULL, &o->tag}};
    const size_t count = sizeof(rows) / sizeof(rows[0]);
    int i;
    size_t row;

    for (i = 1; i < argc; i++) {
        for (row = 0; row < count; row++) {
            if (strcmp(rows[row].name, argv[i]) == 0) {
                break;
            }
        }
        if (row == count || (rows[row].flag == NULL && i + 1 == argc)) {
            return usage(argv[i]);
        }
        if (rows[row].flag != NULL) {
            *rows[row].flag = 1;
        }
        else if (rows[row].number != NULL) {
            *rows[row].number = strtol(argv[++i], NULL, 10);
        }
        else {
            *rows[row].text = argv[++i];
        }
    }
    return 0;
}

int main(int argc, char **argv)
{
    options_t *o = &self.opt;

    o->exit_at_once = -1;
    o->tag = "-";
    self.exit_status = -1;
    if (options_read(o, argc, argv) != 0) {
        return 2;
    }
    trace("born ");
    if (o->ignore_term) {
        signal(SIGTERM, SIG_IGN);
    }
    if (o->sigwait && start_sigwait() != 0) {
        return 1;
    }
    if (o->exit_at_once >= 0) {
        leave((int)o->exit_at_once);
    }
    if (o->crash_at_birth) {
        die_by("11");
    }
    if (o->children) {
        stay(0);
    }
    nap(o->slow_start);
    if ((o->daemon || o->background) && fork() > 0) {
        _exit(0);
    }
    if (o->daemon) {
        setsid();
    }
    if (FCGX_Init() != 0) {
        return 1;
    }
    if (o->ignore_term) {
        signal(SIGTERM, SIG_IGN); /* libfcgi has taken it meanwhile */
    }
    if (FCGX_InitRequest(&self.req, 0, o->plain ? 0 : FCGI_FAIL_ACCEPT_ON_INTR)
        != 0) {
        return 1;
    }
    serve();
    return 0;
}
