/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mod_fcgipm.h
 * @brief What the units of the module (fcgipm_*.c) share.
 *
 * mod_fcgipm.c       module record, hooks, in the order httpd calls them
 * hpm_config.c    directives from pm_conf_rows, merge, whole-set checks
 * hpm_parent.c    the httpd parent's part, with hpm_listeners.c (sockets)
 *                    and hpm_manager_process.c (the process)
 * hpm_log.c       pm_log_t onto ap_log_error()
 * hpm_handler.c   a request from httpd, answered by a pool
 * hpm_script.c    which pool runs a script, asked of the manager
 * hpm_script_rules.c  <FcgiPMScripts>, and the virtual hosts' users
 * hpm_variables.c    a request's variables, and the records that carry them
 * hpm_sendfile.c  X-Sendfile, a file in the place of an answer's body
 * hpm_auth.c      pools that decide on access
 * hpm_body.c      a request's body, read before a worker is taken
 * hpm_admission.c     a request's turn to have a worker
 * hpm_upstream.c  one request's bytes to a worker and back
 * hpm_response.c    what a worker says, as httpd's response
 * hpm_spool.c     that response on its way to a client that may be slow
 * hpm_slow_request.c      a request that takes long
 * hpm_client.c    is the client still there?
 * hpm_keepalive_wait.c    a thread stays with a client that is quick
 * hpm_tempfile.c      temporary files without a name
 * hpm_status.c    what the pools do, over HTTP, with hpm_page.c,
 *                    hpm_openmetrics.c, hpm_mod_status.c (mod_status)
 * hpm_codec.c    FastCGI records, bytes only: no socket, no httpd
 *
 * A process has one piece of global state, the module's own record; what a
 * generation knows hangs on hpm_server_t of the main server.
 */
#ifndef MOD_FCGIPM_H
#define MOD_FCGIPM_H

#include "apr_hash.h"

#include "httpd.h"
#include "http_config.h"
#include "http_log.h"
#include "ap_mpm.h"

#include "pm_core/shm/pm_scoreboard.h"
#include "pm_core/config/pm_conf.h"
#include "pm_core/os/pm_listen.h"
#include "pm_core/policy/pm_script_rules.h"

extern module AP_MODULE_DECLARE_DATA fcgipm_module;

/** The handler's name; "fcgipm" alone is the pool HPM_DEFAULT_POOL. */
#define HPM_HANDLER      "fcgipm"
#define HPM_DEFAULT_POOL "default"

/** A pool as a request sees it.  Made in post_config, never changed after,
 *  read by all threads. */
typedef struct hpm_pool {
    const char *name;
    const pm_conf_t *conf;
    pm_addr_t addr;          /**< where its socket listens */
    int slot;                /**< on the board; -1: there is none */
    apr_uint32_t generation; /**< of the pool in that slot */
    int log_fd;              /**< its own log; -1: it has none */
    const char *failed;      /**< why it cannot be had, or NULL */
    const char *former;      /**< why it is run as it was defined before,
                              *   or NULL */
    const char *where;       /**< file:line of its definition */
} hpm_pool_t;

/** One FcgiPMAlias. */
typedef struct hpm_alias {
    const char *url; /**< prefix, matched as Alias matches it */
    const char *pool;
    const char *where; /**< file:line */
} hpm_alias_t;

/** A directive that names a pool. */
typedef struct hpm_pool_ref {
    const char *directive;
    const char *pool;
    const char *where; /**< file:line */
} hpm_pool_ref_t;

/** Configuration of a server.  All but @c aliases and @c mentions is the
 *  main server's; a virtual host's record points to the same @c pools,
 *  @c templates and @c board. */
typedef struct hpm_server {
    pm_global_t *global;
    pm_conf_t *defaults;          /**< pool settings at server level */
    apr_hash_t *pools;            /**< name -> hpm_pool_t */
    apr_array_header_t *aliases;  /**< of hpm_alias_t, longest first */
    apr_array_header_t *mentions; /**< of hpm_pool_ref_t */
    pm_scoreboard_t *board;       /**< NULL before post_config */
    int row;                      /**< of this child on the board */
    int bell;                     /**< to call the manager with, see
                                   *   pm_wakeup.h; -1: there is none */
    int wire;                     /**< to tell it of slow requests, see
                                   *   pm_slow_report.h; likewise */
    apr_array_header_t
        *templates;            /**< of pm_script_template_t: <FcgiPMScripts> */
    apr_array_header_t *hosts; /**< of pm_host_t: this and all virtual
                                *   hosts; empty without templates */
    apr_hash_t *host_of;       /**< server_rec * -> a pm_host_t's name */
    struct hpm_memory *memory; /**< hpm_script.c's own; of this child,
                                *   NULL without templates */
    struct hpm_thread_load
        *crowd;                /**< this child's, see hpm_keepalive_wait.h */
    apr_array_header_t *order; /**< of hpm_pool_t *: all pools, as they
                                *   are written; main server only */
    struct hpm_draft *draft;   /**< hpm_config.c's own */
    struct hpm_parent *parent; /**< hpm_parent.c's own; main server
                                *   only, NULL before post_config */
} hpm_server_t;

static inline hpm_server_t *hpm_server(const server_rec *s)
{
    return ap_get_module_config(s->module_config, &fcgipm_module);
}

