/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fcgipm.h
 * @brief libfcgipm: a process manager in a FastCGI program of one's own.
 *
 * Perl's FCGI::Engine::ProcManager, and what its ::Constrained adds, for C: a
 * program forks workers that share its listening socket, replaces those that
 * end, and ends in a way that lets each request finish.  A method or attribute
 * `x` there is `fcgipm_x` here.  As a worker of mod_fcgipm the same program
 * notices that it has a manager already, and forks nothing.
 *
 *     fcgipm_t *pm = fcgipm_create();
 *     FCGX_Request request;
 *
 *     fcgipm_set_n_processes(pm, 4);
 *     fcgipm_manage(pm);                  // returns in each worker
 *     FCGX_Init();
 *     FCGX_InitRequest(&request, 0, FCGI_FAIL_ACCEPT_ON_INTR);
 *     while (fcgipm_accept(pm, &request) == 0) {
 *         // answer
 *     }
 *     fcgipm_destroy(pm);
 *     return 0;
 *
 * Link with -lfcgipm, and -lfcgi for fcgipm_accept().  The listening socket
 * is descriptor 0 (spawn-fcgi(1) and mod_fcgipm give it there) or one that the
 * program has opened before fcgipm_manage() (FCGX_OpenSocket()).
 *
 * SIGNALS
 *   Manager, SIGHUP: it sends SIGTERM to each worker and replaces each.  It
 *   forks the new ones of itself, as it is in memory: a program or
 * configuration that has changed on disk needs a new manager. Manager, SIGTERM
 * or SIGINT: it sends SIGTERM to each worker and waits.  Its exit status is 0
 * when all have gone within the die timeout; else it sends SIGKILL to those
 * left, and its exit status is 1.  It ignores other SIGTERM, SIGINT and SIGHUP
 * meanwhile. Worker, SIGTERM, SIGINT or SIGHUP: it ends with status 0, at once
 * while it waits for a request, else when it has answered its request.
 *   fcgipm_manage() unblocks these signals, as the parent can have left them
 *   blocked.  Where SIGPIPE has its default action it sets a handler that does
 *   nothing, as libfcgi does in FCGX_Init(): a reader that has gone is EPIPE.
 *   Two things that a worker of the original loses are kept: a signal just
 *   before accept(2), and, with fcgipm_accept(), a request whose connection was
 *   accepted just before the signal.  The original leaves SIGINT alone: its
 *   manager dies of it, and its workers stay.
 *
 * MESSAGES
 *   One line each on standard error: "FastCGI: manager (pid 7): initialized".
 *   A message for which there is no room is dropped: neither manager nor worker
 *   waits for the reader of its log.
 *
 * RULES
 *   Times are whole seconds, sizes kilobytes (1024 bytes), as in the original.
 *   Strings that are given are copied; strings, lists and arrays that are
 *   returned belong to the object and are good until it is changed.  An int
 *   without another meaning is 0, or -1 with errno.  A fcgipm_t is for one
 *   thread, and only one is used in a process; the workers have their copies
 *   by fork(2), so manage before threads are started.  No function may be
 *   called from a signal handler but fcgipm_role(), fcgipm_server_sig_handler()
 *   and fcgipm_received_signal().  Functions that end the process call exit(3).
 */
#ifndef FCGIPM_H
#define FCGIPM_H

#include <stddef.h>
#include <signal.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define FCGIPM_API               __attribute__((visibility("default")))
#define FCGIPM_NORETURN          __attribute__((noreturn))
#define FCGIPM_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#else
#define FCGIPM_API
#define FCGIPM_NORETURN
#define FCGIPM_PRINTF(fmt, args)
#endif

struct FCGX_Request; /* fcgiapp.h of libfcgi */

/** A process manager, in the manager and in each worker. */
typedef struct fcgipm fcgipm_t;

/** Version of the library, "0.1.0". */
FCGIPM_API const char *fcgipm_version(void);

/** Make one with the defaults below.  @return NULL: no memory */
FCGIPM_API fcgipm_t *fcgipm_create(void);

/** Free it.  Its signal handlers stay and do nothing; the workers stay.
 *  @param pm may be NULL */
FCGIPM_API void fcgipm_destroy(fcgipm_t *pm);

/* --- attributes -----------------------------------------------------------
 * To be set before fcgipm_manage(); later a change has effect from the next
 * use, in this process.  Values that make no sense are refused (EINVAL).
 */

typedef enum fcgipm_role {
    FCGIPM_MANAGER,
    FCGIPM_SERVER /**< a worker */
} fcgipm_role_t;

