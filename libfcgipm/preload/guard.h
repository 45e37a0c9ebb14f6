/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file guard.h
 * @brief The guard's own header: its state, and which file does what.
 *
 *   guard.c        the beginning and the end: orders, SIGTERM, leaving
 *   guard_fds.c    which descriptors are the pool's socket, or epoll sets
 *   guard_conn.c   connections: which have a request
 *   guard_answer.c the records that a program sends, and where they end
 *   guard_clients.c which hosts may connect
 *   guard_wait.c   where a program waits: accept, poll, select, epoll, sleep
 *   guard_signal.c the program's own disposition of SIGTERM
 *   guard_exec.c   another program in the worker's place
 *   guard_fork.c   the program as a fork server: orders, newborn workers
 *   guard_fork_state.c whether it can be one, by the state of the process
 *   guard_fork_fds.c   the same by its descriptors; those of a newborn
 *   guard_fork_hooks.c what libc's fork() and interpreters do in a child
 *   guard_libc.c   the functions that have been covered
 *
 * What is called in a signal handler says so; all of it can be called by
 * several threads at once.  Nothing of this is seen outside the library.
 *
 * What is noted of a descriptor is a note.  A program can close it without
 * being seen (syscall(2), fclose(3), a child by vfork(2)), and its number can
 * become another's; so before anything is done by a note that can be old, the
 * kernel is asked.
 */
#ifndef GUARD_H
#define GUARD_H

/* The functions that it makes of others are those that are covered here. */
#undef _FORTIFY_SOURCE

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/single_threaded.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

#include "pm_core/shm/pm_worker_status.h"

#define PUBLIC __attribute__((visibility("default")))

/* On 32-bit systems glibc has functions for 64-bit times beside the old ones.
 * Its headers rename calls and definitions, but not the names for dlsym(3). */
#if defined(__USE_TIME_BITS64) && __TIMESIZE == 32
#define GUARD_TIME64 1
#else
#define GUARD_TIME64 0
#endif

/* All that is shared by threads goes through these.  Where there is one thread
 * they are not locked, which is half of what the guard costs: only a handler of
 * the program's that closes a connection could come in between. */
#define LOAD(x)    __atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define SWAP(x, v) __atomic_exchange_n(&(x), (v), __ATOMIC_SEQ_CST)
#define STORE(x, v)                                                            \
    (__libc_single_threaded ? __atomic_store_n(&(x), (v), __ATOMIC_RELEASE)    \
                            : __atomic_store_n(&(x), (v), __ATOMIC_SEQ_CST))
#define ADD(x, n)                                                              \
    __extension__({                                                            \
        __typeof__(x) *at_ = &(x);                                             \
        __typeof__(x) sum_;                                                    \
                                                                               \
        if (__libc_single_threaded) {                                          \
            sum_ = __atomic_load_n(at_, __ATOMIC_RELAXED) + (n);               \
            __atomic_store_n(at_, sum_, __ATOMIC_RELEASE);                     \
        }                                                                      \
        else {                                                                 \
            sum_ = __atomic_add_fetch(at_, (n), __ATOMIC_SEQ_CST);             \
        }                                                                      \
        sum_;                                                                  \
    })

#pragma GCC visibility push(hidden)

/** Descriptors that are known: more than a worker has open. */
#define GUARD_FDS (1 << 16)

enum guard_kind {
    GUARD_OTHER,
    GUARD_LISTENER, /**< the pool's socket */
    GUARD_EPOLL,    /**< an epoll set that has it */
    GUARD_KEPT,     /**< a connection whose last request has been answered */
    GUARD_BUSY,     /**< a connection with a request */
    GUARD_SUSPECT,  /**< the same, but nothing has been read from it here, or a
                     *   call on it has failed: perhaps it is closed */
    GUARD_UNREAD    /**< a kept one in which a request lay when this was told,
                     *   which nobody has read yet */
};

/** Where a thread is. */
enum guard_inside {
    GUARD_OUT,
    GUARD_INSIDE, /**< in a system call that can bring a request */
    GUARD_ACCEPTS /**< the same, and that can be another connection */
};

/** The bytes of END_REQUEST, with its header. */
#define GUARD_END_SIZE 16

/** How far an answer's records have been followed (FastCGI specification,
 *  3.3); all zero where one begins. */
