/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pm_conf.h
 * @brief The settings an administrator can make, as data.
 *
 * The table pm_conf_rows holds all that is known of a setting: its name, the
 * field it fills, its type, default and bounds, and what a change of it asks
 * of a running pool.  Everything else is a loop over that table: httpd's
 * command_rec, the options of fcgipm-run, defaults, merge, comparison, and
 * the text that goes from the parent to the manager.  A new directive is a new
 * row.
 *
 * The rows fill three structures (pm_scope_t): pm_conf_t, the definition of a
 * pool; pm_global_t, the settings of the manager; and pm_rules_t, the
 * conditions that <FcgiPMScripts> makes for its scripts.
 *
 * A definition is built by one thread and is not changed once it has been
 * handed on; any thread may read it then.  The parent, fcgipm-run and the
 * manager use this unit.  httpd's children only read definitions.
 */
#ifndef PM_CONF_H
#define PM_CONF_H

#include "apr_tables.h"
#include "pm_core/base/pm_base.h"

/** FcgiPMProcesses: the number of workers.  min == max is a static pool. */
typedef struct pm_range {
    apr_int64_t min;
    apr_int64_t max;
} pm_range_t;

/** FcgiPMMaxRequests: a number, and by how many per cent at the most it is
 *  lowered at random, so that workers do not reach it together. */
typedef struct pm_jittered {
    apr_int64_t n;
    apr_int64_t percent;
} pm_jittered_t;

/** PM_ROW_die_timeout and so on: the index of a row in pm_conf_rows and in
 *  @c origin.  PM_ROWS is the number of rows. */
enum {
#define PM_ROW(field, name, type, st, init, min, max, choices, change, help)   \
    PM_ROW_##field,
#include "pm_core/config/pm_conf_rows.h"
    PM_ROWS
};

/** FcgiPMSlowLog: a time, and the command that is executed after it. */
typedef struct pm_timed {
    apr_time_t time;
    apr_array_header_t *command; /**< of const char *; NULL: none */
} pm_timed_t;

/** Where a value comes from. */
typedef struct pm_origin {
    const char *where; /**< for people, see pm_conf_note(); NULL: default */
    int given;         /**< 1: pm_conf_set() has filled the field */
} pm_origin_t;

/** The definition of a pool.  Strings and arrays live in the apr_pool_t the
 *  definition was made in. */
