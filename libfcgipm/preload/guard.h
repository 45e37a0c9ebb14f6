/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file guard.h
 * @brief The guard's own header: its one state, and who does what.
 *
 *   guard.c        the beginning and the end: orders, SIGTERM, leaving
 *   guard_fds.c    which descriptors are listening sockets and connections
 *   guard_wait.c   where a program waits: accept, poll, select, epoll, sleep
 *   guard_signal.c the program's own disposition of SIGTERM
 *   guard_exec.c   another program in the worker's place
 *   guard_libc.c   the functions that have been covered
 *
 * What is called in a signal handler says so; all of it can be called by
 * several threads at once.  Nothing of this is seen outside the library.
 */
#ifndef GUARD_H
#define GUARD_H

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/single_threaded.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

#include "pm_core/shm/pm_worker_status.h"

#define PUBLIC __attribute__((visibility("default")))

/* All that is shared by threads goes through these.  Where there is one thread
 * they are not locked, which is half of what the guard costs: only a handler of
 * the program's that closes a connection could come in between. */
#define LOAD(x)    __atomic_load_n(&(x), __ATOMIC_SEQ_CST)
#define SWAP(x, v) __atomic_exchange_n(&(x), (v), __ATOMIC_SEQ_CST)
#define STORE(x, v)                                                          \
    (__libc_single_threaded ? __atomic_store_n(&(x), (v), __ATOMIC_RELEASE)  \
                            : __atomic_store_n(&(x), (v), __ATOMIC_SEQ_CST))
#define ADD(x, n)                                                            \
    __extension__({                                                          \
        __typeof__(x) *at_ = &(x);                                           \
        __typeof__(x) sum_;                                                  \
                                                                             \
        if (__libc_single_threaded) {                                        \
            sum_ = __atomic_load_n(at_, __ATOMIC_RELAXED) + (n);             \
            __atomic_store_n(at_, sum_, __ATOMIC_RELEASE);                   \
        }                                                                    \
        else {                                                               \
            sum_ = __atomic_add_fetch(at_, (n), __ATOMIC_SEQ_CST);           \
        }                                                                    \
        sum_;                                                                \
    })

#pragma GCC visibility push(hidden)

/** Descriptors that are known; as many as Linux lets a process have, unless
 *  it is told otherwise (fs.nr_open). */
#define GUARD_FDS (1 << 20)

enum guard_kind {
    GUARD_OTHER,
    GUARD_LISTENER,    /**< the pool's socket */
    GUARD_CONN,        /**< a connection that came by it */
    GUARD_EPOLL        /**< an epoll set that has it */
};

/** Epoll sets that have the listening socket, and how they got it: to give
 *  them the one that is put in its place. */
#define GUARD_SETS 64
enum { GUARD_SET_FREE, GUARD_SET_CLAIMED, GUARD_SET_IN };

typedef struct guard_set {
    int state;
    int epfd;
    int fd;
    uint64_t data;
} guard_set_t;

/** Threads that sleep where SIGTERM has to wake them. */
#define GUARD_THREADS 1024
typedef struct guard_sleepers {
    pid_t tid[GUARD_THREADS];          /**< 0: free */
    struct guard_sleepers *next;
} guard_sleepers_t;

/** Dispositions the program has had: what stands here once never changes, so
 *  a handler can read it at any time.  The first is SIG_DFL. */
#define GUARD_ACTIONS 64

/** The process's one state; zero, and `active` 0, where there is no guard. */
typedef struct guard {
    int active;
    int child;                     /**< forked by a worker: see forked() */
    pid_t pid;
    struct stat listener;          /**< to know the socket again */
    struct sockaddr_storage name;  /**< its address, which connections have */
    socklen_t name_len;
    int page_fd;
    struct stat bell;              /**< standard error, as it was given */
    pm_worker_status_t *slot;              /**< never NULL while active */
    pm_worker_status_t no_page;            /**< stands in for one */

    struct sigaction action[GUARD_ACTIONS];
    int action_set[GUARD_ACTIONS];
    int actions;
    int own;                       /**< index of the present one */
    int flags;                     /**< of the kernel's disposition */
    uint64_t mask;

    int has_waited;                /**< for a request */
    int told;
    int asked;                     /**< by the program's own handler, too */
    int passed_on;                 /**< the program was told by EINTR */
    int leaving;                   /**< a thread is in exit() */
    int nonblock;                  /**< the listener was, when told */
    unsigned terms;                /**< SIGTERMs that came */
    int busy;                      /**< descriptors of connections */
    int left;                      /**< busy, and threads that take requests:
                                    *   0 when nothing is under way and
                                    *   nothing can come any more */
    int open;                      /**< busy, and threads in the kernel's
                                    *   accept() */
    int top;                       /**< the highest descriptor of a kind */
    unsigned char kind[GUARD_FDS];
    guard_set_t set[GUARD_SETS];
    guard_sleepers_t sleepers;
    pthread_key_t thread_key;      /**< its value makes a thread's end heard */
} guard_t;

extern guard_t guard;