/** What this process is.  fcgipm_manage() sets it; before that, manager. */
FCGIPM_API fcgipm_role_t fcgipm_role(const fcgipm_t *pm);
FCGIPM_API void fcgipm_set_role(fcgipm_t *pm, fcgipm_role_t role);

/** Workers to keep.  0, the default: none, the process itself serves. */
FCGIPM_API int fcgipm_n_processes(const fcgipm_t *pm);
FCGIPM_API int fcgipm_set_n_processes(fcgipm_t *pm, int n);

/** Seconds between two births.  Default 0. */
FCGIPM_API int fcgipm_start_delay(const fcgipm_t *pm);
FCGIPM_API int fcgipm_set_start_delay(fcgipm_t *pm, int seconds);

/** Seconds that workers have to end when the manager ends; 0: for ever.
 *  Default 60. */
FCGIPM_API int fcgipm_die_timeout(const fcgipm_t *pm);
FCGIPM_API int fcgipm_set_die_timeout(fcgipm_t *pm, int seconds);

/** The file that holds the manager's pid while it runs; NULL, the default:
 *  none.  Its mode is 0644 whatever the umask.  A file that is there already is
 *  written to only when it is a regular one with one name, and the manager's
 *  user's or root's; a symbolic link is never followed.  When the file cannot
 *  be written the manager says why and goes on. */
FCGIPM_API const char *fcgipm_pidfile(const fcgipm_t *pm);
FCGIPM_API int fcgipm_set_pidfile(fcgipm_t *pm, const char *path);

/**
 * Not 0: leave SIGTERM, SIGINT and SIGHUP to the program, in manager and
 * workers.  Default 0.  The program's handler of a signal, of any number, can
 * then end or reload by telling the library of it:
 *
 *     if (fcgipm_role(pm) == FCGIPM_SERVER)
 *         fcgipm_server_sig_handler(pm, SIGTERM);   // go after this request
 *     else
 *         fcgipm_received_signal(pm, SIGTERM, 1);   // fcgipm_die()
 */
FCGIPM_API int fcgipm_no_signals(const fcgipm_t *pm);
FCGIPM_API void fcgipm_set_no_signals(fcgipm_t *pm, int no);

/** What ps(1) shows for a worker, and for the manager; NULL, the default: what
 *  there is stays.  On Linux it is written over the memory of the arguments:
 *  a program that sets one keeps no pointer into argv (optarg is one) beyond
 *  fcgipm_manage().  The original's defaults are names of Perl's. */
FCGIPM_API const char *fcgipm_process_name(const fcgipm_t *pm);
FCGIPM_API int fcgipm_set_process_name(fcgipm_t *pm, const char *name);
FCGIPM_API const char *fcgipm_manager_process_name(const fcgipm_t *pm);
FCGIPM_API int fcgipm_set_manager_process_name(fcgipm_t *pm, const char *name);

/** In a worker: the pid of its manager, whose death ends the worker after its
 *  request.  0: there is none. */
FCGIPM_API pid_t fcgipm_manager_pid(const fcgipm_t *pm);
FCGIPM_API void fcgipm_set_manager_pid(fcgipm_t *pm, pid_t pid);

/** Signals are counted below this number. */
#define FCGIPM_SIGNALS 65

/** How often each signal has come to this process, by its number; a worker
 *  begins with 0.
 *  @return FCGIPM_SIGNALS counts, which the program may change */
FCGIPM_API volatile sig_atomic_t *fcgipm_signals_received(fcgipm_t *pm);

/**
 * The descriptor workers accept on.  A worker closes it when a signal tells it
 * to go, so that accept(2) fails.  fcgipm_accept() takes it from the request.
 * For a program that calls FCGX_Accept_r() itself fcgipm_manage() finds it:
 * descriptor 0 if that is a listening socket, else the only one that is.  Where
 * several are the program has to set it; else a worker says at its first
 * request that it is missing.  -1: each worker opens its own, and a signal just
 * before accept(2) can be lost.  Not in the original.
 */
FCGIPM_API int fcgipm_listen_fd(const fcgipm_t *pm);
FCGIPM_API void fcgipm_set_listen_fd(fcgipm_t *pm, int fd);

/* --- limits: FCGI::Engine::ProcManager::Constrained -------------------------
 * A worker that has reached one ends in fcgipm_post_dispatch(), status 0.  All
 * are 0 by default: no limit.
 */

/** Requests a worker serves.  Default: of PM_MAX_REQUESTS in the environment
 *  at fcgipm_create(). */
