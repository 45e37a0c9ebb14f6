/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A FastCGI worker that has made something when it waits for its first
 * request, for tests of fork servers.
 *
 *     loaded [WHAT|WHAT=ARGUMENT]...      rows `made` below
 *
 * The query string is the name of a row of `answers`; what that gives follows
 * "pid=N ".
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <fcgiapp.h>

static struct {
    int event, pipe[2], pair[2], copy, file, epoll;
    char forks[64]; /* p, P, c: a handler of pthread_atfork() was called */
    pthread_mutex_t robust;
    int signals;
} self = {.event = -1,
          .pipe = {-1, -1},
          .pair = {-1, -1},
          .copy = -1,
          .file = -1,
          .epoll = -1};

/* --- what it has made ----------------------------------------------------- */

static void *wait_for_ever(void *unused)
{
    for (;;) {
        pause();
    }
    return unused;
}

static int make_thread(const char *arg)
{
    pthread_t thread;

    (void)arg;
    return pthread_create(&thread, NULL, wait_for_ever, NULL);
}

static void *end_at_once(void *arg)
{
    return arg;
}

/* One that has ended is none. */
static int make_ended(const char *arg)
{
    pthread_t thread;

    (void)arg;
    return pthread_create(&thread, NULL, end_at_once, NULL)
           || pthread_join(thread, NULL);
}

static int make_child(const char *arg)
{
    pid_t pid = fork();

    (void)arg;
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pause();
    }
    return pid < 0;
}

static int make_zombie(const char *arg)
{
    siginfo_t info;
    pid_t pid = fork();

    (void)arg;
    if (pid == 0) {
        _exit(0);
    }
    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT);
}

static int make_itimer(const char *arg)
{
    (void)arg;
    alarm(1000);
    return 0;
}

static int make_timer(const char *arg)
{
    struct sigevent ev = {.sigev_notify = SIGEV_NONE};
    timer_t timer;

    (void)arg;
    return timer_create(CLOCK_MONOTONIC, &ev, &timer);
}

static int make_dontfork(const char *arg)
{
    void *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    (void)arg;
    return p == MAP_FAILED || madvise(p, 4096, MADV_DONTFORK);
}

static int make_timerfd(const char *arg)
{
    (void)arg;
    return timerfd_create(CLOCK_MONOTONIC, 0) < 0;
}

static int make_signalfd(const char *arg)
{
    sigset_t set;

    (void)arg;
    sigemptyset(&set);
    return signalfd(-1, &set, 0) < 0;
}

static int make_inotify(const char *arg)
{
    (void)arg;
    return inotify_init() < 0;
}

static int make_device(const char *arg)
{
    return open(arg, O_RDONLY) < 0;
}

static int make_tcp(const char *arg)
{
    struct sockaddr_in to = {.sin_family = AF_INET};
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    to.sin_port = htons((uint16_t)atoi(arg));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return connect(fd, (struct sockaddr *)&to, sizeof(to));
}

static int unix_connect(const char *path, int type)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type, 0);

    snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
    return connect(fd, (struct sockaddr *)&to, sizeof(to));
}

static int make_unix(const char *arg)
{
    return unix_connect(arg, SOCK_STREAM);
}

static int make_syslog(const char *arg)
{
    return unix_connect(arg, SOCK_DGRAM);
}

static int make_listens(const char *arg)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    (void)arg;
    return listen(fd, 5);
}

static int make_file(const char *arg)
{
    char head[4];

    self.file = open(arg, O_RDONLY);
    return read(self.file, head, sizeof(head)) != sizeof(head);
}

/* Removed since, and open to be written to, too. */
static int make_removed(const char *arg)
{
    char head[4];

    self.file = open(arg, O_RDWR);
    return read(self.file, head, sizeof(head)) != sizeof(head) || unlink(arg);
}

static int make_flock(const char *arg)
{
    return flock(open(arg, O_RDWR), LOCK_EX);
}

static int make_lock(const char *arg)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

    return fcntl(open(arg, O_RDWR), F_SETLK, &l);
}

static int make_pipe(const char *arg)
{
    (void)arg;
    if (pipe2(self.pipe, O_NONBLOCK | O_CLOEXEC)) {
        return 1;
    }
    self.copy = dup(self.pipe[1]);
    return self.copy < 0;
}