typedef struct pm_conf {
    pm_origin_t origin[PM_ROWS]; /**< by PM_ROW_*; first in each structure */
    const char *name;            /**< of the pool, see pm_conf_name_check() */

    apr_array_header_t *command; /**< of const char *: program, arguments */
    pm_range_t processes;
    apr_int64_t requests_per_worker; /**< at once */
    apr_time_t idle_timeout; /**< 0: workers are not stopped for idleness */
    apr_int64_t spare;       /**< idle workers in addition to those needed */
    const char *listen;      /**< "unix:/path" or "host:port"; NULL:
                              *   NAME.sock in the runtime directory */
    apr_int64_t listen_backlog;
    apr_int64_t listen_mode;  /**< of the file of a unix socket */
    const char *listen_owner; /**< "user[:group]"; NULL: httpd's user */
    apr_array_header_t *listen_clients; /**< of "any", or addresses and
                                         *   prefixes (pm_prefix.h); NULL: not
                                         *   given */

    const char *user;      /**< NULL: httpd's user */
    const char *group;     /**< NULL: the user's primary group */
    const char *directory; /**< NULL: "/" */
    const char *chroot;    /**< NULL: none */
    apr_int64_t umask;
    apr_int64_t nice;
    apr_array_header_t *setenv;          /**< of "NAME=value" */
    apr_array_header_t *php_value;       /**< of "NAME=value" */
    apr_array_header_t *php_admin_value; /**< of "NAME=value" */
    apr_array_header_t *passenv;         /**< of "NAME" */
    apr_array_header_t *rlimit; /**< of "resource soft hard", checked */
    const char *process_name;   /**< argv[0] of workers; NULL: the program */

    apr_int64_t guard;          /**< 1: on */
    apr_int64_t preload;        /**< a pm_conf_preload_t */
    apr_array_header_t *warmup; /**< of "URL" or "URL SCRIPT ROOT"; SCRIPT:
                                 *   the part of its path that names the
                                 *   program, ROOT: the document root */
    apr_int64_t no_new_privs;   /**< 1: on */
    const char *cgroup;         /**< its directory; NULL: httpd's own */
    apr_time_t start_delay;     /**< between two starts in one pool */
    apr_time_t start_timeout;   /**< 0: none */
    apr_time_t drain_timeout;   /**< 0: never */
    pm_jittered_t max_requests; /**< 0: no limit */
    apr_time_t lifetime;        /**< 0: no limit */
    apr_time_t request_timeout; /**< 0: none */
    apr_int64_t size_check;     /**< requests between two looks at sizes */
    apr_int64_t max_size;       /**< bytes; less than 1: no limit */
    apr_int64_t max_unshared;   /**< likewise */
    apr_int64_t min_share;      /**< likewise */
    apr_int64_t reload;         /**< 1: rolling */
    apr_array_header_t *watch;  /**< of const char *, absolute */
    const char *error_log;      /**< file or "|program"; NULL: httpd's */
    pm_timed_t slow_log;        /**< time 0: none */
    apr_int64_t log_limit;      /**< lines in ten seconds; 0: no limit */

    /* read by httpd's children only */
    apr_time_t connect_timeout;
    apr_time_t io_timeout;       /**< 0: httpd's Timeout */
    apr_int64_t request_buffer;  /**< bytes; -1: "off" */
    apr_int64_t response_buffer; /**< bytes; -1: "off" */
    apr_int64_t header_limit;    /**< bytes of a response's header */
    apr_int64_t queue_limit;     /**< 0: no limit */
    apr_time_t queue_timeout;
    apr_int64_t keep_connections;       /**< 1: on */
    apr_int64_t ignore_abort;           /**< a pm_ignore_abort_t */
    apr_int64_t xsendfile;              /**< 1: on */
    apr_array_header_t *xsendfile_path; /**< of const char *, absolute */
    apr_array_header_t *allow;          /**< of "directory:/path",
                                         *   "location:/url", "host:name";
                                         *   NULL: not given */
    apr_int64_t file_owner;             /**< 1: the file requested belongs to
                                         *   the pool's user */
} pm_conf_t;

/** FcgiPMPreload: whether workers are forked from a fork server of the pool's
 *  own (pm_fork_server.h). */
typedef enum pm_conf_preload {
    PM_PRELOAD_OFF = 0,
    PM_PRELOAD_AUTO = 1, /**< where the program allows it */
    PM_PRELOAD_ON = 2    /**< likewise, with a warning where it does not */
} pm_conf_preload_t;

/** FcgiPMIgnoreClientAbort: whether a request goes on without its client. */
typedef enum pm_ignore_abort {
    PM_IGNORE_ABORT_AUTO = 0, /**< not GET and HEAD, before their answer has
                               *   been delivered */
    PM_IGNORE_ABORT_ON = 1,   /**< always */
    PM_IGNORE_ABORT_OFF = 2   /**< never */
} pm_ignore_abort_t;

/** FcgiPMGraceful: what a graceful restart does to pools whose definition did
 *  not change. */
typedef enum pm_graceful {
    PM_GRACEFUL_HUP = 0,     /**< their workers are replaced like all others */
    PM_GRACEFUL_CHANGED = 1, /**< their workers stay */
    PM_GRACEFUL_NONE = 2     /**< even pools that changed keep their workers */
} pm_graceful_t;

/** The settings of the manager itself. */
typedef struct pm_global {
    pm_origin_t origin[PM_ROWS]; /**< as in pm_conf_t */
    const char *socket;          /**< control socket; NULL: fcgipm.sock in
                                  *   the runtime directory */
    apr_int64_t socket_mode;
    const char *runtime_dir; /**< NULL: httpd's, or fcgipm-run's */
    const char *pid_file;    /**< NULL: none */
    apr_time_t die_timeout;
    apr_time_t drain_grace;    /**< from SIGTERM on fcgipm-run is not ready, and
                                *   serves as before for so long */
    const char *manager_name;  /**< title of the manager in ps(1) */
    apr_int64_t graceful;      /**< a pm_graceful_t */
    apr_int64_t max_processes; /**< workers of all pools; 0: no limit */
    apr_int64_t max_scripts;   /**< pools of scripts at the most */
    apr_int64_t park;          /**< 1: requests of httpd that wait for a worker
                                *   hold no thread, where its MPM can do that */
    apr_int64_t max_threads;   /**< of an httpd child, that pools may hold; 0: a
                                *   share of them */
} pm_global_t;