typedef struct guard_answer {
    unsigned char head[GUARD_END_SIZE]; /**< the last header, as far as it was
                                         *   sent, with the body behind it of
                                         *   an END_REQUEST */
    unsigned char have;                 /**< bytes of it; 0: all, or none yet */
    unsigned char lost;                 /**< these are no records */
    uint32_t left; /**< of the record, before the next header */
} guard_answer_t;

/** What is noted of a descriptor. */
typedef struct guard_fd {
    unsigned state; /**< its kind; above that a count of the kinds it has
                     *   had, so that a compare-and-swap tells an old note
                     *   from a new one */
    struct {
        int listener;  /**< the pool's socket in it; -1: not to be removed,
                        *   as others have the set too */
        int stands_in; /**< the descriptor that makes it ready once told, or
                        *   -1 */
        uint64_t data; /**< of its events */
    } set;
    guard_answer_t answer; /**< to a connection's request */
    unsigned doubts; /**< guard.doubts, before the connection was accepted */
    uint64_t since;  /**< when a connection's last request began, guard_now() */
    uint64_t answered; /**< when it ended on a kept one; 0: that was read from
                        *   since then */
} guard_fd_t;

/** Threads that sleep where SIGTERM has to wake them. */
#define GUARD_THREADS 16384

/** Dispositions the program has had: what stands here once never changes, so
 *  a handler can read it at any time.  The first is SIG_DFL. */
#define GUARD_ACTIONS 64

/** The process's state; zero, and `active` 0, where there is no guard. */
typedef struct guard {
    int active;
    int child; /**< forked by a worker: see forked() */
    int *same; /**< 1; the kernel makes it 0 in a copy of the process */
    pid_t pid;
    struct stat listener;         /**< to know the socket again */
    struct sockaddr_storage name; /**< its address, which connections have */
    socklen_t name_len;
    int page_fd;
    struct stat bell;           /**< standard error, as it was given */
    pm_worker_status_t *table;  /**< the page; NULL: none */
    int records;                /**< in it */
    pm_worker_status_t *slot;   /**< never NULL while active */
    pm_worker_status_t no_page; /**< stands in for one */

    int fork_fd;             /**< PM_FORK_VARIABLE; 0: none */
    struct stat fork_socket; /**< to know it again */
    int fork_filters;        /**< guard_fork_filters(), at the beginning */
    pid_t fork_parent;       /**< the manager */
    int warmed;              /**< it has had a request of FcgiPMWarmup's */

    struct sigaction action[GUARD_ACTIONS];
    int action_set[GUARD_ACTIONS];
    int actions;
    int own;   /**< index of the present one */
    int flags; /**< of the kernel's disposition */
    uint64_t mask;

    int has_waited;              /**< for a request */
    pm_worker_status_t *instead; /**< of the worker that this process serves
                                  *   for, as it has not waited itself */
    int told;
    int closed;          /**< told, and the pool's sockets have been closed */
    int called;          /**< the program's handler was, once told */
    int due;             /**< the next SIGTERM is for it */
    int passed;          /**< the program has got EINTR after that */
    unsigned calls;      /**< of the program's handler */
    unsigned terms;      /**< SIGTERMs that came */
    int leaving;         /**< a thread is in exit() */
    int nonblock;        /**< the listener was, when told */
    int inside;          /**< threads in a system call that can bring a request,
                          *   or about to be, which were not told before */
    int accepting;       /**< those of them in accept() */
    int busy;            /**< connections with a request */
    int conns;           /**< those, and kept ones */
    int suspects;        /**< connections that perhaps are closed */
    int left;            /**< threads that take requests and have not come back
                          *   to be told */
    unsigned ended;      /**< requests that have ended */
    uint64_t ended_at;   /**< when a request ended last */
    uint64_t checked_at; /**< when old requests were checked last */
    int reads_beside;    /**< a thread has read from a kept connection while
                          *   another could get a request: it does not take
                          *   turns with that */
    int reads_on;        /**< 1: threads read from a kept connection at once
                          *   when they have answered; less: when they have
                          *   done so as many times more */
    unsigned doubts;     /**< grows when others than the answering thread may
                          *   write to connections that are open: a child has
                          *   them, or a thread wrote behind END_REQUEST */
    int top;             /**< the highest descriptor of a kind */
    guard_fd_t fd[GUARD_FDS];
    pid_t sleeper[GUARD_THREADS]; /**< 0: free */
    pthread_key_t thread_key;     /**< its value makes a thread's end heard */
} guard_t;