static int make_half(const char *arg)
{
    return make_pipe(arg) || close(self.pipe[0]);
}

static int make_full(const char *arg)
{
    return make_pipe(arg) || write(self.copy, "x", 1) != 1;
}

static int make_pair(const char *arg)
{
    (void)arg;
    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                      self.pair);
}

static int make_fullpair(const char *arg)
{
    return make_pair(arg) || write(self.pair[0], "x", 1) != 1;
}

static int make_halfpair(const char *arg)
{
    int half = make_pair(arg);
    pid_t pid = half ? -1 : fork();

    if (pid == 0) { /* another process has the other end */
        close(self.pair[0]);
        if (fork() == 0) {
            (void)!read(self.pair[1], &half, 1);
            while (usleep(100000) == 0 && read(self.pair[1], &half, 1) < 0) {
                ;
            }
        }
        _exit(0);
    }
    close(self.pair[1]);
    return pid < 0 || waitpid(pid, NULL, 0) != pid;
}

static int make_event(const char *arg)
{
    (void)arg;
    self.event = eventfd(0, EFD_NONBLOCK);
    return self.event < 0;
}

static int make_written(const char *arg)
{
    return make_event(arg) || eventfd_write(self.event, 1);
}

static int make_epoll(const char *arg)
{
    (void)arg;
    self.epoll = epoll_create1(0);
    return self.epoll < 0;
}

static int add(int fd)
{
    struct epoll_event ev = {.events = EPOLLIN};

    return epoll_ctl(self.epoll, EPOLL_CTL_ADD, fd, &ev);
}

static int make_listening(const char *arg)
{
    return make_epoll(arg) || add(0);
}

static int make_member(const char *arg)
{
    return make_epoll(arg) || make_pipe(arg) || add(self.pipe[0]);
}

static void note_fork(char what)
{
    size_t n = strlen(self.forks);

    if (n + 1 < sizeof(self.forks)) {
        self.forks[n] = what;
    }
}

static void on_prepare(void)
{
    note_fork('p');
}

static void on_parent(void)
{
    note_fork('P');
}

static const char *lingers;

static void on_child(void)
{
    note_fork('c');
    while (access(lingers, F_OK) == 0) {
        usleep(10000);
    }
}

/* A newborn is not set up as long as there is this file. */
static int make_atfork(const char *arg)
{
    lingers = arg;
    return pthread_atfork(on_prepare, on_parent, on_child);
}

/* It has 0 to 4, of which the page goes. */
static int make_crowded(const char *arg)
{
    struct rlimit files = {5, 5};

    (void)arg;
    return setrlimit(RLIMIT_NOFILE, &files);
}

/* A library that has such handlers, and has gone. */
static int make_unloaded(const char *arg)
{
    void *library = dlopen(arg, RTLD_NOW);

    return !library || dlclose(library);
}

static int make_robust(const char *arg)
{
    pthread_mutexattr_t how;

    (void)arg;
    return pthread_mutexattr_init(&how)
           || pthread_mutexattr_setrobust(&how, PTHREAD_MUTEX_ROBUST)
           || pthread_mutex_init(&self.robust, &how);
}

/* rand() and its like have begun. */
static int make_random(const char *arg)
{
    (void)arg;
    srand(1);                           /* NOLINT: what is tested */
    srand48(1);                         /* NOLINT: what is tested */
    return rand() < 0 || lrand48() < 0; /* NOLINT: what is tested */
}

static void count_signal(int sig)
{
    self.signals += sig == SIGUSR1;
}

static int make_handler(const char *arg)
{
    (void)arg;
    signal(SIGUSR1, count_signal);
    return 0;
}

static int make_ignore(const char *arg)
{
    (void)arg;
    signal(SIGTERM, SIG_IGN);
    return 0;
}

static int make_exit(const char *arg)
{
    (void)arg;
    return atexit(abort);
}