FCGIPM_API long fcgipm_max_requests(const fcgipm_t *pm);
FCGIPM_API int fcgipm_set_max_requests(fcgipm_t *pm, long n);

/** Requests from one look at the worker's memory to the next; 0: never
 *  look.  The three sizes below need it.  Default: of PM_SIZECHECK_NUM_REQUESTS
 *  in the environment, as FCGI::ProcManager::Constrained has it. */
FCGIPM_API long fcgipm_sizecheck_num_requests(const fcgipm_t *pm);
FCGIPM_API int fcgipm_set_sizecheck_num_requests(fcgipm_t *pm, long n);

/** KB of address space, used or not (VmSize in proc(5)).  FcgiPMMaxProcessSize
 *  of mod_fcgipm counts what is resident.  Default: of PM_MAX_SIZE in the
 *  environment, as FCGI::ProcManager::Constrained has it. */
FCGIPM_API long fcgipm_max_process_size(const fcgipm_t *pm);
FCGIPM_API int fcgipm_set_max_process_size(fcgipm_t *pm, long kb);

/** KB of that which are not shared with other processes. */
FCGIPM_API long fcgipm_max_unshared_size(const fcgipm_t *pm);
FCGIPM_API int fcgipm_set_max_unshared_size(fcgipm_t *pm, long kb);

/** KB that are to be shared at least. */
FCGIPM_API long fcgipm_min_share_size(const fcgipm_t *pm);
FCGIPM_API int fcgipm_set_min_share_size(fcgipm_t *pm, long kb);

/** Requests this worker has done. */
FCGIPM_API long fcgipm_request_count(const fcgipm_t *pm);

/* --- hooks ------------------------------------------------------------------
 * They run at the end of the function they are named after, where the
 * original has inner().
 */

/** @param data as it was given with the hook */
typedef void (*fcgipm_hook_t)(fcgipm_t *pm, void *data);

/** Set a hook; NULL takes it away.  @a data stays the program's. */
FCGIPM_API void fcgipm_on_manager_init(fcgipm_t *pm, fcgipm_hook_t hook,
                                       void *data);
FCGIPM_API void fcgipm_on_server_init(fcgipm_t *pm, fcgipm_hook_t hook,
                                      void *data);
FCGIPM_API void fcgipm_on_pre_dispatch(fcgipm_t *pm, fcgipm_hook_t hook,
                                       void *data);
FCGIPM_API void fcgipm_on_post_dispatch(fcgipm_t *pm, fcgipm_hook_t hook,
                                        void *data);

/* --- managing ------------------------------------------------------------- */

/**
 * Manage workers.  Called once, before the first request.  The manager stays
 * in here until it ends the process: fcgipm_die() on SIGTERM and SIGINT,
 * fcgipm_abort() when it cannot fork or no descriptor is a listening socket.
 * Each worker is a child that returns from here.  SIGCHLD is the manager's.
 *
 * A worker that has ended is replaced at once, but for one that ended within a
 * second and without a request: from the second in a row on the next birth
 * waits for 0.1, 0.2, 0.4 ... 30 seconds, and one worker at a time is tried.
 * SIGHUP ends such a pause.
 *
 * A program that calls daemon(3) does so before this, as the manager's pid
 * changes, and with noclose 1: else /dev/null takes the place of a socket on
 * descriptor 0 and of standard error.
 *
 * With n_processes 0, or FCGIPM_MANAGER in the environment, which mod_fcgipm
 * sets for its workers, nothing is forked: the process itself becomes a
 * worker.  The variable is removed; it keeps its ps(1) title under mod_fcgipm.
 * @return 1 in a worker that was forked here, else 0; serve either way
 */
FCGIPM_API int fcgipm_manage(fcgipm_t *pm);

/** Part of fcgipm_manage(), in the manager: signals, title, pid file, hook. */
FCGIPM_API void fcgipm_manager_init(fcgipm_t *pm);

/** Part of fcgipm_manage(), in a worker: signals, title, count of requests,
 *  hook. */
FCGIPM_API void fcgipm_server_init(fcgipm_t *pm);

/** In a worker, when there is a request: a signal will not interrupt what is
 *  done for it. */
FCGIPM_API void fcgipm_pre_dispatch(fcgipm_t *pm);

/**
 * In a worker, when the request is answered; so after FCGX_Finish_r().  Ends
 * the process, status 0, when it was told to go, its manager has died or a
 * limit is reached.  Otherwise a signal will interrupt accept(2).
 */
FCGIPM_API void fcgipm_post_dispatch(fcgipm_t *pm);