extern guard_t guard;

/** What belongs to a thread. */
typedef struct guard_thread {
    pid_t tid;
    pid_t *place;             /**< in guard.sleeper, the last one */
    int known;                /**< its end will be heard of */
    int counted;              /**< in guard.left */
    int waits;                /**< in the page's `waiting` so often */
    enum guard_inside inside; /**< it is in guard.inside, guard.accepting */
    int in_own;               /**< in the program's own handler */
    unsigned calls;           /**< of that, which it knows of by pause() */
    int loops; /**< it waits in poll() and its like before it accepts,
                *   perhaps for more than that: it must not be stopped in
                *   accept() */
    int conn;  /**< that it has accepted last */
    uint64_t reads_after; /**< in a call that reads from a kept connection for
                           *   the first time: so long after its answer,
                           *   microseconds; else 0 */
} guard_thread_t;

extern __thread guard_thread_t guard_self;

/** libc's own.  Also before the guard's beginning: a library that was loaded
 *  earlier can call in.  In a handler: yes, once it is active. */
typedef struct guard_libc {
    int (*accept)(int, struct sockaddr *, socklen_t *);
    int (*accept4)(int, struct sockaddr *, socklen_t *, int);
    int (*shutdown)(int, int);
    ssize_t (*read)(int, void *, size_t);
    ssize_t (*readv)(int, const struct iovec *, int);
    ssize_t (*recv)(int, void *, size_t, int);
    ssize_t (*recvfrom)(int, void *, size_t, int, struct sockaddr *,
                        socklen_t *);
    ssize_t (*recvmsg)(int, struct msghdr *, int);
    ssize_t (*write)(int, const void *, size_t);
    ssize_t (*writev)(int, const struct iovec *, int);
    ssize_t (*send)(int, const void *, size_t, int);
    ssize_t (*sendto)(int, const void *, size_t, int, const struct sockaddr *,
                      socklen_t);
    ssize_t (*sendmsg)(int, const struct msghdr *, int);
    int (*sigaction)(int, const struct sigaction *, struct sigaction *);
    sighandler_t (*signal)(int, sighandler_t);
    sighandler_t (*sysv_signal)(int, sighandler_t);
    sighandler_t (*sigset)(int, sighandler_t);
    int (*poll)(struct pollfd *, nfds_t, int);
    int (*ppoll)(struct pollfd *, nfds_t, const struct timespec *,
                 const sigset_t *);
    int (*select)(int, fd_set *, fd_set *, fd_set *, struct timeval *);
    int (*pselect)(int, fd_set *, fd_set *, fd_set *, const struct timespec *,
                   const sigset_t *);
    int (*epoll_ctl)(int, int, int, struct epoll_event *);
    int (*epoll_wait)(int, struct epoll_event *, int, int);
    int (*epoll_pwait)(int, struct epoll_event *, int, int, const sigset_t *);
    int (*epoll_pwait2)(int, struct epoll_event *, int, const struct timespec *,
                        const sigset_t *);
    int (*nanosleep)(const struct timespec *, struct timespec *);
    int (*clock_nanosleep)(clockid_t, int, const struct timespec *,
                           struct timespec *);
    int (*pause)(void);
    int (*execve)(const char *, char *const[], char *const[]);
    int (*execvpe)(const char *, char *const[], char *const[]);
    int (*register_atfork)(void (*)(void), void (*)(void), void (*)(void),
                           void *);
    void (*cxa_finalize)(void *);
} guard_libc_t;

const guard_libc_t *guard_libc(void);

/* --- guard.c ------------------------------------------------------------- */

/** Is this the worker itself, or a child that has become one, and not a copy
 *  of it?  Not sure in a child by vfork(2).  No system call.
 *  In a handler: yes. */
static inline int guard_is_same(void)
{
    return guard.active && __atomic_load_n(guard.same, __ATOMIC_RELAXED);
}

/** The same, and it is sure.  A system call.  In a handler: yes. */
int guard_is_worker(void);

/** In a child of a worker that is about to wait for requests as one. */
void guard_adopt(void);

/** In a newborn of a fork server: it is the worker of this record of the page;
 *  -1: none. */
void guard_be_worker(int record);

/** Is there a guard, or can one come? */
static inline int guard_is_here(void)
{
    return guard.active || guard.child;
}

static inline int guard_told(void)
{
    return guard.active && LOAD(guard.told);
}