static const struct made {
    const char *name;
    int (*make)(const char *arg); /* 0, or errno has it */
} made[] = {{"thread", make_thread},       {"ended", make_ended},
            {"child", make_child},         {"zombie", make_zombie},
            {"itimer", make_itimer},       {"timer", make_timer},
            {"dontfork", make_dontfork},   {"timerfd", make_timerfd},
            {"signalfd", make_signalfd},   {"inotify", make_inotify},
            {"device", make_device},       {"tcp", make_tcp},
            {"unix", make_unix},           {"syslog", make_syslog},
            {"listens", make_listens},     {"file", make_file},
            {"removed", make_removed},     {"flock", make_flock},
            {"lock", make_lock},           {"pipe", make_pipe},
            {"half", make_half},           {"pair", make_pair},
            {"fullpair", make_fullpair},   {"halfpair", make_halfpair},
            {"full", make_full},           {"event", make_event},
            {"written", make_written},     {"epoll", make_epoll},
            {"listening", make_listening}, {"member", make_member},
            {"atfork", make_atfork},       {"unloaded", make_unloaded},
            {"crowded", make_crowded},     {"robust", make_robust},
            {"random", make_random},       {"handler", make_handler},
            {"ignore", make_ignore},       {"exit", make_exit}};

static int make(const char *word)
{
    size_t n = strcspn(word, "=");
    size_t i;

    for (i = 0; i < sizeof(made) / sizeof(made[0]); i++) {
        if (strlen(made[i].name) == n && !strncmp(made[i].name, word, n)) {
            return made[i].make(word[n] ? word + n + 1 : "");
        }
    }
    errno = EINVAL;
    return 1;
}

/* --- answers -------------------------------------------------------------- */

static void say_pid(FCGX_Stream *out)
{
    (void)out;
}

static void say_sleep(FCGX_Stream *out)
{
    (void)out;
    usleep(300000);
}

static void say_random(FCGX_Stream *out)
{
    /* NOLINTNEXTLINE: what is tested */
    FCGX_FPrintF(out, "random=%d,%ld", rand(), lrand48());
}

/* getpid(), gettid(), libc's own idea of the thread, and of its parent. */
static void say_ids(FCGX_Stream *out)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutexattr_t check;
    int owner;

    pthread_mutexattr_init(&check);
    pthread_mutexattr_settype(&check, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&mutex, &check);
    pthread_mutex_lock(&mutex);
    owner = mutex.__data.__owner;
    FCGX_FPrintF(out, "tid=%d owner=%d again=%d kill=%d", (int)gettid(), owner,
                 pthread_mutex_lock(&mutex), pthread_kill(pthread_self(), 0));
    pthread_mutex_unlock(&mutex);
}

static void say_raise(FCGX_Stream *out)
{
    int before = self.signals;

    raise(SIGUSR1);
    FCGX_FPrintF(out, "raised=%d", self.signals - before);
}

static void say_child(FCGX_Stream *out, const char *what, pid_t pid)
{
    int status = -1;
    int ended = waitpid(pid, &status, 0) == pid;

    FCGX_FPrintF(out, "%s=%d,%d ", what, ended, status);
}

/* Each way of making a child. */
static void say_children(FCGX_Stream *out)
{
    char *argv[] = {(char *)(uintptr_t) "true", NULL};
    char line[40] = "";
    FILE *from = popen("echo popen=$PPID", "r"); /* NOLINT: what is tested */
    pid_t pid = -1;

    FCGX_FPrintF(out, "%s ", fgets(line, sizeof(line), from) ? line : "?");
    pclose(from);
    /* NOLINTNEXTLINE: what is tested */
    FCGX_FPrintF(out, "system=%d ", system("exit 3"));
    posix_spawnp(&pid, "true", NULL, NULL, argv, NULL);
    say_child(out, "spawn", pid);
    pid = fork();
    if (pid == 0) {
        _exit(getpid() == gettid() ? 0 : 1);
    }
    say_child(out, "fork", pid);
    pid = vfork(); /* NOLINT: what is tested */
    if (pid == 0) {
        _exit(0);
    }
    say_child(out, "vfork", pid);
}

static void *take_robust(void *unused)
{
    pthread_mutex_lock(&self.robust);
    return unused; /* with it */
}

