/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hpm_parent.h
 * @brief The httpd parent's part, shared by its three files only.
 *
 * hpm_parent.c   the hooks: one generation after the other
 * hpm_listeners.c   what each pool keeps over a restart: slot and socket
 * hpm_manager_process.c  the manager process: started, told, replaced, stopped
 *
 * WHAT OUTLIVES A RESTART
 *   httpd reads its configuration anew by clearing pconf, which unloads this
 *   module; it comes back at another address, as another build, or not at
 *   all.  What is kept meanwhile (hpm_retained_t) hangs on the process's
 *   pool and holds no pointer to code of ours.
 *
 *   A descriptor that is kept is an apr_file_t in httpd's log pool, which
 *   httpd clears when the next configuration has been read.  By then, if
 *   there still is such a module, its first check_config hook has taken the
 *   file out of that pool; if not, APR's own cleanup closes the descriptor:
 *   listening sockets do not stay open behind a module that has gone, and
 *   the manager sees the end of its channel.
 */
#ifndef HPM_PARENT_H
#define HPM_PARENT_H

#include "apr_file_io.h"
#include "apr_thread_proc.h"

#include "httpd/mod_fcgipm.h"
#include "pm_core/ipc/pm_pool_set.h"

/** Where a pool lives: its slot on the board and its listening socket. */
typedef struct hpm_listener {
    const char *name; /**< of the pool */
    int slot;
    apr_uint32_t generation;
    pm_listener_t listener; /**< text is set always, fd -1 when failed */
    apr_file_t *file;       /**< owns the listener's fd; NULL when closed or
                             *   handed to another place */
    const char *settings;   /**< of the last definition that was good, as
                             *   pm_conf_write() writes it; NULL: none */
} hpm_listener_t;

/** The manager that lives, or the one that is to be started. */
typedef struct hpm_manager_process {
    pid_t pid;           /**< 0: none */
    apr_file_t *channel; /**< the parent's end; NULL: none */
    apr_time_t born;     /**< pm_time_now() */
    apr_time_t retry_at; /**< pm_time_now(); 0: nothing to start */
    int early;           /**< managers that died young, in a row */
    char identity[256];  /**< build and kind of log; another one cannot
                          *   be told the new configuration */
} hpm_manager_process_t;

/** Everything that outlives a restart. */
typedef struct hpm_retained {
    pid_t parent;           /**< httpd's parent, whose all this is */
    int config;             /**< AP_SQ_CONFIG_GEN when last seen */
    apr_pool_t *board_pool; /**< NULL: no board yet */
    pm_scoreboard_t *board;
    int next_slot;
    apr_uint32_t generations;   /**< given so far */
    apr_pool_t *pool;           /**< of @c places; one for each configuration */
    apr_array_header_t *places; /**< of hpm_listener_t; NULL: none */
    apr_file_t *bell[2];        /**< of all managers and children: to hear, and
                                 *   to ring; NULL: none yet */
    apr_file_t *wire[2];        /**< likewise, of slow requests */
    hpm_manager_process_t boss;
} hpm_retained_t;

/** One generation's view; lives in pconf. */
typedef struct hpm_parent {
    server_rec *s;
    hpm_server_t *server;
    apr_pool_t *pconf, *plog;
    hpm_retained_t *retained;
    pm_pool_set_t *set; /**< what a manager of this generation gets */
    apr_proc_t proc;    /**< the manager, for APR's other-child list */
} hpm_parent_t;

/* --- hpm_listeners.c ---------------------------------------------------- */

/** Own @a fd by a file in httpd's log pool: see above.  On failure the
 *  descriptor is closed. */
apr_status_t hpm_hold(apr_file_t **file, int fd, apr_pool_t *plog);

/** Move a file that hpm_hold() made to another pool. */
void hpm_move(apr_file_t **file, apr_pool_t *p);

/** Close a file and forget it.  Harmless for NULL. */
void hpm_drop(apr_file_t **file);

/** The descriptor of a file, -1 for NULL. */
int hpm_fd(apr_file_t *file);

/**
 * Give every pool of this configuration a place: the one it had, if its
 * socket is still there, else a new one.  A pool that cannot have one gets
 * its reason in @c failed; one whose new definition is no good but that has
 * its place still gets @c former.
 * @return the former places, with the files of those that are no more
 */
apr_array_header_t *hpm_listeners_renew(hpm_parent_t *me, apr_pool_t *ptemp);

/** Close the sockets of former places.
 *  @param unlink_too remove their files as well: there is no manager that
 *                    will do it when it has drained the pool */
void hpm_listeners_close(apr_array_header_t *former, int unlink_too);

/* --- hpm_manager_process.c ---------------------------------------------------
 */

/** Bring the manager to this generation's set: tell the one that lives, or
 *  start one.  Failures are logged and tried again by
 * hpm_manager_process_due(). */
void hpm_manager_process_renew(hpm_parent_t *me);

/** Does the manager live?  Reaps it if not. */
int hpm_manager_process_alive(hpm_parent_t *me);

/** Start a manager if one was put off and its time has come. */
void hpm_manager_process_due(hpm_parent_t *me);

/** SIGTERM, wait as long as the die timeout allows, else SIGKILL. */
void hpm_manager_process_stop(hpm_parent_t *me);

#endif /* HPM_PARENT_H */