uint64_t guard_now(void); /**< microseconds, CLOCK_MONOTONIC */

/** See pm_worker_status.h. */
void guard_ring(void);

/** A line for the pool's log, with its newline; nothing where the program has
 *  put something else in the place of its standard error. */
void guard_say(const char *line, size_t n);

/** No request, or one less, is under way: have wishes of the manager's come
 *  true?  Then it is notified; or this is told. */
void guard_request_ended(void);

/** This thread waits for a request from now on, or no longer. */
void guard_wait_begin(void);
void guard_wait_end(void);

/** This thread is in a system call that can bring a request, or about to be,
 *  from now on, or no longer.  SIGTERM wakes it.  Begin, then look whether it
 *  was told. */
void guard_sleep_begin(enum guard_inside inside);
void guard_sleep_end(void);

/** This thread takes requests / has been told and takes none any more. */
void guard_count(void);
void guard_uncount(void);

/** Told: is nothing under way, and can nothing come any more?  What can have
 *  ended without being seen is asked of the kernel.  Then it is the turn of the
 *  program's handler, if it has one and that has not had it. */
enum guard_end {
    GUARD_NOT_YET,
    GUARD_TURN, /**< the handler was called: EINTR is due */
    GUARD_OVER  /**< the process can end */
};
enum guard_end guard_end(void);

/** Sleeps for a while that grows: 1 ms, 2 ms ... GUARD_NAP.
 *  @param ms of the last one, 0 at first */
#define GUARD_NAP 100
int guard_longer(int ms);
void guard_nap(int *ms);

/** Ends the process; to be called when guard_end() says that it is over. */
__attribute__((noreturn)) void guard_leave(void);

/* --- guard_clients.c ----------------------------------------------------- */

/** FcgiPMListenClients: reads FCGIPM_CLIENTS (pm_spawn.h). */
void guard_clients_read(void);

/** Are there any to be judged? */
int guard_clients_are_judged(void);

/** Closes a connection of a client that is not listed, counts it and, once in
 *  a while, says so.  @return 1: it has */
int guard_clients_refuse(int conn, const struct sockaddr_storage *peer);

/* --- guard_exec.c -------------------------------------------------------- */

/** At the beginning: take what came along for the guard out of the
 *  environment, before an interpreter copies that. */
void guard_env_take(void);

/** Remove a variable, also from where execve(2) put it, which proc(5) shows. */
void guard_env_remove(const char *name);

/* --- guard_fds.c --------------------------------------------------------- */

static inline enum guard_kind guard_kind_of(unsigned state)
{
    return (enum guard_kind)(state & 7);
}

static inline int guard_is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_ino == b->st_ino && a->st_dev == b->st_dev;
}

/** @return 0 for a descriptor that is not known */
static inline unsigned guard_state(int fd)
{
    return fd >= 0 && fd < GUARD_FDS
               ? __atomic_load_n(&guard.fd[fd].state, __ATOMIC_ACQUIRE)
               : 0;
}

static inline enum guard_kind guard_kind(int fd)
{
    return guard_kind_of(guard_state(fd));
}

/** @return 0: it is not what it was any more, and stays as it is */
int guard_turn(int fd, unsigned state, enum guard_kind kind);

/** Is this the pool's socket, or a copy of it that is not known yet? */
int guard_is_listener(int fd);

/** Is a wait on this one for a request, too? */
int guard_is_waited_on(int fd);

/** Told: is the pool's socket here, or something that stands in its place?
 *  Until the handler has closed all of them, each is taken for closed. */
int guard_is_gone(int fd);

/** In a handler: the pool's sockets are closed. */
void guard_close_listeners(void);

/** Told, and no thread waits as if it was not: their numbers are taken. */
void guard_fill_listeners(void);

/** The epoll set has nothing any more that makes it ready at once. */
void guard_epoll_hide(int epfd);

/** Is an event with this data the listening socket's? */
int guard_epoll_is_listener(int epfd, uint64_t data);

/** In a child: connections are the worker's. */
void guard_forget_fds(void);

/* --- guard_conn.c -------------------------------------------------------- */

/** accept() has given this connection.
 *  @param doubts guard.doubts, as it was before that */
void guard_conn_open(int fd, unsigned doubts);

/** Has this thread the request of the connection that it accepted last? */
int guard_conn_is_mine(void);

/** Which connections are open?  A system call for each that is looked at.
 *  @param all 0: only suspects */