/** What the module knows of a request; in @c request_config. */
typedef struct hpm_request {
    const char *alias;         /**< SCRIPT_NAME when FcgiPMAlias took the
                                *   URL, else NULL */
    struct hpm_denial *denial; /**< hpm_auth.c's own: what a pool that
                                *   denied has said; NULL: nothing, or it
                                *   was granted after all */
    apr_table_t *granted;      /**< variables from pools that granted, or
                                *   NULL */
} hpm_request_t;

/** @return NULL: nothing is known of it */
static inline hpm_request_t *hpm_request_known(const request_rec *r)
{
    return ap_get_module_config(r->request_config, &fcgipm_module);
}

/** The same, made when it is not there. */
static inline hpm_request_t *hpm_request(request_rec *r)
{
    hpm_request_t *known = hpm_request_known(r);

    if (!known) {
        known = apr_pcalloc(r->pool, sizeof(*known));
        ap_set_module_config(r->request_config, &fcgipm_module, known);
    }
    return known;
}

/* --- hpm_config.c ---------------------------------------------------- */

/** Directives: one command_rec for each row of pm_conf_rows, and the
 *  section and alias directives.  Called when the module record is laid
 *  out; lives forever. */
extern const command_rec hpm_cmds[];

void *hpm_server_create(apr_pool_t *p, server_rec *s);
void *hpm_server_merge(apr_pool_t *p, void *base, void *over);

/** For a directive that names a pool: is that one?  Asked when all pools
 *  are known, in .htaccess at once.
 *  @param directive its name, lives forever
 *  @return what is wrong, or NULL */
const char *hpm_config_pool_ref(cmd_parms *cmd, const char *directive,
                                const char *pool);

/** check_config hook: everything that can be found wrong in the whole.  An
 *  error under `httpd -t`; while running, it makes failed pools. */
int hpm_config_check(apr_pool_t *pconf, apr_pool_t *plog, apr_pool_t *ptemp,
                     server_rec *s);

/** Log what is wrong, a line each, failed pools included.
 *  @return how many lines that were */
int hpm_config_report(server_rec *s);

/* --- hpm_script_rules.c -------------------------------------------------- */

/** A <FcgiPMScripts> as it was written. */
typedef struct hpm_scripts {
    const char *dir; /**< as it was written */
    pm_conf_t *conf;
    pm_rules_t *rules;
    const char *where; /**< file:line */
} hpm_scripts_t;

/** May the row stand in a <FcgiPMScripts>? */
int hpm_script_rules_takes(const pm_row_t *row);

/** Make a template of it.
 *  @param base the defaults of all pools
 *  @param conf its definition, to be completed */
pm_script_template_t hpm_script_rules_make(const hpm_scripts_t *scripts,
                                           const pm_conf_t *base,
                                           pm_conf_t **conf, apr_pool_t *p);

/** All that can be known of it.
 *  @param testing under `httpd -t`
 *  @return what is wrong, or NULL */
const char *hpm_script_rules_check(const pm_script_template_t *t,
                                   const pm_global_t *global, int testing,
                                   apr_pool_t *p, apr_pool_t *ptemp);

/** Name the hosts, and ask mod_suexec who they are. */
void hpm_script_rules_hosts(hpm_server_t *server, server_rec *s, apr_pool_t *p);

/* --- hpm_log.c ------------------------------------------------------- */

/** A log sink that writes to @a s's error log, at that server's level for
 *  this module. */
void hpm_log_open(pm_log_t *log, server_rec *s);

/** This process is the manager, and about to close descriptors it does not
 *  know: syslog is connected anew when it is needed.  From now on the sink's
 *  own level decides, not the configuration this process was forked from. */
void hpm_log_detach(server_rec *s);

/** FcgiPMErrorLog: can what it says be a log, as far as can be told without
 *  opening it? */
apr_status_t hpm_log_check(const char *target, apr_pool_t *p, pm_reason_t *why);

/** Open the own logs of all pools, for this configuration; each sets its
 *  @c log_fd, and so does each template.  One that cannot be opened is said,
 * and does without. */
void hpm_log_open_pools(const hpm_server_t *server, apr_pool_t *p,
                        server_rec *s);

/* --- hpm_parent.c ---------------------------------------------------- */

/** post_config hook: sockets, board, manager. */
int hpm_parent_post_config(apr_pool_t *pconf, apr_pool_t *plog,
                           apr_pool_t *ptemp, server_rec *s);

/** check_config hook, the first of all: what was kept over the restart is
 *  taken out of httpd's log pool, which is cleared next. */
int hpm_parent_check_config(apr_pool_t *pconf, apr_pool_t *plog,
                            apr_pool_t *ptemp, server_rec *s);

/** monitor hook: a manager whose start was put off is started. */
int hpm_parent_monitor(apr_pool_t *p, server_rec *s);

/** child_status hook: a child that has gone gives its row back. */
void hpm_parent_child_status(server_rec *s, pid_t pid, ap_generation_t gen,
                             int slot, mpm_child_status state);

/** child_init hook: close what only the parent may keep, claim a row. */
void hpm_parent_child_init(apr_pool_t *pchild, server_rec *s);

/* --- hpm_handler.c --------------------------------------------------- */

/** translate_name hook: FcgiPMAlias. */
int hpm_handler_translate(request_rec *r);

/** map_to_storage hook: a URL that FcgiPMAlias has taken is no file. */
int hpm_handler_map_to_storage(request_rec *r);

/** type_checker hook: nor has it a type. */
int hpm_handler_type(request_rec *r);

/** handler hook: a pool answers. */
int hpm_handler(request_rec *r);

#endif /* MOD_FCGIPM_H */