/** FcgiPMScriptOwner: the users a script and its directory may belong to. */
typedef enum pm_owner {
    PM_OWNER_AUTO = 0, /**< PM_OWNER_USER if the configuration names a user,
                        *   else PM_OWNER_ROOT */
    PM_OWNER_USER = 1, /**< the user and group it runs as */
    PM_OWNER_ROOT = 2, /**< the user it runs as, or root */
    PM_OWNER_ANY = 3   /**< any user */
} pm_owner_t;

/** The conditions that <FcgiPMScripts> makes for its scripts. */
typedef struct pm_rules {
    pm_origin_t origin[PM_ROWS]; /**< as in pm_conf_t */
    apr_array_header_t *wrapper; /**< of "COMMAND SUFFIX KIND": COMMAND
                                  *   escaped as in a URL, SUFFIX "*" for
                                  *   any, KIND "file" or "virtual" */
    apr_int64_t script_user;     /**< 1: a script runs as its owner */
    apr_int64_t script_owner;    /**< a pm_owner_t */
    apr_int64_t min_uid;
    apr_int64_t min_gid;
} pm_rules_t;

/** The structure a setting is a field of. */
typedef enum pm_scope {
    PM_SCOPE_POOL,   /**< pm_conf_t */
    PM_SCOPE_GLOBAL, /**< pm_global_t */
    PM_SCOPE_RULES   /**< pm_rules_t */
} pm_scope_t;

/** How the words of a directive are read, and the type of the field. */
typedef enum pm_type {
    PM_T_STRING,   /**< one word: const char * */
    PM_T_PATH,     /**< one word, an absolute path: const char * */
    PM_T_WORDS,    /**< one or more words: array of const char * */
    PM_T_PAIR,     /**< "NAME value" -> "NAME=value" appended to an array */
    PM_T_PHP,      /**< the same, a setting of PHP's (pm_php.h) */
    PM_T_NAMES,    /**< one or more words appended to an array */
    PM_T_PATHS,    /**< the same, each an absolute path */
    PM_T_URLS,     /**< the same, each a URL, or its path: what httpd knows of
                    *   it can follow, "URL SCRIPT ROOT" */
    PM_T_CLIENTS,  /**< the same, each a prefix of addresses, or "any" */
    PM_T_RLIMIT,   /**< "resource soft [hard]" appended to an array */
    PM_T_NUMBER,   /**< a whole number: apr_int64_t */
    PM_T_OCTAL,    /**< as chmod(1) takes it: apr_int64_t */
    PM_T_TIME,     /**< 10, 10s, 500ms, 5min, 1h: apr_time_t; plain numbers
                    *   are seconds */
    PM_T_SIZE,     /**< bytes with K, M, G, or, if @c min is 0, "off":
                    *   apr_int64_t, -1 off */
    PM_T_CHOICE,   /**< one of the words in @c choices: apr_int64_t index */
    PM_T_RANGE,    /**< "min" or "min max": pm_range_t */
    PM_T_JITTERED, /**< "n" or "n 20%": pm_jittered_t */
    PM_T_TIMED,    /**< a time, and words of a command: pm_timed_t */
    PM_T_WRAPPER   /**< "command [.suffix] [virtual]" appended to an array */
} pm_type_t;

/** What a changed value asks of a pool that is running; the strongest is
 *  last. */
typedef enum pm_change {
    PM_CHANGE_NOTHING, /**< takes effect by itself */
    PM_CHANGE_SCALE,   /**< the number of workers is planned again */
    PM_CHANGE_WORKERS, /**< new workers replace those that run */
    PM_CHANGE_LISTEN   /**< another socket: the former pool drains, a new one
                        *   of that name starts */
} pm_change_t;

/** One setting. */
typedef struct pm_row {
    const char *name; /**< of the directive, "FcgiPMDieTimeout" */
    pm_type_t type;
    pm_scope_t scope;
    apr_size_t offset;    /**< of the field in the structure of @c scope */
    const char *init;     /**< the default as an administrator would write
                           *   it; NULL: zero */
    apr_int64_t min, max; /**< bounds; PM_T_TIME: microseconds; PM_T_STRING
                           *   and _PATH: characters; PM_T_WORDS, _NAMES,
                           *   _PATHS, _URLS, _CLIENTS: number of words */
    const char *choices;  /**< PM_T_CHOICE: "hup|changed|none" */
    pm_change_t change;
    const char *help; /**< one line, as httpd -L shows it */
} pm_row_t;