/** What belongs to a thread. */
typedef struct guard_thread {
    pid_t tid;
    pid_t *place;                  /**< in a guard_sleepers_t, the last one */
    int known;                     /**< its end will be heard of */
    int counted;                   /**< in guard.left */
    int waits;                     /**< in the page's `waiting` so often */
    int accepts;                   /**< in guard.open */
    int in_own;                    /**< in the program's own handler */
    int loops;                     /**< it waits in poll() and its like before
                                    *   it accepts, perhaps for more than that:
                                    *   it must not be stopped in accept() */
} guard_thread_t;

extern __thread guard_thread_t guard_self;

/** libc's own.  Also before the guard's beginning: a library that was loaded
 *  earlier can call in.  In a handler: yes, once it is active. */
typedef struct guard_libc {
    int (*accept)(int, struct sockaddr *, socklen_t *);
    int (*accept4)(int, struct sockaddr *, socklen_t *, int);
    int (*close)(int);
    int (*close_range)(unsigned, unsigned, int);
    void (*closefrom)(int);
    int (*fclose)(FILE *);
    int (*dup)(int);
    int (*dup2)(int, int);
    int (*dup3)(int, int, int);
    int (*fcntl)(int, int, ...);
    int (*fcntl64)(int, int, ...);
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
    int (*epoll_pwait)(int, struct epoll_event *, int, int,
                       const sigset_t *);
    int (*epoll_pwait2)(int, struct epoll_event *, int,
                        const struct timespec *, const sigset_t *);
    int (*nanosleep)(const struct timespec *, struct timespec *);
    int (*clock_nanosleep)(clockid_t, int, const struct timespec *,
                           struct timespec *);
    int (*pause)(void);
    int (*execve)(const char *, char *const[], char *const[]);
    int (*execv)(const char *, char *const[]);
    int (*execvp)(const char *, char *const[]);
    int (*execvpe)(const char *, char *const[], char *const[]);
} guard_libc_t;

const guard_libc_t *guard_libc(void);

/* --- guard.c -------------------------------------------------------------- */

/** Is this the worker itself?  A child by vfork(2) shares its memory, one by
 *  _Fork(3) has a copy of it that nobody has told.  A system call.
 *  In a handler: yes. */
int guard_is_worker(void);

/** In a child of a worker that is about to accept as one. */
void guard_adopt(void);

static inline int guard_told(void)
{
    return guard.active && LOAD(guard.told);
}

uint64_t guard_now(void);          /**< microseconds, CLOCK_MONOTONIC */

/** See pm_worker_status.h. */
void guard_ring(void);

/** This thread waits for a request from now on, or no longer. */
void guard_wait_begin(void);
void guard_wait_end(void);

/** This thread sleeps where SIGTERM wakes it, or no longer. */
void guard_sleep_begin(void);
void guard_sleep_end(void);

/** This thread takes requests / has been told and takes none any more. */
void guard_count(void);
void guard_uncount(void);

/** To guard.left.  The last one wakes who waits for that. */
void guard_add_left(int n);

/** To guard.open, in the same way. */
void guard_add_open(int n);

/** This thread is in accept() from now on, or no longer. */
void guard_accept_begin(void);
void guard_accept_end(void);

/** Waits until nothing is under way. */
void guard_wait_alone(void);

/** Ends the process; to be called when nothing is under way. */
__attribute__((noreturn)) void guard_leave(void);

/* --- guard_fds.c ---------------------------------------------------------- */

static inline int guard_kind(int fd)
{
    return fd >= 0 && fd < GUARD_FDS
               ? __atomic_load_n(&guard.kind[fd], __ATOMIC_ACQUIRE)
               : GUARD_OTHER;
}

/** Is this the pool's socket, or a copy of it that is not known yet? */
int guard_is_listener(int fd);

void guard_set_kind(int fd, enum guard_kind kind);

/** accept() has given this connection. */
void guard_conn_open(int fd);

/** Of a program with one thread, or one that has been told, so that no number
 *  can be another connection's by now: are its connections still open?  They can
 *  be closed in ways that are not seen here.
 *  @param most so many are looked at, each by a system call */
void guard_conn_check(int most);

/** In a handler: a socket that nobody can accept on in the place of each
 *  listening one. */
void guard_close_listeners(void);

/** The epoll set has the listening socket no more. */
void guard_epoll_hide(int epfd);

/** Is an event with this data the listening socket's? */
int guard_epoll_is_listener(int epfd, uint64_t data);

/** In a child: no descriptor is of a kind. */
void guard_forget_fds(void);

/* --- guard_signal.c ------------------------------------------------------- */

/** In a handler: the program's own disposition. */
const struct sigaction *guard_own(void);
int guard_has_own(const struct sigaction *own);

/** In a handler: calls it if there is one. */
void guard_call_own(int sig, siginfo_t *info, void *context);

/** The kernel's disposition of SIGTERM anew, after a change of the program's
 *  own or of has_waited. */
void guard_install(void);

/** The program's own, from now on.  @return what it was */
const struct sigaction *guard_set_own(const struct sigaction *act);

/** In a handler: is SIGTERM. */
void guard_on_term(int sig, siginfo_t *info, void *context);

#pragma GCC visibility pop

#endif /* GUARD_H */