/**
 * The next request: finishes the one before (FCGX_Finish_r(),
 * fcgipm_post_dispatch()), waits (FCGX_Accept_r()) and begins it
 * (fcgipm_pre_dispatch()).  On a Unix socket a connection that says nothing
 * for 2 seconds is closed, as libfcgi does; one of TCP when the worker is told
 * to go.
 * @param request of FCGX_InitRequest(), any descriptor.  With the flag
 *        FCGI_FAIL_ACCEPT_ON_INTR other signals end the wait too
 * @return 0 with a request; -1: told to go, or the socket is broken: leave the
 *         loop and end with status 0.  ENOSYS: there is no libfcgi
 */
FCGIPM_API int fcgipm_accept(fcgipm_t *pm, struct FCGX_Request *request);

/**
 * In the manager: wait until a child has ended, or a signal has come that the
 * manager is to act on.  A worker that has ended is forgotten and its end told.
 * @return its pid; -1: EINTR a signal, ECHILD there is no child
 */
FCGIPM_API pid_t fcgipm_wait(fcgipm_t *pm);

/* --- workers a manager has ------------------------------------------------ */

/** All of them, the oldest first; fcgipm_pid_count() many. */
FCGIPM_API const pid_t *fcgipm_server_pids(const fcgipm_t *pm);
FCGIPM_API int fcgipm_add_pid(fcgipm_t *pm, pid_t pid);
/** @return 1 when it was there */
FCGIPM_API int fcgipm_remove_pid(fcgipm_t *pm, pid_t pid);
/** Copy up to @a room.  @return how many there are */
FCGIPM_API size_t fcgipm_get_all_pids(const fcgipm_t *pm, pid_t *pids,
                                      size_t room);
FCGIPM_API size_t fcgipm_pid_count(const fcgipm_t *pm);
/** @return 1 when there is one */
FCGIPM_API int fcgipm_has_pids(const fcgipm_t *pm);
FCGIPM_API void fcgipm_forget_all_pids(fcgipm_t *pm);

/* --- signals -------------------------------------------------------------- */

/** What the manager does for a signal; fcgipm_manage() calls it, not in a
 *  handler.  SIGTERM, SIGINT: fcgipm_die(), does not return. */
FCGIPM_API void fcgipm_manager_sig_handler(fcgipm_t *pm, int sig);

/** What a worker does for a signal: count it, and, when the worker waits for a
 *  request, see to it that accept(2) fails.  This is in a handler. */
FCGIPM_API void fcgipm_server_sig_handler(fcgipm_t *pm, int sig);

/** @param received 1: count one more; a manager acts on it then, in
 *         fcgipm_manage(), as if it had come to the library's handler
 *  @return how often the signal has come; 0 for no such signal */
FCGIPM_API int fcgipm_received_signal(fcgipm_t *pm, int sig, int received);

/** Put the library's handler on SIGTERM, SIGINT and SIGHUP.  With SA_RESTART
 *  during a request, without while waiting for one and in the manager. */
FCGIPM_API void fcgipm_setup_signal_actions(fcgipm_t *pm, int with_sa_restart);

/** That handler works for this object from now on; for none. */
FCGIPM_API void fcgipm_setup_signal_handler(fcgipm_t *pm);
FCGIPM_API void fcgipm_clear_signal_handler(fcgipm_t *pm);

/* --- title, messages, the end --------------------------------------------- */

/** Show the name of this process's role in ps(1). */
FCGIPM_API void fcgipm_change_process_name(fcgipm_t *pm);

/** "FastCGI: ROLE (pid N): ..." on standard error; space at its end is cut. */
FCGIPM_API void fcgipm_notify(const fcgipm_t *pm, const char *fmt, ...)
    FCGIPM_PRINTF(2, 3);

/** End as SIGTERM does: pid file removed, SIGTERM to each worker, wait, then
 *  fcgipm_exit("dying: MSG", n); after the die timeout
 *  fcgipm_abort("wait timeout", 1).  @param msg NULL is "" */
FCGIPM_API FCGIPM_NORETURN void fcgipm_die(fcgipm_t *pm, const char *msg,
                                           int n);

/** fcgipm_exit() with status @a n, 1 when that is 0. */
FCGIPM_API FCGIPM_NORETURN void fcgipm_abort(fcgipm_t *pm, const char *msg,
                                             int n);

/** SIGKILL to all workers that are left, the message, exit(3). */
FCGIPM_API FCGIPM_NORETURN void fcgipm_exit(fcgipm_t *pm, const char *msg,
                                            int n);

#ifdef __cplusplus
}
#endif

#endif /* FCGIPM_H */
