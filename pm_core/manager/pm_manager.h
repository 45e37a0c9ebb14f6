/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_manager.h
 * @brief The process manager.
 *
 * The parent of every worker.  It takes the signals of
 * FCGI::Engine::ProcManager: on SIGHUP it tells every worker to stop, and goes
 * on; on SIGTERM or SIGINT it tells every worker to stop, waits the die
 * timeout, kills those left and ends with 0 or 1.  In fcgipm-run the drain
 * grace comes before that: it serves as before and is not ready; another
 * SIGTERM ends the grace.  One process runs one manager; what it does between
 * two events is pm_manager_run(), on one screen.
 */
#ifndef PM_MANAGER_H
#define PM_MANAGER_H

#include <sys/types.h>

#include "pm_core/os/pm_names.h"
#include "pm_core/shm/pm_scoreboard.h"
#include "pm_core/ipc/pm_pool_set.h"

typedef struct pm_manager pm_manager_t;

/** What the program around it gives.  Descriptors stay the program's. */
typedef struct pm_manager_opts {
    pm_log_t *log; /**< its level follows the set's */
    pm_scoreboard_t *scoreboard;
    int channel;     /**< the manager's end; -1: none */
    int wakeup;      /**< httpd's children wake the manager here
                      *   (pm_wakeup.h); -1: there are none */
    int slow_report; /**< httpd's children report slow requests here
                      *   (pm_slow_report.h); -1: there are none */
    int log_fd;      /**< where @c log writes; -1: to standard error */
    int metrics;     /**< a listening socket at which machines ask by HTTP
                      *   (pm_probe.h); 0: there is none */
    const struct pm_sd_notify *notify; /**< a service manager that is to be
                                        *   told (pm_service.h); NULL: none */
    pm_names_t *names;                 /**< what names of the sets stand for, as
                                        *   far as known, or NULL */
    pid_t httpd;                       /**< httpd's parent; 0: there is none */
    uid_t peer_uid; /**< owns the control socket and may ask there, besides
                     *   root and the manager's own user */
    gid_t peer_gid;
    /** A new error log has come: write there from now on.  Takes @a fd. */
    void (*relog)(void *ctx, int fd);
    /** SIGHUP, where there is no channel: read the configuration anew, a part
     *  of it at least and more until @a end.  NULL: the pools stay as they are.
     *  @param set once it is over: what is to be put in force; NULL: there is
     *             none, and the program has told why
     *  @return 1: it is over */
    int (*reread)(void *ctx, apr_time_t end, pm_pool_set_t **set);
    void *ctx;
} pm_manager_opts_t;

/**
 * Make this process the manager: signal handlers, loop.  Call it in the
 * process that is to be the manager, after pm_fds_close_others().
 * @param p a pool of the process's own
 */
apr_status_t pm_manager_create(pm_manager_t **m, const pm_manager_opts_t *opts,
                               apr_pool_t *p, pm_reason_t *why);

/** Take this set now (fcgipm-run: before pm_manager_run()).  The manager
 *  owns @a set and its descriptors from here on. */
void pm_manager_adopt(pm_manager_t *m, pm_pool_set_t *set);

/**
 * Manage until SIGTERM or SIGINT, or until the other end of the channel is
 * gone.
 * @return the exit status: 0 when all workers went in time, 1 when some had
 *         to be killed
 */
int pm_manager_run(pm_manager_t *m);

#endif /* PM_MANAGER_H */