void guard_conn_check(int all);

/** The program waits while it has requests: is the oldest one under way still?
 *  The kernel is asked ten times a second at the most, and only if it is old.
 */
void guard_conn_check_oldest(void);

/** A program with one thread, which does not wait but in accept(), waits
 *  there: it has nothing under way, whatever is noted. */
void guard_conn_forget(void);

/** In a handler: told; kept connections get no other request than one that
 *  has come.  No thread is in accept(): what has the number of a kept one that
 *  was closed is not another connection which is not noted yet. */
void guard_conn_stop_kept(void);

/* --- guard_answer.c ------------------------------------------------------- */

/** The program sends the next bytes of an answer.
 *  @return 1: with the whole of END_REQUEST, as far as it means something */
int guard_answer_follow(guard_answer_t *answer, const void *sent, size_t n);

/** Was an END_REQUEST, with nothing in its reserved bytes, the last record, and
 *  nothing behind it?  Those are the last bytes that were sent. */
int guard_answer_has_end(const guard_answer_t *answer);

/* --- guard_fork.c --------------------------------------------------------- */

/** At the beginning: is there a socket for orders (pm_fork_order.h)? */
void guard_fork_take(void);

/** Is it handed on to the next program that is executed? */
void guard_fork_hand_on(int yes);

/** In a child by fork(2): it gets no orders. */
void guard_fork_forget(void);

/** Is a request of FcgiPMWarmup's there, which comes before that wait? */
int guard_fork_warms(void);

/** @return its connection; -1: there is none.  It is none of those that
 *  guard_conn.c knows: told, the program need not answer it. */
int guard_fork_warmup(void);

/** Before the first wait for a request is told: the place where a process that
 *  can be a fork server stays.  Returns in a worker: in one that cannot, or in
 *  a newborn. */
void guard_fork_first_wait(void);

/* --- guard_fork_state.c --------------------------------------------------- */

/** Can this process be a fork server?
 *  @param why a line, PM_FORK_TEXT bytes: why not */
int guard_fork_may(char *why);

/** @return 0 */
__attribute__((format(printf, 2, 3))) int guard_fork_refuse(char *why,
                                                            const char *fmt,
                                                            ...);

/** The filters that a system call passes (seccomp(2)); -1: not known. */
int guard_fork_filters(void);

/** Calls @a line for each line of a file, until that gives 0.
 *  @return 0: it has, or the file cannot be read */
int guard_fork_lines(const char *path,
                     int (*line)(const char *text, void *data), void *data);

/* --- guard_fork_fds.c ----------------------------------------------------- */

/** The same by its descriptors, which are noted for guard_fork_fds_renew(). */
int guard_fork_fds_judge(char *why);

/** In a newborn: those that are not to be shared are made anew.
 *  @param output its output pipe, takes the place of the fork server's
 *  @return 0 or errno */
int guard_fork_fds_renew(int output);

/* --- guard_fork_hooks.c --------------------------------------------------- */

/** Are all handlers of pthread_atfork(3) known? */
int guard_fork_hooks_known(void);

/** Which interpreter is in the process? */
void guard_fork_hooks_find(void);

/** Before a birth; after it, in the fork server; in the newborn. */
void guard_fork_hooks_before(void);
void guard_fork_hooks_parent(void);
void guard_fork_hooks_child(void);

/* --- guard_signal.c ------------------------------------------------------- */

/** In a handler: the program's own disposition. */
const struct sigaction *guard_own(void);
int guard_has_own(const struct sigaction *own);
int guard_is_default(const struct sigaction *own);

/** Calls it if there is one.  In a handler: yes. */
void guard_call_own(int sig, siginfo_t *info, void *context);

/** In a handler: as if the process had no handler. */
void guard_die(int sig);

/** The kernel's disposition of SIGTERM anew, after a change of the program's
 *  own or of has_waited. */
void guard_install(void);

/** The program's own, from now on.  @return what it was */
const struct sigaction *guard_set_own(const struct sigaction *act);

/** In a handler: is SIGTERM. */
void guard_on_term(int sig, siginfo_t *info, void *context);

#pragma GCC visibility pop

/** guard_told(), for libfcgipm/manage in the same process: libfcgipm.so has it
 *  as a weak symbol.  In a handler: yes. */
PUBLIC int fcgipm_guard_told(void);

#endif /* GUARD_H */