/* A thread, and the mutex with which it dies. */
static void say_threads(FCGX_Stream *out)
{
    pthread_t thread;
    int made_it = pthread_create(&thread, NULL, take_robust, NULL);
    int joined = made_it == 0 ? pthread_join(thread, NULL) : -1;
    int owner_dead = pthread_mutex_lock(&self.robust);

    if (owner_dead == EOWNERDEAD) {
        pthread_mutex_consistent(&self.robust);
    }
    pthread_mutex_unlock(&self.robust);
    FCGX_FPrintF(out, "thread=%d,%d robust=%d", made_it, joined,
                 owner_dead == EOWNERDEAD);
}

/* What others must not change; then it changes it. */
static void say_state(FCGX_Stream *out)
{
    char text[5] = "", byte;
    eventfd_t count = 0;
    int piped = 0, copied, ready = -1;
    struct epoll_event ev;

    if (self.file >= 0) {
        (void)!read(self.file, text, sizeof(text) - 1);
    }
    (void)!eventfd_read(self.event, &count);
    eventfd_write(self.event, 1);
    ioctl(self.pipe[0], FIONREAD, &piped);
    (void)!write(self.copy, "x", 1);
    copied = read(self.pipe[0], &byte, 1) == 1;
    (void)!write(self.pipe[1], "x", 1);
    if (self.epoll >= 0) {
        ready = epoll_wait(self.epoll, &ev, 1, 0);
        add(self.pipe[0]);
    }
    FCGX_FPrintF(
        out, "file=%s event=%d pipe=%d copy=%d epoll=%d flags=%d cloexec=%d",
        text, (int)count, piped, copied, ready,
        !!(fcntl(self.pipe[0], F_GETFL) & O_NONBLOCK),
        fcntl(self.pipe[0], F_GETFD));
}

/* What another worker writes must not come here. */
static void say_pair(FCGX_Stream *out)
{
    char got[8];
    int mine = (int)read(self.pair[1], got, sizeof(got));

    (void)!write(self.pair[0], "x", 1);
    FCGX_FPrintF(out, "before=%d now=%d flags=%d cloexec=%d", mine,
                 (int)read(self.pair[1], got, sizeof(got)),
                 !!(fcntl(self.pair[0], F_GETFL) & O_NONBLOCK),
                 fcntl(self.pair[1], F_GETFD));
    (void)!write(self.pair[0], "x", 1);
}

static void say_forks(FCGX_Stream *out)
{
    FCGX_FPrintF(out, "forks=%s", self.forks);
}

static void say_fds(FCGX_Stream *out)
{
    int fd;

    FCGX_FPrintF(out, "fds=");
    for (fd = 0; fd < 100; fd++) {
        if (fcntl(fd, F_GETFD) >= 0) {
            FCGX_FPrintF(out, "%d,", fd);
        }
    }
}

static void say_output(FCGX_Stream *out)
{
    int one = (int)write(1, "one\n", 4);
    int two = (int)write(2, "two\n", 4);

    FCGX_FPrintF(out, "wrote=%d,%d", one, two);
}

static const struct answer {
    const char *name;
    void (*say)(FCGX_Stream *out);
} answers[] = {{"pair", say_pair},         {"pid", say_pid},
               {"sleep", say_sleep},       {"random", say_random},
               {"ids", say_ids},           {"raise", say_raise},
               {"children", say_children}, {"threads", say_threads},
               {"state", say_state},       {"forks", say_forks},
               {"fds", say_fds},           {"output", say_output}};

static void answer(FCGX_Request *req)
{
    const char *query = FCGX_GetParam("QUERY_STRING", req->envp);
    size_t i;

    FCGX_FPrintF(req->out, "Content-Type: text/plain\r\n\r\npid=%d ",
                 (int)getpid());
    for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        if (strncmp(query, answers[i].name, strlen(answers[i].name)) == 0) {
            answers[i].say(req->out);
        }
    }
}

int main(int argc, char **argv)
{
    FCGX_Request req;
    int i;

    FCGX_Init();
    FCGX_InitRequest(&req, 0, 0);
    for (i = 1; i < argc; i++) {
        if (make(argv[i])) {
            perror(argv[i]);
            return 1;
        }
    }
    while (FCGX_Accept_r(&req) >= 0) {
        answer(&req);
        FCGX_Finish_r(&req);
    }
    return 0;
}