/** The table, from pm_conf_rows.h: PM_ROWS rows and a last one whose name is
 *  NULL.  The order of the rows means nothing. */
extern const pm_row_t pm_conf_rows[PM_ROWS + 1];

/** @return the row of that name (case does not matter, as in httpd), or
 *  NULL */
const pm_row_t *pm_conf_row(const char *name);

/** @return a definition in @a p that holds the defaults; nothing is given */
pm_conf_t *pm_conf_create(apr_pool_t *p, const char *name);
pm_global_t *pm_global_create(apr_pool_t *p);
pm_rules_t *pm_rules_create(apr_pool_t *p);

/** Can a pool have this name: [A-Za-z0-9._-]{1,64}, the first not a dot?
 *  @return APR_EINVAL with a reason, if not */
apr_status_t pm_conf_name_check(const char *name, pm_reason_t *why);

/**
 * Fill the row's field from words and mark it as given.  A list that was not
 * given before starts empty; from then on words are appended.
 * @param conf the structure of @c row->scope
 * @param argv @a argc words, copied into @a p
 * @return APR_SUCCESS, or APR_EINVAL with a reason that names the
 *         directive, the text and the allowed range
 */
apr_status_t pm_conf_set(void *conf, const pm_row_t *row, int argc,
                         const char *const *argv, apr_pool_t *p,
                         pm_reason_t *why);

/** Mark the row as not given.  Its value and its origin stay until
 *  pm_conf_set() fills it again. */
void pm_conf_unset(void *conf, const pm_row_t *row);

/** Did an administrator give this setting?  0: it holds the default. */
int pm_conf_is_given(const void *conf, const pm_row_t *row);

/**
 * Note where a setting comes from, for people.
 * @param where a word, then a position: "server FILE:LINE", "pool FILE:LINE",
 *              "httpd", "option --name"; copied into @a p.  NULL: the default.
 *              A list keeps the positions of all its parts.
 */
void pm_conf_note(void *conf, const pm_row_t *row, const char *where,
                  apr_pool_t *p);

/** @return what pm_conf_note() has noted of a row, or NULL */
const char *pm_conf_noted(const void *conf, const pm_row_t *row);

/** @return the address of the row's field; its type is @c row->type */
const void *pm_conf_field(const void *conf, const pm_row_t *row);

/** @return a definition with @a over's settings where they were given, else
 *  @a base's; the name is @a over's.  It shares strings with both. */
pm_conf_t *pm_conf_merge(apr_pool_t *p, const pm_conf_t *base,
                         const pm_conf_t *over);

/** The same of the manager's settings. */
pm_global_t *pm_global_merge(apr_pool_t *p, const pm_global_t *base,
                             const pm_global_t *over);

/** @return a copy in @a p that shares nothing with @a conf, for an owner that
 *  lives longer */
pm_conf_t *pm_conf_copy(apr_pool_t *p, const pm_conf_t *conf);

/** Which clients may connect to the pool's socket, if that is to be judged: of
 *  a TCP socket, where FcgiPMListenClients is given and not "any"; else NULL.
 */
const apr_array_header_t *pm_conf_judged_clients(const pm_conf_t *conf);

/** Compare values; where they come from does not count.
 *  @return the strongest pm_change_t among the rows that differ;
 *          PM_CHANGE_NOTHING also when none does */
pm_change_t pm_conf_compare(const pm_conf_t *a, const pm_conf_t *b);

/** Are all values equal? */
int pm_conf_is_equal(const pm_conf_t *a, const pm_conf_t *b);

/**
 * Write the settings as text, for another process: a line for each, `Name word
 * word...`, every word escaped as in a URL, so that it can hold any byte; and
 * what was noted of a row, `@Name where`, escaped likewise.
 * @param conf the structure of @a scope
 */
char *pm_conf_write(const void *conf, pm_scope_t scope, apr_pool_t *p);

/** Read what pm_conf_write() wrote.
 *  @param conf the structure of @a scope, holding the defaults
 *  @param text not trusted; not changed
 *  @return APR_EINVAL with a reason; @a conf is then half filled */
apr_status_t pm_conf_read(void *conf, pm_scope_t scope, const char *text,
                          apr_pool_t *p, pm_reason_t *why);

#endif /* PM_CONF_H */
